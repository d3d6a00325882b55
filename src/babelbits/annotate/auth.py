"""Who may do what: invitations, sessions, the owner. Tokens are kept as hashes only.

An invitation is a link that a rater may use again until it expires or is revoked: on another
device, or when a session has ended. Opening the link changes nothing (mail programs open links);
agreeing does. The owner has a password. A session's CSRF token is derived from its cookie, and kept
nowhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, or_, select, update

from babelbits.annotate.database import get_meta, read_inserted_id
from babelbits.annotate.folder import log_act
from babelbits.annotate.models import (
    draft,
    event,
    invite,
    rater,
    rater_language,
    session,
    showing,
    slot,
    unit,
)
from babelbits.annotate.secrets import (
    check_password,
    derive_id,
    hash_token,
    is_same,
    make_token,
)
from babelbits.errors import UnknownNameError
from babelbits.suggest import did_you_mean, one_of

SESSION_SECONDS = 14 * 24 * 3600.0
OWNER_SECONDS = 12 * 3600.0
DAY = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who a request comes from."""

    rater_id: int | None
    """None: the owner."""
    name: str
    interface: str
    csrf: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """Whose an invitation is."""

    rater_id: int
    name: str
    interface: str
    consented: bool


def add_rater(
    connection: Connection, languages: Sequence[str], *, interface: str, now: float
) -> str:
    """A new rater of `languages`, in that order; returns the pseudonym.

    Raises
    ------
    UnknownNameError
        If the campaign has nothing in a language.
    """
    known = connection.scalars(select(unit.c.language).distinct()).all()
    for language in languages:
        if language not in known:
            raise UnknownNameError(
                f"the campaign has nothing in {language!r}",
                hint=did_you_mean(language, known) or f"it has {one_of(sorted(known))}",
            )
    number = (connection.scalar(select(func.count()).select_from(rater)) or 0) + 1
    name = f"r{number:02d}"
    made = connection.execute(rater.insert().values(name=name, interface=interface, created_at=now))
    rater_id = read_inserted_id(made)
    for place, language in enumerate(dict.fromkeys(languages)):
        connection.execute(
            rater_language.insert().values(
                rater_id=rater_id,
                language=language,
                place=place,
                screen="pending" if _has_screen(connection, language) else "passed",
            )
        )
    return name


def invite_rater(connection: Connection, name: str, *, days: float, now: float) -> str:
    """A new invitation; returns its token, which is kept nowhere.

    Raises
    ------
    UnknownNameError
        If there is no such rater, or the rater was forgotten.
    """
    rater_id = find_rater(connection, name)
    token = make_token()
    connection.execute(
        invite.insert().values(
            token_hash=hash_token(token),
            rater_id=rater_id,
            created_at=now,
            expires_at=now + days * DAY,
        )
    )
    connection.execute(update(rater).where(rater.c.id == rater_id).values(revoked_at=None))
    return token


def revoke(connection: Connection, name: str, *, now: float) -> None:
    """End a rater's invitations and sessions; answers stay.

    Raises
    ------
    UnknownNameError
        If there is no such rater.
    """
    rater_id = find_rater(connection, name)
    connection.execute(update(rater).where(rater.c.id == rater_id).values(revoked_at=now))
    connection.execute(
        update(invite)
        .where(invite.c.rater_id == rater_id, invite.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    connection.execute(session.delete().where(session.c.rater_id == rater_id))


def find_rater(connection: Connection, name: str) -> int:
    """A rater's number.

    Raises
    ------
    UnknownNameError
        If there is none of that name, or the rater was forgotten.
    """
    rater_id = connection.scalar(
        select(rater.c.id).where(rater.c.name == name, rater.c.forgotten_at.is_(None))
    )
    if rater_id is None:
        names = connection.scalars(select(rater.c.name).where(rater.c.forgotten_at.is_(None))).all()
        raise UnknownNameError(
            f"no rater {name!r}", hint=did_you_mean(name, names) or f"there is {one_of(names)}"
        )
    return int(rater_id)


def find_invitation(connection: Connection, token: str, *, now: float) -> Invited | None:
    """Whose invitation this is; None if it is forged, expired or revoked."""
    row = connection.execute(
        select(rater.c.id, rater.c.name, rater.c.interface, rater.c.consented_at)
        .join(invite, invite.c.rater_id == rater.c.id)
        .where(
            invite.c.token_hash == hash_token(token),
            invite.c.revoked_at.is_(None),
            invite.c.expires_at > now,
            rater.c.revoked_at.is_(None),
            rater.c.forgotten_at.is_(None),
        )
    ).first()
    if row is None:
        return None
    return Invited(
        rater_id=row.id,
        name=row.name,
        interface=row.interface,
        consented=row.consented_at is not None,
    )


def start_session(connection: Connection, rater_id: int | None, *, now: float) -> str:
    """Begin a session and return its token; for a rater this is the moment of consent."""
    token = make_token()
    seconds = OWNER_SECONDS if rater_id is None else SESSION_SECONDS
    connection.execute(session.delete().where(session.c.expires_at < now))
    connection.execute(
        session.insert().values(
            token_hash=hash_token(token),
            rater_id=rater_id,
            created_at=now,
            expires_at=now + seconds,
        )
    )
    if rater_id is not None:
        connection.execute(
            update(rater)
            .where(rater.c.id == rater_id, rater.c.consented_at.is_(None))
            .values(consented_at=now)
        )
    return token


def end_session(connection: Connection, token: str) -> None:
    """Forget a session."""
    connection.execute(session.delete().where(session.c.token_hash == hash_token(token)))


def find_visitor(
    connection: Connection, token: str | None, *, secret: bytes, now: float
) -> Visitor | None:
    """Who holds a session; None if there is none, or it has ended."""
    if not token:
        return None
    values = {"token": hash_token(token), "now": now}
    row = connection.execute(_session_query(), values).first()
    if row is None:
        return None
    return Visitor(
        rater_id=row.rater_id,
        name=row.name or "owner",
        interface=row.interface or "en",
        csrf=make_csrf_token(token, secret=secret),
    )


@cache
def _session_query() -> Any:
    return (
        select(session.c.rater_id, rater.c.name, rater.c.interface)
        .outerjoin(rater, rater.c.id == session.c.rater_id)
        .where(
            session.c.token_hash == bindparam("token"),
            session.c.expires_at > bindparam("now"),
            or_(session.c.rater_id.is_(None), rater.c.revoked_at.is_(None)),
        )
    )


def make_csrf_token(token: str, *, secret: bytes) -> str:
    """The CSRF token of a session."""
    return derive_id(secret, "csrf", token)


def is_csrf_token(given: str | None, expected: str) -> bool:
    """Whether a request carries its session's CSRF token."""
    return given is not None and is_same(given, expected)


def is_owner_password(connection: Connection, password: str) -> bool:
    """Whether this is the owner's password."""
    kept = get_meta(connection, "owner_password")
    return isinstance(kept, str) and check_password(password, kept)


def _has_screen(connection: Connection, language: str) -> bool:
    query = select(unit.c.id).where(unit.c.language == language, unit.c.kind == "screen").limit(1)
    return connection.scalar(query) is not None


# --- delete-me ------------------------------------------------------------------------------------
# Everything that a rater gave is removed. The places become free for others.
#
# What stays is that there was a rater of that pseudonym, and when they were forgotten. Files that
# were exported or unblinded before are not reached from here; the command says so.


def forget(connection: Connection, name: str, *, now: float) -> int:
    """Delete a rater's events, drafts, invitations and sessions; returns how many judgments went.

    Raises
    ------
    UnknownNameError
        If there is no such rater.
    """
    rater_id = find_rater(connection, name)
    theirs = select(showing.c.id).where(showing.c.rater_id == rater_id)
    judgments = connection.scalar(
        select(func.count()).where(
            showing.c.rater_id == rater_id, showing.c.answered_at.is_not(None)
        )
    )
    connection.execute(
        update(slot)
        .where(slot.c.showing_id.in_(theirs))
        .values(showing_id=None, leased_until=None, done_at=None)
    )
    connection.execute(delete(draft).where(draft.c.showing_id.in_(theirs)))
    for table in (event, showing, invite, session, rater_language):
        connection.execute(delete(table).where(table.c.rater_id == rater_id))
    connection.execute(
        update(rater)
        .where(rater.c.id == rater_id)
        .values(forgotten_at=now, consented_at=None, revoked_at=None)
    )
    log_act(connection, "forget", now=now, detail={"rater": name})
    return judgments or 0
