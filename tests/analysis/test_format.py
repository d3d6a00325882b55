"""Numbers as people read them; the expected texts are written by hand."""

import pytest

from babelbits.analysis.format import amount, signed


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0314, "fraction", "+3.1"),
        (-0.0314, "fraction", "−3.1"),
        (0.0002, "fraction", "0.0"),
        (-0.0104, "bits/byte", "−0.010"),
        (0.00021, "bits/byte", "+0.0002"),
        (-0.000049, "bits/byte", "−0.00005"),
        (1e-9, "bits/byte", "0.000"),
        (0.0, "bits/byte", "0.000"),
    ],
)
def test_a_difference_is_no_zero_that_is_none(value: float, unit: str, text: str) -> None:
    assert signed(value, unit) == text


def test_an_amount_has_its_unit() -> None:
    assert amount(-0.02, "fraction") == "−2.0 points"
    assert amount(0.0004, "bits/byte") == "+0.0004 bits/byte"
