"""Delete-me: everything that a rater gave, removed. The places become free for others.

What stays is that there was a rater of that pseudonym, and when they were forgotten. Files that
were exported or unblinded before are not reached from here; the command says so.
"""

from sqlalchemy import Connection, delete, func, select, update

from babelbits.annotate.auth import rater_by_name
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
)


def forget(connection: Connection, name: str, *, now: float) -> int:
    """Delete a rater's events, drafts, invitations and sessions; returns how many judgments went.

    Raises
    ------
    UnknownNameError
        If there is no such rater.
    """
    rater_id = rater_by_name(connection, name)
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
