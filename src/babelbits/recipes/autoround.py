"""AutoRound: codes and scales that are learned block by block; what llm-compressor is told of it.

Cheng et al. 2024 (arXiv 2309.05516). A weight's code is round(w / s + v), kept within -8 and 7; the
offsets v and a factor of each scale s are learned by signed gradient descent, so that a block's
outputs on the calibration text come close to the unquantized ones. The step falls from 1 / n to 0
in n iterations, so that |v| can reach (n + 1) / 2n: a little more than the half step of the paper.
Symmetric codes only: llm-compressor hands no zero points on.

What is ours: the seed and the device, which llm-compressor does not hand on; randomness of Python
and numpy as it was before; blocks and scales that keep the type of the model's weights (AutoRound
makes a float32 model's norms and biases bfloat16, and learns with scales of another type than those
that are stored); experts as the linear layers that they are already; linear layers outside the
blocks, which AutoRound never meets and whose scales nobody would set, rounded to nearest; and a
check that a block run by AutoRound, which knows no model around it, computes what it does in the
model.

Torch, auto-round and llm-compressor are imported inside the functions.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from babelbits.errors import BabelbitsError, RecipeError
from babelbits.quiet import replaced
from babelbits.recipes.info import ParameterInfo, Value
from babelbits.recipes.unreached import Rounded

METHOD = "autoround"
_TOLERANCE = 0.05
"""Largest relative change of a block's outputs that rounding to 16 bits explains."""
_HINT = "use a recipe that needs no block by itself, e.g. 'w4-g' or 'w4-g-rtn'"
PARAMETERS: Mapping[str, ParameterInfo] = {
    "iterations": ParameterInfo(
        type=int,
        default=200,
        minimum=1,
        help="steps of signed gradient descent a block (AutoRound's authors' default)",
    ),
    "batch_size": ParameterInfo(
        type=int,
        default=8,
        minimum=1,
        help="windows of calibration text that one step sees (AutoRound's authors' default)",
    ),
}


def bound_offset(iterations: int) -> float:
    """Largest learned offset of a weight's code, in steps: the sum of the descent's step sizes.

    Step t of n is (1 - t / n) / n long; the offsets that are kept have seen n - 1 of them at most.
    """
    return sum((1 - t / iterations) / iterations for t in range(iterations - 1))


def make_modifier(
    parameters: Mapping[str, Value], *, ignore: Sequence[str], groups: Mapping[str, Any]
) -> Any:
    """llm-compressor's modifier, with schemes by group and names that it leaves.

    It compiles nothing: compiled loops need a C++ compiler and give other numbers.
    """
    from llmcompressor.modifiers.autoround import AutoRoundModifier

    return AutoRoundModifier(
        config_groups=dict(groups),
        ignore=list(ignore),
        iters=parameters["iterations"],
        batch_size=parameters["batch_size"],
        enable_torch_compile=False,
    )


@contextmanager
def learned(rounded: Rounded, *, device: str, seed: int) -> Iterator[None]:
    """While it lasts, AutoRound learns with this seed, and leaves no layer without scales.

    Parameters
    ----------
    rounded : Rounded
        Told of what was learned, and of layers that lie in no block.
    device : str
        'cpu' keeps AutoRound off an accelerator that it would take by itself.
    seed : int
        Of the order in which windows are seen.
    """
    from auto_round.context import model as context
    from llmcompressor.modifiers.autoround import AutoRoundModifier, base

    make, take_over = base.AutoRound, AutoRoundModifier._postprocess_qparams
    end = AutoRoundModifier.on_calibration_end

    def autoround(**settings: Any) -> Any:
        if device == "cpu":
            settings["device_map"] = device
        made = make(seed=seed, scale_dtype=settings["model"].dtype, **settings)
        made.quantize_block = _checked(made.quantize_block)
        return made

    def postprocess(modifier: Any, block: Any, scales: Any) -> None:
        take_over(modifier, block, scales)
        rounded.done.update(map(id, block.modules()))

    def on_calibration_end(modifier: Any, state: Any, event: Any, **named: Any) -> None:
        rounded.outside.extend(_observe_rest(state.model, rounded))
        end(modifier, state, event, **named)

    with ExitStack() as stack:
        stack.enter_context(_randomness_kept())
        stack.enter_context(replaced(base, "AutoRound", autoround))
        stack.enter_context(replaced(context.ModelContext, "_set_amp_dtype", _keep_type))
        stack.enter_context(replaced(context, "update_module", lambda model, **_: model))
        for name, changed in (
            ("_postprocess_qparams", postprocess),
            ("on_calibration_end", on_calibration_end),
        ):
            stack.enter_context(replaced(AutoRoundModifier, name, changed))
        yield


def _checked(quantize: Callable[..., Any]) -> Callable[..., Any]:
    """`AutoRound.quantize_block`, refusing a block that it runs as another function."""

    def quantize_block(*, block: Any, inputs: Any, **named: Any) -> Any:
        expected = _run_block(block, *inputs[0][0])
        try:
            outputs, reference = quantize(block=block, inputs=inputs, **named)
        except BabelbitsError:
            raise
        except Exception as error:
            reason = str(error).strip().split("\n")[0]
            raise RecipeError(
                f"AutoRound cannot run a '{type(block).__name__}' by itself: {reason}", hint=_HINT
            ) from error
        found = reference[0].float().cpu()
        changed = ((found - expected).norm() / expected.norm()).item()
        if not changed <= _TOLERANCE:
            raise RecipeError(
                f"AutoRound runs a '{type(block).__name__}' as another function than the model "
                f"does (its outputs differ by {changed:.1%})",
                hint=_HINT,
            )
        return outputs, reference

    return quantize_block


def _run_block(block: Any, given: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """What a block gives out on one captured call."""
    import torch

    device = next(block.parameters()).device
    given, named = torch.utils._pytree.tree_map_only(
        torch.Tensor, lambda one: one.to(device), (given, dict(named))
    )
    with torch.no_grad():
        output = block(*given, **named)
    states = output[0] if isinstance(output, tuple) else output
    return states.float().cpu()


def _keep_type(context: Any) -> None:
    """Compute in the type of a block's weights, mixed where it is of 16 bits."""
    import torch

    context.amp_dtype = context.model.dtype
    context.amp = context.amp_dtype != torch.float32


def _observe_rest(model: Any, rounded: Rounded) -> list[str]:
    """Give observers to layers that no block holds; `every_weight_rounded` rounds what has one."""
    from llmcompressor.modifiers.quantization.calibration import initialize_observer

    rest = {
        name: module
        for name, module in model.named_modules()
        if getattr(module, "quantization_scheme", None) is not None
        and id(module) not in rounded.done
    }
    for module in rest.values():
        initialize_observer(module, "weight")
    return list(rest)


@contextmanager
def _randomness_kept() -> Iterator[None]:
    """Python's and numpy's randomness afterwards as before: AutoRound seeds both."""
    import numpy as np

    before, numbers = random.getstate(), np.random.get_state()  # noqa: NPY002  it seeds this one
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(numbers)  # noqa: NPY002  it seeds this one
