"""'Did you mean': the known names nearest to a mistyped one. Pure, standard library only."""

from collections.abc import Iterable
from difflib import get_close_matches


def find_nearest(word: str, options: Iterable[str], *, limit: int = 3) -> tuple[str, ...]:
    """The options most like `word`, best first; letter case does not matter.

    Parameters
    ----------
    options : iterable of str
        Names that would have been right.
    """
    folded = {option.casefold(): option for option in options}
    typed = word.casefold()
    begins = sorted((key for key in folded if typed and key.startswith(typed)), key=len)
    matches = begins or get_close_matches(typed, folded, n=limit, cutoff=0.7)
    return tuple(folded[key] for key in matches)[:limit]


def did_you_mean(word: str, options: Iterable[str]) -> str | None:
    """A sentence that names the nearest options, or None when nothing is near.

    Examples
    --------
    >>> did_you_mean("w4g", ["w4-g", "awq"])
    "did you mean 'w4-g'?"
    """
    found = find_nearest(word, options)
    return f"did you mean {one_of(found)}?" if found else None


def one_of(names: Iterable[str]) -> str:
    """Names in quotes joined by commas and a last 'or'; 'none' where there are none."""
    *head, last = [f"'{name}'" for name in names] or ["none"]
    return f"{', '.join(head)} or {last}" if head else last
