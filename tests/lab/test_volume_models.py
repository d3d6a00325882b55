"""Models of `lab volume` on this machine: trained once, quantized, scored, killed and resumed."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from babelbits.lab import volume_models
from babelbits.lab.training import RECORD, read_record
from babelbits.lab.volume import describe_standing, is_scored, open_lab, read_plan, run_lab
from babelbits.lab.volume_plan import VolumeSettings, VolumeShape, list_arms
from babelbits.lab.volume_results import read_results

torch = pytest.importorskip("torch")

SETTINGS = VolumeSettings(
    languages=("en", "nb"), subjects=("nb",), control="en", tokens=2 * 32 * 4, seeds=1, held_out=4,
    levels=(Fraction(1, 4), Fraction(1)), recipes=("w4-rtn",),
    shape=VolumeShape(hidden=32, intermediate=64, layers=1, heads=2, length=32, rows=2),
)  # fmt: skip


@pytest.fixture
def lab(tmp_path: Path) -> volume_models.VolumeLab:
    texts = tmp_path / "texts"
    texts.mkdir()
    for language, word in (("en", "house"), ("nb", "fjell")):
        lines = "\n".join(f"{word} {n} {word} {n * 7}" for n in range(120))
        (texts / f"{language}.txt").write_text(lines, "utf-8")
    return open_lab(tmp_path / "lab", texts, SETTINGS)


def test_models_of_a_seed_start_alike_and_a_trained_one_is_found(
    lab: volume_models.VolumeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, reduced = list_arms(SETTINGS)
    checkpoint = volume_models.train_arm(lab, full)
    assert (checkpoint / "tokenizer.json").exists()
    first = read_record(lab.model_folder(full))
    assert first is not None
    assert first.tokens == 2 * 32 * 4
    assert volume_models.train_arm(lab, reduced) != checkpoint
    monkeypatch.setattr(volume_models, "train_model", None)
    assert volume_models.train_arm(lab, full) == checkpoint
    assert describe_standing(lab).trained == 2


def test_a_training_whose_checkpoint_was_not_written_yet_is_not_trained_again(
    lab: volume_models.VolumeLab,
) -> None:
    import shutil

    full, _ = list_arms(SETTINGS)
    checkpoint = volume_models.train_arm(lab, full)
    weights = (checkpoint / "model.safetensors").read_bytes()
    record = (lab.model_folder(full) / RECORD).read_bytes()
    shutil.rmtree(checkpoint)
    volume_models.train_arm(lab, full)
    assert (checkpoint / "model.safetensors").read_bytes() == weights
    assert (lab.model_folder(full) / RECORD).read_bytes() == record


def test_an_untrained_model_of_a_seed_is_the_same_whatever_was_drawn_before() -> None:
    torch.manual_seed(1)
    first = volume_models.build_model(SETTINGS.shape, seed=3).state_dict()
    torch.manual_seed(2)
    again = volume_models.build_model(SETTINGS.shape, seed=3).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_a_variant_is_compared_with_the_baseline_of_its_own_engine() -> None:
    assert volume_models.list_recipes(("w4", "w4-g", "q3_k_s")) == (
        *("baseline", "gguf", "w4", "w4-g", "q3_k_s"),
    )


def test_scores_of_other_lines_do_not_count(lab: volume_models.VolumeLab) -> None:
    full, _ = list_arms(SETTINGS)
    path = lab.model_folder(full) / "scores" / "baseline.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"id": "of other lines", "bits": {}}))
    assert volume_models.read_scores(lab, full, "baseline") is None


@pytest.mark.slow
def test_from_texts_to_results_once(lab: volume_models.VolumeLab) -> None:
    """Bits of an untrained-like model are near log2(6,144) a token; variants leave no folder."""
    told: list[str] = []
    plan = run_lab(lab, tell=told.append)
    assert told == ["model 1 of 2: seed 1, full", "model 2 of 2: seed 1, nb 1/4"]
    assert plan == read_plan(lab)
    full, _ = list_arms(SETTINGS)
    assert is_scored(lab, full)
    assert not list(lab.model_folder(full).glob("variant-*"))
    results = read_results(lab, plan)
    assert (results.seeds, results.scored) == ((1,), 2)
    assert all(one.baseline > 0 and abs(one.delta) < 1 for one in results.cells)
    assert {one.language for one in results.cells} == {"nb", "en"}
    run_lab(lab, tell=told.append)
    assert len(told) == 2
    more = replace(lab, settings=replace(SETTINGS, held_out=3))
    assert describe_standing(more).trained == 2
