"""Who rates what next: least covered first, with a lease, so that overlap is exact.

A unit has as many slots as judgments are wanted of it. A rater's request takes the open slot with
the smallest number (the least covered unit), then of the variant that this rater has seen least,
then in the rater's own order. The slot is kept for the rater for the lease; after that another may
take it, and whoever held it never sees the unit again, so that the order on screen stays fixed for
a rater and unit. A slot is filled once: one that comes late is kept as surplus, and counted apart.

Languages come one after the other. In each the screen comes first; while the rest goes on, checks
come at keyed places.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from sqlalchemy import BigInteger, Connection, Row, bindparam, cast, func, or_, select, update

from babelbits.annotate import order
from babelbits.annotate.campaign_settings import Settings
from babelbits.annotate.models import rater, rater_language, showing, slot, unit
from babelbits.annotate.secrets import derive_id, derive_number

REPEAT_DISTANCE = 6
"""Pairs that lie at least between a pair and its repeat."""
MIN_REPEAT_POOL = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """A unit on one rater's screen."""

    id: int
    public_id: str
    rater_id: int
    unit_id: int
    language: str
    kind: str
    round: int
    a_first: bool
    answered_at: float | None
    prompt: str
    text_a: str
    text_b: str

    @property
    def first(self) -> str:
        """The text that comes first."""
        return self.text_a if self.a_first else self.text_b

    @property
    def second(self) -> str:
        """The other one."""
        return self.text_b if self.a_first else self.text_a


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """Why there is nothing to show."""

    reason: Literal["done", "later", "screened_out"]
    """later: others hold the last ones; their leases may run out."""


_SHOWN = (
    showing.c.id,
    showing.c.public_id,
    showing.c.rater_id,
    showing.c.unit_id,
    unit.c.language,
    unit.c.kind,
    showing.c.round,
    showing.c.a_first,
    showing.c.answered_at,
    unit.c.prompt,
    unit.c.text_a,
    unit.c.text_b,
)


def lock_rater(connection: Connection, rater_id: int) -> None:
    """Let the requests of one rater follow each other (two tabs); on SQLite all writers do."""
    if connection.dialect.name != "sqlite":
        connection.execute(select(rater.c.id).where(rater.c.id == rater_id).with_for_update())


def find_showing(connection: Connection, rater_id: int, public_id: str) -> Showing | None:
    """A showing of this rater; None for anybody else's."""
    values = {"rater": rater_id, "public_id": public_id}
    return _as_showing(connection.execute(_find_query(), values).first())


def open_showing(connection: Connection, rater_id: int) -> Showing | None:
    """What the rater was shown and has not answered, if the slot is still the rater's."""
    return _as_showing(connection.execute(_open_query(), {"rater": rater_id}).first())


def choose_next_showing(
    connection: Connection, rater_id: int, settings: Settings, *, secret: bytes, now: float
) -> Showing | Nothing:
    """What this rater sees next; in a writing transaction.

    Parameters
    ----------
    now : float
        Seconds since 1970, the server's.
    """
    lock_rater(connection, rater_id)
    waiting = open_showing(connection, rater_id)
    if waiting is not None:
        renew_lease(connection, waiting.id, settings, now=now)
        return waiting
    languages = _languages(connection, rater_id)
    desk = _Desk(connection, rater_id, settings, secret, now)
    for language, screen in languages:
        unit = desk.screening(language) if screen == "pending" else None
        if unit is None and screen == "passed":
            unit = desk.due_check(language) or desk.claim(language)
        if unit is not None:
            return unit
    return Nothing(reason=desk.why(languages))


def renew_lease(connection: Connection, showing_id: int, settings: Settings, *, now: float) -> None:
    """Keep a slot for its rater for another lease."""
    connection.execute(
        update(slot)
        .where(slot.c.showing_id == showing_id, slot.c.done_at.is_(None))
        .values(leased_until=now + settings.lease_seconds)
    )


@dataclass(frozen=True)
class _Desk:
    """Hands out units to one rater within one transaction."""

    connection: Connection
    rater_id: int
    settings: Settings
    secret: bytes
    now: float

    def screening(self, language: str) -> Showing | None:
        """The next unit of the screen; None when all were shown."""
        query = (
            select(unit.c.id)
            .where(unit.c.language == language, unit.c.kind == "screen", ~self._seen())
            .order_by(unit.c.rank)
            .limit(1)
        )
        found = self.connection.scalar(query)
        return None if found is None else self._show(found, a_first=self._coin(found))

    def due_check(self, language: str) -> Showing | None:
        """A check, if one is due and there is one left."""
        if self.settings.check_every < 1:
            return None
        rounds = self._history(language)
        pairs = sum(kind == "pair" and number == 0 for kind, number in rounds)
        checks = sum(kind != "screen" for kind, _ in rounds) - pairs
        if not order.check_is_due(
            self.secret,
            self.rater_id,
            pairs=pairs,
            checks=checks,
            every=self.settings.check_every,
        ):
            return None
        if self.settings.repeats and checks % 2 == 1:
            return self._repeat(language) or self._check(language)
        return self._check(language) or (self._repeat(language) if self.settings.repeats else None)

    def claim(self, language: str) -> Showing | None:
        """Take an open slot: least covered, then by variant, then in the rater's own order."""
        factor, shift, modulus = order.draw_rater_permutation(self.secret, self.rater_id)
        values: dict[str, Any] = {"factor": factor, "shift": shift, "modulus": modulus}
        values |= {"rater": self.rater_id, "language": language, "now": self.now}
        found = self.connection.execute(_claim_query(), values).first()
        if found is None:
            return None
        taken = self._show(found.unit_id, a_first=order.is_a_first(found.number))
        self.connection.execute(
            update(slot)
            .where(slot.c.unit_id == found.unit_id, slot.c.number == found.number)
            .values(showing_id=taken.id, leased_until=self.now + self.settings.lease_seconds)
        )
        return taken

    def why(self, languages: Sequence[tuple[str, str]]) -> Literal["done", "later", "screened_out"]:
        """Why there is nothing now."""
        if languages and all(screen == "failed" for _, screen in languages):
            return "screened_out"
        passed = [language for language, screen in languages if screen == "passed"]
        held = (
            select(slot.c.unit_id)
            .join(unit, unit.c.id == slot.c.unit_id)
            .where(unit.c.language.in_(passed), slot.c.done_at.is_(None), ~self._seen())
            .limit(1)
        )
        return "done" if self.connection.scalar(held) is None else "later"

    # --- parts ------------------------------------------------------------------------------

    def _seen(self) -> Any:
        """Whether this rater was ever shown the unit."""
        return _shown_to(self.rater_id)

    def _history(self, language: str) -> list[tuple[str, int]]:
        """Kind and round of everything this rater was shown in a language."""
        query = (
            select(unit.c.kind, showing.c.round)
            .join(unit, unit.c.id == showing.c.unit_id)
            .where(showing.c.rater_id == self.rater_id, unit.c.language == language)
        )
        return [(row.kind, row.round) for row in self.connection.execute(query)]

    def _check(self, language: str) -> Showing | None:
        """A unit made by rule that this rater has not seen; kinds take turns."""
        query = select(unit.c.id, unit.c.kind).where(
            unit.c.language == language,
            unit.c.kind.in_(("shuffled", "language", "identical")),
            ~self._seen(),
        )
        seen = Counter(kind for kind, _ in self._history(language))
        next_check = min(
            self.connection.execute(query),
            key=lambda row: (
                seen[row.kind],
                derive_number(self.secret, "kind", self.rater_id, row.id),
            ),
            default=None,
        )
        return (
            None
            if next_check is None
            else self._show(next_check.id, a_first=self._coin(next_check.id))
        )

    def _repeat(self, language: str) -> Showing | None:
        """An answered pair of some time ago that was not repeated yet, sides swapped."""
        again = showing.alias()
        query = (
            select(showing.c.unit_id, showing.c.a_first)
            .join(unit, unit.c.id == showing.c.unit_id)
            .where(
                showing.c.rater_id == self.rater_id,
                showing.c.round == 0,
                showing.c.answered_at.is_not(None),
                unit.c.language == language,
                unit.c.kind == "pair",
                ~select(again.c.id)
                .where(
                    again.c.rater_id == self.rater_id,
                    again.c.unit_id == showing.c.unit_id,
                    again.c.round == 1,
                )
                .exists(),
            )
            .order_by(showing.c.id)
        )
        answered = self.connection.execute(query).all()
        pool = answered[: max(0, len(answered) - REPEAT_DISTANCE)]
        if len(pool) < MIN_REPEAT_POOL:
            return None
        oldest = min(
            pool, key=lambda row: derive_number(self.secret, "repeat", self.rater_id, row.unit_id)
        )
        return self._show(oldest.unit_id, a_first=not oldest.a_first, number=1)

    def _coin(self, unit_id: int) -> bool:
        """Order of a check: the right side is drawn when it is made; this swaps it by rater."""
        return derive_number(self.secret, "check order", self.rater_id, unit_id) % 2 == 0

    def _show(self, unit_id: int, *, a_first: bool, number: int = 0) -> Showing:
        public_id = derive_id(self.secret, "showing", self.rater_id, unit_id, number)
        self.connection.execute(
            showing.insert().values(
                public_id=public_id,
                rater_id=self.rater_id,
                unit_id=unit_id,
                round=number,
                a_first=a_first,
                created_at=self.now,
            )
        )
        recorded = find_showing(self.connection, self.rater_id, public_id)
        if recorded is None:
            raise RuntimeError("a row that was just written is not there")
        return recorded


# The queries that every request makes are built once: building takes longer than running them.


def _showings() -> Any:
    return select(*_SHOWN).join(unit, unit.c.id == showing.c.unit_id)


def _shown_to(rater_id: Any) -> Any:
    return (
        select(showing.c.id)
        .where(showing.c.rater_id == rater_id, showing.c.unit_id == unit.c.id)
        .exists()
    )


@cache
def _find_query() -> Any:
    return _showings().where(
        showing.c.public_id == bindparam("public_id"), showing.c.rater_id == bindparam("rater")
    )


@cache
def _open_query() -> Any:
    return (
        _showings()
        .outerjoin(slot, slot.c.showing_id == showing.c.id)
        .where(
            showing.c.rater_id == bindparam("rater"),
            showing.c.answered_at.is_(None),
            or_(unit.c.kind != "pair", showing.c.round == 1, slot.c.showing_id.is_not(None)),
        )
        .order_by(showing.c.id.desc())
        .limit(1)
    )


@cache
def _claim_query() -> Any:
    """Open slots: least covered first, then this rater's rarest stratum, then the rater's order."""
    ours: Any = bindparam("rater")
    language: Any = bindparam("language")
    seen = (
        select(unit.c.stratum, func.count().label("n"))
        .join(showing, showing.c.unit_id == unit.c.id)
        .where(showing.c.rater_id == ours, unit.c.language == language, unit.c.kind == "pair")
        .group_by(unit.c.stratum)
        .subquery()
    )
    rank = cast(unit.c.rank, BigInteger) * bindparam("factor", type_=BigInteger)
    return (
        select(slot.c.unit_id, slot.c.number)
        .join(unit, unit.c.id == slot.c.unit_id)
        .outerjoin(seen, seen.c.stratum == unit.c.stratum)
        .where(
            unit.c.language == language,
            unit.c.kind == "pair",
            slot.c.done_at.is_(None),
            or_(slot.c.showing_id.is_(None), slot.c.leased_until < bindparam("now")),
            ~_shown_to(ours),
        )
        .order_by(
            slot.c.number,
            func.coalesce(seen.c.n, 0),
            (rank + bindparam("shift", type_=BigInteger)) % bindparam("modulus", type_=BigInteger),
        )
        .limit(1)
        .with_for_update(of=slot, skip_locked=True)
    )


def _as_showing(row: Row[Any] | None) -> Showing | None:
    return None if row is None else Showing(**row._mapping)


def _languages(connection: Connection, rater_id: int) -> list[tuple[str, str]]:
    """Languages of a rater in order, each with the state of its screen."""
    query = (
        select(rater_language.c.language, rater_language.c.screen)
        .where(rater_language.c.rater_id == rater_id)
        .order_by(rater_language.c.place)
    )
    return [(row.language, row.screen) for row in connection.execute(query)]
