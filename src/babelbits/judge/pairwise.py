"""Which of two answers is better: each pair is asked twice, once in either order.

A judge leans to what it reads first (or last); the mean of both orders does not. The two replies
are one observation. Where they disagree the pair is *inconsistent*: its value is the mean, which
is no tie. A pair of which one order has no verdict is dropped from both arms, and counted.
Sign: positive prefers the variant.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from babelbits.engines.chat import ChatModel, ChatRequest
from babelbits.judge.asking import Progress, ask_all
from babelbits.judge.ledger import Ledger
from babelbits.judge.parse_reply import NO_VERDICT, Mode, Outcome, Reading, read
from babelbits.judge.templates import JudgeQuestion, Template, ask
from babelbits.languages import resolve
from babelbits.preferences.answer_pairs import AnswerPair
from babelbits.preferences.votes import Verdict

_WORDS: Mapping[float, Verdict] = {1.0: "variant", 0.0: "tie", -1.0: "baseline"}


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSettings:
    """How a chat model is asked."""

    max_new_tokens: int = 1024
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoOrders:
    """What a judge says of one pair, either way round."""

    baseline_first: Reading
    """A is the baseline's answer."""
    variant_first: Reading
    """A is the variant's answer."""

    @property
    def values(self) -> tuple[float | None, float | None]:
        """-1, 0 or +1 for each order; None without a verdict."""
        first = _value(self.baseline_first.outcome, variant="B")
        return first, _value(self.variant_first.outcome, variant="A")

    @property
    def verdict(self) -> Verdict:
        """What both orders say together."""
        first, second = self.values
        if first is None or second is None:
            return _worst(self.baseline_first.outcome, self.variant_first.outcome)
        return _WORDS[first] if first == second else "inconsistent"

    @property
    def value(self) -> float | None:
        """The mean of both orders; None if one has no verdict."""
        first, second = self.values
        return None if first is None or second is None else (first + second) / 2

    @property
    def reason(self) -> str:
        """Why there is no verdict; empty where there is one."""
        return "; ".join(
            dict.fromkeys(
                one.reason for one in (self.baseline_first, self.variant_first) if one.reason
            )
        )


def _value(outcome: Outcome, *, variant: Outcome) -> float | None:
    if outcome in NO_VERDICT:
        return None
    if outcome == "tie":
        return 0.0
    return 1.0 if outcome == variant else -1.0


def _worst(first: Outcome, second: Outcome) -> Verdict:
    """An error can be asked again, a refusal was meant, the rest cannot be read."""
    found = {first, second}
    if "error" in found:
        return "error"
    return "refused" if "refused" in found else "unparsed"


def judge_pairs(
    pairs: Iterable[AnswerPair],
    model: ChatModel,
    *,
    template: Template,
    ledger: Ledger,
    settings: JudgeSettings,
    progress: Progress | None = None,
) -> dict[str, TwoOrders]:
    """Ask about every pair that is not identical, in both orders.

    Returns
    -------
    dict
        By `pair_id`: pairs of several variants that say the same are asked about once.
    """
    unique = {pair.pair_id: pair for pair in pairs if not pair.identical}
    questions = [
        _question(pair, template, settings=settings, variant_first=variant_first)
        for pair in unique.values()
        for variant_first in (False, True)
    ]
    readings = ask_and_read(questions, model, ledger, settings, mode="pairwise", progress=progress)
    return dict(zip(unique, _in_twos(readings), strict=True))


def ask_and_read(
    questions: Sequence[JudgeQuestion],
    model: ChatModel,
    ledger: Ledger,
    settings: JudgeSettings,
    *,
    mode: Mode,
    progress: Progress | None,
) -> list[Reading]:
    """What the replies to some questions say, in their order."""
    requests = [make_chat_request(question, settings) for question in questions]
    answers = ask_all(requests, model, ledger, progress=progress)
    return [
        read(answer, nonce=question.nonce, mode=mode)
        for question, answer in zip(questions, answers, strict=True)
    ]


def make_chat_request(question: JudgeQuestion, settings: JudgeSettings) -> ChatRequest:
    """A question as a request to a chat model."""
    return ChatRequest(
        messages=question.messages,
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
        seed=settings.seed,
    )


def _question(
    pair: AnswerPair, template: Template, *, settings: JudgeSettings, variant_first: bool
) -> JudgeQuestion:
    # White space at the ends is no quality, and could tell the arms apart.
    answers = [pair.baseline_answer.strip(), pair.variant_answer.strip()]
    if variant_first:
        answers.reverse()
    texts = {"prompt": pair.prompt, "answer_a": answers[0], "answer_b": answers[1]}
    return ask(template, texts, language=resolve(pair.language).name, seed=settings.seed)


def _in_twos(readings: Sequence[Reading]) -> list[TwoOrders]:
    return [
        TwoOrders(baseline_first=first, variant_first=second)
        for first, second in zip(readings[::2], readings[1::2], strict=True)
    ]
