"""What a judge has answered so far: an append-only journal, so that no reply is paid for twice.

    FOLDER/
      judge.json       which judge: model, template, settings; what its numbers depend on
      journal.jsonl    a checksummed record a reply, written as soon as it is known
      votes.jsonl      the votes of the last run
      summary.json     what they show

Failures are recorded with what they cost, and are asked again next time. A reply is known by the
hash of its request. Costs are in the currency of the user's price.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from babelbits.engines.chat import ChatAnswer, ChatFailure, ChatModel, ChatReply, ChatRequest
from babelbits.errors import CorruptRecordError, StoreLockedError
from babelbits.preferences.vote_store import JUDGE
from babelbits.records import canonical_json, digest
from babelbits.store.atomic import store_errors, write_atomically
from babelbits.store.codec import from_json, to_json
from babelbits.store.journal import Journal, read

JOURNAL, SUMMARY = "journal.jsonl", "summary.json"


def judge_id(identity: Mapping[str, Any]) -> str:
    """Hash of everything about a judge that may change its votes."""
    return digest(dict(identity))


def request_key(request: ChatRequest) -> str:
    """Hash of a request."""
    return digest(to_json(request), length=32)


class Ledger:
    """The journal of one judge; one writer at a time.

    Parameters
    ----------
    identity : mapping
        What the judge is, for the record beside its replies.
    """

    def __init__(self, folder: Path, *, identity: Mapping[str, Any]) -> None:
        self.folder = folder
        self._identity = dict(identity)
        self._path = folder / JOURNAL
        self._replies: dict[str, ChatReply] = {}
        self._values: dict[str, float] = {}
        self._spent = 0.0
        self._unpriced = 0

    def __enter__(self) -> Self:
        with store_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        self._journal = Journal(self._path)
        try:
            self._journal.__enter__()
        except StoreLockedError:
            raise StoreLockedError(
                "the same judge is at work in another process",
                where=str(self.folder),
                hint="wait for it, or stop it; what it has recorded is kept",
            ) from None
        try:
            for record in read(self._path):
                self._take(record)
        except CorruptRecordError as error:
            self._journal.__exit__()
            raise CorruptRecordError(
                error.what,
                where=error.where,
                hint="move the file away: the replies in it will be asked for again",
            ) from error
        write_atomically(self.folder / JUDGE, canonical_json(self._identity).encode() + b"\n")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._journal.__exit__(kind, error, trace)

    @property
    def spent(self) -> float | None:
        """What all replies and failures have cost; None where one of them had no known price."""
        return None if self._unpriced else self._spent

    def reply(self, key: str) -> ChatReply | None:
        """The recorded reply to a request; None if it has none yet."""
        return self._replies.get(key)

    def value(self, key: str) -> float | None:
        """The recorded number of a reward model; None if it has none yet."""
        return self._values.get(key)

    def add(self, key: str, answer: ChatAnswer) -> None:
        """Record an answer; durable on return."""
        kind = "failure" if isinstance(answer, ChatFailure) else "reply"
        self._record({"key": key, "kind": kind, "answer": to_json(answer)})

    def add_value(self, key: str, value: float) -> None:
        """Record a reward; durable on return."""
        self._record({"key": key, "kind": "reward", "value": value})

    def _record(self, record: dict[str, Any]) -> None:
        self._journal.append(record)
        self._take(record)

    def _take(self, record: Mapping[str, Any]) -> None:
        key, kind = str(record["key"]), record["kind"]
        if kind == "reward":
            self._values[key] = float(record["value"])
            return
        shape: type[ChatReply] | type[ChatFailure]
        shape = ChatReply if kind == "reply" else ChatFailure
        answer: ChatReply | ChatFailure = from_json(shape, record["answer"], where=str(self._path))
        if isinstance(answer, ChatReply):
            self._replies[key] = answer
        self._spent += answer.cost or 0.0
        self._unpriced += answer.cost is None


# --- asking what is not yet known -----------------------------------------------------------------
# Requests go out in an order drawn by hash from their content: a run that stops at its spend limit
# has then asked about a random part, and a model that changes behind its endpoint over the hours
# does not change from one language to the next.

Progress = Callable[[int, int], None]
"""Told how many requests have an answer, of how many."""


def ask_all(
    requests: Sequence[ChatRequest],
    model: ChatModel,
    ledger: Ledger,
    *,
    progress: Progress | None = None,
) -> list[ChatAnswer]:
    """Answers in request order: recorded ones from the ledger, the others from the model.

    Equal requests are asked once. A failure is an answer of this run only.
    """
    keys = [request_key(request) for request in requests]
    by_key = dict(zip(keys, requests, strict=True))
    answers: dict[str, ChatAnswer] = {
        key: reply for key in by_key if (reply := ledger.reply(key)) is not None
    }
    todo = sorted(key for key in by_key if key not in answers)

    def note(place: int, answer: ChatAnswer) -> None:
        key = todo[place]
        if key not in answers:
            ledger.add(key, answer)
            answers[key] = answer
        if progress is not None:
            progress(len(answers), len(by_key))

    if todo:
        found = model.ask([by_key[key] for key in todo], on_answer=note)
        for place, answer in enumerate(found):
            note(place, answer)
    return [answers[key] for key in keys]
