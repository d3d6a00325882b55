"""Mean scores of both arms and their paired difference, by variant and language.

For direct assessments (points of the scale, 1 to 5) and reward models (their own unit). Identical
pairs are left out where nobody scored them: their difference is zero by construction, and counts.
Sign: ``delta = variant - baseline``, so harm is negative. The unit is the prompt.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from babelbits.judge.direct import TwoScores
from babelbits.preferences.answer_pairs import AnswerPair
from babelbits.records import Interval
from babelbits.stats.mean_tests import bootstrap_t_columns, mean_interval, sign_flip


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSummary:
    """Scores of one variant in one language."""

    variant: str
    language: str
    n_pairs: int
    """With a score of both, and identical ones."""
    n_identical: int
    n_dropped: int
    baseline: float | None
    """Mean over the pairs that are not identical; None without one."""
    variant_mean: float | None
    delta: float
    """Mean difference over `n_pairs`, identical ones included."""
    interval: Interval | None
    """None where nothing bounds a difference that was not seen."""
    p_value: float
    """Two-sided, sign flips; not adjusted: exploratory."""


def summarise_scores(
    pairs: Iterable[AnswerPair],
    scores: Mapping[str, TwoScores],
    *,
    limit: float | None,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = 10_000,
) -> tuple[ScoreSummary, ...]:
    """A row a variant and language, in the order of the pairs.

    Parameters
    ----------
    scores : mapping
        By `pair_id`, of every pair that is not identical.
    limit : float or None
        Largest possible difference, 4 for a scale from 1 to 5; None where there is none.
    """
    grouped: dict[tuple[str, str], list[AnswerPair]] = defaultdict(list)
    for pair in pairs:
        grouped[pair.variant, pair.language].append(pair)
    rows = []
    for (variant, language), some in grouped.items():
        unlike = [scores[pair.pair_id] for pair in some if not pair.identical]
        whole = [two for two in unlike if two.difference is not None]
        identical = len(some) - len(unlike)
        differences = [*(two.difference or 0.0 for two in whole), *[0.0] * identical]
        if not differences:
            continue
        rng = np.random.default_rng([seed, len(differences)])
        boot = bootstrap_t_columns(differences, levels=(level,), rng=rng, resamples=resamples)
        rows.append(
            ScoreSummary(
                variant=variant,
                language=language,
                n_pairs=len(differences),
                n_identical=identical,
                n_dropped=len(unlike) - len(whole),
                baseline=_mean([two.baseline for two in whole]),
                variant_mean=_mean([two.variant for two in whole]),
                delta=float(np.mean(differences)),
                interval=mean_interval(differences, boot[0][0], level=level, limit=limit),
                p_value=sign_flip(differences, rng=rng, resamples=resamples).p_value,
            )
        )
    return tuple(rows)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
