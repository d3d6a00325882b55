"""Recipes on other architectures, and that smoothing leaves each of their functions alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from babelbits.errors import RecipeError
from babelbits.formats.trust import UNTRUSTED
from babelbits.recipes import compressed, smoothing
from babelbits.recipes.base_loading import load_model, load_tokenizer
from babelbits.recipes.calibration import Calibration, CalibrationSpec, draw, read_documents
from babelbits.recipes.catalogue import RECIPES
from babelbits.recipes.make import describe_base, make, verify
from babelbits.records import Manifest
from tiny_models import ARCHITECTURES, make_tiny, save_tokenizer

Variant = Callable[..., tuple[Path, Manifest]]
Tiny = Callable[[str], Path]

BLOCKS = ("fp8-block", "mxfp8", "mxfp4", "nvfp4a16", "nvfp4", "w4a8", "w8a8-static")
QUICK = {"w8", "w4-g-rtn"}
OTHERS = [name for name in ARCHITECTURES if name != "llama"]  # llama: test_variants.py
MATRIX = [
    pytest.param(architecture, recipe, marks=[] if recipe in QUICK else pytest.mark.slow)
    for architecture in OTHERS
    for recipe, info in RECIPES.items()
    if recipe not in ("baseline", "spinquant", *BLOCKS)  # test_rotation.py; for blocks,
    # test_block_formats.py: 64 inputs fit no block of 128
    and info.family != "gguf"  # test_gguf_variants.py: other checkpoints
]


@pytest.mark.parametrize(("architecture", "recipe"), MATRIX)
def test_every_recipe_makes_a_variant_that_loads_and_is_whole(
    architecture: str, recipe: str, variant: Variant, tiny_model: Tiny
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    folder, manifest = variant(recipe, architecture)
    verify(folder)
    base = describe_base(tiny_model(architecture))
    assert {t.name: t.shape for t in manifest.tensors} == {t.name: t.shape for t in base.tensors}
    assert all(t.dtype != "fp32" for t in manifest.tensors if t.name.endswith("proj.weight"))
    model = AutoModelForCausalLM.from_pretrained(folder, device_map="cpu")
    with torch.no_grad():
        assert model(torch.arange(2, 34)[None]).logits.isfinite().all()


# --- smoothing ---------------------------------------------------------------------------------


def gemma_of_generation(number: int, folder: Path) -> Path:
    """A tiny random Gemma 2 or 3: four norms a block, of which the third feeds the MLP."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    save_tokenizer(folder)
    config = AutoConfig.for_model(
        {2: "gemma2", 3: "gemma3_text"}[number],
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        vocab_size=512,
        max_position_embeddings=256,
        sliding_window=256,
        eos_token_id=1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def any_model(tiny_model: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A tiny model by architecture, Gemma 2 and 3 among them."""
    made: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in ("gemma2", "gemma3"):
            return tiny_model(name)
        if name not in made:
            made[name] = gemma_of_generation(int(name[-1]), tmp_path_factory.mktemp(name))
        return made[name]

    return get


def prepare(base: Path, text: Path) -> tuple[Any, Any, Calibration]:
    """A model whose norms are no longer all ones, its tokenizer, and two windows of text."""
    import torch

    model = load_model(base, trust=UNTRUSTED)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 1 and "norm" in name:
                weight += 0.3 * torch.rand(weight.shape, generator=generator)
    tokenizer = load_tokenizer(base, trust=UNTRUSTED)
    spec = CalibrationSpec(language="en", source=str(text), samples=2, tokens=64)
    return model, tokenizer, draw(spec, read_documents(spec), tokenizer=tokenizer, context=256)


@pytest.mark.parametrize(
    "architecture", [*ARCHITECTURES, "gemma2", pytest.param("gemma3", marks=pytest.mark.slow)]
)
def test_smoothing_without_quantization_is_the_identity(
    architecture: str, any_model: Tiny, calibration_text: Path
) -> None:
    """Xiao et al. 2023, eq. 3: (X diag(s)^-1)(diag(s) W) = XW.

    Also with Cohere's one norm for two readers, and with Gemma's norms of 1 + w.
    """
    import torch

    model, tokenizer, calibration = prepare(any_model(architecture), calibration_text)
    norm = model.model.layers[0].input_layernorm.weight
    tokens, before_norm = torch.arange(2, 66)[None], norm.detach().clone()
    with torch.no_grad():
        before = model(tokens).logits
    smooth = compressed._smoothers("smoothquant", {"smoothing_strength": 0.8}, model)
    with compressed._on("cpu"), compressed._session(0):
        compressed._oneshot(model, smooth, calibration, tokenizer, trust=UNTRUSTED)
    with torch.no_grad():
        after = model(tokens).logits
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-4)
    after_norm = model.model.layers[0].input_layernorm.weight
    assert (after_norm - before_norm).abs().max() > 0.05  # something was smoothed


def test_smoothing_that_misses_a_reader_is_refused(
    any_model: Tiny, calibration_text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """llm-compressor 0.14 smooths a norm of Gemma 2 that does not feed the MLP.

    So its own mapping fails here, and ours must be in its place.
    """
    monkeypatch.setattr(smoothing, "_WRONG_NORM", ())
    with pytest.raises(RecipeError, match="smoothing changed what the model computes") as caught:
        make(
            any_model("gemma2"),
            recipe="w8a8-sq",
            parameters={},
            calibration=CalibrationSpec(
                language="en", source=str(calibration_text), samples=2, tokens=64
            ),
            out=tmp_path / "out",
            variant_id="v",
            base_label="gemma2",
            base_hash="b",
            seed=0,
            device="cpu",
        )
    assert "'gemma2'" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["w8a8-sq", "awq", "w4-g", "nf4", "llm-int8"])
def test_base_in_bfloat16_keeps_its_type_and_passes_the_check_of_smoothing(
    recipe: str, calibration_text: Path, tmp_path: Path
) -> None:
    """Most models are stored in bfloat16, whose rounding the check of smoothing must allow."""
    base = make_tiny("llama", tmp_path / "base", dtype="bfloat16")
    manifest = make(
        base,
        recipe=recipe,
        parameters={"group_size": 32} if recipe in ("awq", "w4-g") else {},
        calibration=CalibrationSpec(
            language="en", source=str(calibration_text), samples=2, tokens=64
        ),
        out=tmp_path / "variant",
        variant_id="v",
        base_label="tiny",
        base_hash="b",
        seed=0,
        device="cpu",
    )
    kept = {t.dtype for t in manifest.tensors if "norm" in t.name or "embed" in t.name}
    assert kept == {"bf16"}
