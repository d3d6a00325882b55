"""Which experts of a mixture the calibration text reaches, layer by layer and language by language.

llm-compressor gives every token to every expert while it calibrates, so that no expert is quantized
without data. What an expert is fitted to then includes tokens that its router would have sent
elsewhere: an expert that the router never chooses is fitted to such tokens alone. The counts here
are the router's choices when the text passes for the first time, each token once; the layers before
are then quantized already where the method goes layer by layer.

Units: tokens. Torch is not imported.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from babelbits.errors import CalibrationError
from babelbits.formats.linear import is_linear_experts
from babelbits.recipes.calibration import Calibration
from babelbits.records import ExpertsRecord
from babelbits.words import plural

MOST_UNROUTED = 0.1
"""Share of a layer's experts that may be sent no token of the calibration text."""
_ALL = "all"


class Routing:
    """Counts of the tokens that each expert of each layer was sent."""

    def __init__(self, calibration: Calibration | None, *, most_unrouted: float) -> None:
        self._calibration = calibration
        self._most = most_unrouted
        self._counts: dict[str, dict[str, list[int]]] = {}
        self._calls: dict[str, int] = {}

    def watch(self, name: str, module: Any) -> Any:
        """Count what `module` is sent from now on; the handle that ends it."""
        experts = module.layout.experts
        languages = self._calibration.languages if self._calibration is not None else ()
        self._counts[name] = {language: [0] * experts for language in languages}
        self._calls[name] = 0
        return module.register_forward_pre_hook(
            lambda owner, given, named: self._count(name, owner, (*given, *named.values())),
            with_kwargs=True,
        )

    def _count(self, name: str, module: Any, given: Sequence[Any]) -> None:
        """One window's choices; later passes over the windows are not counted."""
        window = self._calls[name]
        calibration = self._calibration
        if calibration is None or window >= len(calibration.windows):
            return
        self._calls[name] += 1
        spoken = calibration.spoken[window]
        for token, expert in _choices(module, given):
            self._counts[name][calibration.languages[spoken[token]]][expert] += 1
        if self._calls[name] == len(calibration.windows):
            self._refuse_unrouted(name)

    def _refuse_unrouted(self, name: str) -> None:
        counts = self._together(name)
        unrouted = counts.count(0)
        if unrouted <= self._most * len(counts):
            return
        raise CalibrationError(
            f"the router sends no token of the calibration text to {unrouted} of the {len(counts)} "
            f"experts in '{name}'",
            hint="give more text (`samples`, `tokens`, a longer text as `source`, or more "
            "languages), or use a recipe that needs none, e.g. 'w4-g-rtn'",
        )

    def _together(self, name: str) -> list[int]:
        return [sum(counts) for counts in zip(*self._counts[name].values(), strict=True)]

    def record(self) -> ExpertsRecord | None:
        """The counts in short; None where nothing was counted."""
        if self._calibration is None or not any(self._calls.values()):
            return None
        seen = {
            language: [layer[language] for layer in self._counts.values()]
            for language in self._calibration.languages
        }
        if len(seen) > 1:
            seen[_ALL] = [self._together(name) for name in self._counts]
        return ExpertsRecord(
            layers=tuple(self._counts),
            n_experts=tuple(len(counts) for counts in next(iter(seen.values()))),
            unrouted={key: tuple(one.count(0) for one in rows) for key, rows in seen.items()},
            fewest={key: tuple(min(one) for one in rows) for key, rows in seen.items()},
        )


def _choices(module: Any, given: Sequence[Any]) -> Iterator[tuple[int, int]]:
    """(token, expert) for each choice of the router in one call of the experts."""
    if module.layout.sorted:  # a token that an expert is not chosen for is multiplied by zero
        shares = given[0].view(module.layout.experts, -1, given[0].shape[-1]).abs().sum(-1)
        yield from ((token, expert) for expert, token in shares.nonzero().tolist())
        return
    for token, chosen in enumerate(given[1].tolist()):
        yield from ((token, expert) for expert in chosen if expert < module.layout.experts)


@contextmanager
def routing(
    model: Any, calibration: Calibration | None, *, most_unrouted: float
) -> Iterator[Routing]:
    """While it lasts, every expert sees every token, and the router's choices are counted."""
    counts = Routing(calibration, most_unrouted=most_unrouted)
    layers = {name: module for name, module in model.named_modules() if is_linear_experts(module)}
    handles = []
    for name, module in layers.items():
        module.every_token = True
        handles.append(counts.watch(name, module))
    try:
        yield counts
    finally:
        for handle, module in zip(handles, layers.values(), strict=True):
            handle.remove()
            module.every_token = False


def make_note(record: ExpertsRecord) -> str | None:
    """What a reader should know of the experts; None where every expert was chosen."""
    key = _ALL if _ALL in record.unrouted else next(iter(record.unrouted))
    unrouted = sum(record.unrouted[key])
    if not unrouted:
        return None
    layers = sum(1 for one in record.unrouted[key] if one)
    return (
        f"{unrouted} of {sum(record.n_experts)} experts (in {layers} of "
        f"{plural(len(record.layers), 'layer')}) are sent no token of the calibration text by "
        "their router; they were fitted to tokens of other experts"
    )
