"""Whether a translation is in the language that was asked for.

The identifier is fastText's in the form of `tasks.confusion`. It needs some text to say anything,
and mistakes near relatives for each other; what it calls a relative of the target passes, unless
that is the source language.
"""

from collections.abc import Callable

from babelbits.translate.checks import Finding, letters

FEWEST_LETTERS = 40
"""Texts with fewer letters are not identified."""
RELATIVES = (
    frozenset({"nb", "nn", "no", "da"}),
    frozenset({"hr", "sr", "bs", "sh"}),
    frozenset({"id", "ms"}),
    frozenset({"cs", "sk"}),
    frozenset({"bg", "mk"}),
    frozenset({"gl", "pt"}),
    frozenset({"zh", "yue", "wuu"}),
    frozenset({"fa", "prs", "tg"}),
    frozenset({"hi", "mr", "ne", "bho", "mai"}),
    frozenset({"az", "tr"}),
    frozenset({"xh", "zu"}),
)
"""Languages that identifiers mistake for each other."""


def check_language(
    text: str, *, source: str, target: str, identify: Callable[[str], str | None]
) -> Finding | None:
    """The finding where a text is in another language.

    Parameters
    ----------
    text : str
        All translated pieces of a unit.
    source, target : str
        Canonical codes; the script is not looked at.
    identify : callable
        Text to a code without script; None where it cannot tell.
    """
    if letters(text) < FEWEST_LETTERS:
        return None
    found = identify(text)
    wanted, came_from = target.partition("-")[0], source.partition("-")[0]
    if found == wanted or (found != came_from and _related(found, wanted)):
        return None
    said = "no language that is known" if found is None else found
    return Finding(
        check="language", message=f"the text is identified as {said}, it should be {wanted}"
    )


def _related(one: str | None, other: str) -> bool:
    return any(one in group and other in group for group in RELATIVES)
