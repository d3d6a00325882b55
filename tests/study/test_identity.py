"""What changes an id and what does not: one line a mutation."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from babelbits import devices
from babelbits.engines.base import EngineSettings
from babelbits.recipes.calibration import CalibrationSpec
from babelbits.study.config.spec import VariantSpec
from babelbits.study.planning.identity import (
    hash_identity,
    identify_cell,
    identify_engine,
    identify_variant,
)

PARAMETERS = {"group_size": 128, "dampening": 0.01, "block_size": 128, "actorder": "static"}


@pytest.fixture
def spec(tmp_path: Path) -> VariantSpec:
    (tmp_path / "text.txt").write_text("One line.\nAnother line.\n", "utf-8")
    calibration = CalibrationSpec(
        language="en", source="text.txt", samples=4, tokens=32, folder=tmp_path
    )
    return VariantSpec(
        label="w4-g@en", recipe="w4-g", parameters=PARAMETERS, calibration=calibration
    )


def variant_id(spec: VariantSpec, *, base_hash: str = "base", seed: int = 0) -> str:
    return hash_identity(identify_variant(spec, base_hash=base_hash, seed=seed))


CALIBRATION_CHANGES = [
    ({"language": "nb"}, True),
    ({"samples": 5}, True),
    ({"samples": None}, True),
    ({"tokens": 64}, True),
    ({"seed": 1}, True),
    ({"source": "bundled"}, True),
    ({"source": "hub:owner/text"}, True),
    ({"source": "./text.txt"}, False),
    ({"source": "copy.txt"}, False),
    ({"source": "edited.txt"}, True),
]


@pytest.mark.parametrize(("changes", "changes_id"), CALIBRATION_CHANGES)
def test_calibration(
    spec: VariantSpec, tmp_path: Path, changes: dict[str, Any], changes_id: bool
) -> None:
    (tmp_path / "copy.txt").write_text("One line.\nAnother line.\n", "utf-8")
    (tmp_path / "edited.txt").write_text("One line.\nAnother Line.\n", "utf-8")
    assert spec.calibration is not None
    other = dataclasses.replace(spec, calibration=dataclasses.replace(spec.calibration, **changes))
    assert (variant_id(other) != variant_id(spec)) == changes_id


@pytest.mark.parametrize(
    ("changes", "changes_id"),
    [
        ({"label": "mine"}, False),
        ({"recipe": "w4"}, True),
        ({"parameters": PARAMETERS | {"group_size": 64}}, True),
        ({"parameters": PARAMETERS | {"dampening": 0.02}}, True),
        ({"parameters": dict(reversed(PARAMETERS.items()))}, False),
        ({"calibration": None}, True),
    ],
)
def test_variant(spec: VariantSpec, changes: dict[str, Any], changes_id: bool) -> None:
    other = dataclasses.replace(spec, **changes)
    assert (variant_id(other) != variant_id(spec)) == changes_id


def test_base_weights_and_seed_change_a_variant(spec: VariantSpec) -> None:
    assert variant_id(spec, base_hash="other") != variant_id(spec)
    assert variant_id(spec, seed=1) != variant_id(spec)


def test_the_seed_does_not_change_the_baseline_and_its_weights_do() -> None:
    baseline = VariantSpec(label="baseline", recipe="baseline")
    assert variant_id(baseline, seed=1) == variant_id(baseline)
    assert variant_id(baseline, base_hash="other") != variant_id(baseline)


def test_the_libraries_that_make_a_variant_are_in_it(
    spec: VariantSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = variant_id(spec)
    monkeypatch.setattr("babelbits.recipes.family.find_version", lambda name: f"{name} 99")
    assert variant_id(spec) != before


ENGINE = EngineSettings(device="cpu", dtype="float32")
CELL: dict[str, Any] = {
    "variant": {"recipe": "w8", "base": "b"},
    "task_fingerprint": "f",
    "scorer_version": "1",
    "seed": 0,
    "replicate": 0,
}


def cell_id(engine: EngineSettings = ENGINE, **changes: Any) -> str:
    return hash_identity(identify_cell(engine=identify_engine(engine), **{**CELL, **changes}))


@pytest.mark.parametrize(
    "changes",
    [
        {"variant": {"recipe": "w8", "base": "other"}},
        {"variant": {"recipe": "w4", "base": "b"}},
        {"task_fingerprint": "g"},
        {"scorer_version": "2"},
        {"seed": 1},
        {"replicate": 1},
    ],
)
def test_each_part_of_a_cell_changes_its_id(changes: dict[str, Any]) -> None:
    assert cell_id(**changes) != cell_id()


@pytest.mark.parametrize(
    ("changes", "changes_id"),
    [
        ({"dtype": "bfloat16"}, True),
        ({"dtype": "auto"}, False),  # float32 on a CPU
        ({"device": "cuda"}, True),
        ({"long_prompts": "fail"}, True),
        ({"token_budget": 1}, False),
        ({"sharing": False}, False),
        ({"batch": "single"}, True),
        ({"batch": "many"}, False),
        ({"trust_remote_code": True}, False),
        ({"allow_pickle": True}, False),
    ],
)
def test_engine_settings(changes: dict[str, Any], changes_id: bool) -> None:
    assert (cell_id(dataclasses.replace(ENGINE, **changes)) != cell_id()) == changes_id


def test_the_number_of_a_card_is_no_kind() -> None:
    first, second = (EngineSettings(device=f"cuda:{n}", dtype="float16") for n in (0, 1))
    assert cell_id(first) == cell_id(second)


def test_auto_is_a_device_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert devices.resolve("auto") == "cpu"
    assert devices.resolve("cuda:1") == "cuda:1"


@pytest.mark.slow
def test_the_engine_says_of_itself_what_the_plan_said(tiny_model: Callable[[str], Path]) -> None:
    from babelbits.engines import transformers

    settings = EngineSettings(device="cpu")
    engine = transformers.load(tiny_model("llama"), settings=settings)
    assert engine.identity == identify_engine(settings)
    engine.close()
