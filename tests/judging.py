"""Pairs, votes and scripted chat models for the tests of judges."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from babelbits.engines.chat import ChatAnswer, ChatReply, ChatRequest, OnAnswer
from babelbits.preferences.answer_pairs import AnswerPair
from babelbits.preferences.votes import JudgeKind, Verdict, Vote

Say = Callable[[str, str, str], "str | ChatAnswer"]
"""Answer A, answer B and nonce to a reply."""


def pair(
    number: int,
    baseline: str = "a good answer",
    variant: str = "a worse answer",
    *,
    language: str = "en",
    label: str = "w4",
) -> AnswerPair:
    return AnswerPair(
        source_id=str(number),
        item_id=str(number),
        task=f"open-prompts_{language}",
        language=language,
        variant=label,
        prompt=f"Prompt number {number}?",
        baseline_answer=baseline,
        variant_answer=variant,
    )


def vote(
    number: int,
    value: float | None,
    *,
    verdict: Verdict | None = None,
    language: str = "en",
    label: str = "w4",
    kind: JudgeKind = "llm",
    judge: str = "judge",
    reasons: tuple[str, ...] = (),
) -> Vote:
    words: Mapping[float | None, Verdict] = {1.0: "variant", 0.0: "tie", -1.0: "baseline"}
    return Vote(
        pair_id=f"{language}{number}",
        source_id=str(number),
        language=language,
        variant=label,
        judge=judge,
        kind=kind,
        verdict=verdict or words.get(value, "unparsed" if value is None else "inconsistent"),
        value=value,
        reasons=reasons,
    )


def reply(text: str, *, cost: float | None = 0.01) -> ChatReply:
    return ChatReply(
        text=text, finish_reason="stop", prompt_tokens=100, output_tokens=10, cost=cost
    )


_QUOTED = r"\[{name} (\w+)\]\n(.*?)\n\[end of {name} \1\]"


def quoted(request: ChatRequest, name: str) -> tuple[str, str]:
    """Nonce and text of one quotation of the bundled templates."""
    content = request.messages[-1].content
    found = re.search(_QUOTED.format(name=name), content, re.DOTALL)
    assert found is not None, content
    return found[1], found[2]


class ScriptedJudge:
    """A chat model that reads both answers and says what a function says; remembers requests."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self.asked: list[ChatRequest] = []

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"kind": "scripted"}

    def ask(
        self, requests: Sequence[ChatRequest], *, on_answer: OnAnswer | None = None
    ) -> list[ChatAnswer]:
        answers: list[ChatAnswer] = []
        for place, request in enumerate(requests):
            self.asked.append(request)
            said = self._read(request)
            answers.append(reply(said) if isinstance(said, str) else said)
            if on_answer is not None:
                on_answer(place, answers[-1])
        return answers

    def _read(self, request: ChatRequest) -> "str | ChatAnswer":
        nonce, first = quoted(request, "answer A")
        return self._say(first, quoted(request, "answer B")[1], nonce)

    def close(self) -> None:
        pass


def prefers(text: str) -> Say:
    """A judge that prefers the answer that holds `text`, wherever it stands."""

    def say(first: str, second: str, nonce: str) -> str:
        word = "TIE" if (text in first) == (text in second) else "A" if text in first else "B"
        return f"My reasons.\nVERDICT {nonce}: {word}"

    return say


def always(word: str) -> Say:
    return lambda _first, _second, nonce: f"VERDICT {nonce}: {word}"


def cut(answer: ChatReply) -> ChatReply:
    return replace(answer, finish_reason="length")


Grading = Callable[[str, str], "str | ChatAnswer"]
"""Answer and nonce to a reply."""


class ScriptedGrader(ScriptedJudge):
    """A chat model that reads one answer and says what a function says."""

    def __init__(self, say: Grading) -> None:
        super().__init__(lambda answer, _other, nonce: say(answer, nonce))

    def _read(self, request: ChatRequest) -> "str | ChatAnswer":
        nonce, answer = quoted(request, "answer")
        return self._say(answer, "", nonce)
