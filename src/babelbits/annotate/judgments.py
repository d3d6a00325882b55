"""From events to judgments: one a rater and showing, the last answer standing. Reads, never writes.

Everything is in terms of text a and text b, which say nothing about baseline and variant. Sign:
`preference` is -2 to 2, positive prefers text b.

Two times are kept, in seconds: *raw*, from the page shown to the answer, and *active*, without the
time that the page was hidden and capped by the length of what was to be read. People who read
without moving the mouse are not idle; people who went for lunch are. The server's clock says when,
the browser's stopwatch how long; clocks of two machines are never subtracted.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from babelbits.annotate.events import answer_of, is_right
from babelbits.annotate.models import event, rater, showing, slot, unit
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


def measure_duration(
    events: Sequence[Timed], *, n_characters: int, language: str
) -> Duration | None:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgment:
    """What one rater says of one unit."""

    rater: str
    unit_id: int
    language: str
    kind: str
    round: int
    """0, or 1 for the repeat with sides swapped."""
    a_first: bool
    chose_first: bool | None
    """None where neither was preferred."""
    preference: int | None
    """-2: text a is much better; 2: text b is; None: no choice but "both are unusable"."""
    unusable: bool
    a_reasons: tuple[str, ...]
    b_reasons: tuple[str, ...]
    comment: str
    revisions: int
    counted: bool
    """Fills a slot: the judgments that estimates are made of. False for checks, repeats and
    surplus."""
    surplus: bool
    """Of a pair whose slot had passed to somebody else."""
    right: bool | None
    """For units made by rule; None for others."""
    answered_at: float
    duration: Duration | None


def read_judgments(connection: Connection) -> tuple[Judgment, ...]:
    """All judgments, in the order of first answers."""
    events: dict[int, list[Any]] = defaultdict(list)
    for row in connection.execute(select(event).order_by(event.c.id)):
        events[row.showing_id].append(row)
    query = (
        select(
            showing.c.id,
            showing.c.unit_id,
            showing.c.round,
            showing.c.a_first,
            showing.c.answered_at,
            rater.c.name,
            unit.c.language,
            unit.c.kind,
            unit.c.expected,
            unit.c.prompt,
            unit.c.text_a,
            unit.c.text_b,
            slot.c.done_at,
        )
        .join(rater, rater.c.id == showing.c.rater_id)
        .join(unit, unit.c.id == showing.c.unit_id)
        .outerjoin(slot, slot.c.showing_id == showing.c.id)
        .where(showing.c.answered_at.is_not(None))
    )
    rows = sorted(connection.execute(query), key=lambda row: _first_answer(events[row.id]))
    return tuple(_judgment(row, events[row.id]) for row in rows)


def _first_answer(events: Sequence[Any]) -> int:
    """Number of the event: the order of first answers, whatever the clock said."""
    return min(int(one.id) for one in events if one.kind == "answer")


def _judgment(row: Any, events: Sequence[Any]) -> Judgment:
    answers = [one for one in events if one.kind == "answer"]
    answer = answer_of(max(answers, key=lambda one: one.revision).body)
    towards_b = None if answer.choice is None else answer.choice if row.a_first else -answer.choice
    a_reasons, b_reasons = answer.first_reasons, answer.second_reasons
    if not row.a_first:
        a_reasons, b_reasons = b_reasons, a_reasons
    counted = row.kind == "pair" and row.round == 0
    return Judgment(
        rater=row.name,
        unit_id=row.unit_id,
        language=row.language,
        kind=row.kind,
        round=row.round,
        a_first=row.a_first,
        chose_first=answer.choice < 0 if answer.choice else None,
        preference=towards_b,
        unusable=answer.unusable,
        a_reasons=a_reasons,
        b_reasons=b_reasons,
        comment=answer.comment,
        revisions=len(answers),
        counted=counted and row.done_at is not None,
        surplus=counted and row.done_at is None,
        right=None if row.expected is None else is_right(row.expected, answer, a_first=row.a_first),
        answered_at=row.answered_at,
        duration=measure_duration(
            [
                Timed(kind=one.kind, elapsed_ms=one.elapsed_ms, received_at=one.received_at)
                for one in events
            ],
            n_characters=len(row.prompt) + len(row.text_a) + len(row.text_b),
            language=row.language,
        ),
    )
