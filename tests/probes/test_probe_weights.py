"""The weights that a probe compares are those that the files hold, in every format."""

from pathlib import Path

import pytest

pytest.importorskip("torch")

import babelbits
from babelbits.bundled import find_bundled_model
from babelbits.engines.base import EngineSettings
from babelbits.probes.comparing import compare, measure_weight_errors
from babelbits.probes.insides import open_insides
from babelbits.study.rehearsal.dequantize import read_plain
from probed_models import sequences


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["w8a8", "w4-g-rtn", "nf4", "llm-int8"])
def test_weights_are_those_that_unpacking_the_files_by_hand_gives(
    recipe: str, tmp_path: Path
) -> None:
    """`read_plain` unpacks each format anew, with none of the libraries that load it."""
    settings = EngineSettings(device="cpu", dtype="float32")
    babelbits.make_variant(find_bundled_model(), recipe, tmp_path / "made")
    plain, quantized = read_plain(tmp_path / "made")
    variant = open_insides(tmp_path / "made", settings=settings)
    seen = {f"{name}.weight": weight for name, weight in variant.weights()}
    assert quantized <= set(seen)
    for name in quantized:
        weight = seen[name]
        assert weight is not None, name
        assert float((weight - plain[name].float()).abs().max()) < 1e-6 * float(weight.abs().max())
    baseline = open_insides(find_bundled_model(), settings=settings)
    states = {row["module"]: row["state"] for row in measure_weight_errors(baseline, variant)}
    assert states.pop("lm_head") == "equal"
    assert set(states.values()) == {"changed"}
    found = compare(baseline, variant, sequences(9, 9, 12), token_budget=64, attention_limit=64)
    for one in found:
        assert 0 < one.tokens["relative_error"][-1].mean() < 0.6
        assert (one.tokens["relative_error"][0] == 0).all()  # no recipe quantizes the embeddings
