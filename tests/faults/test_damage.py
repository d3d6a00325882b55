"""Damaged files of a run folder: named, contained, set aside on request, and made good again."""

import shutil
from pathlib import Path

import pytest

from babelbits.errors import ExitCode
from babelbits.store import Store
from fault_files import Command, TinyModel, small_study
from kill_and_resume import recorded_items, results

TASKS = '[[tasks]]\nsuite = "pairs"\nlanguages = ["en", "ar"]\n'
NF4 = '[[variants]]\nrecipe = "nf4"\n'


@pytest.fixture(scope="module")
def finished(tiny_model: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that has been run to the end: two languages, baseline and one variant."""
    from babelbits.cli.main import run

    folder = tmp_path_factory.mktemp("finished")
    study = small_study(
        folder,
        model=tiny_model("llama"),
        tasks=TASKS,
        variants=NF4,
        items=6,
        engine="batch_items = 2",
    )
    assert run(["run", str(study), "--no-report"]) == ExitCode.DONE
    return folder


@pytest.fixture
def study(finished: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path / "study.toml"


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def cell_folder(study: Path, number: int = 0) -> Path:
    store = Store(study.parent / "run", smoke=True)
    return store.cell_folder(store.planned()[number].cell_id)


def journal_of_an_open_cell(study: Path) -> Path:
    """Make the first cell a begun one, as a kill leaves it; returns its journal."""
    from babelbits.store.cells import read_rows

    store = Store(study.parent / "run", smoke=True)
    meta = store.planned()[0]
    rows = read_rows(store.cell_folder(meta.cell_id))
    weights = store.weights_hash(meta)
    assert weights is not None
    shutil.rmtree(store.cell_folder(meta.cell_id))
    with store.writer(meta, weights_hash=weights) as writer:
        for number, indices in writer.missing_batches()[:2]:
            writer.append(number, [rows[i] for i in indices], seconds=0.1)
    return store.cell_folder(meta.cell_id) / "journal.jsonl"


def test_a_flipped_bit_in_a_journal(study: Path, command: Command, finished: Path) -> None:
    folder = study.parent / "run"
    journal = journal_of_an_open_cell(study)
    flip(journal, journal.read_bytes().index(b"\n") + 40)
    said = command("run", study, "--no-report")
    assert said.code == ExitCode.STORE_DAMAGED
    assert f"{journal}:2: a record's checksum differs from its bytes" in said.err
    assert "`babelbits doctor FOLDER --fix` sets the damaged cell aside" in said.err
    # The others are usable, and nothing was repaired unasked.
    assert command("report", folder, "--smoke", "--format", "json").code == ExitCode.DONE
    doctor = command("doctor", folder)
    assert doctor.code == ExitCode.GATE_FAILED
    assert f"{journal}:2" in doctor.out
    assert f"babelbits doctor {folder} --fix" in doctor.out
    fixed = command("doctor", folder, "--fix")
    assert fixed.code == ExitCode.DONE
    assert "set aside: " in fixed.err
    said = command("run", study, "--no-report")
    assert said.code == ExitCode.DONE
    assert "computed 6 items, finished 1 cell" in said.err
    assert results(folder, smoke=True) == results(finished / "run", smoke=True)


def test_a_torn_last_record_never_happened(study: Path, command: Command, finished: Path) -> None:
    journal = journal_of_an_open_cell(study)
    journal.write_bytes(journal.read_bytes()[:-30])
    assert recorded_items(study.parent / "run", smoke=True) == 6 * 3 + 2
    said = command("run", study, "--no-report")
    assert said.code == ExitCode.DONE
    assert "computed 4 items, finished 1 cell" in said.err
    assert results(study.parent / "run", smoke=True) == results(finished / "run", smoke=True)


def test_a_flipped_bit_in_finished_items(study: Path, command: Command, finished: Path) -> None:
    items = cell_folder(study) / "items.parquet"
    flip(items, 100)
    said = command("run", study)
    assert said.code == ExitCode.STORE_DAMAGED
    assert "damaged: baseline · pairs · en: " in said.err
    assert str(items) in said.err
    command("doctor", study.parent / "run", "--fix")
    said = command("run", study, "--no-report")
    assert said.code == ExitCode.DONE
    assert "computed 6 items, finished 1 cell" in said.err
    assert results(study.parent / "run", smoke=True) == results(finished / "run", smoke=True)


@pytest.mark.parametrize("damage", [b"", b"[", b"{}", b"7", b"\xff\xfe", b'[{"cell_id": "x"}]'])
def test_a_damaged_plan_is_named_and_made_again(
    damage: bytes, study: Path, command: Command
) -> None:
    plan = study.parent / "run" / "smoke" / "plan.json"
    plan.write_bytes(damage)
    for arguments in (
        ("plan", study),
        ("run", study),
        ("report", study),
        ("show", study, "--suite", "pairs"),
        ("doctor", study.parent / "run", "--fix"),
    ):
        said = command(*arguments)
        assert said.code == ExitCode.STORE_DAMAGED, arguments
        assert f"{plan}: " in said.err
        assert "delete it" in said.err
    plan.unlink()
    said = command("run", study, "--no-report")
    assert said.code == ExitCode.DONE
    assert "nothing to do: all 4 cells are recorded" in said.err


@pytest.mark.parametrize("damage", [b"\xff\xfe", b"[study"])
def test_a_damaged_copy_of_the_study(damage: bytes, study: Path, command: Command) -> None:
    copy = study.parent / "run" / "smoke" / "study.toml"
    copy.write_bytes(damage)
    said = command("report", study.parent / "run", "--smoke")
    assert said.code == ExitCode.STORE_DAMAGED
    assert f"{copy}: the copy of the study is damaged" in said.err
    assert command("run", study, "--no-report").code == ExitCode.DONE
    assert command("report", study.parent / "run", "--smoke", "--format", "md").code == 0


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b"\xff"])
def test_a_damaged_manifest(damage: bytes, study: Path, command: Command) -> None:
    folder = study.parent / "run"
    (manifest,) = folder.glob("variants/*/manifest.json")
    manifest.write_bytes(damage)
    said = command("run", study, "--no-report")
    assert said.code == ExitCode.STORE_DAMAGED
    assert f"{manifest}: " in said.err
    assert "`babelbits doctor FOLDER --fix` sets the variant aside" in said.err
    doctor = command("doctor", folder)
    assert doctor.code == ExitCode.GATE_FAILED
    assert str(manifest) in doctor.out
    assert command("doctor", folder, "--fix").code == ExitCode.DONE
    said = command("run", study, "--no-report")  # its cells are recorded: it is not made again
    assert said.code == ExitCode.DONE
    assert "nothing to do: all 4 cells are recorded" in said.err


def test_weights_of_a_variant_that_changed_are_not_used(study: Path, command: Command) -> None:
    folder = study.parent / "run"
    (weights,) = folder.glob("variants/*/model.safetensors")
    flip(weights, weights.stat().st_size - 5)
    study.write_text(study.read_text().replace('["en", "ar"]', '["en", "ar", "sw"]'))
    said = command("run", study, "--no-report")
    assert said.code == ExitCode.STORE_DAMAGED
    assert f"{weights}: the file is not the one that was written" in said.err
    assert command("doctor", folder, "--fix").code == ExitCode.DONE
    said = command("run", study, "--no-report")
    assert said.code == ExitCode.DONE
    assert "made nf4" in said.err
    assert "computed 6 items, finished 1 cell" in said.err


def test_a_study_that_begins_with_a_byte_order_mark(study: Path, command: Command) -> None:
    study.write_bytes(b"\xef\xbb\xbf" + study.read_bytes().replace(b"\n", b"\r\n"))
    said = command("run", study)
    assert said.code == ExitCode.DONE
    assert command("report", study.parent / "run", "--smoke", "--format", "json").code == 0
