"""lm-eval's older layouts, made from what 0.4.13 wrote, by the writers of those versions.

Layouts: `lm_eval/__main__.py` of 0.4.0 to 0.4.2 (one JSON array a task beside results.json; no
filter, no hashes, no list of metrics in a row), `loggers/evaluation_tracker.py` of 0.4.3 (JSON
lines; still no filter and no metrics), of 0.4.13 as in the fixtures.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from babelbits.cli.main import run as babelbits
from babelbits.errors import ExitCode, TaskError
from babelbits.interop.readers import files
from babelbits.interop.readers.detect import read_run
from babelbits.interop.readers.lm_eval_files import parse_arguments
from babelbits.interop.readers.lm_eval_setup import read_circumstances
from babelbits.interop.readers.record import ForeignRun, ForeignTask

LOGS = Path(__file__).parent / "fixtures" / "lm_eval"
TASKS = ("babelmini_pairs_de", "babelmini_pairs_sw", "mgsm_direct_sw")
SAME = ("content", "scores", "target", "prompt_hash", "output", "choice_logprobs")


def by_task(run: ForeignRun) -> dict[str, ForeignTask]:
    return {task.name: task for task in run.tasks}


def rows_of(folder: Path, task: str) -> list[dict[str, Any]]:
    [file] = folder.rglob(f"samples_{task}_*.jsonl")
    return [json.loads(line) for line in file.read_text("utf-8").split("\n") if line]


def results_of(folder: Path) -> dict[str, Any]:
    [file] = folder.rglob("results_*.json")
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return found


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in names}


def in_blocks(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All documents under the first filter, then all under the second, as lm-eval logs them."""
    order = list(dict.fromkeys(row["filter"] for row in rows))
    return sorted(rows, key=lambda row: order.index(row["filter"]))


def as_0_4_2(source: Path, target: Path) -> Path:
    results = results_of(source)
    results["config"]["model_args"] = "pretrained=org/model,dtype=float32"
    for name in ("higher_is_better", "n-samples", "lm_eval_version", "max_length"):
        results.pop(name, None)
    target.mkdir(parents=True)
    (target / "results.json").write_text(json.dumps(results), "utf-8")
    for task in TASKS:
        rows = []
        for row in in_blocks(rows_of(source, task)):
            old = without(row, "filter", "metrics", "doc_hash", "prompt_hash", "target_hash")
            old["arguments"] = [list(one.values()) for one in row["arguments"].values()]
            if "pairs" in task:
                old["resps"] = [[[float(r[0][0]), r[0][1] == "True"]] for r in row["resps"]]
            rows.append(old)
        text = json.dumps(rows, indent=2, ensure_ascii=False)
        (target / f"pretrained__org__model,dtype__float32_{task}.jsonl").write_text(text, "utf-8")
    return target


def as_0_4_3(source: Path, target: Path) -> Path:
    shutil.copytree(source, target)
    for task in TASKS:
        [file] = target.rglob(f"samples_{task}_*.jsonl")
        rows = [without(row, "filter", "metrics") for row in in_blocks(rows_of(source, task))]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return target


@pytest.mark.parametrize("older", [as_0_4_2, as_0_4_3])
def test_older_layouts_say_what_the_newer_one_says(
    tmp_path: Path, older: Callable[[Path, Path], Path]
) -> None:
    there, here = read_run(LOGS / "base"), read_run(older(LOGS / "base", tmp_path / "old"))
    assert set(by_task(here)) == set(by_task(there)) == set(TASKS)
    for name, task in by_task(there).items():
        old = by_task(here)[name]
        assert set(old.metrics) == set(task.metrics)
        assert old.metrics[0] == task.metrics[0]
        for a, b in zip(task.items, old.items, strict=True):
            assert [getattr(a, one) for one in SAME] == [getattr(b, one) for one in SAME]


def test_old_and_new_compare_with_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = as_0_4_2(LOGS / "base", tmp_path / "old")
    code = babelbits(["compare", f"base={old}", f"w4={LOGS / 'w4'}"])
    said = capsys.readouterr()
    assert code == ExitCode.DONE, said.err
    assert "w4: 24 of 24 items matched, in 3 tasks" in said.err


def test_our_hash_of_a_document_is_lm_evals() -> None:
    """`doc_hash` in the rows that 0.4.13 wrote."""
    for row in rows_of(LOGS / "base", "mgsm_direct_sw"):
        text = json.dumps(row["doc"], indent=2, ensure_ascii=False)
        assert hashlib.sha256(text.encode()).hexdigest() == row["doc_hash"]


def test_the_filters_are_in_the_order_of_the_results(tmp_path: Path) -> None:
    """Two unnamed rows a document; the scores of each filter average to the results file's."""
    folder = as_0_4_3(LOGS / "base", tmp_path / "old")
    task = by_task(read_run(folder))["mgsm_direct_sw"]
    results = results_of(folder)["results"]["mgsm_direct_sw"]
    assert len(task.items) == 8
    for name in ("remove_whitespace", "flexible-extract"):
        scores = [item.scores[f"exact_match[{name}]"] or 0.0 for item in task.items]
        assert sum(scores) / len(scores) == results[f"exact_match,{name}"]


def test_unnamed_rows_without_results_are_told(tmp_path: Path) -> None:
    folder = as_0_4_3(LOGS / "base", tmp_path / "old")
    for file in folder.rglob("results_*.json"):
        file.unlink()
    with pytest.raises(TaskError, match="without the results file"):
        read_run(folder)


def test_an_old_file_without_its_results_is_named_as_such(tmp_path: Path) -> None:
    folder = as_0_4_2(LOGS / "base", tmp_path / "old")
    (folder / "results.json").unlink()
    with pytest.raises(TaskError, match=r"0\.4\.0 to 0\.4\.2.*results\.json"):
        read_run(folder)


def test_model_arguments_in_both_forms() -> None:
    as_text = parse_arguments("pretrained=a/b,dtype=float32,add_bos_token=True")
    assert as_text == {"pretrained": "a/b", "dtype": "float32", "add_bos_token": "True"}
    assert parse_arguments({"pretrained": "a/b", "max_length": 5}) == {
        "pretrained": "a/b",
        "max_length": "5",
    }


# --- folders ---------------------------------------------------------------------------------


def divided(source: Path, target: Path, *, arguments: dict[str, Any] | None = None) -> Path:
    """One output folder a task, each with the results of its own run."""
    results = results_of(source)
    for number, task in enumerate(TASKS):
        place = target / task / "model"
        place.mkdir(parents=True)
        time = f"2031-01-0{number + 1}T00-00-00.000000"
        own = {key: value for key, value in results.items() if key != "configs"}
        own["configs"] = {task: results["configs"][task]}
        if arguments is not None:
            own["config"] = {**results["config"], "model_args": {**arguments, "n": number}}
        (place / f"results_{time}.json").write_text(json.dumps(own), "utf-8")
        [file] = source.rglob(f"samples_{task}_*.jsonl")
        shutil.copy(file, place / f"samples_{task}_{time}.jsonl")
    return target


def test_one_folder_a_task_is_one_run(tmp_path: Path) -> None:
    run = read_run(divided(LOGS / "base", tmp_path / "d"))
    assert set(by_task(run)) == set(TASKS)


def test_folders_of_several_models_are_still_told_apart(tmp_path: Path) -> None:
    folder = divided(LOGS / "base", tmp_path / "d", arguments={"pretrained": "x"})
    with pytest.raises(TaskError, match="output of 3 models"):
        read_run(folder)


def test_several_sources_bear_one_label_the_baselines_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = divided(LOGS / "base", tmp_path / "b")
    w4 = divided(LOGS / "w4", tmp_path / "w")
    words = [
        f"{label}={folder / task}" for label, folder in (("fp", base), ("q", w4)) for task in TASKS
    ]
    assert babelbits(["compare", *words]) == ExitCode.DONE
    assert "q: 24 of 24 items matched, in 3 tasks" in capsys.readouterr().err


def test_logs_without_samples_are_left_out_by_name(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(LOGS / "base", tmp_path / "c"))
    [file] = folder.rglob("samples_mgsm*")
    file.write_text("")
    totals = {"results": {"arc_de": {}}, "configs": {"arc_de": {}}}
    (file.parent / "results_2031-01-01T00-00-00.000000.json").write_text(json.dumps(totals))
    run = read_run(folder)
    assert set(by_task(run)) == set(TASKS[:2])
    assert any(file.name in note and "no items" in note for note in run.notes)
    assert any("arc_de" in note and "totals" in note for note in run.notes)


# --- hostile ---------------------------------------------------------------------------------


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(LOGS / "base", tmp_path / "c"))
    [file] = folder.rglob("samples_mgsm*")
    secret = tmp_path / "secret.jsonl"
    shutil.move(file, secret)
    file.symlink_to(secret)
    run = read_run(folder)
    assert "mgsm_direct_sw" not in by_task(run)
    assert any(file.name in note and "outside the folder" in note for note in run.notes)
    for other in folder.rglob("samples_*"):
        other.unlink()
    file.symlink_to(secret)
    with pytest.raises(TaskError, match=r"no results|only totals"):
        read_run(folder)


def test_a_link_inside_the_folder_and_one_that_is_named_are_read(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(LOGS / "base", tmp_path / "c"))
    [file] = folder.rglob("samples_mgsm*")
    moved = file.rename(file.with_name("elsewhere.data"))
    file.symlink_to(moved)
    assert set(by_task(read_run(folder))) == set(TASKS)
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert set(by_task(read_run(link))) == set(TASKS)


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(LOGS / "base", tmp_path / "c"))
    [file] = folder.rglob("samples_mgsm*")
    file.unlink()
    os.mkfifo(file)
    assert set(by_task(read_run(folder))) == set(TASKS[:2])


def test_half_a_surrogate_pair_becomes_the_sign_for_it(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(LOGS / "base", tmp_path / "c"))
    [file] = folder.rglob("samples_mgsm*")
    rows = rows_of(folder, "mgsm_direct_sw")
    for row in rows:
        row["resps"] = [["a \ud800 b"]]
        row["doc"]["question"] = "\udc00?"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = by_task(read_run(folder))["mgsm_direct_sw"]
    assert task.items[0].output == "a \ufffd b"
    assert files.parse(r'"\\ud800 \ud83d\ude00"', "x") == "\\ud800 \U0001f600"


def test_nested_values_of_a_sample_are_refused_and_not_followed(tmp_path: Path) -> None:
    """900 levels are JSON to Python, and too many to walk through."""
    folder = Path(shutil.copytree(LOGS / "base", tmp_path / "c"))
    [file] = folder.rglob("samples_mgsm*")
    [first, *rest] = file.read_text("utf-8").split("\n")
    row = json.loads(first)
    row["doc"]["deep"] = "DEEP"
    row.pop("doc_hash")
    deep = json.dumps(row).replace('"DEEP"', "[" * 900 + "]" * 900)
    file.write_text("\n".join([deep, *rest]), "utf-8")
    try:
        read_run(folder)
    except TaskError as error:
        assert "nested" in str(error) or "not whole JSON" in str(error)


@pytest.mark.parametrize("number", ["1e999", "1" * 400, "-1e999", '"nan"', '"1e400"'])
def test_numbers_beyond_a_float_are_no_scores(number: str) -> None:
    assert files.as_number(files.parse(number, "x")) is None
    assert files.count(files.parse(number, "x")) == 0


# --- more than the weights -------------------------------------------------------------------


def changed(tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> list[str]:
    folder = Path(shutil.copytree(LOGS / "w4", tmp_path / "w4"))
    [file] = folder.rglob("results_*.json")
    results = json.loads(file.read_text("utf-8"))
    change(results)
    file.write_text(json.dumps(results), "utf-8")
    return [f"base={LOGS / 'base'}", f"w4={folder}"]


def argument(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(results: dict[str, Any]) -> None:
        given = results["config"]["model_args"]
        given = parse_arguments(given) if isinstance(given, str) else given
        results["config"]["model_args"] = {**given, name: value}

    return change


def setting(name: str, value: object, *, inside: str | None = "config") -> Callable[..., None]:
    def change(results: dict[str, Any]) -> None:
        (results if inside is None else results[inside])[name] = value

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (argument("add_bos_token", True), "add_bos_token is 'true'"),
        (setting("model_dtype", "torch.float16"), "dtype is 'torch.float16'"),
        (setting("model", "vllm"), "backend is 'vllm'"),
        (setting("max_length", 128, inside=None), "max_length is '128'"),
        (argument("truncation", True), "truncation is 'true'"),
        (setting("limit", 3.0), "limit is '3.0'"),
    ],
)
def test_what_differs_beside_the_weights_is_said_and_strict_refuses_it(
    tmp_path: Path,
    change: Callable[[dict[str, Any]], None],
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = changed(tmp_path, change)
    assert babelbits(["compare", *words]) == ExitCode.DONE
    said = capsys.readouterr().err
    assert "note: w4: differs from the baseline in more than its weights: " in said
    assert told in said
    assert babelbits(["compare", *words, "--strict"]) == ExitCode.USAGE
    assert told in capsys.readouterr().err


def test_a_token_is_the_same_whether_its_number_is_text_or_not() -> None:
    """0.4.3 wrote `["<|bos|>", 0]`, 0.4.11 `["<|bos|>", "0"]`."""
    told = [
        read_circumstances(
            {}, {"config": {"model": "hf"}, "tokenizer_bos_token": ["<|bos|>", number]}
        )
        for number in (0, "0")
    ]
    assert told[0] == told[1]
    assert told[0]["BOS token"] == "<|bos|> 0"


def test_batch_size_counts_where_the_method_depends_on_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def other(results: dict[str, Any]) -> None:
        setting("batch_size", "7")(results)

    babelbits(["compare", *changed(tmp_path, other)])
    assert "batch size" not in capsys.readouterr().err

    def int8(folder: Path, size: str) -> Path:
        shutil.copytree(LOGS / "w4", folder)
        [file] = folder.rglob("results_*.json")
        results = json.loads(file.read_text("utf-8"))
        argument("load_in_8bit", True)(results)
        setting("batch_size", size)(results)
        file.write_text(json.dumps(results), "utf-8")
        return folder

    one, two = int8(tmp_path / "one", "1"), int8(tmp_path / "two", "16")
    babelbits(["compare", f"a={one}", f"b={two}"])
    assert "batch size is '16', the baseline's is '1'" in capsys.readouterr().err


def test_runs_that_differ_in_their_weights_alone_pass_strict(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [f"base={LOGS / 'base'}", f"w4={LOGS / 'w4'}"]
    code = babelbits(["compare", *words, "--strict"])
    assert code == ExitCode.DONE, capsys.readouterr().err
