"""Asks a chat model what recorded answers are worth: once for each distinct one.

An answer that baseline and variant share has one grade, so that a judge's mood cannot make a
difference where there is none. An empty answer is worth 0 and is not asked about. What the judge
refuses, leaves unparsed, or cannot be asked has no grade: never 0, never a guess.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from babelbits.engines.chat import ChatModel
from babelbits.judge.asking import Progress, ask_all
from babelbits.judge.grading.answers import AskedItem, Kind
from babelbits.judge.ledger import Ledger
from babelbits.judge.pairwise import JudgeSettings, make_chat_request
from babelbits.judge.parse_reply import Outcome, Reading, read
from babelbits.judge.templates import JudgeQuestion, Template, ask
from babelbits.languages import resolve
from babelbits.records import JSON
from babelbits.store.codec import to_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Grader:
    """A chat model with its two questions."""

    model: ChatModel
    name: str
    templates: Mapping[Kind, Template]
    settings: JudgeSettings
    spent: Callable[[], float | None] | None = None
    """What the model says that it has cost; None: the sum of its replies' own costs."""

    @property
    def identity(self) -> JSON:
        """What may change a grade."""
        return {
            "mode": "grading",
            "model": dict(self.model.identity),
            "templates": {kind: template.hash for kind, template in self.templates.items()},
            "template_names": {kind: template.name for kind, template in self.templates.items()},
            "settings": to_json(self.settings),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """What a judge says of one answer."""

    outcome: Outcome | Literal["empty"]
    """empty: nothing was written, and nobody was asked."""
    grade: float | None = None
    """0 to 1; None where no grade was asked for, or given."""
    option: str = ""
    """The letter that the answer chooses; '' where it chooses none, or was not read."""
    reason: str = ""
    """Why there is no grade."""

    @property
    def is_graded(self) -> bool:
        """Whether the answer has a value."""
        return self.outcome in ("grade", "option", "no_option", "empty")

    def value(self, target: str) -> float | None:
        """In [0, 1]: the grade, or 1 where the option is `target`; None without a grade."""
        if not self.is_graded:
            return None
        if self.outcome == "grade":
            return self.grade
        return float(self.outcome == "option" and self.option == target.strip())


def grade_answers(
    answers: Iterable[AskedItem],
    grader: Grader,
    ledger: Ledger,
    *,
    progress: Progress | None = None,
) -> dict[AskedItem, Grade]:
    """A grade for each distinct answer; what the ledger has is not asked again."""
    distinct = list(dict.fromkeys(answers))
    written = [one for one in distinct if one.answer]
    questions = [_question(one, grader) for one in written]
    requests = [make_chat_request(question, grader.settings) for question in questions]
    replies = ask_all(requests, grader.model, ledger, progress=progress)
    grades = {
        one: _grade(read(reply, nonce=question.nonce, mode=one.kind))
        for one, question, reply in zip(written, questions, replies, strict=True)
    }
    nothing = Grade(outcome="empty", grade=0.0)
    return {one: grades.get(one, nothing) for one in distinct}


def _question(asked: AskedItem, grader: Grader) -> JudgeQuestion:
    texts = {"prompt": asked.question, "answer": asked.answer}
    if asked.kind == "grade":
        texts["gold"] = _listed(asked.golds)
    return ask(
        grader.templates[asked.kind],
        texts,
        language=resolve(asked.language).name,
        seed=grader.settings.seed,
    )


def _listed(golds: tuple[str, ...]) -> str:
    """One gold answer as it stands; several with numbers."""
    if len(golds) == 1:
        return golds[0].strip()
    return "\n".join(f"{number}. {gold.strip()}" for number, gold in enumerate(golds, start=1))


def _grade(reading: Reading) -> Grade:
    return Grade(
        outcome=reading.outcome,
        grade=reading.grade,
        option=reading.option,
        reason=reading.reason,
    )
