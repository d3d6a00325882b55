"""Translate, check, translate back, and once more where something was wrong.

Units are taken in chunks, so that requests run side by side and a finished unit is soon in the
journal. What the checks find stays found: such a unit is asked once more, with what was wrong, and
is then failed. A unit whose request got no answer (limits, faults) is not finished; the same
command asks it again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from babelbits.engines.chat import ChatAnswer, ChatFailure, ChatModel, ChatRequest
from babelbits.records import digest
from babelbits.store.journal import Journal, read
from babelbits.tasks.language_id import Identifier
from babelbits.translate import backward
from babelbits.translate.job import TranslationJob
from babelbits.translate.language import check_language
from babelbits.translate.prompts import (
    PROMPT_HASH,
    make_first_request,
    make_second_request,
    read_reply,
)
from babelbits.translate.translation_checks import TranslationProblem, check
from babelbits.translate.units import Unit

CHUNK = 64
"""Units that are translated side by side."""
JOURNAL = "units.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """What became of one unit."""

    unit_id: str
    texts: Mapping[str, str]
    """Name to translation; of the last attempt, if it failed. May lack pieces then."""
    findings: tuple[TranslationProblem, ...]
    """Empty: it passed."""
    attempts: int
    back_translation: float | None
    """chrF, 0 to 100; None where it was not measured."""
    at: str
    """When, UTC."""
    replies: tuple[str, ...] = ()
    """What the model wrote last, where it did not pass. Hostile text."""

    @property
    def passed(self) -> bool:
        """Whether it may be used."""
        return not self.findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """A unit whose requests got no answer; not finished."""

    unit_id: str
    kind: str
    message: str


Result = Translation | Unanswered


@dataclass(slots=True)
class _Attempt:
    """A unit on its way."""

    unit: Unit
    number: int = 1
    replies: list[tuple[ChatRequest, str]] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    findings: list[TranslationProblem] = field(default_factory=list)
    back: float | None = None
    fault: ChatFailure | None = None


class Translator:
    """Translates units of one job with one model.

    Parameters
    ----------
    job : Job
        Its work folder holds the journal.
    model : ChatModel
        Asked for translations and back-translations.
    identifier : Identifier, optional
        None: the language is not checked.
    on_result : callable, optional
        Told of each unit when it is finished, or found finished.
    """

    def __init__(
        self,
        job: TranslationJob,
        model: ChatModel,
        *,
        identifier: Identifier | None,
        on_result: Callable[[Result], None] | None = None,
    ) -> None:
        self._job = job
        self._model = model
        self._identifier = identifier
        self._on_result = on_result or (lambda _: None)
        recipe = None if identifier is None else identifier.recipe
        self._recipe = digest([job.identity(model.identity), PROMPT_HASH, recipe], length=32)

    def run(self, units: Sequence[Unit]) -> list[Result]:
        """Results in the order of the units; what the journal has is not asked again.

        Raises
        ------
        StoreLockedError
            If another process is translating into this folder.
        StoreError, CorruptRecordError
            If the journal cannot be used.
        KeyboardInterrupt
            After Ctrl-C; finished units are in the journal, answers in the model's cache.
        """
        self._job.work.mkdir(parents=True, exist_ok=True)
        results: dict[str, Result] = {}
        with Journal(self._job.work / JOURNAL) as journal:
            known = self.finished()
            for unit in units:
                if self._key(unit) in known:
                    results[unit.unit_id] = known[self._key(unit)]
                    self._on_result(results[unit.unit_id])
            todo = [unit for unit in units if unit.unit_id not in results]
            for start in range(0, len(todo), CHUNK):
                for unit, result in self._chunk(todo[start : start + CHUNK]):
                    if isinstance(result, Translation):
                        journal.append({"key": self._key(unit), **asdict(result)})
                    results[unit.unit_id] = result
                    self._on_result(result)
        return [results[unit.unit_id] for unit in units]

    def finished(self) -> dict[str, Translation]:
        """What the journal has for this recipe, by key."""
        path = self._job.work / JOURNAL
        records = read(path) if path.is_file() else ()
        return {record["key"]: _translation(record) for record in records}

    def is_finished(self, unit: Unit, known: Mapping[str, Translation]) -> bool:
        """Whether a unit needs nothing more."""
        return self._key(unit) in known

    def _key(self, unit: Unit) -> str:
        return digest([self._recipe, unit.unit_id, unit.source_hash], length=32)

    # --- a chunk ---

    def _chunk(self, units: Sequence[Unit]) -> list[tuple[Unit, Result]]:
        attempts = [_Attempt(unit=unit) for unit in units]
        self._translate(attempts)
        self._judge(attempts)
        again = [one for one in attempts if one.findings and one.fault is None]
        for one in again:
            one.number = 2
        self._translate(again)
        self._judge(again)
        return [(one.unit, _result(one)) for one in attempts]

    def _translate(self, attempts: Sequence[_Attempt]) -> None:
        """Ask for all pieces; the second time with what was wrong the first time."""
        asked = [(one, request) for one in attempts for request in self._requests(one)]
        answers = self._model.ask([request for _, request in asked])
        for one in attempts:
            one.replies, one.texts, one.findings, one.back = [], {}, [], None
        for (one, request), answer in zip(asked, answers, strict=True):
            names = one.unit.requests()[len(one.replies)]
            one.replies.append((request, "" if isinstance(answer, ChatFailure) else answer.text))
            self._take(one, names, answer)

    def _requests(self, one: _Attempt) -> list[ChatRequest]:
        texts = one.unit.texts
        if one.number == 1:
            return [
                make_first_request(
                    {name: texts[name] for name in names},
                    source=self._job.source_language,
                    target=self._job.target_language,
                    max_new_tokens=self._job.max_new_tokens,
                )
                for names in one.unit.requests()
            ]
        messages = [finding.message for finding in one.findings]
        return [
            make_second_request(request, reply=reply, findings=messages)
            for request, reply in one.replies
        ]

    def _take(self, one: _Attempt, names: Sequence[str], answer: ChatAnswer) -> None:
        if isinstance(answer, ChatFailure):
            one.fault = one.fault or answer
            return
        if answer.finish_reason == "length":
            one.findings.append(
                TranslationProblem(check="reply", message="the reply was cut off: too long")
            )
        found = read_reply(answer.text, names)
        if isinstance(found, str):
            one.findings.append(TranslationProblem(check="reply", message=found))
        else:
            one.texts |= found

    # --- checks ---

    def _judge(self, attempts: Sequence[_Attempt]) -> None:
        """Check what is whole; translate back what passed so far."""
        for one in attempts:
            if one.fault is None and not one.findings:
                one.findings = check(one.unit, one.texts)
            if one.fault is None and not one.findings and self._identifier is not None:
                wrong = check_language(
                    "\n".join(one.texts.values()),
                    source=self._job.source_language,
                    target=self._job.target_language,
                    identifier=self._identifier,
                )
                one.findings = [wrong] if wrong else []
        if self._job.back_translation is not None:
            sound = [one for one in attempts if one.fault is None and not one.findings]
            self._translate_back(sound, least=self._job.back_translation)

    def _translate_back(self, attempts: Sequence[_Attempt], *, least: float) -> None:
        asked = [
            (
                one,
                names,
                make_first_request(
                    {name: one.texts[name] for name in names},
                    source=self._job.target_language,
                    target=self._job.source_language,
                    max_new_tokens=self._job.max_new_tokens,
                ),
            )
            for one in attempts
            for names in one.unit.requests()
        ]
        answers = self._model.ask([request for _, _, request in asked])
        backs: dict[str, dict[str, str]] = {}
        for (one, names, _), answer in zip(asked, answers, strict=True):
            if isinstance(answer, ChatFailure):
                one.fault = one.fault or answer
                continue
            reply = read_reply(answer.text, names)
            if isinstance(reply, str):
                message = f"the back-translation cannot be read: {reply}"
                one.findings.append(TranslationProblem(check="back_translation", message=message))
            else:
                backs.setdefault(one.unit.unit_id, {}).update(reply)
        for one in attempts:
            if one.fault is None and not one.findings:
                back = backs.get(one.unit.unit_id, {})
                one.back, wrong = backward.compare(one.unit.texts, back, least=least)
                one.findings = [wrong] if wrong else []


def _result(one: _Attempt) -> Result:
    if one.fault is not None:
        return Unanswered(unit_id=one.unit.unit_id, kind=one.fault.kind, message=one.fault.message)
    return Translation(
        unit_id=one.unit.unit_id,
        texts=one.texts,
        findings=tuple(one.findings),
        attempts=one.number,
        back_translation=one.back,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        replies=tuple(reply for _, reply in one.replies) if one.findings else (),
    )


def _translation(record: Mapping[str, Any]) -> Translation:
    """A journal's record."""
    return Translation(
        unit_id=record["unit_id"],
        texts=record["texts"],
        findings=tuple(TranslationProblem(**finding) for finding in record["findings"]),
        attempts=record["attempts"],
        back_translation=record["back_translation"],
        at=record["at"],
        replies=tuple(record["replies"]),
    )
