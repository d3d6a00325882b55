"""Words around numbers: one item, two items; 'a, b and c'; bytes and seconds for people.

English only. Scores and their units are formatted by `records.quantities`.
"""

from collections.abc import Sequence
from html import escape

_SIBILANTS = ("s", "x", "z", "ch", "sh")
_VOWELS = "aeiou"


def plural(count: int, word: str, many: str | None = None) -> str:
    """A count and what is counted: '1 language', '3 languages', '2 families', '0 matches'.

    Parameters
    ----------
    count : int
        How many; thousands are parted by commas.
    word : str
        The singular, with its adjectives before it.
    many : str, optional
        The plural where the rules (-s, -ies, -es) do not give it, e.g. 'matrices'.
    """
    return f"{count:,} {agreeing(count, word, many or _plural(word))}"


def agreeing(count: float, one: str, many: str) -> str:
    """The form of a word that goes with a count: `agreeing(len(lost), "is", "are")`."""
    return one if count == 1 else many


def every(count: int, word: str) -> str:
    """All of so many: 'the only cell', 'all 3 cells'."""
    return f"the only {word}" if count == 1 else f"all {plural(count, word)}"


def _plural(word: str) -> str:
    if word.endswith("y") and word[-2:-1] not in _VOWELS:
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(_SIBILANTS) else f"{word}s"


def listed(names: Sequence[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else list(names))


def bytes_size(n_bytes: int | None, *, decimals: int | None = None) -> str:
    """Bytes for people, in decimal units; '?' where unknown.

    Three digits, or so many decimals, which keeps a column's numbers alike.
    """
    if n_bytes is None:
        return "?"
    value = float(n_bytes)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        # A number that .3g would round to 1e+03 takes the next unit.
        if unit == "TB" or value < (999.5 if decimals is None else 1000):
            break
        value /= 1000
    if decimals is None:
        return f"{value:.3g} {unit}"
    return f"{value:.{0 if unit == 'B' else decimals}f} {unit}"


def duration(seconds: float) -> str:
    """Seconds for people: '40 s', '12 min', '3 h 20 min'."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def html_table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    caption: str = "",
    numeric: Sequence[str] = (),
    limit: int = 60,
) -> str:
    """A plain HTML table for notebooks, with a sentence above it; every text is escaped.

    Parameters
    ----------
    numeric : sequence of str
        Heads of the columns that are aligned to the right.
    limit : int
        Rows shown; how many more there are is said below.
    """
    cell = "vertical-align:top;padding:.2em .8em;text-align"
    styles = [f"{cell}:{'right' if head in numeric else 'left'}" for head in heads]
    styles[:-1] = [f"{style};white-space:nowrap" for style in styles[:-1]]

    def line(tag: str, cells: Sequence[str]) -> str:
        texts = zip(styles, map(escape, cells), strict=True)
        return "".join(f'<{tag} style="{style}">{text}</{tag}>' for style, text in texts)

    top = f'<p style="max-width:60em">{escape(caption)}</p>' if caption else ""
    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows[:limit])
    table = f"<table><thead><tr>{line('th', heads)}</tr></thead><tbody>{body}</tbody></table>"
    more = len(rows) - limit
    below = f"<p>and {plural(more, 'more row')}</p>" if more > 0 else ""
    return f"<div>{top}{table}{below}</div>"
