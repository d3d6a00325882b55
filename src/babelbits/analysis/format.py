"""Effects and numbers as people read them: the one place for the words around them.

Amounts with their units come from `records.quantities`, and are found here too. Nothing here is
text from a model.
"""

from collections.abc import Sequence

from babelbits.records import Effect, Interval
from babelbits.records.quantities import (
    MINUS,
    NOTHING,
    amount,
    interval,
    scale,
    score,
    signed,
    size,
    unit_word,
    with_sign,
)

__all__ = [
    "MINUS",
    "NOTHING",
    "amount",
    "detectable",
    "interval",
    "p_value",
    "percent",
    "percent_interval",
    "scale",
    "score",
    "shared_margin",
    "signed",
    "signed_percent",
    "size",
    "unit_word",
    "verdict",
    "verdict_word",
]


def percent(value: float | None, *, digits: int = 1) -> str:
    """A share: '12.5 %'."""
    return NOTHING if value is None else f"{value:.{digits}%}".replace("%", " %")


def signed_percent(value: float | None, *, digits: int = 1) -> str:
    """A relative change: '−4.2 %'."""
    return NOTHING if value is None else f"{with_sign(value * 100, digits)} %"


def percent_interval(found: Interval | None) -> str:
    """An interval of a relative change: '−8.1 to +0.4 %'."""
    if found is None:
        return NOTHING
    low, high = (with_sign(end * 100, 1) for end in (found.low, found.high))
    return f"{low} to {high} %"


def p_value(value: float | None) -> str:
    """Three decimals, or '<0.001'."""
    if value is None:
        return NOTHING
    return "<0.001" if value < 0.001 else f"{value:.3f}"


# --- an effect in words ----------------------------------------------------------------------


def detectable(effect: Effect) -> str:
    """The minimum detectable loss: '≥ 3.9 points', or why there is none."""
    if effect.inference.minimal_detectable_effect is None:
        return "none: too few items"
    return f"≥ {size(effect.inference.minimal_detectable_effect, effect.unit)}"


def verdict_word(effect: Effect) -> str:
    """The verdict with its level: 'worse, confirmed', 'worse in its family', 'equivalent'."""
    if effect.decision.verdict == "undecided":
        return "undecided (at floor)" if effect.arms.at_floor else "undecided"
    if effect.decision.verdict == "better" or effect.inference.family is None:
        return f"{effect.decision.verdict} (exploratory)"
    words = {
        "confirmed": "worse, confirmed",
        "family": "worse in its family",
        None: effect.decision.verdict,
    }
    return words[effect.decision.level]


def verdict(effect: Effect) -> str:
    """The verdict in words: what was shown, or what could have been."""
    if effect.decision.verdict in ("worse", "better"):
        return f"{verdict_word(effect)}: {amount(effect.delta, effect.unit)}"
    if effect.decision.verdict == "equivalent" and effect.decision.margin is not None:
        return f"equivalent within {size(effect.decision.margin, effect.unit)}"
    if effect.inference.minimal_detectable_effect is None:
        return f"undecided: {effect.decision.reason}; no loss detectable: too few items"
    return f"undecided: {effect.decision.reason}; minimum detectable loss {detectable(effect)}"


def shared_margin(effects: Sequence[Effect]) -> str:
    """'2 points' when all effects have this margin, else ''."""
    margins = {(effect.decision.margin, effect.unit) for effect in effects}
    [(margin, unit)] = margins if len(margins) == 1 else [(None, "")]
    return "" if margin is None else size(margin, unit)
