"""Bytes and seconds of a plan, by hand."""

from pathlib import Path

import pytest

from babelbits.recipes.catalogue import settle
from babelbits.records import TensorRecord
from babelbits.study.config.spec import VariantSpec
from babelbits.study.planning import estimate

LINEAR = TensorRecord(name="model.layers.0.mlp.w.weight", shape=(4, 256), dtype="bf16", bytes=2048)
EMBEDDING = TensorRecord(name="model.embed_tokens.weight", shape=(8, 256), dtype="bf16", bytes=4096)


@pytest.mark.parametrize(
    ("recipe", "given", "linear_bytes"),
    [
        ("baseline", {}, 2048),
        ("w8", {}, 1024 + 4 * 2),  # a byte a weight, a 16-bit scale a row
        ("w4-rtn", {}, 512 + 4 * 2),
        ("w4-g", {"group_size": 128}, 512 + 4 * 2 * 2),  # two groups a row
        ("w4-g", {"group_size": 64}, 512 + 4 * 4 * 2),
        ("nf4", {}, 512 + 16 * 4),  # 1,024 weights in blocks of 64, a 32-bit scale each
    ],
)
def test_bytes_of_one_linear_layer_and_an_embedding(
    recipe: str, given: dict[str, int], linear_bytes: int
) -> None:
    spec = VariantSpec(label="x", recipe=recipe, parameters=settle(recipe, given))
    assert (
        estimate.estimate_variant_bytes(spec, [LINEAR, EMBEDDING], config={}) == linear_bytes + 4096
    )


def test_seconds_are_the_10th_to_90th_percentile_of_what_was_measured() -> None:
    """By numpy's linear percentile of 0..10: 1 and 9."""
    timings = {"w8/mgsm": tuple(float(n) for n in range(11))}
    assert estimate.estimate_seconds(timings, recipe="w8", suite="mgsm", n_items=10) == (10.0, 90.0)
    assert estimate.estimate_seconds(timings, recipe="w8", suite="mgsm", n_items=0) == (0.0, 0.0)


def test_seconds_are_unknown_until_measured() -> None:
    timings = {"w8/mgsm": (1.0,)}
    assert estimate.estimate_seconds(timings, recipe="w8", suite="xcopa", n_items=10) is None
    assert estimate.estimate_seconds(timings, recipe="nf4", suite="mgsm", n_items=10) is None


def test_a_folder_of_pickles_has_no_headers(tmp_path: Path) -> None:
    assert estimate.read_base_tensors(tmp_path) is None
