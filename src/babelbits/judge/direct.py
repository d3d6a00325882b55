"""How good one answer is by itself, from 1 to 5: the second mode of a judge.

Each answer is asked about once, without the other beside it. That shows how good the baseline is,
which a comparison cannot; it is blunter, because most answers of two arms get the same score.
Sign: variant - baseline, in points of the scale.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from babelbits.engines.chat import ChatModel
from babelbits.judge.asking import Progress
from babelbits.judge.ledger import Ledger
from babelbits.judge.pairwise import JudgeSettings, ask_and_read
from babelbits.judge.parse_reply import Reading
from babelbits.judge.templates import Template, ask
from babelbits.languages import resolve
from babelbits.preferences.answer_pairs import AnswerPair
from babelbits.preferences.votes import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoScores:
    """Scores of the two answers of a pair, by a rubric or a reward model."""

    baseline: float | None
    """None: no score."""
    variant: float | None
    band: float = 0.0
    """Scores no further apart than this are a tie."""
    failure: Verdict = "unparsed"
    """What the pair counts as where a score is missing."""
    reason: str = ""

    @property
    def difference(self) -> float | None:
        """Variant less baseline; None if one is missing."""
        if self.baseline is None or self.variant is None:
            return None
        return self.variant - self.baseline

    @property
    def verdict(self) -> Verdict:
        """Which score is higher."""
        if self.difference is None:
            return self.failure
        if abs(self.difference) <= self.band:
            return "tie"
        return "variant" if self.difference > 0 else "baseline"

    @property
    def value(self) -> float | None:
        """-1, 0 or 1; None if a score is missing."""
        return {"variant": 1.0, "tie": 0.0, "baseline": -1.0}.get(self.verdict)


def score_pairs(
    pairs: Iterable[AnswerPair],
    model: ChatModel,
    *,
    template: Template,
    ledger: Ledger,
    settings: JudgeSettings,
    progress: Progress | None = None,
) -> dict[str, TwoScores]:
    """Ask for a score of both answers of every pair that is not identical.

    Returns
    -------
    dict
        By `pair_id`. The baseline's answer, which all variants share, is asked about once.
    """
    unique = {pair.pair_id: pair for pair in pairs if not pair.identical}
    questions = [
        ask(
            template,
            {"prompt": pair.prompt, "answer": answer.strip()},
            language=resolve(pair.language).name,
            seed=settings.seed,
        )
        for pair in unique.values()
        for answer in (pair.baseline_answer, pair.variant_answer)
    ]
    readings = ask_and_read(questions, model, ledger, settings, mode="direct", progress=progress)
    return {
        pair_id: _two(readings[2 * place], readings[2 * place + 1])
        for place, pair_id in enumerate(unique)
    }


def _two(baseline: Reading, variant: Reading) -> TwoScores:
    failures = [one for one in (baseline, variant) if one.score is None]
    kinds = {one.outcome for one in failures}
    failure: Verdict = "unparsed"
    if "error" in kinds:
        failure = "error"
    elif "refused" in kinds:
        failure = "refused"
    return TwoScores(
        baseline=baseline.score,
        variant=variant.score,
        failure=failure,
        reason="; ".join(dict.fromkeys(one.reason for one in failures)),
    )
