"""Logits against logits, and quantized layers against their own arithmetic.

Only loaded transformers models; the comparison of GGUF files goes through their engine. Differences
of logits are relative: the norm of the difference over the norm of the logits less their mean.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from babelbits.engines.base import EngineSettings
from babelbits.errors import ModelError
from babelbits.formats import small_floats

_SHAKE = 1e-6
_NOT_IN_PLAIN = ("*.safetensors", "*.index.json", "manifest.json")


def compute_logits(model: Any, windows: Sequence[Sequence[int]]) -> list[Any]:
    """Logits of every window, alone in its batch, float32 on the CPU."""
    import torch

    with torch.inference_mode():
        return [
            model(input_ids=torch.tensor([list(window)], device=model.device), use_cache=False)
            .logits[0]
            .float()
            .cpu()
            for window in windows
        ]


def measure_difference(found: Sequence[Any], expected: Sequence[Any]) -> float:
    """Over all positions of all windows; infinite where one is not finite."""
    import torch

    ours, theirs = torch.cat(list(found)), torch.cat(list(expected))
    spread = (theirs - theirs.mean(dim=-1, keepdim=True)).norm()
    difference = float((ours - theirs).norm() / spread)
    return difference if difference == difference else float("inf")


def share_attention(model: Any, other: Any) -> None:
    """Have a model attend by the implementation that an engine has chosen for another."""
    wanted = getattr(other.config, "_attn_implementation", None)
    if wanted is not None and getattr(model.config, "_attn_implementation", None) != wanted:
        model.set_attn_implementation(wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """What rounding the inputs of all linear layers to 8 bits does to a model."""

    relative: float
    """Relative difference of the logits."""
    nats: float
    """Root mean square difference of the log-probabilities of the windows' tokens."""


def measure_reaction(
    model: Any, windows: Sequence[Sequence[int]], logits: Sequence[Any]
) -> Reaction:
    """How much a model makes of rounding, which kernels do where a format says nothing of it.

    A recurrent state or a router turns a rounding of a hundredth into a fifth of the logits.

    Parameters
    ----------
    model
        A loaded model, not quantized.
    logits : sequence of tensors
        What it says of them without rounding.
    """
    import torch

    handles = [
        module.register_forward_pre_hook(
            lambda module, given: (_fake(given[0].float(), module, kind="int8").to(given[0].dtype),)
        )
        for module in model.modules()
        if isinstance(module, torch.nn.Linear)
    ]
    try:
        rounded = compute_logits(model, windows)
    finally:
        for handle in handles:
            handle.remove()
    differences = [
        (ours.log_softmax(-1) - theirs.log_softmax(-1))[:-1].gather(
            1, torch.tensor(list(window[1:]))[:, None]
        )
        for ours, theirs, window in zip(rounded, logits, windows, strict=True)
    ]
    return Reaction(
        relative=measure_difference(rounded, logits),
        nats=float(torch.cat(differences).square().mean().sqrt()),
    )


@contextmanager
def shaken(model: Any) -> Iterator[None]:
    """While it lasts, embeddings of tokens are off by a millionth, as another order of sums is.

    What comes of it is how near two right computations can be, where a model rounds inside.
    """
    import torch

    generator = torch.Generator().manual_seed(0)

    def shake(_module: Any, _given: Any, states: Any) -> Any:
        noise = torch.randn(states.shape, generator=generator).to(states)
        return states * (1 + _SHAKE * noise)

    handle = model.get_input_embeddings().register_forward_hook(shake)
    try:
        yield
    finally:
        handle.remove()


# --- the plain twin ------------------------------------------------------------------------------


def build_plain_twin(
    variant: Path, base: Path, place: Path, *, plain: Mapping[str, Any], settings: EngineSettings
) -> Any:
    """A model with the dequantized weights of a variant, built without its quantized loader.

    Parameters
    ----------
    base : Path
        The unquantized model that it was made from.
    place : Path
        For a checkpoint that is removed again.
    plain : mapping
        What `dequantize.read_plain` found, by names in files.

    Raises
    ------
    ModelError
        If the names in the variant's files fit no module of the base.
    """
    from safetensors.torch import save_file

    from babelbits.engines.hf.loading import load_model

    folder = place / "plain"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(base, folder, ignore=shutil.ignore_patterns(*_NOT_IN_PLAIN))
    _untie_like(variant, folder)
    try:
        save_file(
            {name: tensor.contiguous() for name, tensor in plain.items()},
            folder / "model.safetensors",
            metadata={"format": "pt"},
        )
        return load_model(folder, settings=settings).model
    except ModelError:
        return _with_weights(load_model(base, settings=settings).model, plain, where=variant)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _untie_like(variant: Path, twin: Path) -> None:
    """An output layer of the twin's own, where the variant has one and its base had not."""
    own = json.loads((variant / "config.json").read_text("utf-8"))
    path = twin / "config.json"
    config = json.loads(path.read_text("utf-8"))
    if own.get("tie_word_embeddings") is False and config.get("tie_word_embeddings", True):
        path.write_text(json.dumps(config | {"tie_word_embeddings": False}), "utf-8")


def _with_weights(model: Any, plain: Mapping[str, Any], *, where: Path) -> Any:
    """The base with its experts one by one, and every weight that the files have in its place."""
    import torch
    from transformers.core_model_loading import rename_source_key

    from babelbits.formats.linear import make_plain as as_linear
    from babelbits.formats.linear import unfuse

    renamings = _renamings(model)
    as_linear(model, conv1d=True)
    unfuse(model)
    own = dict(model.named_parameters()) | dict(model.named_buffers())
    with torch.no_grad():
        for name, tensor in plain.items():
            target = _find(name, own) or _find(rename_source_key(name, renamings, [])[0], own)
            if target is None or own[target].shape != tensor.shape:
                raise ModelError(f"no module of the model is called '{name}'", where=str(where))
            own[target].copy_(tensor)
    return model.eval()


def _renamings(model: Any) -> list[Any]:
    """How transformers calls weights that files of this architecture call otherwise."""
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import WeightRenaming

    found = get_model_conversion_mapping(model)
    return [one for one in found if isinstance(one, WeightRenaming)]


def _find(name: str, own: Mapping[str, Any]) -> str | None:
    """The parameter that a name in a file means, whatever stands before its first layer."""
    if name in own:
        return name
    parts = name.split(".")
    for start in range(1, len(parts)):
        ending = ".".join(parts[start:])
        found = [one for one in own if one == ending or one.endswith(f".{ending}")]
        if len(found) == 1:
            return found[0]
    return None


# --- activations ---------------------------------------------------------------------------------


@contextmanager
def inputs_as_computed(model: Any) -> Iterator[None]:
    """While it lasts, compressed-tensors layers do not quantize their inputs."""
    changed = [
        module
        for module in model.modules()
        if getattr(getattr(module, "quantization_scheme", None), "input_activations", None)
    ]
    before = [getattr(module, "quantization_enabled", True) for module in changed]
    try:
        for module in changed:
            module.quantization_enabled = False
        yield
    finally:
        for module, value in zip(changed, before, strict=True):
            module.quantization_enabled = value


def measure_layers(
    model: Any, names: Sequence[str], windows: Sequence[Sequence[int]], *, kind: str
) -> dict[str, tuple[float, float]]:
    """How far each layer's outputs are from its own arithmetic, on the inputs that it is given.

    Parameters
    ----------
    names : sequence of str
        Layers whose inputs should be quantized.
    kind : str
        One of `INPUTS`' values, or 'int8': a scale a token.

    Returns
    -------
    dict
        By layer that was called: the relative difference from inputs quantized by our own
        arithmetic, and that from inputs left as they are.
    """
    return {
        name: _differences(model.get_submodule(name), given, after, kind=kind)
        for name, (given, after) in _calls(model, names, windows[:1]).items()
    }


def measure_weights(
    model: Any, twin: Any, names: Sequence[str], windows: Sequence[Sequence[int]]
) -> dict[str, float]:
    """How far each layer's outputs are from those of dequantized weights on the same inputs.

    Layer by layer a kernel's rounding stays as small as it is; through a recurrent state or a
    router it grows until nothing can be told from it.

    Parameters
    ----------
    twin
        The model with its dequantized weights, which has layers of the same names.
    names : sequence of str
        Quantized layers; those that the twin calls otherwise are left out.

    Returns
    -------
    dict
        Relative difference by layer that was called.
    """
    import torch

    modules = dict(twin.named_modules())
    known = [name for name in names if isinstance(modules.get(name), torch.nn.Linear)]
    return {
        name: _difference(modules[name], given, after)
        for name, (given, after) in _calls(model, known, windows).items()
    }


def _calls(
    model: Any, names: Sequence[str], windows: Sequence[Sequence[int]]
) -> dict[str, tuple[Any, Any]]:
    """By layer that was called: its inputs and its outputs, a row a token, float32."""
    import torch

    seen: dict[str, list[tuple[Any, Any]]] = {name: [] for name in names}
    handles = [
        model.get_submodule(name).register_forward_hook(
            lambda _module, given, output, name=name: seen[name].append(
                (given[0], output.clone())  # Llama 4 adds its experts to it in place
            )
        )
        for name in names
    ]
    try:
        compute_logits(model, windows)
    finally:
        for handle in handles:
            handle.remove()
    return {
        name: (
            torch.cat([given.reshape(-1, given.shape[-1]) for given, _ in calls]).float(),
            torch.cat([outputs.reshape(-1, outputs.shape[-1]) for _, outputs in calls]).float(),
        )
        for name, calls in seen.items()
        if any(given.numel() for given, _ in calls)
    }


def _difference(layer: Any, given: Any, found: Any) -> float:
    import torch

    with torch.inference_mode():
        expected = torch.nn.functional.linear(
            given, layer.weight.float(), None if layer.bias is None else layer.bias.float()
        )
        return float((found - expected).norm() / expected.norm().clamp(min=1e-12))


def _differences(layer: Any, given: Any, found: Any, *, kind: str) -> tuple[float, float]:
    import torch

    with torch.inference_mode():
        weight = layer.weight.float()
        bias = 0 if layer.bias is None else layer.bias.float()
        quantized = _fake(given, layer, kind=kind) @ weight.T + bias
        as_is = given @ weight.T + bias
    size = found.norm()
    return float((found - quantized).norm() / size), float((found - as_is).norm() / size)


INPUTS: Mapping[str, str] = MappingProxyType(
    {
        "fp8": "fp8",
        "fp8-block": "fp8 in groups",
        "w8a8-static": "int8, one scale",
        "mxfp8": "mxfp8",
        "mxfp4": "mxfp4",
        "nvfp4": "nvfp4",
    }
)
"""Recipe to how it rounds inputs, where that is not int8 with a scale a token."""


def _fake(states: Any, layer: Any, *, kind: str) -> Any:
    """Inputs rounded as compressed-tensors defines it, by our own arithmetic.

    What the calibration text fixed is read from the layer.
    """
    if kind == "fp8":
        return small_floats.round_fp8(states)
    if kind == "fp8 in groups":
        return small_floats.round_fp8(states, group=128)
    if kind in ("mxfp8", "mxfp4"):
        return small_floats.round_mx(states, bits=int(kind[-1]))
    if kind == "nvfp4":
        return small_floats.round_nvfp4(states, global_scale=layer.input_global_scale.float())
    if kind == "int8, one scale":
        scale = layer.input_scale.float()
    else:
        scale = states.abs().amax(dim=-1, keepdim=True).clamp(min=1e-12) / 127.5
    return (states / scale).round().clamp(-128, 127) * scale
