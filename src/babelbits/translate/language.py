"""Whether a translation is in the language that was asked for.

Identifiers (`tasks.language_id`) need some text to say anything, and mistake near relatives for
each other; what is called a relative of the target passes, unless that is the source language.
Where an identifier is on record as wrong too often even so, nothing is checked, and that is said: a
check that fails right translations is worse than none.
"""

from babelbits.tasks.language_id import Identifier, is_same_language
from babelbits.tasks.language_id.base import find_code
from babelbits.tasks.language_id.errors import read_measured
from babelbits.translate.translation_checks import TranslationProblem, count_letters

FEWEST_LETTERS = 40
"""Texts with fewer letters are not identified."""
MOST_WRONG = 0.05
"""Share of right lines that an identifier may fail before it is not asked."""
RELATIVES = (
    frozenset({"nb", "nn", "no", "da", "sv"}),
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
    frozenset({"af", "nl"}),
)
"""Languages that identifiers mistake for each other."""


def explain_doubt(identifier: Identifier, target: str) -> str | None:
    """Why an identifier cannot be asked about a language; None where it can."""
    if not identifier.knows(target):
        return f"{identifier.name} has no name for '{target}'"
    record = read_measured(identifier).get(target)
    if record is None:
        return None
    excused = sum(n for label, n in record.mistaken_for if _related(find_code(label), target))
    rate = (record.wrong - excused) / record.n_lines
    if rate <= MOST_WRONG:
        return None
    return f"{identifier.name} fails {rate:.0%} of right lines in '{target}'"


def check_language(
    text: str, *, source: str, target: str, identifier: Identifier
) -> TranslationProblem | None:
    """The finding where a text is in another language.

    Parameters
    ----------
    text : str
        All translated pieces of a unit.
    source, target : str
        Canonical codes; the script is not looked at.
    identifier : Identifier
        One that may be asked (see `explain_doubt`).
    """
    if count_letters(text) < FEWEST_LETTERS:
        return None
    guess = identifier.guess(text)
    if is_same_language(guess.code, target):
        return None
    if not is_same_language(guess.code, source) and _related(guess.code, target):
        return None
    return TranslationProblem(
        check="language", message=f"the text is identified as {guess.said}, it should be {target}"
    )


def _related(one: str | None, other: str) -> bool:
    codes = [None if code is None else code.partition("-")[0] for code in (one, other)]
    return any(all(code in group for code in codes) for group in RELATIVES)
