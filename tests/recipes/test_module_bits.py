"""`modules = {...}`: bits of single modules, by name."""

from pathlib import Path

import pytest
from safetensors.torch import load_file

from babelbits.bundled import find_bundled_model
from babelbits.errors import RecipeError, StudyError
from babelbits.recipes.catalogue import RECIPES, settle
from babelbits.recipes.family import find_family
from babelbits.recipes.fit import check_shapes
from babelbits.recipes.make import make
from babelbits.recipes.module_bits import check_names, find_bits, find_problem, parse
from babelbits.recipes.tensors import read_tensors
from babelbits.study.rehearsal.dequantize import read_plain

BITS = "down_proj=8,self_attn.q_proj=16,layers.3.mlp.up_proj=8"


def test_the_last_pattern_that_fits_counts_and_parts_are_whole() -> None:
    bits = parse("down_proj=8, layers.0.mlp=16, self_attn.?_proj=4")
    assert find_bits("model.layers.1.mlp.down_proj", bits) == 8
    assert find_bits("model.layers.0.mlp.down_proj", bits) == 16
    assert find_bits("model.layers.10.mlp.gate_proj", bits) is None
    assert find_bits("model.layers.2.self_attn.v_proj", bits) == 4
    assert find_bits("model.layers.2.own_down_proj", bits) is None


@pytest.mark.parametrize(
    ("written", "integers", "said"),
    [
        ("down_proj=8,lm_head=16", True, None),
        ("embed_tokens=16", True, None),
        ("down_proj=3", True, "only 4, 8 or 16 bits"),
        ("down_proj=8", False, "only 16 bits in this format"),
        ("embed_tokens=8", True, "leave embeddings as they are"),
        ("down_proj", True, "no module=bits"),
    ],
)
def test_bits_that_the_format_cannot_have_are_said(
    written: str, integers: bool, said: str | None
) -> None:
    found = find_problem(written, integers=integers)
    assert (found is None) == (said is None)
    assert said is None or (found is not None and said in found)


def test_a_module_that_the_model_has_not_is_named_with_the_nearest() -> None:
    tensors = read_tensors(find_bundled_model())
    with pytest.raises(
        RecipeError, match=r"no module of this model is called 'down_prok'"
    ) as found:
        check_shapes(tensors, "w4-g-rtn", {"group_size": 128, "modules": "down_prok=8"})
    assert "down_proj" in str(found.value.hint)
    check_names(parse("layers.*.mlp=8"), ["model.layers.0.mlp.up_proj"])


def test_a_recipe_without_it_has_no_such_parameter() -> None:
    """Ids of variants contain all parameters."""
    assert "modules" not in settle("w8", {})
    assert "modules" not in settle("w8", {"modules": ""})
    assert settle("w8", {"modules": "down_proj=4"})["modules"] == "down_proj=4"
    with pytest.raises(StudyError, match="'modules' may give 'down_proj' only"):
        settle("nvfp4a16", {"modules": "down_proj=8"})


def test_the_files_hold_what_was_asked_for_and_no_more(tmp_path: Path) -> None:
    """Against round-to-nearest by hand: a scale for 64 inputs, 2**bits - 1 steps over the range."""
    manifest = make(
        find_bundled_model(), recipe="w4-g-rtn", parameters={"group_size": 64, "modules": BITS},
        calibration=None, out=tmp_path / "out", variant_id="", base_label="", base_hash="",
        seed=0, device="cpu",
    )  # fmt: skip
    plain, quantized = read_plain(tmp_path / "out")
    base = load_file(find_bundled_model() / "model.safetensors")
    for name, expected in (
        ("model.layers.1.mlp.down_proj.weight", 8),
        ("model.layers.3.mlp.up_proj.weight", 8),
        ("model.layers.2.mlp.up_proj.weight", 4),
        ("model.layers.0.self_attn.v_proj.weight", 4),
    ):
        assert name in quantized
        rows = base[name].float().reshape(len(base[name]), -1, 64)
        scale = (2 * rows.abs().amax(-1, keepdim=True) / (2**expected - 1)).bfloat16().float()
        codes = (rows.bfloat16() / scale.bfloat16()).float().round()  # as the model is stored
        codes = codes.clamp(-(2 ** (expected - 1)), 2 ** (expected - 1) - 1)
        assert (plain[name].reshape(rows.shape) / scale).round().equal(codes)
    for layer in range(4):
        name = f"model.layers.{layer}.self_attn.q_proj.weight"
        assert plain[name].equal(base[name])
    dtypes = {one.name: one.dtype for one in manifest.tensors}
    assert dtypes["model.layers.1.mlp.down_proj.weight"].startswith("int8")
    assert dtypes["model.layers.2.mlp.up_proj.weight"].startswith("int4")
    assert any("the study leaves it as it is" in note for note in manifest.notes)
    settled = settle("w4-g-rtn", {"group_size": 64, "modules": BITS})
    size = find_family("w4-g-rtn").size(
        read_tensors(find_bundled_model()), RECIPES["w4-g-rtn"], settled, config={}
    )
    assert size == pytest.approx(sum(one.bytes for one in manifest.tensors), rel=0.01)
