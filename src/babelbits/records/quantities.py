"""Amounts in a metric's unit as people read them: units, digits, signs and the true minus.

Fractions become points (x 100, one decimal); other units keep three decimals, and one digit where
these would be zeros. Undefined is an en dash. Sentences about effects are `analysis.format`'s.
"""

import math
from typing import Protocol

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"
_FINE = 3
_LEAST = 1e-6
"""Below it a difference is rounding."""


class Ends(Protocol):
    """What has a lower and an upper end."""

    @property
    def low(self) -> float:
        """Lower end."""

    @property
    def high(self) -> float:
        """Upper end."""


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
    return with_sign(value * factor, digits)


def amount(value: float | None, unit: str) -> str:
    """A difference with its unit: '−3.1 points'."""
    return NOTHING if value is None else f"{signed(value, unit)} {unit_word(unit)}"


def size(value: float, unit: str) -> str:
    """A size without a sign, with its unit: '2 points', '1 point', '0.01 bits/byte'."""
    factor, digits = scale(unit)
    text = f"{value * factor:.{digits}f}".rstrip("0").rstrip(".")
    word = "point" if text == "1" and unit == "fraction" else unit_word(unit)
    return f"{text or '0'} {word}"


def interval(found: Ends | None, unit: str) -> str:
    """'−5.2 to −1.0'."""
    if found is None:
        return NOTHING
    return f"{signed(found.low, unit)} to {signed(found.high, unit)}"


def with_sign(value: float, digits: int) -> str:
    """A number with its sign; a zero has none."""
    text = f"{abs(value):.{digits}f}"
    if digits >= _FINE and float(text) == 0 and abs(value) >= _LEAST:
        text = f"{abs(value):.{-math.floor(math.log10(abs(value)))}f}"
    if float(text) == 0:
        return text
    return f"{MINUS if value < 0 else '+'}{text}"
