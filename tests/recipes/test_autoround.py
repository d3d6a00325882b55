"""AutoRound: what may be learned, that it is learned, and what it is refused on.

Cheng et al. 2024 (arXiv 2309.05516): a code is round(w / s + v), kept within -8 and 7. The offsets
v move by signed steps of (1 - t / n) / n, so that the bound on them is a sum by hand. Weights
rounded to nearest come from `w4-g-rtn`, whose codes `test_variants.py` holds to numpy.
"""

import gc
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from babelbits.engines.base import EngineSettings
from babelbits.errors import RecipeError
from babelbits.formats.trust import UNTRUSTED
from babelbits.recipes.autoround import bound_offset
from babelbits.recipes.base_loading import load_model, load_tokenizer
from babelbits.recipes.calibration import Calibration, CalibrationSpec, draw, read_documents
from babelbits.recipes.catalogue import find, settle
from babelbits.recipes.make import make
from babelbits.records import Manifest
from babelbits.study.rehearsal.bench import Variant
from babelbits.study.rehearsal.dequantize import read_plain
from babelbits.study.rehearsal.variant_checks import Rehearsal
from tiny_models import make_tiny

ITERATIONS = 10
GROUP = 32
LAYERS = 2
ROUNDING = {"float32": 2.0**-24, "bfloat16": 2.0**-8}
"""Largest relative error of one division: half the distance of neighbouring numbers."""


@pytest.fixture(scope="module", autouse=True)
def little_to_collect() -> Iterator[None]:
    """AutoRound often collects garbage: a third of a second each with all that is loaded."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def spec(text: Path) -> CalibrationSpec:
    return CalibrationSpec(language="en", source=str(text), samples=4, tokens=64)


def quantized(base: Path, out: Path, text: Path, recipe: str, **more: Any) -> Manifest:
    own = {"iterations": ITERATIONS} if recipe == "autoround" else {}
    return make(
        base,
        recipe=recipe,
        parameters={"group_size": GROUP, **own, **more},
        calibration=spec(text) if find(recipe).needs_calibration else None,
        out=out,
        variant_id="v",
        base_label="tiny",
        base_hash="b",
        seed=0,
        device="cpu",
        most_unrouted=1.0,
    )


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, calibration_text: Path
) -> Callable[[str], tuple[Path, Path]]:
    """(base, variant) of a tiny Llama in a type of weights, learned once."""
    known: dict[str, tuple[Path, Path]] = {}

    def get(dtype: str) -> tuple[Path, Path]:
        if dtype not in known:
            place = tmp_path_factory.mktemp(dtype)
            base = make_tiny("llama", place / "base", dtype=dtype)
            quantized(base, place / "variant", calibration_text, "autoround")
            known[dtype] = base, place / "variant"
        return known[dtype]

    return get


def stored(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    tensors: dict[str, Any] = load_file(folder / "model.safetensors")
    return tensors


def test_the_bound_on_offsets_is_the_sum_of_the_steps_by_hand() -> None:
    """With n = 4: 1/4 + 3/16 + 2/16 before the last loss; n = 200: (n + 1) / 2n - 1 / n^2."""
    assert bound_offset(1) == 0
    assert bound_offset(4) == pytest.approx(9 / 16)
    assert bound_offset(200) == pytest.approx(201 / 400 - 1 / 200**2)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_weight_moves_by_half_a_step_and_the_learned_offset_at_most(
    dtype: str, made: Callable[[str], tuple[Path, Path]]
) -> None:
    """Inside the range; beyond it, where a learned scale has shrunk it, at its nearest end."""
    base, folder = made(dtype)
    before, after = stored(base), stored(folder)
    plain, names = read_plain(folder)
    offset, moved = bound_offset(ITERATIONS), 0
    assert len(names) == 7 * LAYERS
    for name in names:
        scale = after[f"{name}_scale"].float().numpy().repeat(GROUP, axis=1).astype(np.float64)
        steps = before[name].float().numpy() / scale
        codes = np.round(plain[name].numpy() / scale)
        assert codes.min() >= -8
        assert codes.max() <= 7
        inside = (steps >= -8) & (steps <= 7)
        slack = ROUNDING[dtype] * np.abs(steps) + 1e-6
        assert np.all((np.abs(steps - codes) <= 0.5 + offset + slack)[inside])
        assert np.all(codes[steps < -8] <= -7 + offset)
        assert np.all(codes[steps > 7] >= 6 - offset)
        moved += int(np.sum(codes != np.clip(np.round(steps), -8, 7)))
    assert moved > 0.01 * sum(plain[name].numel() for name in names)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_is_not_quantized_keeps_its_numbers_and_type(
    dtype: str, made: Callable[[str], tuple[Path, Path]]
) -> None:
    """AutoRound by itself makes the norms of a float32 model bfloat16."""
    import torch

    base, folder = made(dtype)
    before, after = stored(base), stored(folder)
    kept = [name for name in before if "proj" not in name]
    assert any("layernorm" in name for name in kept)
    for name in kept:
        assert after[name].dtype == before[name].dtype
        assert torch.equal(after[name], before[name])


def test_a_block_comes_closer_than_rounded_to_nearest(
    made: Callable[[str], tuple[Path, Path]], calibration_text: Path, tmp_path: Path
) -> None:
    """The first block, on the text that it was learned on: that is what is optimized."""
    base, learned = made("float32")
    quantized(base, tmp_path / "nearest", calibration_text, "w4-g-rtn")
    tokenizer = load_tokenizer(base, trust=UNTRUSTED)
    text = spec(calibration_text)
    windows = draw(text, read_documents(text), tokenizer=tokenizer, context=256)
    whole = first_block(base, windows)
    error = {
        folder: np.linalg.norm(first_block(folder, windows) - whole)
        for folder in (learned, tmp_path / "nearest")
    }
    assert error[learned] < 0.95 * error[tmp_path / "nearest"]


def first_block(folder: Path, windows: Calibration) -> Any:
    """Outputs of the first block for all windows."""
    import torch

    from babelbits.engines.hf.loading import load_model as load_variant

    model = load_variant(folder, settings=EngineSettings(device="cpu", dtype="float32")).model
    found: list[Any] = []
    model.model.layers[0].register_forward_hook(
        lambda _module, _given, output: found.append(
            output[0] if isinstance(output, tuple) else output
        )
    )
    with torch.no_grad():
        for window in windows.windows:
            model(torch.tensor([window]))
    return torch.cat([one.flatten() for one in found]).numpy()


def test_the_same_seed_gives_the_same_weights_in_silence(
    made: Callable[[str], tuple[Path, Path]],
    calibration_text: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    import torch

    base, folder = made("float32")
    random.seed(7)
    expected = random.Random(7).random()
    capfd.readouterr()
    quantized(base, tmp_path / "again", calibration_text, "autoround")
    assert capfd.readouterr() == ("", "")
    assert random.random() == expected
    first, again = stored(folder), stored(tmp_path / "again")
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_the_librarys_version_is_part_of_what_a_variant_is(
    made: Callable[[str], tuple[Path, Path]],
) -> None:
    from babelbits.recipes.family import find_family
    from babelbits.recipes.make import read_manifest

    manifest = read_manifest(made("float32")[1])
    assert manifest is not None
    assert "auto-round" in manifest.library_versions
    assert manifest.format == "compressed-tensors"
    assert "auto-round" in find_family("autoround").identity()
    assert "auto-round" not in find_family("w4-g").identity()


def test_the_rehearsal_takes_it_for_what_its_file_holds(
    made: Callable[[str], tuple[Path, Path]], tmp_path: Path
) -> None:
    base, folder = made("float32")
    one = Rehearsal(
        base=base,
        place=tmp_path,
        depth="all layers",
        settings=EngineSettings(device="cpu"),
        real=True,
    )
    settled = settle("autoround", {"group_size": GROUP, "iterations": ITERATIONS})
    fault, notes = one.examine(folder, Variant(recipe="autoround", parameters=settled))
    one.close()
    assert fault is None
    assert any("quantizing changed" in note for note in notes)


@pytest.mark.slow
def test_bits_of_single_modules_are_kept(
    made: Callable[[str], tuple[Path, Path]], calibration_text: Path, tmp_path: Path
) -> None:
    base, _ = made("float32")
    modules = {"modules": "down_proj=8,v_proj=16", "iterations": 2}
    manifest = quantized(base, tmp_path / "v", calibration_text, "autoround", **modules)
    types = {one.name.split(".")[-2]: one.dtype for one in manifest.tensors if "proj" in one.name}
    assert (types["down_proj"], types["v_proj"], types["q_proj"]) == (
        "int8 g32",
        "fp32",
        "int4 g32",
    )


@pytest.mark.slow
def test_experts_are_learned_one_by_one(
    zoo: Callable[..., Path], calibration_text: Path, tmp_path: Path
) -> None:
    """gpt-oss: auto-round has a replacement of its own for its fused experts."""
    quantized(zoo("gpt-oss"), tmp_path / "v", calibration_text, "autoround", iterations=2)
    _, names = read_plain(tmp_path / "v")
    assert sum("experts" in name for name in names) >= 8


def test_a_block_that_needs_more_than_its_states_is_refused(
    zoo: Callable[..., Path], calibration_text: Path, tmp_path: Path
) -> None:
    """Gemma 4 hands each block an embedding of its own, which AutoRound does not hand on."""
    with pytest.raises(
        RecipeError, match="AutoRound cannot run a 'Gemma4TextDecoderLayer'"
    ) as told:
        quantized(zoo("gemma4-text"), tmp_path / "v", calibration_text, "autoround", iterations=2)
    assert told.value.hint is not None
    assert "w4-g" in told.value.hint
    assert not (tmp_path / "v").exists()


def test_a_layer_in_no_block_is_rounded_to_nearest_and_said(
    made: Callable[[str], tuple[Path, Path]], calibration_text: Path, tmp_path: Path
) -> None:
    """A layer beside the blocks; `zoo.rounding` rounds by hand."""
    import torch

    from babelbits.recipes import compressed
    from babelbits.recipes.scope import make_notes
    from zoo.rounding import round_linear

    base, _ = made("float32")
    model = load_model(base, trust=UNTRUSTED)
    torch.manual_seed(0)
    beside = torch.nn.Linear(64, 32, bias=False).requires_grad_(requires_grad=False)
    model.model.beside = beside
    by_hand = torch.nn.Sequential(torch.nn.Linear(64, 32, bias=False))
    by_hand[0].weight.data = beside.weight.data.clone()
    round_linear(by_hand, bits=4, group=GROUP)
    tokenizer = load_tokenizer(base, trust=UNTRUSTED)
    text = spec(calibration_text)
    scope, _experts = compressed.save_compressed(
        model,
        tmp_path,
        info=find("autoround"),
        parameters=settle("autoround", {"group_size": GROUP, "iterations": 1}),
        calibration=draw(text, read_documents(text), tokenizer=tokenizer, context=256),
        tokenizer=tokenizer,
        device="cpu",
        seed=0,
    )
    assert scope.untuned == ("model.beside",)
    assert any("1 layer lies in no block ('model.beside'" in note for note in make_notes(scope))
    plain, names = read_plain(tmp_path)
    assert "model.beside.weight" in names
    torch.testing.assert_close(
        plain["model.beside.weight"].float(), by_hand[0].weight.data, rtol=1e-3, atol=1e-5
    )
