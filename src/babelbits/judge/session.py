"""One judge on one set of pairs: ask, vote, sum up, and keep it all in the judge's folder.

What the run folder holds afterwards is in `ledger`. The judge's identity is the model's, the
template's and the settings': with another of them it is another judge, in a folder of its own.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from babelbits.engines.chat import ChatModel
from babelbits.judge.asking import Progress
from babelbits.judge.bias import JudgeBias, measure_bias
from babelbits.judge.direct import TwoScores, score_pairs
from babelbits.judge.ledger import SUMMARY, Ledger, judge_id
from babelbits.judge.pairwise import JudgeSettings, judge_pairs
from babelbits.judge.reward import RewardModel, reward_pairs
from babelbits.judge.scores import ScoreSummary, summarise_scores
from babelbits.judge.templates import Template
from babelbits.preferences.answer_pairs import AnswerPair
from babelbits.preferences.collect import CONTROL
from babelbits.preferences.pair_files import check_distinct
from babelbits.preferences.summary import SummarySettings, VoteSummary, summarise
from babelbits.preferences.to_votes import cast_votes
from babelbits.preferences.vote_store import VOTES
from babelbits.preferences.votes import Vote, write_votes
from babelbits.records import JSON, canonical_json
from babelbits.store.atomic import write_atomically
from babelbits.store.codec import to_json

SCHEMA = "babelbits.judge/1"
_SCALE = 4.0
"""Largest difference of two scores from 1 to 5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatJudge:
    """A chat model with the question it is asked."""

    model: ChatModel
    name: str
    template: Template
    settings: JudgeSettings
    spent: Callable[[], float | None] | None = None
    """What the model says that it has cost; None: the sum of its replies' own costs."""

    @property
    def identity(self) -> JSON:
        """What may change a vote."""
        return {
            "model": dict(self.model.identity),
            "template": self.template.hash,
            "template_name": self.template.name,
            "mode": self.template.mode,
            "settings": to_json(self.settings),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardJudge:
    """A reward model with its band of ties."""

    model: RewardModel
    name: str
    band: float

    @property
    def identity(self) -> JSON:
        """What may change a vote."""
        return {"model": self.model.identity, "mode": "reward", "band": self.band}


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeResult:
    """What a judge said, and what it shows."""

    judge: str
    identity: Mapping[str, Any]
    folder: Path
    pairs: tuple[AnswerPair, ...]
    votes: tuple[Vote, ...]
    summaries: tuple[VoteSummary, ...]
    leanings: tuple[JudgeBias, ...]
    scores: tuple[ScoreSummary, ...]
    """Of direct assessments and reward models; empty for pairwise verdicts."""
    reasons: Mapping[str, int]
    """Why pairs have no verdict, in the judge's or the endpoint's words, counted."""
    spent: float | None
    """By all runs of this judge, in the price's currency; None where no price is known."""

    @property
    def n_errors(self) -> int:
        """Pairs that could be asked about again."""
        return sum(vote.verdict == "error" for vote in self.votes)


def run_judge(
    judge: ChatJudge | RewardJudge,
    pairs: Sequence[AnswerPair],
    *,
    parent: Path,
    settings: SummarySettings,
    progress: Progress | None = None,
) -> JudgeResult:
    """Judge pairs; what is recorded in `parent` already is not asked again.

    Raises
    ------
    TaskError
        If a prompt is paired twice.
    StoreError
        If the folder cannot be written, is in use, or its journal is damaged.
    """
    check_distinct(pairs, where="the pairs")
    folder = judge_folder(parent, judge)
    record = {**judge.identity, "name": judge.name, "babelbits": version("babelbits")}
    with Ledger(folder, identity=record) as ledger:
        if isinstance(judge, RewardJudge):
            result = _rewarded(judge, pairs, ledger, settings, progress)
        elif judge.template.mode == "direct":
            result = _scored(judge, pairs, ledger, settings, progress)
        else:
            result = _compared(judge, pairs, ledger, settings, progress)
        write_votes(folder / VOTES, result.votes)
        content = canonical_json(as_object(result)).encode() + b"\n"
        write_atomically(folder / SUMMARY, content)
    return result


def judge_folder(parent: Path, judge: ChatJudge | RewardJudge) -> Path:
    """Where a judge keeps what it says."""
    return parent / judge_id(judge.identity)


def _compared(
    judge: ChatJudge,
    pairs: Sequence[AnswerPair],
    ledger: Ledger,
    settings: SummarySettings,
    progress: Progress | None,
) -> JudgeResult:
    said = judge_pairs(
        pairs,
        judge.model,
        template=judge.template,
        ledger=ledger,
        settings=judge.settings,
        progress=progress,
    )
    votes = cast_votes(pairs, said, judge=judge.name, kind="llm")
    leaning = measure_bias(pairs, votes, said)
    return _result(judge, pairs, votes, ledger=ledger, settings=settings, leaning=leaning)


def _scored(
    judge: ChatJudge,
    pairs: Sequence[AnswerPair],
    ledger: Ledger,
    settings: SummarySettings,
    progress: Progress | None,
) -> JudgeResult:
    said = score_pairs(
        pairs,
        judge.model,
        template=judge.template,
        ledger=ledger,
        settings=judge.settings,
        progress=progress,
    )
    votes = cast_votes(pairs, said, judge=judge.name, kind="llm")
    scores = _score_table(pairs, said, settings, limit=_SCALE)
    return _result(judge, pairs, votes, ledger=ledger, settings=settings, scores=scores)


def _rewarded(
    judge: RewardJudge,
    pairs: Sequence[AnswerPair],
    ledger: Ledger,
    settings: SummarySettings,
    progress: Progress | None,
) -> JudgeResult:
    said = reward_pairs(pairs, judge.model, ledger=ledger, band=judge.band, progress=progress)
    votes = cast_votes(pairs, said, judge=judge.name, kind="reward")
    scores = _score_table(pairs, said, settings, limit=None)
    return _result(judge, pairs, votes, ledger=ledger, settings=settings, scores=scores)


def _score_table(
    pairs: Iterable[AnswerPair],
    said: Mapping[str, TwoScores],
    settings: SummarySettings,
    *,
    limit: float | None,
) -> tuple[ScoreSummary, ...]:
    return summarise_scores(
        pairs,
        said,
        limit=limit,
        seed=settings.seed,
        level=1 - settings.alpha,
        resamples=settings.resamples,
    )


def _result(
    judge: ChatJudge | RewardJudge,
    pairs: Sequence[AnswerPair],
    votes: Sequence[Vote],
    *,
    ledger: Ledger,
    settings: SummarySettings,
    leaning: tuple[JudgeBias, ...] | None = None,
    scores: tuple[ScoreSummary, ...] = (),
) -> JudgeResult:
    return JudgeResult(
        judge=judge.name,
        identity=judge.identity,
        folder=ledger.folder,
        pairs=tuple(pairs),
        votes=tuple(votes),
        summaries=summarise(votes, settings),
        leanings=measure_bias(pairs, votes) if leaning is None else leaning,
        scores=scores,
        reasons=Counter(reason for vote in votes if vote.value is None for reason in vote.reasons),
        spent=0.0 if isinstance(judge, RewardJudge) else ledger.spent_in_all(judge.spent),
    )


def as_object(result: JudgeResult) -> JSON:
    """The summaries as JSON; fractions, harm negative."""
    return {
        "schema": SCHEMA,
        "judge": result.judge,
        "identity": dict(result.identity),
        "folder": str(result.folder),
        "spent": result.spent,
        "control": CONTROL,
        "summaries": [_row(one) for one in result.summaries],
        "leanings": [to_json(one) for one in result.leanings],
        "scores": [to_json(one) for one in result.scores],
        "no_verdict": dict(result.reasons),
    }


def _row(one: VoteSummary) -> JSON:
    """A summary with what follows from it."""
    preference = one.preference
    return {
        **to_json(one),
        "n_judged": one.n_judged,
        "n_dropped": one.n_dropped,
        "n_inconsistent": one.n_inconsistent,
        "flip_share": one.flip_share,
        "win_rate": None if preference is None else preference.win_rate,
        "bounds": None if one.bounds is None else [bound.net for bound in one.bounds],
    }
