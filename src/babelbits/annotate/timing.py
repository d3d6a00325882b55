"""How long a judgment took, computed in analysis from raw events. Seconds.

Two numbers are always kept: *raw*, from the page shown to the answer, and *active*, without the
time that the page was hidden and capped by the length of what was to be read. People who read
without moving the mouse are not idle; people who went for lunch are. The server's clock says when,
the browser's stopwatch how long; clocks of two machines are never subtracted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from babelbits.languages import resolve

_SECONDS_TO_DECIDE = 60.0
_TIMES_READING = 4.0
"""A careful reader compares: each text more than once."""
_LETTERS_A_SECOND = 14.0
_SIGNS_A_SECOND = 5.0
"""Reading speeds of alphabetic, and of Chinese and Japanese text: Trauzettel-Klosinski & Dietz
(2012), IOVS 53:5452, about 860 and 255 to 360 characters a minute."""
_DENSE = frozenset({"Hans", "Hant", "Jpan"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """An event that timing is about."""

    kind: str
    elapsed_ms: int | None
    received_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """Time on one judgment, both ways."""

    raw: float
    active: float


def cap(n_characters: int, language: str) -> float:
    """The longest time that counts for texts of this length, seconds."""
    speed = _SIGNS_A_SECOND if resolve(language).script in _DENSE else _LETTERS_A_SECOND
    return _SECONDS_TO_DECIDE + _TIMES_READING * n_characters / speed


def duration(events: Sequence[Timed], *, n_characters: int, language: str) -> Duration | None:
    """Time from the last showing of the page before the first answer, to that answer.

    Parameters
    ----------
    events : sequence of Timed
        Of one showing, in the order in which they were received.
    n_characters : int
        Of prompt and both answers.
    language : str
        Code.

    Returns
    -------
    Duration or None
        None without an answer, or if neither clock saw when the page was shown.
    """
    kinds = [one.kind for one in events]
    if "answer" not in kinds:
        return None
    end = kinds.index("answer")
    # A quick answer may overtake the news that the page was shown: its own stopwatch knows.
    start = max((place for place in range(end) if kinds[place] == "shown"), default=0)
    visit = events[start : end + 1]
    answered = visit[-1].elapsed_ms
    if answered is None and visit[0].kind != "shown":
        return None
    seen_by_server = visit[-1].received_at - visit[0].received_at
    raw = seen_by_server if answered is None else answered / 1000
    if raw < 0:
        return None
    return Duration(
        raw=raw, active=min(max(0.0, raw - _hidden(visit)), cap(n_characters, language))
    )


def _hidden(visit: Sequence[Timed]) -> float:
    """Seconds that the page was out of sight, by the browser's stopwatch."""
    total, since = 0.0, None
    for one in visit:
        if one.elapsed_ms is None:
            continue
        if one.kind == "hidden":
            since = one.elapsed_ms
        elif since is not None and one.kind in ("visible", "answer"):
            total += max(0, one.elapsed_ms - since) / 1000
            since = None
    return total
