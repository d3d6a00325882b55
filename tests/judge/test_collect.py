"""Pairs from run folders: joined on items, the A/A cell among them, losses counted."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from babelbits.cli.main import run as main
from babelbits.errors import ExitCode, StoreError, UnknownNameError
from babelbits.preferences.collect import CONTROL, PairQuery, collect
from babelbits.preferences.pair_files import read_pairs
from babelbits.records import CellMeta, ItemRow
from babelbits.store import Store
from store_examples import meta, row
from study_files import write_study


def cell(
    suite: str, variant: str, outputs: list[str | None], *, replicate: int = 0
) -> tuple[CellMeta, list[ItemRow]]:
    """A cell whose outputs are these; None is an item without an answer."""
    plain = meta(n_items=len(outputs), chunk=len(outputs), variant=variant)
    found = replace(
        plain,
        cell_id=f"{suite}-{variant}-{replicate}",
        replicate=replicate,
        task=replace(plain.task, suite=suite, name=f"{suite}_nb"),
    )
    rows = []
    for number, output in enumerate(outputs):
        failed = row(3) if output is None else row(0)
        rows.append(
            replace(
                failed,
                item_id=f"i{number}",
                source_id=f"s{number}",
                task=f"{suite}_nb",
                target=f"prompt {number}",
                output=output or "",
            )
        )
    return found, rows


def record(
    folder: Path, cells: list[tuple[CellMeta, list[ItemRow]]], *, unfinished: tuple[str, ...] = ()
) -> Path:
    store = Store(folder, answers=True)
    with store.writing():
        store.save_plan("[study]\n", [one for one, _ in cells])
        for one, rows in cells:
            if one.cell_id in unfinished:
                continue
            with store.writer(one, weights_hash="w") as writer:
                writer.append(0, rows, seconds=0.1)
                writer.finish(machine="m", library_versions={})
    return folder


def test_pairs_hold_the_outputs_of_the_same_item(tmp_path: Path) -> None:
    baseline = cell("open-prompts", "baseline", ["a", "b", None, "d"])
    again = cell("open-prompts", "baseline", ["a", "b", "c", "d"], replicate=1)
    w4 = cell("open-prompts", "w4", ["a", "x", "y", None])
    w4[1].reverse()
    found = collect(record(tmp_path, [baseline, again, w4]), PairQuery())
    said = [(p.variant, p.source_id, p.baseline_answer, p.variant_answer) for p in found.pairs]
    assert said == [
        (CONTROL, "open-prompts/s0", "a", "a"),
        (CONTROL, "open-prompts/s1", "b", "b"),
        (CONTROL, "open-prompts/s3", "d", "d"),
        ("w4", "open-prompts/s0", "a", "a"),
        ("w4", "open-prompts/s1", "b", "x"),
    ]
    assert dict(found.n_failed) == {CONTROL: 1, "w4": 2}
    assert found.unfinished == ()
    assert found.pairs[0].prompt == "prompt 0", "as it was given, not as a template wrapped it"


def test_what_is_not_finished_is_named(tmp_path: Path) -> None:
    cells = [cell("open-prompts", name, ["a"]) for name in ("baseline", "w4", "nf4")]
    record(tmp_path, cells, unfinished=("open-prompts-nf4-0",))
    found = collect(tmp_path, PairQuery())
    assert [one.variant for one in found.pairs] == ["w4"]
    assert found.unfinished == ("nf4 · open-prompts · nb",)


def test_other_answers_are_judged_on_request_only(tmp_path: Path) -> None:
    record(tmp_path, [cell("math", name, ["7"]) for name in ("baseline", "w4")])
    with pytest.raises(UnknownNameError, match="--suite: math"):
        collect(tmp_path, PairQuery())
    assert len(collect(tmp_path, PairQuery(suites=["math"])).pairs) == 1


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (PairQuery(suites=["maths"]), "no task with answers is called 'maths'"),
        (PairQuery(suites=["math"], variants=["w5"]), "no variant is called 'w5'"),
        (PairQuery(suites=["math"], languages=["sw"]), "no language is called 'sw'"),
    ],
)
def test_names_that_are_not_there_are_told(tmp_path: Path, wanted: PairQuery, says: str) -> None:
    record(tmp_path, [cell("math", name, ["7"]) for name in ("baseline", "w4")])
    with pytest.raises(UnknownNameError, match=says):
        collect(tmp_path, wanted)


def test_a_folder_without_answers_says_how_to_make_some(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="babelbits generate"):
        collect(tmp_path, PairQuery())


@pytest.mark.parametrize(
    "arguments",
    [
        ["pairs", "RUN", "-o", "pairs.jsonl"],
        ["outputs", "RUN", "-o", "out"],
        ["judge", "RUN", "--local", "bundled"],
        ["grade", "RUN", "--local", "bundled"],
        ["report", "RUN"],
        ["gate", "RUN", "--variant", "w4"],
        ["recommend", "RUN"],
        ["show", "RUN", "--item", "1"],
    ],
)
@pytest.mark.parametrize("planned", [True, False], ids=["nothing finished", "nothing at all"])
def test_a_whole_folder_without_what_is_asked_for_is_not_called_damaged(
    tmp_path: Path, arguments: list[str], planned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The README: 2 is usage, 4 a folder that is damaged or cannot be written."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "study.run"
    folder.mkdir()
    if planned:
        cells = [cell("math", name, ["7"]) for name in ("baseline", "w4")]
        Store(folder).save_plan("[study]\n", [one for one, _ in cells])
    words = [str(folder) if word == "RUN" else word for word in arguments]
    assert main(words) == ExitCode.USAGE


@pytest.mark.slow
def test_generate_answers_prompts_once_and_leaves_results_alone(
    tmp_path: Path, tiny_model: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """From prompts to pairs with a real quantized model; the study's own plan stays as it was."""
    study = write_study(tmp_path, model=tiny_model("llama"), recipes=("w8",), items=3)  # type: ignore[operator]
    prompts = tmp_path / "prompts.jsonl"
    rows = [
        {"id": number, "language": code, "prompt": f"{number} {text}"}
        for number in range(5)
        for code, text in (("nob", "Den raske"), ("jpn_Jpan", "すばやい"))
    ]
    prompts.write_text("".join(json.dumps(one) + "\n" for one in rows), "utf-8")
    command = ["generate", str(study), "--prompts", str(prompts), "--max-new-tokens", "8"]
    pairs = tmp_path / "pairs.jsonl"
    assert main([*command, "--workers", "1", "--pairs", str(pairs)]) == 0
    assert "computed 18 items" in capsys.readouterr().err  # 3 of 5 prompts, 2 languages, 3 cells
    found = read_pairs(pairs)
    assert {(one.variant, one.language) for one in found} == {
        (variant, code) for variant in (CONTROL, "w8") for code in ("nb", "ja")
    }
    assert len(found) == 12
    assert found[0].prompt == "0 Den raske"
    assert main(command) == 0
    assert "nothing to do" in capsys.readouterr().err
    assert not (tmp_path / "run" / "plan.json").exists()
    assert main(["pairs", str(study), "-o", str(tmp_path / "again.jsonl"), "--smoke"]) == 0
    assert read_pairs(tmp_path / "again.jsonl") == found
    assert main(["doctor", str(tmp_path / "run")]) in (0, 1)
    assert "smoke answers" in capsys.readouterr().out


def test_a_variant_is_paired_with_the_baseline_of_its_own_engine(tmp_path: Path) -> None:
    """Which is no variant itself: it makes no pairs and cannot be asked for."""
    baseline = cell("open-prompts", "baseline", ["a", "b"])
    theirs = cell("open-prompts", "baseline@llama.cpp", ["c", "d"])
    q4, w8 = (cell("open-prompts", label, ["x", "y"]) for label in ("q4", "w8"))
    held = [(replace(found, baseline="baseline@llama.cpp"), rows) for found, rows in (theirs, q4)]
    folder = record(tmp_path, [baseline, *held, w8])
    found = {(p.variant, p.baseline_answer) for p in collect(folder, PairQuery()).pairs}
    assert found == {("q4", "c"), ("q4", "d"), ("w8", "a"), ("w8", "b")}
    with pytest.raises(UnknownNameError):
        collect(folder, PairQuery(variants=["baseline@llama.cpp"]))
