"""What stands beside verdicts: the worst language's bound, ranks, and estimates drawn together.

None of these feeds a verdict. The bound says how much the language that loses most may lose: it is
the lowest of the languages' one-sided bounds, and needs no correction, for it can only be wrong
where the bound of the truly worst language is (Berger 1982). Ranks hold together. Estimates drawn
towards their mean show the spread to expect of languages once sampling error is taken out.
Sign: harm is negative. Units: the metric's own.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from babelbits.analysis.paired_samples import Sample
from babelbits.analysis.results import LanguageBeside, SuiteBeside, VariantRank
from babelbits.analysis.settings import AnalysisSettings
from babelbits.records import Effect
from babelbits.stats.meta import Pooled, pool_partially, sampling_variances
from babelbits.stats.paired_scores import FloatArray
from babelbits.stats.ranks import RankInterval, ranks_of_estimates

_MOST_NUMBERS = 8_000_000
"""Pairs times draws that are held at once."""
_MOST_DRAWS = 10_000

Found = tuple[Effect, Sample]


def estimate_jointly(
    effects: Sequence[Effect],
    samples: Sequence[Sample],
    *,
    primary: Mapping[str, str],
    languages: Mapping[str, Sequence[str]],
    settings: AnalysisSettings,
) -> tuple[SuiteBeside, ...]:
    """One for each variant and suite with several languages.

    Parameters
    ----------
    effects, samples : sequences of Effect and of Sample
        In the same order; single languages and primary metrics are used.
    primary : mapping
        Suite to its primary metric.
    languages : mapping
        Suite to the languages that its baseline has: a bound over fewer is not given.
    """
    cells: dict[tuple[str, str], list[Found]] = defaultdict(list)
    for effect, sample in zip(effects, samples, strict=True):
        if effect.scope == "language" and primary[effect.task] == effect.metric:
            cells[effect.variant, effect.task].append((effect, sample))
    return tuple(
        _suite(cell_effects, languages[suite], settings)
        for (_, suite), cell_effects in cells.items()
        if len(cell_effects) > 1
    )


def _suite(
    effects: Sequence[Found], expected: Sequence[str], settings: AnalysisSettings
) -> SuiteBeside:
    first = effects[0][0]
    bound, reason = bound_worst_loss([effect for effect, _ in effects], expected)
    fixed = all(effect.counts.n_planned is None for effect, _ in effects)
    ranks = _ranks(effects, settings) if fixed else None
    pooled = _pooled(effects) if fixed else None
    return SuiteBeside(
        variant=first.variant,
        suite=first.task,
        metric=first.metric,
        unit=first.unit,
        bound=bound,
        bound_level=1 - settings.alpha,
        bound_reason=reason,
        mean=None if pooled is None else pooled.mean,
        tau=None if pooled is None else pooled.tau,
        languages=tuple(
            LanguageBeside(
                language=str(effect.language),
                delta=effect.delta,
                hardest=None if ranks is None else ranks[k].best,
                mildest=None if ranks is None else ranks[k].worst,
                pooled=None if pooled is None else pooled.estimates[k],
                pooled_error=None if pooled is None else pooled.errors[k],
            )
            for k, (effect, _) in enumerate(effects)
        ),
    )


def bound_worst_loss(
    effects: Sequence[Effect], expected: Sequence[str]
) -> tuple[float | None, str]:
    """The loss that no language exceeds, as an oriented difference, or None and why.

    Parameters
    ----------
    effects : sequence of Effect
        Of single languages, of one variant, suite and metric.
    expected : sequence of str
        Languages that the claim is about.
    """
    have = {effect.language for effect in effects}
    missing = [code for code in expected if code not in have]
    if missing:
        return None, f"no result in {', '.join(missing)}"
    narrow = [one.inference.equivalence_interval for one in effects]
    lows = [None if one is None else one.low for one in narrow]
    unknown = [str(e.language) for e, low in zip(effects, lows, strict=True) if low is None]
    if unknown:
        return None, f"no bound in {', '.join(unknown)}"
    lost = [str(one.language) for one in effects if one.counts.n_lost]
    if lost:
        return None, f"the variant failed on items in {', '.join(lost)}"
    return min(0.0, *(low for low in lows if low is not None)), ""


def rank_variants(
    effects: Sequence[Effect],
    samples: Sequence[Sample],
    *,
    primary: Mapping[str, str],
    settings: AnalysisSettings,
) -> tuple[VariantRank, ...]:
    """Ranks of the variants of each suite, by the mean over all languages; 1 is best.

    Only variants with the same languages and items are ranked together, and two at least.
    """
    cells: dict[str, list[Found]] = defaultdict(list)
    for effect, sample in zip(effects, samples, strict=True):
        whole = effect.scope == "all" or (effect.scope == "language" and _is_alone(effect, effects))
        if whole and primary[effect.task] == effect.metric and effect.counts.n_planned is None:
            cells[effect.task].append((effect, sample))
    return tuple(
        VariantRank(
            suite=suite,
            metric=effect.metric,
            unit=effect.unit,
            variant=effect.variant,
            delta=effect.delta,
            best=rank.best,
            worst=rank.worst,
        )
        for suite, cell_effects in cells.items()
        if len(alike := _alike(cell_effects)) > 1
        for (effect, _), rank in zip(
            alike, _by_covariance(alike, sign=1.0, settings=settings), strict=True
        )
    )


def _is_alone(effect: Effect, effects: Iterable[Effect]) -> bool:
    """Whether the suite has one language: its effect is then that of all languages."""
    return not any(one.scope == "all" and one.task == effect.task for one in effects)


def _alike(found: Sequence[Found]) -> list[Found]:
    """Those with the languages that most variants have."""
    most = max(len(effect.languages) for effect, _ in found)
    return [one for one in found if len(one[0].languages) == most]


def _ranks(found: Sequence[Found], settings: AnalysisSettings) -> Sequence[RankInterval]:
    """1 is the language that is harmed most."""
    return _by_covariance(found, sign=-1.0, settings=settings)


def _by_covariance(
    found: Sequence[Found], *, sign: float, settings: AnalysisSettings
) -> Sequence[RankInterval]:
    pairs = len(found) * (len(found) - 1) // 2
    return ranks_of_estimates(
        [sign * effect.delta for effect, _ in found],
        estimate_covariance([sample for _, sample in found]),
        rng=np.random.default_rng([settings.seed, len(found), 5]),
        level=1 - settings.alpha,
        resamples=max(400, min(_MOST_DRAWS, _MOST_NUMBERS // pairs)),
    )


def estimate_covariance(samples: Sequence[Sample]) -> FloatArray:
    """How the mean differences of several samples vary together, by the units that they share.

    Returns
    -------
    shape (n_samples, n_samples)
    """
    labels = [np.unique(one.clusters) for one in samples]
    everything, places = np.unique(np.concatenate(labels), return_inverse=True)
    ends = np.cumsum([one.size for one in labels])[:-1]
    table = np.zeros((len(samples), everything.size))
    for row, place, sample in zip(table, np.split(places, ends), samples, strict=True):
        scores = sample.scores
        row[place] = (scores.linearised - scores.estimate) / scores.n_clusters
    count = np.array([one.scores.n_clusters for one in samples], float)
    factor = np.sqrt(count / np.maximum(count - 1, 1))
    return np.asarray((table @ table.T) * np.outer(factor, factor), float)


def _pooled(found: Sequence[Found]) -> Pooled | None:
    variances = sampling_variances(
        [sample.unit_variance for _, sample in found],
        [sample.scores.n_clusters for _, sample in found],
    )
    return pool_partially([effect.delta for effect, _ in found], variances)
