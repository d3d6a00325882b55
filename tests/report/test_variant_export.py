"""A variant exported from a run folder: files, names, room on the disk, damage, and the hub."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import fake_hub
from babelbits.cli.main import run
from babelbits.errors import ExitCode, StoreError
from babelbits.interop.readers.hub_results import read_totals
from babelbits.report.variant_export import (
    export_variant,
    make_hub_results,
    name_files,
    read_licence,
)
from babelbits.results.results import Results
from babelbits.results.sources import load
from babelbits.store import Store
from babelbits.store.codec import dumps
from decision_cells import SHOWN, study_cells
from report import synthetic
from run_folders import STUDY, record

hub = pytest.importorskip("huggingface_hub")
LABEL = "w4-g@en[group_size=64]"
WEIGHTS = b"weights" * 1000
FILES = {"model.gguf": WEIGHTS, "imatrix.gguf": b"matrix", "tokenizer.json": b"{}"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder with one GGUF variant of the bundled model."""
    study = STUDY.replace("somewhere/else", "bundled")
    made = record(
        tmp_path / "study.run", study_cells({"en": SHOWN}, variant=LABEL), sizes={}, study=study
    )
    put(made, LABEL)
    return made


def put(run_folder: Path, label: str) -> Path:
    """Write a variant's files with the manifest that knows them."""
    target = Store(run_folder).variant_folder(label)
    target.mkdir(parents=True)
    for name, content in FILES.items():
        (target / name).write_bytes(content)
    known = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    manifest = replace(
        synthetic.manifest("q4_k_m@en", 4.5), variant_id=label, files=known, format="gguf"
    )
    (target / "manifest.json").write_bytes(dumps(manifest))
    return target


def test_the_folder_has_the_files_under_readable_names(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out"
    assert run(["export", str(folder), LABEL, str(target)]) == ExitCode.DONE
    found = {one.relative_to(target).as_posix() for one in target.rglob("*") if one.is_file()}
    stem = "bundled-w4-g-en-group_size-64"
    assert found == {
        *(f"{stem}.gguf", f"{stem}.imatrix.gguf", "README.md"),
        *("babelbits/manifest.json", "babelbits/study.toml", "babelbits/comparisons.csv"),
    }
    assert (target / f"{stem}.gguf").read_bytes() == WEIGHTS
    out = capsys.readouterr().out.splitlines()
    assert {Path(line).relative_to(target).as_posix() for line in out} == found
    assert hub.ModelCard.load(target / "README.md").data.license == "cc-by-sa-4.0"


def test_formats_of_transformers_keep_their_names() -> None:
    made = synthetic.manifest("w4@en", 4.0)
    assert dict(name_files(made, "w4@en")) == {"model.safetensors": "model.safetensors"}


def test_a_small_disk_is_said_before_anything_is_written(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    with pytest.raises(StoreError, match=r"needs 4.01 MB, and the disk has 1 MB free"):
        export_variant(folder, LABEL, target, results=None, free=lambda _: 1_000_000)
    assert [one.name for one in tmp_path.iterdir()] == ["study.run"]


def test_a_damaged_variant_is_not_exported(folder: Path, tmp_path: Path) -> None:
    (Store(folder).variant_folder(LABEL) / "model.gguf").write_bytes(b"other")
    assert run(["export", str(folder), LABEL, str(tmp_path / "out")]) == ExitCode.STORE_DAMAGED
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("w5", "the run has no variant 'w5'"),
        ("baseline", "the baseline is the model itself"),
    ],
)
def test_what_is_not_there_is_said(
    folder: Path, tmp_path: Path, label: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export", str(folder), label, str(tmp_path / "out")]) == ExitCode.USAGE
    assert message in capsys.readouterr().err


def test_a_target_with_something_in_it_is_left_alone(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "mine").write_text("x")
    assert run(["export", str(folder), LABEL, str(target)]) == ExitCode.STORE_DAMAGED
    assert [one.name for one in target.iterdir()] == ["mine"]


def test_the_licence_is_read_from_the_base_models_card(tmp_path: Path) -> None:
    assert read_licence(tmp_path).id is None
    (tmp_path / "README.md").write_text("---\nlicense: other\nlicense_name: mine\n---\n# x\n")
    found = read_licence(tmp_path)
    assert (found.id, found.name, found.link) == ("other", "mine", None)
    (tmp_path / "README.md").write_text("no metadata")
    assert read_licence(tmp_path).id is None


# --- the hub's results -------------------------------------------------------------------------


def with_origin(results: Results, origin: str) -> Results:
    cells = tuple(
        replace(one, meta=replace(one.meta, task=replace(one.meta.task, origin=origin)))
        for one in results.cells
    )
    return replace(results, cells=cells)


@pytest.mark.parametrize(
    ("origin", "dataset", "commit"),
    [
        ("lm-eval 0.4.13, juletxara/mgsm@0123456789ab", "juletxara/mgsm", "0123456789ab"),
        ("lm-eval 0.4.13, juletxara/mgsm", "juletxara/mgsm", None),
        ("owner/name/en+nb@0123456789ab", "owner/name", "0123456789ab"),
        ("lm-eval 0.4.13, juletxara/mgsm@01, local folder mgsm", None, None),
        ("bundled", None, None),
        ("local folder mine", None, None),
    ],
)
def test_scores_on_the_hubs_datasets_alone_are_in_its_format(
    folder: Path, origin: str, dataset: str | None, commit: str | None
) -> None:
    """Read back by the hub's own library; the note has the verdict."""
    entries = make_hub_results(with_origin(load(folder), origin), LABEL)
    found = hub.parse_eval_result_entries(entries)
    assert [(one.dataset_id, one.dataset_revision) for one in found] == (
        [] if dataset is None else [(dataset, commit)]
    )
    for one in found:
        assert one.task_id == "xcopa_en"
        assert 0 < one.value <= 1
        assert "change to the unquantized model" in one.notes
        assert "equivalent" in one.notes


def test_exported_scores_are_read_again_as_totals(folder: Path, tmp_path: Path) -> None:
    """What the export writes for the hub is what our reader of the hub's totals finds."""
    yaml = pytest.importorskip("yaml")
    found = with_origin(load(folder), "lm-eval 0.4.13, juletxara/mgsm@0123456789ab")
    entries = make_hub_results(found, LABEL)
    file = tmp_path / ".eval_results" / "babelbits.yaml"
    file.parent.mkdir()
    file.write_text(yaml.safe_dump(entries, sort_keys=False))
    [effect] = [e for e in found.analysis.effects if (e.variant, e.scope) == (LABEL, "language")]
    wanted = {"xcopa_en": pytest.approx(effect.arms.variant_score, abs=1e-6)}
    assert read_totals(tmp_path) == wanted


# --- --push ------------------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A hub that takes uploads: its folder, its address."""
    root, port_file = tmp_path / "hub", tmp_path / "port"
    root.mkdir()
    process = subprocess.Popen([sys.executable, fake_hub.__file__, str(root), str(port_file)])
    try:
        for _ in range(500):
            if port_file.exists() and port_file.read_text():
                break
            time.sleep(0.02)
        yield root, f"http://127.0.0.1:{port_file.read_text()}"
    finally:
        process.kill()
        process.wait()


def pushed(
    folder: Path, target: Path, address: str, token: str
) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "HF_ENDPOINT": address, "HF_TOKEN": token, "HF_HUB_OFFLINE": "0",
           "HF_HOME": str(target.parent / "home"), "HF_HUB_DISABLE_XET": "1"}  # fmt: skip
    command = [sys.executable, "-m", "babelbits", "export", str(folder), LABEL, str(target)]
    return subprocess.run(
        [*command, "--push", "me/model-q4"], env=env, capture_output=True, text=True, check=False
    )


def test_push_uploads_every_file(folder: Path, tmp_path: Path, served: tuple[Path, str]) -> None:
    root, address = served
    done = pushed(folder, tmp_path / "out", address, "hf_right")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"{address}/me/model-q4"
    there = root / "models" / "me" / "model-q4"
    for base in (tmp_path / "out", there):
        names = sorted(one.relative_to(base).as_posix() for one in base.rglob("*") if one.is_file())
        assert "bundled-w4-g-en-group_size-64.gguf" in names
        assert "README.md" in names
    assert (there / "bundled-w4-g-en-group_size-64.gguf").read_bytes() == WEIGHTS


def test_a_refused_push_keeps_the_export(
    folder: Path, tmp_path: Path, served: tuple[Path, str]
) -> None:
    done = pushed(folder, tmp_path / "out", served[1], "hf_wrong")
    assert done.returncode == 2
    assert "the hub did not take it" in done.stderr
    assert (tmp_path / "out" / "README.md").is_file()
