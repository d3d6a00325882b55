"""Variants in the compressed-tensors format, made by llm-compressor; vLLM serves them unchanged.

Every quantizer is the library's. What is ours: the schemes, linear layers in the place of fused
experts (`formats.linear`), the layers that smoothing scales against each other where the library
does not know them (`smoothing`), and three checks of what it would let pass in silence: that
smoothing left the model's function alone, that GPTQ did not fall back to rounding, and that weights
are finite.

Where llm-compressor differs from the papers' own code: GPTQ fixes a group's scale on the original
weights (IST-DASLab/gptq fits it on the corrected ones); SmoothQuant takes an activation's range,
max less min, and twice the largest weight (mit-han-lab takes the largest magnitudes of both).
"""

import importlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from babelbits.errors import BabelbitsError, RecipeError
from babelbits.formats import linear
from babelbits.formats.outside_text import is_outside_text
from babelbits.formats.trust import UNTRUSTED, Trust
from babelbits.quiet import no_loguru, replaced
from babelbits.recipes import autoround, rotation, smoothing
from babelbits.recipes.calibration import Calibration
from babelbits.recipes.experts import MOST_UNROUTED, routing
from babelbits.recipes.info import RecipeInfo, Value
from babelbits.recipes.linear_weights import SMALL_SHARE
from babelbits.recipes.schemes import make_groups
from babelbits.recipes.scope import Scope, make_patterns, plan_scope
from babelbits.recipes.tracing import masks_untraced, shared_states_traced
from babelbits.recipes.unreached import Rounded, every_weight_rounded
from babelbits.records import ExpertsRecord
from babelbits.words import plural

_HEAD_ALONE = ("lm_head",)
_PROBE_TOKENS = 64
_TOLERANCE = {"torch.float32": 1e-3, "torch.float16": 0.05, "torch.bfloat16": 0.15}
"""Largest relative change of the logits that rounding alone explains, by the weights' dtype."""


_BLOCK = re.compile(r"\.(layers|h)\.0$")
"""The first decoder block, after a dot."""


def save_compressed(
    model: Any,
    folder: Path,
    *,
    info: RecipeInfo,
    parameters: Mapping[str, Value],
    calibration: Calibration | None,
    tokenizer: Any,
    device: str,
    seed: int,
    trust: Trust = UNTRUSTED,
    most_unrouted: float = MOST_UNROUTED,
    most_left: float = SMALL_SHARE,
) -> tuple[Scope, ExpertsRecord | None]:
    """Quantize `model` in place and save it to `folder`.

    Experts become linear layers first. While the library calibrates, each sees every token, as the
    library has it; the record says where the router would have sent them.

    Returns
    -------
    scope : Scope
        What the recipe means on this model.
    experts : ExpertsRecord, optional
        Which experts the calibration text reached; None without experts or text.

    Raises
    ------
    CalibrationError
        If the router sends no token of the text to more than `most_unrouted` of a layer's experts.
    RecipeError
        If the library fails, or did something else than the recipe says.
    """
    _import_library()
    linear.make_plain(model, conv1d=True)
    linear.unfuse(model)
    scope = plan_scope(model, recipe=info.name, settled=parameters, most_left=most_left)
    ignore = make_patterns(scope)
    with no_loguru("llmcompressor", "compressed_tensors"), _on(device), _session(seed):
        if info.method == rotation.METHOD and calibration is not None:
            rotation.rotate(model, seed=seed, tokens=calibration.windows[0][:_PROBE_TOKENS])
        groups = make_groups(info, parameters, scope.quantized)
        modifiers = _modifiers(info, parameters, model, ignore, groups)
        probe = _Probe(model, calibration) if info.method in ("awq", "smoothquant") else None
        with every_weight_rounded() as rounded:
            first = _FirstBlock(model, calibration, rounded)
            with (
                routing(model, calibration, most_unrouted=most_unrouted) as counts,
                _plain_norms(model),
                masks_untraced(),
                shared_states_traced(),
                _learning(info, rounded, device=device, seed=seed),
            ):
                _oneshot(model, modifiers, calibration, tokenizer, trust=trust)
        first.refuse_change(model)
        _refuse_fallback(modifiers)
        if probe is not None:
            probe.refuse_change(model)
        _refuse_non_finite(model)
        _refuse_uncalibrated(model)
        model.save_pretrained(folder, save_compressed=True)
    if ignore != _HEAD_ALONE:
        _write_ignore(folder, ignore)
    scope = replace(scope, uncalled=tuple(rounded.uncalled), untuned=tuple(rounded.outside))
    return scope, counts.record()


def _write_ignore(folder: Path, ignore: Sequence[str]) -> None:
    """Write what is left as patterns: the library writes names, which change when it is loaded."""
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["quantization_config"]["ignore"] = list(ignore)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _import_library() -> None:
    """Import llm-compressor at the log level of errors: it warns on standard output on import."""
    name = "LLM_COMPRESSOR_LOG_LEVEL"
    before = os.environ.get(name)
    os.environ[name] = "ERROR"
    try:
        importlib.import_module("llmcompressor")
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


# --- what the library is asked to do -----------------------------------------------------------


def _modifiers(
    info: RecipeInfo,
    parameters: Mapping[str, Value],
    model: Any,
    ignore: Sequence[str],
    groups: Mapping[str, Any],
) -> list[Any]:
    from llmcompressor.modifiers.gptq import GPTQModifier
    from llmcompressor.modifiers.quantization import QuantizationModifier

    if info.method == autoround.METHOD:
        return [autoround.make_modifier(parameters, ignore=ignore, groups=groups)]
    if info.method in ("gptq", rotation.METHOD):
        order = parameters["actorder"]
        gptq = GPTQModifier(
            config_groups=dict(groups),
            ignore=list(ignore),
            dampening_frac=parameters["dampening"],
            block_size=parameters["block_size"],
            actorder=None if order == "none" else order,
        )
        return [gptq]
    rounding = QuantizationModifier(config_groups=dict(groups), ignore=list(ignore))
    return [*_smoothers(info.method, parameters, model), rounding]


def _learning(
    info: RecipeInfo, rounded: Rounded, *, device: str, seed: int
) -> AbstractContextManager[None]:
    """Where the method learns its codes, what that needs; else nothing."""
    if info.method != autoround.METHOD:
        return nullcontext()
    return autoround.learned(rounded, device=device, seed=seed)


def _smoothers(method: str, parameters: Mapping[str, Value], model: Any) -> list[Any]:
    """The modifier that smooths before weights are rounded, if the method has one."""
    from llmcompressor.modifiers.transform.awq import AWQModifier
    from llmcompressor.modifiers.transform.awq.mappings import AWQMapping
    from llmcompressor.modifiers.transform.smoothquant import SmoothQuantModifier

    if method not in ("awq", "smoothquant"):
        return []
    kind = model.config.get_text_config().model_type
    names = [name for name, _ in model.named_modules()]
    pairs = smoothing.list_pairs(kind, names, method=method)
    if pairs is not None and not pairs:
        raise RecipeError(
            f"no layers of this '{kind}' model can be smoothed",
            hint="use a recipe without smoothing, e.g. 'w8a8' or 'w4-g'",
        )
    if method == "awq":
        if pairs is None:
            return [AWQModifier()]
        return [AWQModifier(mappings=[AWQMapping(one, list(readers)) for one, readers in pairs])]
    lists: Any = None if pairs is None else [[list(readers), source] for source, readers in pairs]
    strength = parameters["smoothing_strength"]
    return [SmoothQuantModifier(smoothing_strength=strength, mappings=lists)]


@contextmanager
def _plain_norms(model: Any) -> Iterator[None]:
    """Nemotron's norms, which add 1 to their weight, as norms that multiply by it.

    The library divides a norm's weight when it smooths, and knows this of Gemma's norms only.
    """
    import torch

    kinds = {"NemotronLayerNorm1P"}
    norms = {name: one for name, one in model.named_modules() if type(one).__name__ in kinds}
    for name, norm in norms.items():
        plain = torch.nn.LayerNorm(norm.normalized_shape, eps=norm.eps, dtype=norm.weight.dtype)
        plain.weight.data = norm.weight.data + 1
        plain.bias.data = norm.bias.data.clone()
        model.set_submodule(name, plain.requires_grad_(requires_grad=False))
    try:
        yield
    finally:
        for name, norm in norms.items():
            plain = model.get_submodule(name)
            norm.weight.data = plain.weight.data - 1
            norm.bias.data = plain.bias.data
            model.set_submodule(name, norm)


def _oneshot(
    model: Any,
    modifiers: list[Any],
    calibration: Calibration | None,
    tokenizer: Any,
    *,
    trust: Trust,
) -> None:
    from llmcompressor import oneshot

    try:
        oneshot(
            model=model,
            recipe=modifiers,
            processor=tokenizer,
            dataset=None if calibration is None else _loader(calibration),
            shuffle_calibration_samples=False,
            trust_remote_code_model=trust.remote_code,
        )
    except BabelbitsError:
        raise
    except Exception as error:
        if isinstance(error.__cause__, BabelbitsError):
            raise error.__cause__ from error
        reason = str(error.__cause__ or error).strip().split("\n")[0]
        raise RecipeError(
            f"llm-compressor cannot quantize a '{model.config.model_type}' model so: {reason}"
        ) from error


def _loader(calibration: Calibration) -> Any:
    import torch
    from torch.utils.data import DataLoader

    rows = [torch.tensor(window, dtype=torch.long) for window in calibration.windows]
    samples: Any = [{"input_ids": row, "attention_mask": torch.ones_like(row)} for row in rows]
    return DataLoader(samples)


# --- where it runs -----------------------------------------------------------------------------


@contextmanager
def _on(device: str) -> Iterator[None]:
    """Keep llm-compressor off an accelerator it would take by itself when `device` is the CPU."""
    if device != "cpu":
        yield
        return
    import torch
    from llmcompressor.pipelines.cache import IntermediatesCache

    with ExitStack() as stack:
        stack.enter_context(replaced(torch.accelerator, "is_available", lambda: False))
        # AWQ pins its cache for copies to a device, which fails where there is none.
        stack.enter_context(replaced(IntermediatesCache, "pin_memory", lambda *_: None))
        yield


@contextmanager
def _session(seed: int) -> Iterator[None]:
    """A session of llm-compressor's own, cleared at the end, with fixed randomness."""
    import torch
    from llmcompressor.core import reset_session

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            yield
        finally:
            reset_session()


# --- what the library would let pass -----------------------------------------------------------


class _FirstBlock:
    """What the first decoder block gives out on the first window, before and while calibrating.

    Where nothing is quantized yet when the first window passes it for the first time, that is what
    it gives. Where a layer before it is, it is run once more on what it was given before, with the
    mask and positions that it is given now. All is computed with eager attention, as the library
    calibrates.
    """

    def __init__(self, model: Any, calibration: Calibration | None, rounded: Rounded) -> None:
        from llmcompressor.utils.helpers import use_eager_attention

        blocks = (
            module
            for name, module in model.named_modules()
            if _BLOCK.search(f".{name}") and not is_outside_text(name)
        )
        self._block = next((one for one in blocks if calibration is not None), None)
        self._outputs: list[Any] = []
        self._given: Any = ()
        self._rounded = rounded
        if self._block is None or calibration is None:
            return
        self._hook = self._block.register_forward_hook(self._keep, with_kwargs=True)
        with use_eager_attention(model):
            self._run(model, calibration.windows[0])

    @staticmethod
    def _run(model: Any, window: Sequence[int]) -> None:
        import torch

        with torch.no_grad():
            model(torch.tensor([window], device=model.device), use_cache=False)

    def _keep(self, module: Any, given: Any, named: Any, output: Any) -> None:
        if len(self._outputs) == 2:
            return
        if not self._outputs:
            self._given = given
        elif self._rounded.done:
            output = self._again(module, given, named)
        states = output[0] if isinstance(output, tuple) else output
        self._outputs.append(states.detach().float().cpu().reshape(-1, states.shape[-1]))

    def _again(self, module: Any, given: Any, named: Any) -> Any:
        """What the block gives on its first inputs with what else it is given now."""
        from llmcompressor.modifiers.utils.hooks import HooksMixin

        self._hook.remove()  # which would be called again
        first = (
            one.to(now.device) if hasattr(now, "device") else now
            for one, now in zip(self._given, given, strict=True)
        )
        with HooksMixin.disable_hooks():
            return module(*first, **named)

    def refuse_change(self, model: Any) -> None:
        """Raise if the library calibrated with another function than the model's."""
        if self._block is None:
            return
        self._hook.remove()
        if len(self._outputs) < 2 or self._outputs[0].shape != self._outputs[1].shape:
            return
        before, after = self._outputs
        changed = ((after - before).norm() / before.norm()).item()
        if not changed <= _TOLERANCE.get(str(model.dtype), 0.15):
            raise RecipeError(
                f"llm-compressor calibrated a '{model.config.model_type}' model with another "
                f"function than the model's (its first block differs by {changed:.1%})",
                hint="use a recipe that needs no calibration text, e.g. 'w4-g-rtn' or 'w8a8'",
            )


class _Probe:
    """Logits of the unquantized model on a few tokens, to compare with after smoothing.

    Smoothing divides a norm's output and multiplies the weights that read it: without quantization
    the function is the same. It is not where a mapping misses one of the readers.
    """

    def __init__(self, model: Any, calibration: Calibration | None) -> None:
        if calibration is None:
            raise RecipeError("smoothing needs calibration text")
        self._tokens = calibration.windows[0][:_PROBE_TOKENS]
        self._before = self._logits(model)

    def _logits(self, model: Any) -> Any:
        import torch

        with torch.no_grad():
            return model(torch.tensor([self._tokens], device=model.device)).logits.float().cpu()

    def refuse_change(self, model: Any) -> None:
        """Raise if the smoothed model, its quantization switched off, computes something else."""
        from llmcompressor.utils.helpers import DisableQuantization

        with DisableQuantization(model):
            after = self._logits(model)
        changed = ((after - self._before).norm() / self._before.norm()).item()
        if not changed <= _TOLERANCE.get(str(model.dtype), 0.15):
            raise RecipeError(
                f"smoothing changed what the model computes (its logits by {changed:.1%}): "
                f"llm-compressor has no right mapping for '{model.config.model_type}'",
                hint="use a recipe without smoothing for this model, e.g. 'w8a8' or 'w4-g'",
            )


def _refuse_fallback(modifiers: list[Any]) -> None:
    """Raise if GPTQ could not invert a Hessian and rounded that layer to nearest instead."""
    layers = [
        name
        for modifier in modifiers
        for name in getattr(modifier, "_rtn_fallback_module_names", ())
    ]
    if layers:
        raise RecipeError(
            "GPTQ could not invert the Hessian of "
            f"{plural(len(layers), 'layer')}, '{layers[0]}' first",
            hint="raise `dampening` (e.g. 0.1) or give more calibration text",
        )


def _refuse_uncalibrated(model: Any) -> None:
    """Raise if a scale of inputs that the text should have fixed was never fixed."""
    for name, module in model.named_modules():
        for kind in ("input_scale", "input_global_scale"):
            scale = getattr(module, kind, None)
            if scale is not None and not (scale.float().isfinite() & (scale.float() > 0)).all():
                raise RecipeError(
                    f"the calibration text gives no range to the inputs of '{name}'",
                    hint="give more text, or use a recipe that scales inputs as they come, e.g. "
                    "'w8a8' or 'mxfp4'",
                )


def _refuse_non_finite(model: Any) -> None:
    for name, parameter in model.named_parameters():
        if parameter.is_floating_point() and not parameter.float().isfinite().all():
            raise RecipeError(
                f"'{name}' is not finite after quantizing",
                hint="check that the base model gives finite logits on the calibration text",
            )
