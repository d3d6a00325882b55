"""Answers that depend on the question alone, for lm-eval and for us alike."""

import hashlib
from typing import Any

from lm_eval.api.model import LM

from babelbits.records import (
    GenerateRequest,
    Generation,
    Item,
    Reply,
    Score,
    ScoreRequest,
    TextRequest,
    TextScore,
)


def draw(*texts: str) -> float:
    """A number in [0, 1) that only `texts` decide."""
    raw = hashlib.blake2b("\x00".join(texts).encode(), digest_size=4).digest()
    return int.from_bytes(raw, "big") / 2**32


class ScriptedLM(LM):
    """Answers right (as `right` says, prompt to answer) two times out of three, in three styles."""

    def __init__(self, right: dict[str, str]) -> None:
        super().__init__()
        self.right = right

    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
        return [self.logprob(*one.args) for one in requests]

    def loglikelihood_rolling(self, requests: list[Any]) -> list[float]:
        return [sum(self.logprobs(one.args[0])) for one in requests]

    def generate_until(self, requests: list[Any]) -> list[str]:
        return [self.write(one.args[0]) for one in requests]

    def logprob(self, context: str, continuation: str) -> tuple[float, bool]:
        return -20 * draw(context, continuation), draw(continuation, context) < 0.5

    def logprobs(self, text: str) -> tuple[float, ...]:
        return tuple(-8 * draw(text, word) for word in text.split())

    def write(self, prompt: str) -> str:
        style = int(6 * draw(prompt))
        answer = self.right[prompt] if style < 4 else "17"
        return [answer, f" {answer}\n", f"The answer is {answer}.", f"{answer} <b>\x1b[0m"][
            style % 4
        ]


def replies(lm: ScriptedLM, item: Item) -> list[Reply]:
    """What an engine that runs this model would answer."""
    return [_reply(lm, request) for request in item.requests]


def _reply(lm: ScriptedLM, request: object) -> Reply:
    match request:
        case ScoreRequest(context=context, continuation=continuation):
            logprob, greedy = lm.logprob(context, continuation)
            return Score(logprob=logprob, is_greedy=greedy, prompt_tokens=1, continuation_tokens=1)
        case TextRequest(text=text):
            return TextScore(logprobs=lm.logprobs(text), n_bytes=len(text.encode()))
        case GenerateRequest(prompt=prompt):
            return Generation(
                texts=(lm.write(prompt),),
                finish_reasons=("stop",),
                output_tokens=(3,),
                prompt_tokens=5,
            )
    raise TypeError(request)
