"""How far a judge can stand in for people, language by language, and what both say together.

A judge may be blind in exactly the languages under test. On pairs that people rated too: how often
both say the same, and how far the judge's net preference is off; then the people's net preference
over all pairs, from few human and many judge votes (prediction-powered). The unit is the pair for
agreement and the prompt for means. Sign: positive prefers the variant, so harm is negative.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from babelbits.preferences.to_votes import IDENTICAL
from babelbits.preferences.votes import Vote
from babelbits.stats.agreement import cohen_kappa, krippendorff_alpha, plurality
from babelbits.stats.paired_scores import FloatArray
from babelbits.stats.ppi import PredictionPoweredMean, prediction_powered_mean

Unit = tuple[str, str, str]
"""Variant, language, pair_id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeAndPeople:
    """A judge against people on the pairs that both rated, in one language."""

    language: str
    n_pairs: int
    """Pairs with a verdict of both."""
    raw_agreement: float
    """Share on which judge and majority of people say the same of win, tie and loss."""
    kappa: float | None
    n_decided: int
    """Pairs on which neither says tie."""
    agreement_when_decided: float | None
    kappa_when_decided: float | None
    human_alpha: float | None
    """Krippendorff's alpha of people among themselves, nominal, over all pairs that people
    rated."""
    judge_bias: float
    """Judge's less people's net preference on those pairs."""
    powered: PredictionPoweredMean | None
    """People's net preference over all pairs; None where nothing was judged alone, or too little
    was rated."""


def judge_and_people(judge: Sequence[Vote], people: Sequence[Vote]) -> tuple[JudgeAndPeople, ...]:
    """A row a language in which both gave a verdict on the same pairs, in alphabetical order.

    The pairs that people rated must be a random part of all for the powered mean to hold.
    Identical pairs are left out: nobody judged them.

    Parameters
    ----------
    judge : sequence of Vote
        Of one judge, one vote a pair and variant.
    people : sequence of Vote
        Any number of raters a pair; the majority counts, and a tie where two verdicts lead.

    Raises
    ------
    ValueError
        If the judge voted twice on a pair.
    """
    judged = _one_each(judge)
    rated = _ratings(people)
    languages = sorted({unit[1] for unit in judged if unit in rated})
    return tuple(
        _row(
            language,
            {unit: value for unit, value in judged.items() if unit[1] == language},
            {unit: values for unit, values in rated.items() if unit[1] == language},
            prompts={_unit(vote): vote.source_id for vote in (*judge, *people)},
        )
        for language in languages
    )


def _unit(vote: Vote) -> Unit:
    return vote.variant, vote.language, vote.pair_id


def _spoken(votes: Iterable[Vote]) -> Iterable[tuple[Unit, float]]:
    for vote in votes:
        if vote.value is not None and IDENTICAL not in vote.reasons:
            yield _unit(vote), vote.value


def _one_each(votes: Iterable[Vote]) -> dict[Unit, float]:
    found: dict[Unit, float] = {}
    for unit, value in _spoken(votes):
        if unit in found:
            raise ValueError(f"two votes of the judge on pair {unit[2]}: give one judge's votes")
        found[unit] = value
    return found


def _ratings(votes: Iterable[Vote]) -> dict[Unit, list[float]]:
    found: dict[Unit, list[float]] = defaultdict(list)
    for unit, value in _spoken(votes):
        found[unit].append(value)
    return dict(found)


def _row(
    language: str,
    judged: Mapping[Unit, float],
    rated: Mapping[Unit, Sequence[float]],
    *,
    prompts: Mapping[Unit, str],
) -> JudgeAndPeople:
    both = [unit for unit in rated if unit in judged]
    majority = plurality(_matrix([rated[unit] for unit in both]), otherwise=0.0)
    machine = np.sign([judged[unit] for unit in both])
    decided = (majority != 0) & (machine != 0)
    return JudgeAndPeople(
        language=language,
        n_pairs=len(both),
        raw_agreement=float(np.mean(majority == machine)),
        kappa=cohen_kappa(majority, machine),
        n_decided=int(decided.sum()),
        agreement_when_decided=(
            float(np.mean(majority[decided] == machine[decided])) if decided.any() else None
        ),
        kappa_when_decided=(
            cohen_kappa(majority[decided], machine[decided]) if decided.any() else None
        ),
        human_alpha=krippendorff_alpha(_matrix(list(rated.values())), measurement="nominal"),
        judge_bias=float(np.mean([judged[unit] - np.mean(rated[unit]) for unit in both])),
        powered=_powered(judged, rated, prompts=prompts),
    )


def _matrix(columns: Sequence[Sequence[float]]) -> FloatArray:
    """A row a rating and a column a pair, in signs; NaN below a pair's last rating."""
    depth = max(map(len, columns))
    padded = [[*map(float, np.sign(one)), *[np.nan] * (depth - len(one))] for one in columns]
    return np.array(padded, float).T


def _powered(
    judged: Mapping[Unit, float],
    rated: Mapping[Unit, Sequence[float]],
    *,
    prompts: Mapping[Unit, str],
) -> PredictionPoweredMean | None:
    """Means within a prompt first: pairs on one prompt are dependent."""
    human, machine, alone = (defaultdict(list) for _ in range(3))
    shared = {prompts[unit] for unit in judged if unit in rated}
    for unit, value in judged.items():
        if unit in rated:
            human[prompts[unit]].append(float(np.mean(rated[unit])))
            machine[prompts[unit]].append(value)
        elif prompts[unit] not in shared:
            alone[prompts[unit]].append(value)
    if len(human) < 2 or len(alone) < 2:
        return None
    means = [[float(np.mean(some)) for some in one.values()] for one in (human, machine, alone)]
    return prediction_powered_mean(*means)
