"""Open prompts: the model answers, and nothing is right or wrong.

The answers are for judges and people. Two trivial metrics say what goes wrong most plainly: an
answer with nothing in it, and one that never ends. Where other items have their gold answer, these
have the prompt as it was given: a chat template may wrap what the model sees, and whoever compares
answers should not see that. Without a data folder the prompts are the beginnings of texts that the
suite 'confusion' has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from babelbits.records import GenerateRequest, Generation, Item, Metric, Outcome, Reply, Request
from babelbits.tasks.base import own_options
from babelbits.tasks.jsonl_task import OwnTask
from babelbits.tasks.reading import Row, text_field

MAX_NEW_TOKENS = 256
"""Unless the study says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPromptsOptions:
    """What open prompts alone can be told."""

    max_new_tokens: int = MAX_NEW_TOKENS
    """Longest answer."""


class OpenPromptsTask(OwnTask):
    """`{"source_id", "prompt"}` a line."""

    metrics = (Metric(name="answered", kind="binary"), Metric(name="ended", kind="binary"))
    output_type = "generation"
    scorer_version = "open-prompts 1"
    notes = ("the metrics say nothing about how good an answer is: that is for judges and people",)

    def build(self, row: Row, where: str) -> tuple[Sequence[Request], str]:
        """The prompt as it stands, to be answered; the target is the prompt itself."""
        tokens = own_options(self.options, OpenPromptsOptions).max_new_tokens
        prompt = text_field(row, "prompt", where)
        return (GenerateRequest(prompt=prompt, max_new_tokens=tokens),), prompt

    def judge(self, item: Item, replies: Sequence[Reply]) -> Outcome:  # noqa: ARG002  the base's
        """Whether there is an answer, and whether it came to an end by itself."""
        reply = cast(Generation, replies[0])
        text, reason = reply.texts[0], reply.finish_reasons[0]
        return Outcome(
            output=text,
            scores={"answered": float(bool(text.strip())), "ended": float(reason != "length")},
            finish_reason=reason,
        )
