"""Numbers as people read them: the one place for units, digits, signs and the true minus.

Fractions become points (x 100, one decimal); other units keep three decimals, and one digit where
these would be zeros. Undefined is an en dash. Nothing here is text from a model.
"""

import math
from collections.abc import Sequence

from babelbits.records import Effect, Interval

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"
_FINE = 3
_LEAST = 1e-6
"""Below it a difference is rounding."""


def scale(unit: str) -> tuple[float, int]:
    """Factor and decimals with which a unit is shown."""
    return (100.0, 1) if unit == "fraction" else (1.0, 3)


def unit_word(unit: str) -> str:
    """'points' for differences of fractions, else the unit itself."""
    return "points" if unit == "fraction" else unit


def score(value: float | None, unit: str) -> str:
    """A score without its unit: '63.4' for a fraction of 0.634, '1.842' for bits."""
    if value is None:
        return NOTHING
    factor, digits = scale(unit)
    return f"{value * factor:.{digits}f}".replace("-", MINUS)


def signed(value: float | None, unit: str) -> str:
    """A difference with its sign and without its unit: '−3.1', '+0.4', '0.0'."""
    if value is None:
        return NOTHING
    factor, digits = scale(unit)
    return _with_sign(value * factor, digits)


def amount(value: float | None, unit: str) -> str:
    """A difference with its unit: '−3.1 points'."""
    return NOTHING if value is None else f"{signed(value, unit)} {unit_word(unit)}"


def size(value: float, unit: str) -> str:
    """A size without a sign, with its unit: '2 points', '1 point', '0.01 bits/byte'."""
    factor, digits = scale(unit)
    text = f"{value * factor:.{digits}f}".rstrip("0").rstrip(".")
    word = "point" if text == "1" and unit == "fraction" else unit_word(unit)
    return f"{text or '0'} {word}"


def interval(found: Interval | None, unit: str) -> str:
    """'−5.2 to −1.0'."""
    if found is None:
        return NOTHING
    return f"{signed(found.low, unit)} to {signed(found.high, unit)}"


def percent(value: float | None, *, digits: int = 1) -> str:
    """A share: '12.5 %'."""
    return NOTHING if value is None else f"{value:.{digits}%}".replace("%", " %")


def signed_percent(value: float | None, *, digits: int = 1) -> str:
    """A relative change: '−4.2 %'."""
    return NOTHING if value is None else f"{_with_sign(value * 100, digits)} %"


def percent_interval(found: Interval | None) -> str:
    """An interval of a relative change: '−8.1 to +0.4 %'."""
    if found is None:
        return NOTHING
    low, high = (_with_sign(end * 100, 1) for end in (found.low, found.high))
    return f"{low} to {high} %"


def p_value(value: float | None) -> str:
    """Three decimals, or '<0.001'."""
    if value is None:
        return NOTHING
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _with_sign(value: float, digits: int) -> str:
    text = f"{abs(value):.{digits}f}"
    if digits >= _FINE and float(text) == 0 and abs(value) >= _LEAST:
        text = f"{abs(value):.{-math.floor(math.log10(abs(value)))}f}"
    if float(text) == 0:
        return text
    return f"{MINUS if value < 0 else '+'}{text}"


# --- an effect in words ----------------------------------------------------------------------


def detectable(effect: Effect) -> str:
    """What the comparison could have seen: '≥ 3.9 points', or why nothing."""
    if effect.minimal_detectable_effect is None:
        return "nothing: too few items"
    return f"≥ {size(effect.minimal_detectable_effect, effect.unit)}"


def verdict_word(effect: Effect) -> str:
    """The verdict with its level: 'worse, confirmed', 'worse in its family', 'equivalent'."""
    if effect.verdict == "undecided":
        return "undecided (at floor)" if effect.at_floor else "undecided"
    if effect.verdict == "better" or effect.family is None:
        return f"{effect.verdict} (exploratory)"
    words = {"confirmed": "worse, confirmed", "family": "worse in its family", None: effect.verdict}
    return words[effect.level]


def verdict(effect: Effect) -> str:
    """The verdict in words: what was shown, or what could have been."""
    if effect.verdict in ("worse", "better"):
        return f"{verdict_word(effect)}: {amount(effect.delta, effect.unit)}"
    if effect.verdict == "equivalent" and effect.margin is not None:
        return f"equivalent within {size(effect.margin, effect.unit)}"
    return f"undecided: {effect.reason}; could have seen {detectable(effect)}"


def shared_margin(effects: Sequence[Effect]) -> str:
    """'2 points' when all effects have this margin, else ''."""
    margins = {(effect.margin, effect.unit) for effect in effects}
    [(margin, unit)] = margins if len(margins) == 1 else [(None, "")]
    return "" if margin is None else size(margin, unit)
