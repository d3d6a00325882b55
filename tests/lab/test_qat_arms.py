"""The arms of a QAT lab on a tiny model: what they share, what a kill leaves, what is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from babelbits.cli.main import run as babelbits
from babelbits.errors import ExitCode, NothingThereError, StudyError, TrainingError
from babelbits.lab import qat_arms
from babelbits.lab.qat_arms import RECORD, Making, make_arms
from babelbits.lab.qat_design import (
    QatDesign,
    SuiteOf,
    declare,
    find_folder,
    list_differences,
    read_design,
)
from babelbits.lab.qat_studies import write_held_out, write_study
from babelbits.lab.qat_text import read_texts
from babelbits.lab.training import TrainingProgress, TrainingSettings
from babelbits.libraries import find_version
from babelbits.study import load
from tiny_models import make_tiny

pytest.importorskip("torch")
needs_torchao = pytest.mark.skipif(
    find_version("torchao") is None, reason="torchao is not installed: pip install 'babelbits[lab]'"
)
LANGUAGES = ("en", "nb")


class KilledError(Exception):
    pass


def write_corpora(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for code in LANGUAGES:
        lines = [f"This is line {number} of the text in {code}." for number in range(60)]
        (folder / f"{code}.txt").write_text("\n".join(lines), "utf-8")
    return folder


def design_of(**changes: Any) -> QatDesign:
    design = QatDesign(
        model="tiny", model_hash="0", languages=LANGUAGES, text_hashes={"en": "1", "nb": "2"},
        number_format={"weights": "int4"}, suites=(SuiteOf(name="pairs", languages=LANGUAGES),),
        seeds=(0, 1), steps=6, rows=2, length=16, warmup_steps=2, held_out=4, items=5,
    )  # fmt: skip
    return replace(design, **changes)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny("llama", tmp_path_factory.mktemp("tiny"), hidden=64, layers=1)


@pytest.fixture
def making(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Making]:
    """GPTQ is left out: it takes seconds, and is tested with the recipes."""
    monkeypatch.setattr(qat_arms, "_gptq", lambda *_, **__: {})

    def make(name: str = "lab", **changes: Any) -> Making:
        progress = changes.pop("progress", lambda *_: None)
        texts = read_texts(write_corpora(tmp_path / "corpora"), LANGUAGES, held_out=4)
        return Making(
            lab=tmp_path / name, design=design_of(**changes), base=tiny, texts=texts,
            say=lambda _: None, progress=progress,
        )  # fmt: skip

    return make


def record(lab: Path, arm: str, *, seed: int = 0) -> Any:
    return json.loads((find_folder(lab, "balanced", seed) / arm / RECORD).read_text("utf-8"))


@needs_torchao
def test_control_and_qat_share_data_steps_and_seed_and_seeds_differ(
    making: Callable[..., Making], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[TrainingSettings, str]] = []
    original = qat_arms.train_model

    def train(model: Any, batches: Any, *, settings: TrainingSettings, **more: Any) -> Any:
        tokens = [batches(step).tolist() for step in range(settings.steps)]
        seen.append((settings, json.dumps(tokens)))
        return original(model, batches, settings=settings, **more)

    monkeypatch.setattr(qat_arms, "train_model", train)
    made = making()
    for seed in (0, 1):
        make_arms(made, "balanced", seed)
    (control, control_tokens), (qat, qat_tokens), (other, other_tokens), _ = seen
    assert control == qat
    assert control_tokens == qat_tokens
    assert (other.seed, other.steps) == (1, control.steps)
    assert other_tokens != control_tokens
    assert record(made.lab, "control")["training"] != record(made.lab, "qat")["training"]
    assert record(made.lab, "control")["tokens"].keys() == set(LANGUAGES)


@needs_torchao
def test_a_killed_training_goes_on_to_the_same_arms(making: Callable[..., Making]) -> None:
    """Killed after its first checkpoint, QAT ends with the weights of an uninterrupted run."""
    whole = making("whole", steps=40)
    make_arms(whole, "balanced", 0)

    def kill(name: str, now: TrainingProgress) -> None:
        if name.endswith("qat") and now.step == 30:
            raise KilledError

    with pytest.raises(KilledError):
        make_arms(making("cut", steps=40, progress=kill), "balanced", 0)
    cut = making("cut", steps=40)
    assert not (find_folder(cut.lab, "balanced", 0) / "qat").exists()
    make_arms(cut, "balanced", 0)
    ours, theirs = record(cut.lab, "qat")["training"], record(whole.lab, "qat")["training"]
    assert ours["resumed"] == 1
    assert ours["weights_hash"] == theirs["weights_hash"]
    folders = [find_folder(one.lab, "balanced", 0) / "qat" for one in (cut, whole)]
    first, second = ((one / "model.safetensors").read_bytes() for one in folders)
    assert first == second


@needs_torchao
def test_a_loss_that_is_no_number_is_said_with_step_and_rate(
    making: Callable[..., Making],
) -> None:
    with pytest.raises(TrainingError, match=r"at step \d+ of 6, with a learning rate of"):
        make_arms(making(learning_rate=1e30, warmup_steps=0), "balanced", 0)


def test_a_plan_is_declared_once_and_another_is_refused_by_name(tmp_path: Path) -> None:
    design = design_of()
    assert declare(design, tmp_path)
    assert not declare(design, tmp_path)
    assert read_design(tmp_path) == design
    with pytest.raises(NothingThereError, match=r"another plan \(2 differences: seeds, steps\)"):
        declare(replace(design, steps=7, seeds=(0, 1, 2)), tmp_path)


def test_english_must_be_among_the_languages() -> None:
    with pytest.raises(StudyError, match="English is missing"):
        design_of(languages=("nb", "hi"))
    with pytest.raises(StudyError, match="only English is named"):
        design_of(languages=("en",))


def test_the_claim_stands_first_and_everything_is_held_against_the_control() -> None:
    assert list_differences(("ptq", "gptq", "qat"))[0] == ("qat", "ptq")
    assert list_differences(("ptq",)) == (("ptq", "control"),)
    assert design_of().n_trainings == 2 * 2 * 2


def test_the_study_of_a_seed_is_an_ordinary_one(tiny: Path, tmp_path: Path) -> None:
    texts = read_texts(write_corpora(tmp_path / "corpora"), LANGUAGES, held_out=4)
    lab = tmp_path / "lab"
    write_held_out(lab, texts)
    folder = find_folder(lab, "english", 1)
    for arm in ("control", "ptq", "gptq", "qat"):
        (folder / arm).mkdir(parents=True)
    study = load(write_study(lab, design_of(), "english", 1))
    assert [one.suite for one in study.suites] == ["held-out", "pairs"]
    assert study.suites[1].options.limit == 5
    assert not study.smoke
    rows = (lab / "text" / "nb.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(row)["text"] for row in rows] == list(texts["nb"].held_out)


def test_a_lab_that_is_not_there_is_said(tmp_path: Path, capsys: Any) -> None:
    assert babelbits(["lab", "qat", str(tmp_path / "none"), "--tables"]) == ExitCode.USAGE
    assert "there is no QAT lab" in capsys.readouterr().err


@pytest.mark.slow
@needs_torchao
def test_a_whole_lab_by_its_command_is_resumed_without_computing_again(
    tiny: Path, tmp_path: Path, capsys: Any
) -> None:
    """Three seeds on a random model that two steps cannot change: nothing is claimed of it."""
    corpora, lab = write_corpora(tmp_path / "corpora"), tmp_path / "lab"
    command = [
        *("lab", "qat", str(lab), "--corpora", str(corpora), "--languages", "en,nb"),
        *("--model", str(tiny), "--seeds", "1", "--steps", "2", "--rows", "2", "--length", "64"),
        *("--held-out", "4", "--suites", "pairs", "--items", "4"),
    ]
    assert babelbits(command) == ExitCode.DONE
    said = capsys.readouterr()
    assert "Said of this model" in said.out
    found = json.loads((lab / "results.json").read_text("utf-8"))
    assert found["missing"] == []
    assert {one["verdict"] for one in found["differences"]} <= {"undecided", None}
    assert (lab / "qat.svg").read_text("utf-8").startswith("<svg")
    assert babelbits(command) == ExitCode.DONE
    again = capsys.readouterr().err
    assert "making" not in again
    assert "nothing to do" in again


def test_two_processes_never_work_in_one_lab(tmp_path: Path) -> None:
    from babelbits.errors import StoreLockedError
    from babelbits.lab.qat_run import PreparedLab, run_lab
    from babelbits.store import Store

    prepared = PreparedLab(design=design_of(), base=None, texts={})  # type: ignore[arg-type]
    with Store(tmp_path).writing(), pytest.raises(StoreLockedError):
        run_lab(prepared, tmp_path, say=print, progress=lambda *_: None, run=lambda _: True)
