"""Sums in words: the model goes on after the question; the first number it writes is its answer.

Decoding is greedy and stops at a line's end. The number may stand in any script's digits.
"""

from collections.abc import Sequence
from typing import cast

from babelbits.errors import TaskError
from babelbits.records import GenerateRequest, Generation, Item, Metric, Outcome, Reply, Request
from babelbits.tasks.clusters import find_cluster_ids
from babelbits.tasks.jsonl_task import OwnTask
from babelbits.tasks.numbers import find_first_number
from babelbits.tasks.reading import Row, text_field

MAX_NEW_TOKENS = 12
"""Enough for a four-digit answer in a script that takes three tokens a digit."""


class MathTask(OwnTask):
    """`{"source_id", "question", "answer"}` a line; the question is the prompt as it stands."""

    metrics = (Metric(name="exact_match", kind="binary"),)
    output_type = "generation"
    scorer_version = "math 2: first number, any script's digits"

    def clusters(self, rows: Sequence[Row], names: Sequence[str]) -> list[str | None]:
        """A sum that is asked in several wordings is one unit."""
        return find_cluster_ids(rows, names=names, columns=("operation", "operands"))

    def build(self, row: Row, where: str) -> tuple[Sequence[Request], str]:
        """The question, to be continued."""
        question = text_field(row, "question", where)
        answer = text_field(row, "answer", where)
        if find_first_number(answer, self.language) is None:
            raise TaskError(f"the answer {answer!r:.80} holds no number", where=where)
        request = GenerateRequest(prompt=question, max_new_tokens=MAX_NEW_TOKENS, stop=("\n",))
        return (request,), answer

    def judge(self, item: Item, replies: Sequence[Reply]) -> Outcome:
        """1 where the first number is the answer; no number is a wrong answer."""
        reply = cast(Generation, replies[0])
        target = find_first_number(item.target, self.language)  # never None: `build` has seen to it
        right = find_first_number(reply.texts[0], self.language) == target
        return Outcome(
            output=reply.texts[0],
            scores={"exact_match": float(right)},
            finish_reason=reply.finish_reasons[0],
        )
