"""SpinQuant's merged rotations: the function stays, weights turn, what they do not fit is refused.

Liu et al. 2024 (arXiv 2405.16406), section 3.2: R1 and R2 leave the full-precision network's
outputs as they were. The known answers are in float32, on norms that are not all ones.
"""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from babelbits.engines.base import EngineSettings
from babelbits.engines.hf.loading import load_model as load_variant
from babelbits.errors import RecipeError
from babelbits.formats.trust import UNTRUSTED
from babelbits.recipes import rotation
from babelbits.recipes.base_loading import load_model
from babelbits.recipes.calibration import CalibrationSpec
from babelbits.recipes.catalogue import find, settle
from babelbits.recipes.fit import check
from babelbits.recipes.make import make
from babelbits.records import Manifest
from babelbits.study.rehearsal.bench import Variant
from babelbits.study.rehearsal.variant_checks import Rehearsal

Zoo = Callable[..., Path]
TOKENS = list(range(5, 60))


def prepared(base: Path) -> Any:
    """A model in float32 whose norms and biases are not those that it began with."""
    import torch

    model = load_model(base, trust=UNTRUSTED).float()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 1:
                weight += 0.3 * torch.rand(weight.shape, generator=generator)
    return model


def logits(model: Any) -> Any:
    import torch

    with torch.no_grad():
        return model(torch.tensor([TOKENS])).logits


@pytest.mark.parametrize("name", ["llama3", "llama32-tied", "qwen2", "qwen3", "mistral-swa"])
def test_rotation_alone_leaves_logits_within_a_ten_thousandth(name: str, zoo: Zoo) -> None:
    """Tied and untied, with biases on q, k and v, with norms on q and k, with a window."""
    import torch

    model = prepared(zoo(name))
    before = logits(model)
    weights = {key: value.clone() for key, value in model.named_parameters() if value.ndim == 2}
    rotation.rotate(model, seed=0, tokens=TOKENS)
    torch.testing.assert_close(logits(model), before, rtol=0, atol=1e-4)
    after = dict(model.named_parameters())
    assert all(not torch.equal(after[key], value) for key, value in weights.items())
    assert not model.config.tie_word_embeddings


def test_r1_turns_what_reads_and_writes_hidden_states_and_keeps_lengths(zoo: Zoo) -> None:
    """An orthogonal matrix keeps every embedding's length, and angles between embeddings."""
    import torch

    model = prepared(zoo("llama3"))
    before = model.get_input_embeddings().weight.detach().clone()[:50]
    rotation.rotate(model, seed=0, tokens=TOKENS)
    after = model.get_input_embeddings().weight.detach()[:50]
    torch.testing.assert_close(after @ after.T, before @ before.T, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(after, before)
    norms = [one for name, one in model.named_parameters() if name.endswith("layernorm.weight")]
    assert all(torch.equal(one, torch.ones_like(one)) for one in norms)


def test_an_outlying_channel_is_spread_over_all(zoo: Zoo) -> None:
    """What rotation is for: one channel of 256, 500 times the others, has nearly all the power.

    Spread by a Hadamard matrix its share of each channel is alike: a peak of 1 / sqrt(256) of it.
    """
    import torch

    model = prepared(zoo("llama3"))
    with torch.no_grad():
        model.get_input_embeddings().weight[:, 3] *= 500

    def peak() -> float:
        states = model.get_input_embeddings().weight.detach()[5:60]
        return (states.abs().amax(-1) / states.norm(dim=-1)).median().item()

    before = peak()
    rotation.rotate(model, seed=0, tokens=TOKENS)
    assert before > 0.9
    assert peak() < 0.25


def test_another_seed_is_another_rotation(zoo: Zoo) -> None:
    import torch

    found = []
    for seed in (0, 0, 1):
        model = prepared(zoo("llama3"))
        rotation.rotate(model, seed=seed, tokens=TOKENS)
        found.append(model.get_input_embeddings().weight.detach())
    assert torch.equal(found[0], found[1])
    assert not torch.allclose(found[0], found[2])


def test_upstreams_centred_embeddings_are_another_function(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """llm-compressor 0.14 centres those of models with RMS norms, too; the check sees it."""
    from llmcompressor.modeling import center_embeddings

    merge = rotation._merge

    def centred(model: Any, *, seed: int) -> None:
        center_embeddings(model.get_input_embeddings())
        merge(model, seed=seed)

    model = prepared(zoo("llama3"))
    model.get_input_embeddings().weight.data += 0.02
    monkeypatch.setattr(rotation, "_merge", centred)
    with pytest.raises(RecipeError, match="rotating changed what the model computes"):
        rotation.rotate(model, seed=0, tokens=TOKENS)


@pytest.fixture(scope="module")
def made(zoo: Zoo, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Manifest]:
    """(base, variant, manifest) of a miniature of Llama 3.2, whose embeddings are tied."""
    base, out = zoo("llama32-tied"), tmp_path_factory.mktemp("rotated") / "v"
    manifest = make(
        base,
        recipe="spinquant",
        parameters={"group_size": 64},
        calibration=CalibrationSpec(language="en", samples=4, tokens=64),
        out=out,
        variant_id="v",
        base_label="zoo",
        base_hash="",
        seed=0,
        device="cpu",
    )
    return base, out, manifest


def test_the_manifest_says_that_weights_are_rotated(made: tuple[Path, Path, Manifest]) -> None:
    _, folder, manifest = made
    assert any("weights are rotated" in note for note in manifest.notes)
    assert "transform_config" not in (folder / "config.json").read_text() or (
        '"transform_config": {}' in (folder / "config.json").read_text()
    )
    assert any(tensor.name == "lm_head.weight" for tensor in manifest.tensors)


def test_the_rehearsal_takes_a_rotated_variant_for_what_its_file_holds(
    made: tuple[Path, Path, Manifest], tmp_path: Path
) -> None:
    base, folder, _ = made
    one = Rehearsal(
        base=base,
        place=tmp_path,
        depth="all layers",
        settings=EngineSettings(device="cpu"),
        real=True,
    )
    settled = settle("spinquant", {"group_size": 64})
    fault, _notes = one.examine(folder, Variant(recipe="spinquant", parameters=settled))
    one.close()
    assert fault is None


def test_a_rotated_variant_computes_about_what_its_base_does(
    made: tuple[Path, Path, Manifest],
) -> None:
    """Random weights in int4 move logits by half (w4-g: 0.54); other weights would by 1.4."""
    base, folder, _ = made
    settings = EngineSettings(device="cpu", dtype="float32")
    before = logits(load_variant(base, settings=settings).model)
    after = logits(load_variant(folder, settings=settings).model)
    assert 0.001 < ((after - before).norm() / before.norm()).item() < 0.8


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"model_type": "gemma2", "hidden_size": 256}, "not for 'gemma2'"),
        ({"model_type": "cohere", "hidden_size": 256}, "not for 'cohere'"),
        ({"model_type": "mixtral", "hidden_size": 256}, "not for 'mixtral'"),
        ({"model_type": "llama", "hidden_size": 260 * 3}, "hidden size (780)"),
    ],
)
def test_what_cannot_be_rotated_is_refused_with_the_reason(
    config: dict[str, object], reason: str
) -> None:
    with pytest.raises(RecipeError) as told:
        rotation.refuse_rotation(config, find("spinquant"))
    assert reason in str(told.value)
    assert told.value.hint is not None
    assert "w4a8" in told.value.hint


def test_a_plan_refuses_what_cannot_be_rotated() -> None:
    with pytest.raises(RecipeError, match="not for 'gemma2'"):
        check(
            {"model_type": "gemma2", "hidden_size": 256, "num_attention_heads": 4}, "spinquant", {}
        )


@pytest.mark.parametrize("size", [1, 2, 12, 64, 80, 128, 896, 3584, 4096, 5120, 8192, 780, 3, 130])
def test_sizes_are_those_that_the_library_has_matrices_for(size: int) -> None:
    import torch
    from compressed_tensors.transform.utils.hadamard import _fetch_hadamard_divisor

    known = _fetch_hadamard_divisor(size, torch.float32) is not None
    assert rotation.has_hadamard(size) == known


def test_no_probe_enters_a_rotated_variant() -> None:
    """Hidden states in other coordinates: their difference from the baseline's is no error."""
    from babelbits.probes import probed_pairs

    def step(recipe: str, origin: str = "made") -> Any:
        return SimpleNamespace(spec=SimpleNamespace(recipe=recipe, origin=origin))

    assert probed_pairs._is_rotated(step("spinquant"))
    assert not probed_pairs._is_rotated(step("w4a8"))
    assert not probed_pairs._is_rotated(step("nothing", "found"))


@pytest.mark.parametrize(("location", "read"), [("input", False), ("weight_input", True)])
def test_a_checkpoint_that_turns_at_run_time_is_not_read(location: str, *, read: bool) -> None:
    """QuIP's, as llm-compressor writes it: transformers 5.17 drops its matrices when it loads."""
    from babelbits.formats.description import _unread

    scheme = {"type": "random-hadamard", "apply": [{"targets": ["Linear"], "location": location}]}
    said = {"transform_config": {"config_groups": {"v": scheme}}}
    assert (_unread("compressed-tensors", said) is None) == read
