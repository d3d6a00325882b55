"""The file of answers: what chat models said, and what was paid for it.

One SQLite file that several processes may use at once and that a kill at any moment leaves whole.
An answer is found by its content: the model's identity, the messages and the parameters. Failures
are never kept. A paid request is written down *before* it is sent, at the most it could cost, and
corrected when its reply is there, in the same transaction that keeps the reply; so a process that
was killed leaves what it might have spent, and a limit holds across kills and processes.

Nothing here opens a connection to anywhere. Amounts are in the currency of the user's price.
"""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from babelbits.engines.chat import ChatReply, ChatRequest
from babelbits.errors import StoreError
from babelbits.records import canonical_json, digest

_SCHEMA = 1
_PATIENCE = 60.0
"""Seconds to wait for another process that is writing."""
_ROUNDING = 1e-9
"""Relative; sums of exact prices differ from the limit in their last bits."""

_TABLES = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY,
    model TEXT NOT NULL,
    request TEXT NOT NULL,
    text TEXT NOT NULL,
    finish_reason TEXT NOT NULL,
    prompt_tokens INTEGER,
    output_tokens INTEGER,
    cost REAL,
    raw TEXT NOT NULL,
    at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spending (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'known', 'unknown')),
    amount REAL NOT NULL,
    at TEXT NOT NULL
);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What a file of answers has cost, over all runs."""

    known: float
    """By the endpoint's own counts of tokens."""
    possible: float
    """At most, for attempts that nobody knows to be charged: timeouts, torn replies, kills."""

    @property
    def most(self) -> float:
        """What limits are held against."""
        return self.known + self.possible


def answer_key(identity: Mapping[str, Any], request: ChatRequest) -> str:
    """The content of a question as a hash: equal exactly for equal questions to equal models."""
    return digest([dict(identity), asdict(request)], length=32)


def name_model(identity: Mapping[str, Any]) -> str:
    """What the column `model` holds: an endpoint's name of it, or the hash of local weights."""
    return str(identity.get("model", identity.get("weights", "")))


class AnswerFile:
    """Answers and spending in one SQLite file; for any number of threads and processes.

    Parameters
    ----------
    path : Path, optional
        Made if it is not there; None keeps everything in memory.

    Raises
    ------
    StoreError
        If the file cannot be written, or is no file of answers.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        with self._errors():
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(
                ":memory:" if path is None else path,
                timeout=_PATIENCE,
                isolation_level=None,
                check_same_thread=False,
            )
            # Not WAL, which does not work over a network file system.
            self._file.execute("PRAGMA synchronous = FULL")
            self._prepare()

    # --- answers ---

    def find(self, key: str) -> ChatReply | None:
        """The reply that is kept under a key."""
        row = self._one(
            "SELECT text, finish_reason, prompt_tokens, output_tokens FROM answers WHERE key = ?",
            key,
        )
        if row is None:
            return None
        text, finish_reason, prompt_tokens, output_tokens = row
        return ChatReply(
            text=text,
            finish_reason=finish_reason,
            prompt_tokens=prompt_tokens,
            output_tokens=output_tokens,
            cost=0.0,
            cached=True,
        )

    def raw(self, key: str) -> str | None:
        """The reply as the endpoint sent it."""
        row = self._one("SELECT raw FROM answers WHERE key = ?", key)
        return None if row is None else cast(str, row[0])

    def cost(self) -> float | None:
        """What all kept replies cost when they were asked; None where one has no known price."""
        row = self._one("SELECT total(cost), count(*) - count(cost) FROM answers")
        total, unpriced = row or (0.0, 0)
        return None if unpriced else float(total)

    def requests(self) -> list[str]:
        """The requests of all kept replies, as canonical JSON."""
        with self._lock, self._errors():
            return [text for (text,) in self._file.execute("SELECT request FROM answers")]

    def keep(
        self,
        key: str,
        reply: ChatReply,
        *,
        model: str,
        request: ChatRequest,
        raw: str,
        entry: int | None = None,
        cost: float | None = None,
    ) -> None:
        """Keep a reply for good, and settle `entry` at `cost`, in one step; durable on return."""
        with self._transaction():
            self._insert(key, reply, model=model, request=request, raw=raw)
            if entry is not None:
                self._settle(entry, cost)

    def adopt(
        self, replies: Iterable[tuple[str, ChatRequest, ChatReply]], *, identity: Mapping[str, Any]
    ) -> None:
        """Keep replies that another received, in one step: all of them or none.

        A key that has a reply stays as it is. What a new one cost is counted as spent, too, so that
        a limit holds against it. Durable on return.

        Parameters
        ----------
        replies : iterable of (str, ChatRequest, ChatReply)
            Key, request and reply.
        identity : mapping
            Of the model that gave them.
        """
        model = name_model(identity)
        with self._transaction():
            for key, request, reply in replies:
                new = self._insert(key, reply, model=model, request=request, raw=as_json(reply))
                if new and reply.cost:
                    self._file.execute(
                        "INSERT INTO spending (key, state, amount, at) VALUES (?, 'known', ?, ?)",
                        (key, reply.cost, _now()),
                    )

    # --- spending ---

    def reserve(self, key: str, amount: float, *, limit: float | None) -> int | None:
        """Write down that `amount` may be spent; None if that could pass `limit`."""
        with self._transaction():
            if limit is not None:
                (spent,) = self._file.execute("SELECT total(amount) FROM spending").fetchone()
                if spent + amount > limit * (1 + _ROUNDING):
                    return None
            cursor = self._file.execute(
                "INSERT INTO spending (key, state, amount, at) VALUES (?, 'open', ?, ?)",
                (key, amount, _now()),
            )
        return cursor.lastrowid

    def settle(self, entry: int, cost: float | None) -> None:
        """Correct an entry to what it did cost; None leaves the most it could have."""
        with self._transaction():
            self._settle(entry, cost)

    def spending(self) -> Spending:
        """What all runs on this file have spent, and may have."""
        row = self._one(
            "SELECT total(amount) FILTER (WHERE state = 'known'),"
            " total(amount) FILTER (WHERE state <> 'known') FROM spending"
        )
        known, possible = row or (0.0, 0.0)
        return Spending(known=known, possible=possible)

    def close(self) -> None:
        """Close the file; whatever it was told is on the disk already."""
        with self._lock:
            self._file.close()

    # --- SQLite ---

    def _insert(
        self, key: str, reply: ChatReply, *, model: str, request: ChatRequest, raw: str
    ) -> bool:
        """Within a transaction: whether the key had no reply yet."""
        row = (
            key,
            model,
            canonical_json(asdict(request)),
            reply.text,
            reply.finish_reason,
            reply.prompt_tokens,
            reply.output_tokens,
            reply.cost,
            raw,
            _now(),
        )
        cursor = self._file.execute(
            "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row
        )
        return cursor.rowcount == 1

    def _settle(self, entry: int, cost: float | None) -> None:
        if cost is None:
            self._file.execute("UPDATE spending SET state = 'unknown' WHERE id = ?", (entry,))
        else:
            self._file.execute(
                "UPDATE spending SET state = 'known', amount = ? WHERE id = ?", (cost, entry)
            )

    def _prepare(self) -> None:
        (version,) = self._file.execute("PRAGMA user_version").fetchone()
        if version == _SCHEMA:
            return
        (tables,) = self._file.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if version != 0 or tables:
            raise StoreError(
                "not a file of answers, or one of another version of Babelbits",
                where=str(self._path),
                hint="name another file",
            )
        self._file.executescript(
            f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {_SCHEMA}; COMMIT"
        )

    def _one(self, query: str, *values: str) -> tuple[Any, ...] | None:
        with self._lock, self._errors():
            return cast("tuple[Any, ...] | None", self._file.execute(query, values).fetchone())

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, self._errors():
            self._file.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._file.execute("ROLLBACK")
                raise
            self._file.execute("COMMIT")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """SQLite's complaints as a `StoreError` that helps."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(
                f"the file of answers cannot be used: {error}",
                where=str(self._path or "memory"),
                hint="check the disk; a damaged file can be moved away, which forgets its answers",
            ) from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def as_json(reply: ChatReply) -> str:
    """A reply as text, for models that have no raw form of it."""
    return json.dumps(asdict(reply), ensure_ascii=True, sort_keys=True)
