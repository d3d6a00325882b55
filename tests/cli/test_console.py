"""Hostile text, sizes and durations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelbits.cli.console import make_safe
from babelbits.words import bytes_size, duration


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("bell\a back\b cr\r nul\0", "bell\\x07 back\\x08 cr\\x0d nul\\x00"),
        ("c1 \x9b31m", "c1 \\x9b31m"),
        ("line\u2028separator", "line\\u2028separator"),
        ("\u202eoverride\u2066", "\\u202eoverride\\u2066"),
        ("\ud800 alone", "\\ud800 alone"),
        ("\U000e0041 tag", "\\U000e0041 tag"),
        ("a\nb\tc", "a\nb\tc"),
        ("മലയാളം ക്\u200dഷ می\u200cروم", "മലയാളം ക്\u200dഷ می\u200cروم"),
    ],
)
def test_what_is_escaped_and_what_stays(text: str, shown: str) -> None:
    assert make_safe(text) == shown


def test_on_one_line() -> None:
    assert make_safe("a\nb\tc", one_line=True) == "a\\nb\\tc"


@given(st.text(st.characters()))
def test_nothing_that_steers_a_terminal_is_left(text: str) -> None:
    shown = make_safe(text, one_line=True)
    assert all(c.isprintable() or c in "\u200c\u200d" for c in shown)
    assert make_safe(shown, one_line=True) == shown
    shown.encode("utf-8")


@pytest.mark.parametrize(
    ("n_bytes", "words"),
    [(None, "?"), (0, "0 B"), (999, "999 B"), (1000, "1 kB"), (16_500_000, "16.5 MB"),
     (999_999, "1 MB"), (2_000_000_000, "2 GB"), (3_140_000_000_000, "3.14 TB")],
)  # fmt: skip
def test_size(n_bytes: int | None, words: str) -> None:
    assert bytes_size(n_bytes) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (40.0, "40 s"), (89.0, "89 s"), (90.0, "2 min"), (720.0, "12 min"),
     (12_000.0, "3 h 20 min"), (7200.0, "2 h 00 min")],
)  # fmt: skip
def test_duration(seconds: float, words: str) -> None:
    assert duration(seconds) == words
