"""Which of two versions of a sentence is intact: no prompt, the model's own log-likelihoods decide.

Rule: the version with the higher log-likelihood per UTF-8 byte is chosen. The two may differ in
length (a word is dropped), and a total would favour the shorter one. A tie counts as wrong.
"""

import re
from collections.abc import Sequence
from typing import cast

from babelbits.records import Item, Metric, Outcome, Reply, Request, Score, ScoreRequest
from babelbits.tasks.jsonl_task import OwnTask
from babelbits.tasks.reading import Row, text_field

_PASSAGE = re.compile(r"(p\d+)-\d+-")


class PairsTask(OwnTask):
    """`{"source_id", "intact", "damaged", "rule"}` a line; the intact version is asked first."""

    metrics = (Metric(name="acc", kind="binary", chance=0.5),)
    output_type = "choice"
    scorer_version = "pairs 1: log-likelihood per UTF-8 byte"

    def clusters(self, rows: Sequence[Row], names: Sequence[str]) -> list[str | None]:
        """The bundled sentences are of short passages, as 'p001-2-b' says."""
        passages = [_PASSAGE.match(name) for name in names]
        if self.options.data is not None or not all(passages):
            return super().clusters(rows, names)
        return [found[1] for found in passages if found]

    def build(self, row: Row, where: str) -> tuple[Sequence[Request], str]:
        """Both versions as whole texts, the intact one first."""
        intact = text_field(row, "intact", where)
        damaged = text_field(row, "damaged", where)
        versions = [ScoreRequest(context="", continuation=text) for text in (intact, damaged)]
        return versions, intact

    def judge(self, item: Item, replies: Sequence[Reply]) -> Outcome:
        """1 where the intact version is likelier per byte."""
        scores = cast(Sequence[Score], replies)
        versions = [cast(ScoreRequest, request).continuation for request in item.requests]
        intact, damaged = (
            score.logprob / len(text.encode()) for score, text in zip(scores, versions, strict=True)
        )
        right = intact > damaged
        return Outcome(
            output=versions[0 if right else 1],
            scores={"acc": float(right)},
            choice_logprobs=tuple(score.logprob for score in scores),
        )
