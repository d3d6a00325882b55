"""Layers that llm-compressor's walk through a model passes by, which are quantized all the same.

The library walks from block to block in a traced graph. Two kinds of layers stand in none: those in
a function that it cannot trace and calls as a whole (Gemma 4's projection of embeddings for each
layer), which see the text but are given no range; and those that no forward pass on text calls at
all. GPTQ fails on the first, and would leave the second with scales that nobody set. Here the first
are quantized like any other, and the second are rounded to nearest, which changes nothing that a
text can show. Neither is found by its name.

Torch and llm-compressor are imported inside the functions.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from babelbits.quiet import replaced


@dataclass(slots=True, kw_only=True)
class Rounded:
    """What llm-compressor has quantized so far."""

    done: set[int] = field(default_factory=set)
    """Layers that were met on the way, by `id`."""
    uncalled: list[str] = field(default_factory=list)
    """Names of those that GPTQ was to fit to text, and that no text called."""
    outside: list[str] = field(default_factory=list)
    """Names of those that AutoRound was to learn, and that lie in no block."""


@contextmanager
def every_weight_rounded() -> Iterator[Rounded]:
    """While it lasts, llm-compressor quantizes the weights of every layer that it means."""
    from llmcompressor.modifiers.gptq import GPTQModifier
    from llmcompressor.modifiers.quantization import QuantizationModifier
    from llmcompressor.modifiers.quantization.calibration import observe, update_qparams
    from llmcompressor.modifiers.quantization.quantization.mixin import QuantizationMixin

    compress, round_block = (
        GPTQModifier.compress_modules,
        QuantizationModifier.on_sequential_epoch_end,
    )
    end = QuantizationMixin.end_calibration
    rounded = Rounded()

    def compress_modules(modifier: Any) -> None:
        called = list(modifier._num_samples)
        observe([one for one in called if not one.weight_observer.has_statistics], "weight")
        compress(modifier)
        rounded.done.update(map(id, called))

    def on_sequential_epoch_end(
        modifier: Any,
        state: Any,
        event: Any,
        modules: Sequence[Any],
        **named: Any,
    ) -> None:
        round_block(modifier, state, event, modules, **named)
        rounded.done.update(map(id, modules))

    def end_calibration(modifier: Any, model: Any) -> None:
        left = {
            name: module
            for name, module in model.named_modules()
            if id(module) not in rounded.done
            and getattr(module, "weight_observer", None) is not None
        }
        observe(list(left.values()), "weight")
        update_qparams(list(left.values()), "weight")
        if isinstance(modifier, GPTQModifier):
            rounded.uncalled.extend(left)
        end(modifier, model)

    with ExitStack() as stack:
        for owner, changed in (
            (GPTQModifier, compress_modules),
            (QuantizationModifier, on_sequential_epoch_end),
            (QuantizationMixin, end_calibration),
        ):
            stack.enter_context(replaced(owner, changed.__name__, changed))
        yield rounded
