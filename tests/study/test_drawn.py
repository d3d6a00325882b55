"""Calibration text is drawn once: what the plan's check found long enough is what a recipe sees."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from babelbits.recipes import calibration
from babelbits.recipes.make import make
from babelbits.records import Manifest
from babelbits.registry import Registry
from babelbits.store import Store
from babelbits.study import load
from babelbits.study.config.spec import Study
from babelbits.study.execution import events
from babelbits.study.execution.run_study import run_study
from babelbits.study.planning import preflight
from babelbits.study.planning.base_model import locate
from babelbits.study.planning.plan import build_light, make_plan

TinyModel = Callable[[str], Path]

STUDY = """\
[study]
folder = "run"
[model]
path = "{model}"
[engine]
device = "cpu"
[[variants]]
recipe = "w4-g"
group_size = 32
calibration = {{ language = "en", source = "en.txt", samples = 4, tokens = 32 }}
[[variants]]
recipe = "w8a8-sq"
calibration = {{ language = "en", source = "en.txt", samples = 4, tokens = 32 }}
[[variants]]
recipe = "w4"
calibration = {{ language = "nb", samples = 2, tokens = 32 }}
[[tasks]]
suite = "pairs"
languages = ["en"]
"""
ENGLISH = "\n".join(f"Line {number} is about the sea and the wind." for number in range(99))
OTHER = "\n".join(f"Number {number} tells of bread, of cheese and of wine." for number in range(99))


@pytest.fixture
def study(tiny_model: TinyModel, tmp_path: Path) -> Study:
    (tmp_path / "en.txt").write_text(ENGLISH, "utf-8")
    file = tmp_path / "study.toml"
    file.write_text(STUDY.format(model=tiny_model("llama")), "utf-8")
    return load(file, limit=1)


@pytest.fixture
def draws(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The language of each text that is drawn here; the real function draws it."""
    drawn: list[str] = []
    strip = calibration._strip

    def counted(spec: calibration.CalibrationSpec, *given: Any, **named: Any) -> Any:
        drawn.append(spec.language)
        return strip(spec, *given, **named)

    monkeypatch.setattr(calibration, "_strip", counted)
    return drawn


def made_by_hand(study: Study, folder: Path, manifests: Mapping[str, Manifest]) -> list[Manifest]:
    """The variants of a study, each by a call of `make` that draws for itself."""
    base = locate(study.model)
    return [
        make(
            base.folder,
            recipe=spec.recipe,
            parameters=spec.parameters,
            calibration=spec.calibration,
            out=folder / spec.label,
            variant_id=manifests[spec.label].variant_id,
            base_label=base.label,
            base_hash=base.hash,
            seed=study.seed,
            device="cpu",
        )
        for spec in study.variants[1:]
    ]


def without_time(manifest: Manifest) -> dict[str, Any]:
    return {
        name: getattr(manifest, name) for name in manifest.__dataclass_fields__ if name != "seconds"
    }


def test_a_run_draws_each_text_once_and_makes_what_make_alone_makes(
    study: Study, draws: list[str], tmp_path: Path
) -> None:
    summary = run_study(study, workers=1, rehearsed=False)
    assert summary.complete, summary.outcome.failures
    assert draws == ["en", "nb"]  # two variants see the same text
    store = Store(study.folder, smoke=True)
    ids = {step.label: step.variant_id for step in summary.plan.variants[1:]}
    manifests = {label: store.manifest(one) for label, one in ids.items()}
    found = {label: one for label, one in manifests.items() if one is not None}
    assert found.keys() == ids.keys()
    alone = made_by_hand(study, tmp_path / "alone", found)
    assert draws[2:] == ["en", "en", "nb"]
    assert [without_time(one) for one in alone] == [without_time(one) for one in found.values()]


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_text_that_was_checked_is_the_text_that_is_seen(
    study: Study, workers: int, tmp_path: Path
) -> None:
    """Also in another process; the id of a variant is of the text that the plan has read."""

    def swap(event: events.Event) -> None:
        if isinstance(event, events.Started):
            (tmp_path / "en.txt").write_text(OTHER, "utf-8")

    spec = study.variants[1].calibration
    assert spec is not None
    documents = calibration.read_documents(spec)
    summary = run_study(study, workers=workers, rehearsed=False, progress=swap)
    assert summary.complete, summary.outcome.failures
    tokenizer = preflight.recipes.load_tokenizer(
        locate(study.model).folder, trust=study.model.trust
    )
    expected = calibration.draw(spec, documents, tokenizer=tokenizer, context=128)
    for step in summary.plan.variants[1:3]:
        manifest = Store(study.folder, smoke=True).manifest(step.variant_id)
        assert manifest is not None
        assert manifest.calibration is not None
        assert manifest.calibration.text_hash == expected.record.text_hash


def test_families_of_other_packages_draw_for_themselves(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their tokenizer may be another."""
    store = Store(study.folder, smoke=True)
    plan = make_plan(study, store, base=locate(study.model), build=build_light)
    labels = [step.label for step in plan.variants[1:]]
    assert list(preflight.check(plan)) == labels
    monkeypatch.setattr(Registry, "owner", lambda _rows, _name: "numpy")
    assert preflight.check(plan) == {}
