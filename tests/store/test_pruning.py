"""What a run folder holds and what is freed, on folders of known content."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from babelbits.cli.main import run
from babelbits.errors import ExitCode
from babelbits.results.sources import load
from babelbits.store import Store
from babelbits.store.codec import dumps
from babelbits.store.pruning import Holding, list_holdings, measure_size, remove_holdings
from decision_cells import SHOWN, study_cells
from report import synthetic
from run_folders import record

KEPT = ("judgments/judge/answers.sqlite", "grades/g/grades.jsonl", "set-aside/x/items.parquet",
        "divergence/0123.json", "failures/x.txt")  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """w8 is done, w4 has an open cell, w3 is of a former study; caches, leftovers and results."""
    cells = study_cells({"en": SHOWN, "ja": SHOWN}, variant="w8")
    open_cell = study_cells({"en": SHOWN}, variant="w4")[-1]
    assert open_cell.meta.variant == "w4"
    made = record(tmp_path / "study.run", cells, sizes={}, unfinished=[open_cell])
    for variant in ("w8", "w4", "w3"):
        checkpoint(made, variant)
    for name in ("variants/.gguf-0123/model.gguf", "divergence/x-20-1.npz",
                 "variants/.w2--w2.partial/model.safetensors", *KEPT):  # fmt: skip
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(b"x" * 100)
    return made


def checkpoint(made: Path, variant: str) -> None:
    target = Store(made).variant_folder(variant, label=f"{variant}@en")
    target.mkdir(parents=True)
    (target / "model.safetensors").write_bytes(b"w" * 1000)
    manifest = replace(synthetic.manifest(variant, 4.0), variant_id=variant)
    (target / "manifest.json").write_bytes(dumps(manifest))


def words(found: tuple[Holding, ...]) -> dict[str, bool]:
    return {one.name: one.free for one in found}


def test_what_can_be_made_again_and_what_stays(folder: Path) -> None:
    assert words(list_holdings(folder)) == {
        "w8": True,
        "w4": False,  # a cell is open
        "w3@en--w3": True,  # no study names it
        "variants/.gguf-0123": True,
        "divergence/x-20-1.npz": True,
        "variants/.w2--w2.partial": True,
        "results": False,
    }


def test_sizes_are_those_of_the_files_and_add_up(folder: Path) -> None:
    found = {one.name: one.bytes for one in list_holdings(folder)}
    assert found["variants/.gguf-0123"] == 100
    assert sum(found.values()) == measure_size(folder)
    assert measure_size(folder) == sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def test_nothing_is_freed_without_yes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(folder.rglob("*"))
    assert run(["prune", str(folder)]) == ExitCode.DONE
    out, err = capsys.readouterr()
    assert sorted(folder.rglob("*")) == before
    assert "can be freed" in out
    assert "--yes frees" in err
    assert "in 5 places" in err


def test_what_is_freed_is_gone_and_results_are_as_they_were(folder: Path) -> None:
    results = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and "variants" not in
               p.parts and p.suffix != ".npz" and p.name != "lock"}  # fmt: skip
    before = load(folder)
    assert run(["prune", str(folder), "--yes"]) == ExitCode.DONE
    assert {one.name for one in (folder / "variants").iterdir()} == {"w4@en--w4", ".freed"}
    assert not list(folder.rglob("*.npz"))
    assert {path: path.read_bytes() for path in results} == results
    after = load(folder)
    assert after.manifests == before.manifests  # the report still knows the size
    assert after.analysis == before.analysis
    assert Store(folder).manifest("w8") is None  # so that the next run makes it again


@pytest.mark.parametrize(("option", "gone"), [("--variants", 2), ("--caches", 2)])
def test_one_kind_alone(
    folder: Path, option: str, gone: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["prune", str(folder), option, "--yes", "--json"]) == ExitCode.DONE
    found = json.loads(capsys.readouterr().out)
    kinds = [one["kind"] for one in found["holdings"] if one["free"]]
    assert kinds == [option.removeprefix("--").removesuffix("s")] * gone


def test_a_folder_that_is_written_to_is_left_alone(folder: Path) -> None:
    with Store(folder).writing():
        assert run(["prune", str(folder), "--yes"]) == ExitCode.USAGE
    assert Store(folder).manifest("w8") is not None


def test_results_cannot_be_freed(folder: Path) -> None:
    [kept] = [one for one in list_holdings(folder) if one.kind == "results"]
    with pytest.raises(ValueError, match="not to be freed"):
        remove_holdings(folder, [kept])


# --- names of folders --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("w4-g@en[group_size=64]", "w4-g@en-group_size=64--0123"),
        ("../../etc/passwd", "etc-passwd--0123"),
        ("日本", "variant--0123"),
        ("x" * 300, "x" * 60 + "--0123"),
        ("", "0123"),
    ],
)
def test_new_folders_carry_their_label(tmp_path: Path, label: str, name: str) -> None:
    assert Store(tmp_path).variant_folder("0123", label=label) == tmp_path / "variants" / name


@pytest.mark.parametrize("name", ["0123", "former-name--0123"])
def test_a_folder_is_found_by_its_id_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    there = tmp_path / "variants" / name
    there.mkdir(parents=True)
    (tmp_path / "variants" / "other--01234").mkdir()
    assert Store(tmp_path).variant_folder("0123", label="new") == there
    assert Store(tmp_path).variant_folder("0123") == there


def test_a_folder_without_a_run_is_refused_and_left_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    assert run(["prune", str(tmp_path), "--yes"]) == ExitCode.STORE_DAMAGED
    assert "no run has been started here" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
