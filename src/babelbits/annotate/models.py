"""The tables of a campaign. Nothing in them says which answer is a variant's.

A *unit* is a prompt with two texts, a and b; which of them is the baseline's stands in the key file
alone. A *slot* is one of the judgments wanted of a unit: at most one rater holds it, so that
overlap is exact. A *showing* is a unit on one rater's screen, with the text that came first.
*Events* are only ever added: the answer to a showing is its last event of kind 'answer'.

Times are seconds since 1970 by the server's clock; a browser's clock is never used. Durations that
a browser measured are milliseconds since the page was shown.
"""

from typing import Literal

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

UnitKind = Literal["pair", "identical", "shuffled", "language", "screen"]
"""What a unit is for. 'pair' counts; the others check the rater: twice the same text, an answer
with its words shuffled, one in the wrong language, and those shown before the first pair of a
language."""

EventKind = Literal["shown", "first_key", "hidden", "visible", "answer", "back"]
"""'back': an answered showing was opened again; its answer stands until there is a new one."""

ScreenState = Literal["pending", "passed", "failed"]

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", JSON, nullable=False),
)

rater = Table(
    "rater",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, unique=True),  # a pseudonym: r01
    Column("interface", String(16), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("consented_at", Double),
    Column("revoked_at", Double),
    Column("forgotten_at", Double),
)

rater_language = Table(
    "rater_language",
    metadata,
    Column("rater_id", ForeignKey("rater.id"), primary_key=True),
    Column("language", String(32), primary_key=True),
    Column("place", Integer, nullable=False),
    Column("screen", String(16), nullable=False),
)

invite = Table(
    "invite",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("rater_id", ForeignKey("rater.id"), nullable=False, index=True),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("revoked_at", Double),
)

session = Table(
    "session",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("rater_id", ForeignKey("rater.id"), index=True),  # None: the owner
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
)

unit = Table(
    "unit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("language", String(32), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("stratum", Integer, nullable=False),  # variants apart, under numbers that say nothing
    Column("rank", Integer, nullable=False),
    Column("wanted", Integer, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("text_a", Text, nullable=False),
    Column("text_b", Text, nullable=False),
    Column("expected", String(8)),  # 'a', 'b' or 'same' where a rule made the unit
    Index("unit_by_language", "language", "kind", "rank"),
)

slot = Table(
    "slot",
    metadata,
    Column("unit_id", ForeignKey("unit.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("showing_id", Integer, unique=True),
    Column("leased_until", Double),
    Column("done_at", Double),
)

showing = Table(
    "showing",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("public_id", String(32), unique=True),
    Column("rater_id", ForeignKey("rater.id"), nullable=False),
    Column("unit_id", ForeignKey("unit.id"), nullable=False),
    Column("round", Integer, nullable=False),  # 1: the same unit again, sides swapped
    Column("a_first", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("answered_at", Double),  # of the first answer
    UniqueConstraint("rater_id", "unit_id", "round"),
)

event = Table(
    "event",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("rater_id", ForeignKey("rater.id"), nullable=False, index=True),
    Column("showing_id", ForeignKey("showing.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("revision", Integer),  # of answers: 1, 2, ...
    Column("received_at", Double, nullable=False),
    Column("elapsed_ms", Integer),  # since the page was shown, by the browser
    Column("body", JSON, nullable=False),
    UniqueConstraint("showing_id", "revision"),
)

draft = Table(
    "draft",
    metadata,
    Column("showing_id", ForeignKey("showing.id"), primary_key=True),
    Column("saved_at", Double, nullable=False),
    Column("body", JSON, nullable=False),
)

act = Table(
    "act",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Double, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("detail", JSON, nullable=False),
)
