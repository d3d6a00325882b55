"""What a judge has answered so far, so that no reply is paid for twice.

    FOLDER/
      judge.json       which judge: model, template, settings; what its numbers depend on
      answers.sqlite   each reply, once, under the key by which its model finds it
      journal.jsonl    what is no reply: failures with their cost, values of a reward model
      votes.jsonl      the votes of the last run
      summary.json     what they show

A model with a file of answers writes to the same one; whoever comes first keeps the reply, the
other leaves it. Failures are recorded with what they cost, and are asked again next time.

Journals of earlier versions hold replies, too, known by the hash of their request alone. Those that
the file has not are moved into it when their requests come up again, all in one step and before
anything is sent. The journal itself is never changed: until then, the reply counts from there.
Costs are in the currency of the user's price.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from babelbits.engines.chat import ChatAnswer, ChatFailure, ChatReply, ChatRequest
from babelbits.engines.chat_cache import AnswerFile, answer_key
from babelbits.errors import CorruptRecordError, StoreLockedError
from babelbits.preferences.vote_store import JUDGE
from babelbits.records import canonical_json, digest
from babelbits.store.atomic import store_errors, write_atomically
from babelbits.store.codec import from_json, to_json
from babelbits.store.journal import Journal, read

ANSWERS, JOURNAL, SUMMARY = "answers.sqlite", "journal.jsonl", "summary.json"


def judge_id(identity: Mapping[str, Any]) -> str:
    """Hash of everything about a judge that may change its votes."""
    return digest(dict(identity))


def hash_request(request: ChatRequest) -> str:
    """Hash of a request."""
    return _hashed(to_json(request))


def _hashed(request: object) -> str:
    return digest(request, length=32)


class Ledger:
    """The replies, failures and values of one judge; one writer at a time.

    Parameters
    ----------
    identity : mapping
        What the judge is, for the record beside its replies.

    Raises
    ------
    StoreError
        On entering: if the folder cannot be written, another process is the same judge, the journal
        is damaged, or `answers.sqlite` is no file of answers.
    """

    def __init__(self, folder: Path, *, identity: Mapping[str, Any]) -> None:
        self.folder = folder
        self._identity = dict(identity)
        self._path = folder / JOURNAL
        self._values: dict[str, float] = {}
        self._failure_costs: list[float | None] = []
        self._unmoved: dict[str, ChatReply] = {}
        """Replies in a journal of an earlier version that the file has not, by `hash_request`."""

    def __enter__(self) -> Self:
        with store_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            self._journal = self._lock(stack)
            self._read_journal()
            self._answers = AnswerFile(self.folder / ANSWERS)
            stack.callback(self._answers.close)
            if self._unmoved:
                for request in self._answers.requests():
                    self._unmoved.pop(_hashed(json.loads(request)), None)
            write_atomically(self.folder / JUDGE, canonical_json(self._identity).encode() + b"\n")
            self._open = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    @property
    def spent(self) -> float | None:
        """What all replies and failures have cost; None where one of them had no known price."""
        unmoved = [reply.cost for reply in self._unmoved.values()]
        costs = [self._answers.cost(), *unmoved, *self._failure_costs]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if len(known) == len(costs) else None

    def spent_in_all(self, model_spent: Callable[[], float | None] | None) -> float | None:
        """What all runs of the judge have spent; None where no price is known.

        Parameters
        ----------
        model_spent : callable, optional
            What the model says that it has cost. It knows of charged attempts whose request a kill
            ended before it had an answer; the ledger knows of failures before the file of answers
            was moved away. The rest is known to both.
        """
        recorded = self.spent
        if model_spent is None or recorded is None:
            return recorded
        told = model_spent()
        return None if told is None else max(told, recorded)

    def replies(
        self, requests: Iterable[ChatRequest], *, identity: Mapping[str, Any]
    ) -> dict[ChatRequest, ChatReply]:
        """The recorded replies of those requests that have one.

        Parameters
        ----------
        requests : iterable of ChatRequest
            Those of them that only an earlier version's journal knows are moved from there first.
        identity : mapping
            The model's.
        """
        keys = {request: answer_key(identity, request) for request in requests}
        if self._unmoved:
            self._move(keys, identity=identity)
        found = {request: self._answers.find(key) for request, key in keys.items()}
        return {request: reply for request, reply in found.items() if reply is not None}

    def value(self, key: str) -> float | None:
        """The recorded number of a reward model; None if it has none yet."""
        return self._values.get(key)

    def add(self, request: ChatRequest, answer: ChatAnswer, *, identity: Mapping[str, Any]) -> None:
        """Record the answer of a model with that identity; durable on return."""
        if isinstance(answer, ChatFailure):
            key = hash_request(request)
            self._record({"key": key, "kind": "failure", "answer": to_json(answer)})
            return
        key = answer_key(identity, request)
        if self._answers.find(key) is None:  # else the model kept it there already
            self._answers.adopt([(key, request, answer)], identity=identity)

    def add_value(self, key: str, value: float) -> None:
        """Record a reward; durable on return."""
        self._record({"key": key, "kind": "reward", "value": value})

    # --- the journal ---

    def _lock(self, stack: ExitStack) -> Journal:
        try:
            return stack.enter_context(Journal(self._path))
        except StoreLockedError:
            raise StoreLockedError(
                "the same judge is at work in another process",
                where=str(self.folder),
                hint="wait for it, or stop it; what it has recorded is kept",
            ) from None

    def _read_journal(self) -> None:
        try:
            for record in read(self._path):
                self._take(record)
        except CorruptRecordError as error:
            raise CorruptRecordError(
                error.what,
                where=error.where,
                hint="move the file away: what it alone holds will be asked for again",
            ) from error

    def _record(self, record: dict[str, Any]) -> None:
        self._journal.append(record)
        self._take(record)

    def _take(self, record: Mapping[str, Any]) -> None:
        key, kind = str(record["key"]), record["kind"]
        if kind == "reward":
            self._values[key] = float(record["value"])
        elif kind == "reply":
            self._unmoved[key] = from_json(ChatReply, record["answer"], where=str(self._path))
        else:
            failure = from_json(ChatFailure, record["answer"], where=str(self._path))
            self._failure_costs.append(failure.cost)

    def _move(self, keys: Mapping[ChatRequest, str], *, identity: Mapping[str, Any]) -> None:
        """Move replies to these requests from the journal into the file."""
        known = [(request, hash_request(request)) for request in keys]
        ready = [(request, old) for request, old in known if old in self._unmoved]
        if ready:
            moved = [(keys[request], request, self._unmoved[old]) for request, old in ready]
            self._answers.adopt(moved, identity=identity)
            for _, old in ready:
                del self._unmoved[old]
