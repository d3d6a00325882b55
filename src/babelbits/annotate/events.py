"""What raters do: recorded as events that are only ever added.

The answer to a showing is its last event of kind 'answer'. A revision is recorded once: the same
request again (a double click, a retry after a lost reply, a second tab) gets back what stands, and
the caller can see whether that is what it sent. Nothing is taken from a browser's clock but
durations since the page was shown.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from sqlalchemy import Connection, func, select, update

from babelbits.annotate.assignment import Showing, lock_rater, renew_lease
from babelbits.annotate.campaign_settings import Settings
from babelbits.annotate.models import (
    EventKind,
    ScreenState,
    draft,
    event,
    rater_language,
    showing,
    slot,
    unit,
)
from babelbits.annotate.texts import normalised

REASONS = ("wrong_language", "broken_script", "factual", "fluency", "truncated")
MAX_COMMENT = 2000
"""Letters of a comment."""
_LONGEST_MS = 7 * 24 * 3600 * 1000

Choice = Literal[-2, -1, 0, 1, 2]
"""-2: the first answer is much better; 0: the same; 2: the second is much better."""


class RefusedError(Exception):
    """A request that cannot be recorded; `code` names the sentence that the rater is shown."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingAnswer:
    """What a rater says of two answers, in the order in which they were shown."""

    choice: int | None
    """-2 to 2; None only if both are unusable."""
    unusable: bool = False
    first_reasons: tuple[str, ...] = ()
    second_reasons: tuple[str, ...] = ()
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """What stands after a request."""

    revision: int
    answer: RatingAnswer
    received_at: float
    is_yours: bool
    """Whether what stands is what the request said."""


def checked(answer: RatingAnswer) -> RatingAnswer:
    """The answer as it is recorded.

    Raises
    ------
    RefusedError
        If there is no choice, a reason is unknown, or the comment is too long.
    """
    if answer.choice is None and not answer.unusable:
        raise RefusedError("choose_first")
    return _cleaned(answer)


def _cleaned(answer: RatingAnswer) -> RatingAnswer:
    if answer.choice not in (None, *get_args(Choice)):
        raise RefusedError("bad_request")
    if len(answer.comment) > MAX_COMMENT:
        raise RefusedError("comment_too_long")
    if {*answer.first_reasons, *answer.second_reasons} - set(REASONS):
        raise RefusedError("bad_request")
    return RatingAnswer(
        choice=answer.choice,
        unusable=answer.unusable,
        first_reasons=_ordered(answer.first_reasons),
        second_reasons=_ordered(answer.second_reasons),
        comment=normalised(answer.comment),
    )


def record_answer(
    connection: Connection,
    shown: Showing,
    answer: RatingAnswer,
    settings: Settings,
    *,
    revision: int,
    elapsed_ms: float | None,
    now: float,
) -> StoredEvent:
    """Record revision `revision` of the answer to a showing; in a writing transaction.

    Raises
    ------
    RefusedError
        If the answer is none (see `checked`), or the revision is not the next one.
    """
    answer = checked(answer)
    lock_rater(connection, shown.rater_id)
    standing = _revisions(connection, shown.id)
    if revision in standing:
        old = standing[revision]
        return StoredEvent(
            revision=revision,
            answer=old[0],
            received_at=old[1],
            is_yours=old[0] == answer,
        )
    if revision != len(standing) + 1:
        raise RefusedError("stale")
    if shown.kind == "screen" and standing:
        raise RefusedError("screen_is_final")
    _add(connection, shown, "answer", asdict(answer), elapsed_ms, now=now, revision=revision)
    if not standing:
        _first_answer(connection, shown, settings, now=now)
    connection.execute(draft.delete().where(draft.c.showing_id == shown.id))
    return StoredEvent(revision=revision, answer=answer, received_at=now, is_yours=True)


def record_event(
    connection: Connection,
    shown: Showing,
    kind: EventKind,
    settings: Settings,
    *,
    elapsed_ms: float | None,
    now: float,
    body: Mapping[str, Any] | None = None,
) -> None:
    """Record that something happened; whoever is active keeps the lease."""
    _add(connection, shown, kind, body or {}, elapsed_ms, now=now)
    renew_lease(connection, shown.id, settings, now=now)


def save_draft(
    connection: Connection,
    shown: Showing,
    answer: RatingAnswer,
    settings: Settings,
    *,
    revision: int,
    now: float,
) -> None:
    """Keep what is on the form; only the last draft is kept, and none once there is an answer.

    Parameters
    ----------
    revision : int
        Of the answer that this may become: a draft that arrives after that answer is dropped.

    Raises
    ------
    RefusedError
        If a reason is unknown or the comment is too long; a missing choice is fine.
    """
    lock_rater(connection, shown.rater_id)
    cleaned = _cleaned(answer)
    if revision != len(_revisions(connection, shown.id)) + 1:
        return
    connection.execute(draft.delete().where(draft.c.showing_id == shown.id))
    connection.execute(
        draft.insert().values(showing_id=shown.id, saved_at=now, body=asdict(cleaned))
    )
    renew_lease(connection, shown.id, settings, now=now)


def read_draft(connection: Connection, shown: Showing) -> RatingAnswer | None:
    """The draft that was kept."""
    found = connection.scalar(select(draft.c.body).where(draft.c.showing_id == shown.id))
    return None if found is None else answer_of(found)


def find_current_answer(connection: Connection, showing_id: int) -> tuple[int, RatingAnswer | None]:
    """How many answers a showing has, and the last of them."""
    standing = _revisions(connection, showing_id)
    return len(standing), standing[max(standing)][0] if standing else None


def find_showing_before(
    connection: Connection, rater_id: int, before: Showing | None
) -> str | None:
    """Public id of the showing that the rater answered last, or last before `before`.

    Screens are final and are passed over.
    """
    # By the order of first answers, which no clock that is set back can change.
    query = (
        select(showing.c.public_id)
        .join(unit, unit.c.id == showing.c.unit_id)
        .join(event, event.c.showing_id == showing.c.id)
        .where(
            showing.c.rater_id == rater_id,
            unit.c.kind != "screen",
            event.c.kind == "answer",
            event.c.revision == 1,
        )
        .order_by(event.c.id.desc())
        .limit(1)
    )
    if before is not None:
        first = select(event.c.id).where(
            event.c.showing_id == before.id, event.c.kind == "answer", event.c.revision == 1
        )
        number = connection.scalar(first)
        query = query if number is None else query.where(event.c.id < number)
    return connection.scalar(query)


def _ordered(reasons: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(reason for reason in REASONS if reason in reasons)


def answer_of(body: Mapping[str, Any]) -> RatingAnswer:
    """The answer that an event's or a draft's body holds."""
    return RatingAnswer(
        choice=body["choice"],
        unusable=body["unusable"],
        first_reasons=tuple(body["first_reasons"]),
        second_reasons=tuple(body["second_reasons"]),
        comment=body["comment"],
    )


def _revisions(connection: Connection, showing_id: int) -> dict[int, tuple[RatingAnswer, float]]:
    query = select(event.c.revision, event.c.body, event.c.received_at).where(
        event.c.showing_id == showing_id, event.c.kind == "answer"
    )
    return {
        row.revision: (answer_of(row.body), row.received_at) for row in connection.execute(query)
    }


def _add(
    connection: Connection,
    shown: Showing,
    kind: EventKind,
    body: Mapping[str, Any],
    elapsed_ms: float | None,
    *,
    now: float,
    revision: int | None = None,
) -> None:
    believable = elapsed_ms is not None and 0 <= elapsed_ms <= _LONGEST_MS
    connection.execute(
        event.insert().values(
            rater_id=shown.rater_id,
            showing_id=shown.id,
            kind=kind,
            revision=revision,
            received_at=now,
            elapsed_ms=round(elapsed_ms) if believable and elapsed_ms is not None else None,
            body=dict(body),
        )
    )


def _first_answer(
    connection: Connection, shown: Showing, settings: Settings, *, now: float
) -> None:
    """Fill the slot, unless its lease ran out and another rater has it; decide the screen."""
    connection.execute(update(showing).where(showing.c.id == shown.id).values(answered_at=now))
    connection.execute(
        update(slot)
        .where(slot.c.showing_id == shown.id, slot.c.done_at.is_(None))
        .values(done_at=now)
    )
    if shown.kind == "screen":
        _decide_screen(connection, shown.rater_id, shown.language, settings)


def _decide_screen(
    connection: Connection, rater_id: int, language: str, settings: Settings
) -> None:
    """Open or close a language once every unit of its screen is answered."""
    wanted = connection.scalar(
        select(func.count()).where(unit.c.language == language, unit.c.kind == "screen")
    )
    query = (
        select(unit.c.expected, showing.c.a_first, event.c.body)
        .join(showing, showing.c.unit_id == unit.c.id)
        .join(event, event.c.showing_id == showing.c.id)
        .where(
            showing.c.rater_id == rater_id,
            unit.c.language == language,
            unit.c.kind == "screen",
            event.c.kind == "answer",
        )
    )
    rows = connection.execute(query).all()
    if len(rows) < (wanted or 0):
        return
    right = sum(is_right(row.expected, answer_of(row.body), a_first=row.a_first) for row in rows)
    # Where fewer could be made than asked for, the same share must be right.
    needed = settings.screen_pass / max(1, settings.screen) * len(rows)
    state: ScreenState = "passed" if right >= needed - 1e-9 else "failed"
    connection.execute(
        update(rater_language)
        .where(rater_language.c.rater_id == rater_id, rater_language.c.language == language)
        .values(screen=state)
    )


def is_right(expected: str, answer: RatingAnswer, *, a_first: bool) -> bool:
    """Whether an answer to a unit made by rule is what the rule says.

    'same': 0, or one step from it is wrong; a side: that side is better, however much. Both
    unusable without a preference is wrong: one side is a model's whole answer.
    """
    if answer.choice is None:
        return expected == "same"
    if expected == "same":
        return answer.choice == 0
    return (answer.choice < 0) == ((expected == "a") == a_first) and answer.choice != 0
