"""Models that this machine cannot hold are refused before they are loaded; sizes by hand."""

from collections.abc import Callable
from pathlib import Path

import pytest

from babelbits.errors import ModelError
from babelbits.store import Store
from babelbits.study import load
from babelbits.study.planning import estimate
from babelbits.study.planning.base_model import locate
from babelbits.study.planning.memory import check_memory, estimate_weight_memory, find_total_memory
from babelbits.study.planning.plan import build_light, make_plan
from babelbits.study.planning.plan_types import Plan
from study_files import write_study

TinyModel = Callable[[str], Path]


def planned(folder: Path, model: Path, *recipes: str) -> Plan:
    study = load(write_study(folder, model=model, recipes=recipes))
    store = Store(study.folder, smoke=study.smoke)
    return make_plan(study, store, base=locate(study.model), build=build_light)


def test_weights_take_four_bytes_in_float32_and_packed_ones_are_unpacked_beside(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    plan = planned(tmp_path, tiny_model("llama"), "w8a8", "nf4")
    tensors = estimate.read_base_tensors(plan.base.folder) or ()
    n_weights = sum(one.bytes for one in tensors) // 4  # stored in float32
    baseline, w8a8, nf4 = plan.variants
    assert estimate_weight_memory(baseline, plan, tensors) == 4 * n_weights
    assert estimate_weight_memory(w8a8, plan, tensors) == 4 * n_weights + (w8a8.bytes or 0)
    assert estimate_weight_memory(nf4, plan, tensors) == nf4.bytes


def test_what_cannot_fit_is_refused_with_what_would(tiny_model: TinyModel, tmp_path: Path) -> None:
    plan = planned(tmp_path, tiny_model("llama"))
    tensors = estimate.read_base_tensors(plan.base.folder) or ()
    needed = sum(one.bytes for one in tensors)
    check_memory(plan, total=needed)
    with pytest.raises(ModelError) as raised:
        check_memory(plan, total=needed - 1)
    assert "the weights of 'baseline' take" in raised.value.what
    assert "dtype = 'bfloat16'" in raised.value.hint
    with pytest.raises(ModelError) as raised:
        check_memory(plan, total=needed / 20)
    assert "bfloat16" not in raised.value.hint
    assert "q8_0" not in raised.value.hint
    assert "--machine" in raised.value.hint


def test_this_machine_has_some_memory() -> None:
    assert 2**28 < find_total_memory() < 2**60
