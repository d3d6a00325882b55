"""p-values and intervals for many samples at once.

Right/wrong items of one language: mid-p McNemar and Tango's interval. A corpus score (BLEU, chrF)
of one language: approximate randomisation and a paired bootstrap. Everything else: a sign-flip
permutation test and a bootstrap-t interval over clusters (source items). Samples with equally many
clusters share one set of draws, fixed by the seed and that number alone, so that a sample's numbers
do not depend on what else is in the study.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from babelbits.compare.corpora import corpus_test
from babelbits.compare.early import LOOK_EVERY, last_glance
from babelbits.compare.samples import Sample
from babelbits.compare.settings import AnalysisSettings
from babelbits.compare.shares import error_shares
from babelbits.records import Interval
from babelbits.stats.binary import mcnemar_midp, paired_table, tango
from babelbits.stats.bounded import (
    SignFlipResult,
    bootstrap_t_columns,
    mean_interval,
    sign_flip_columns,
)
from babelbits.stats.churn import churn
from babelbits.stats.power import mcnemar_minimal_effect, mean_minimal_effect

_COLUMNS_AT_ONCE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """What the data of one sample support."""

    p_value: float | None
    """Two-sided; None where no test holds."""
    interval: Interval | None
    """Level 1 - alpha; None where nothing bounds an unseen change."""
    equivalence_interval: Interval | None
    """Level 1 - 2 alpha; of cells that could stop early the same as `interval`."""
    minimal_effect: float | None
    test: str
    units: int
    """Independent units: items, or source items."""
    resampled: bool


def infer(samples: Sequence[Sample], settings: AnalysisSettings) -> list[Inference]:
    """Test and interval of every sample, in order."""
    found: dict[int, Inference] = {}
    waiting: dict[int, list[int]] = defaultdict(list)
    shares = error_shares(samples, settings)
    for index, sample in enumerate(samples):
        if sample.stops:
            found[index] = _at_any_time(sample, alpha=shares[index])
        elif sample.is_paired_table:
            found[index] = _right_or_wrong(sample, settings)
        elif sample.is_corpus:
            found[index] = _of_a_corpus(sample, settings)
        else:
            waiting[sample.scores.n_clusters].append(index)
    for same_size in waiting.values():
        for start in range(0, len(same_size), _COLUMNS_AT_ONCE):
            batch = same_size[start : start + _COLUMNS_AT_ONCE]
            results = _resampled([samples[index] for index in batch], settings)
            found.update(zip(batch, results, strict=True))
    return [found[index] for index in range(len(samples))]


def _at_any_time(sample: Sample, *, alpha: float) -> Inference:
    """A confidence sequence: the only interval that holds for cells that could stop early."""
    nothing = Inference(
        p_value=None,
        interval=None,
        equivalence_interval=None,
        minimal_effect=None,
        test="none: the cell could stop early, and the metric has no range",
        units=len(sample.units),
        resampled=False,
    )
    if sample.kind == "real" or not len(sample.units):
        return nothing
    glance = last_glance(sample.units, alpha=alpha, margin=None)
    return replace(
        nothing,
        p_value=glance.p_value,
        interval=glance.look.interval,
        equivalence_interval=glance.look.interval,
        test=f"betting, anytime-valid, a look every {LOOK_EVERY} units",
    )


def _right_or_wrong(sample: Sample, settings: AnalysisSettings) -> Inference:
    [part] = sample.parts
    first, second = part.baseline, part.variant
    if not part.metric.higher_is_better:
        first, second = 1 - first, 1 - second
    table = paired_table(first, second)
    return Inference(
        p_value=mcnemar_midp(table).p_value,
        interval=tango(table, level=1 - settings.alpha),
        equivalence_interval=tango(table, level=1 - 2 * settings.alpha),
        minimal_effect=mcnemar_minimal_effect(
            table.n_items, churn=churn(part.differences).share, alpha=settings.alpha
        ),
        test="mid-p McNemar",
        units=table.n_items,
        resampled=False,
    )


def _of_a_corpus(sample: Sample, settings: AnalysisSettings) -> Inference:
    """BLEU or chrF of one language: segments are swapped and drawn, sums are scored."""
    [part] = sample.parts
    assert part.statistics is not None  # noqa: S101  what makes it a corpus sample
    test, (wide, narrow) = corpus_test(
        *part.statistics,
        units=sample.clusters,
        metric=part.metric,
        levels=(1 - settings.alpha, 1 - 2 * settings.alpha),
        seed=settings.seed,
        resamples=settings.resamples,
    )
    how = "exact" if test.exact else f"{test.resamples} draws"
    return Inference(
        p_value=test.p_value,
        interval=wide,
        equivalence_interval=narrow,
        minimal_effect=_minimal_effect(sample, settings),
        test=f"approximate randomisation of the corpus score, {how}",
        units=test.n_segments,
        resampled=not test.exact or wide is not None,
    )


def _resampled(samples: Sequence[Sample], settings: AnalysisSettings) -> list[Inference]:
    """Samples with equally many clusters."""
    units = samples[0].scores.n_clusters
    levels = (1 - settings.alpha, 1 - 2 * settings.alpha)
    flips = sign_flip_columns(
        np.column_stack([sample.scores.contributions for sample in samples]),
        rng=np.random.default_rng([settings.seed, units, 0]),
        resamples=settings.resamples,
    )
    boots = bootstrap_t_columns(
        np.column_stack([sample.scores.linearised for sample in samples]),
        levels=levels,
        rng=np.random.default_rng([settings.seed, units, 1]),
        resamples=settings.resamples,
    )
    return [
        Inference(
            p_value=flip.p_value,
            interval=_mean_interval(sample, wide, level=levels[0]),
            equivalence_interval=_mean_interval(sample, narrow, level=levels[1]),
            minimal_effect=_minimal_effect(sample, settings),
            test=_test_name(sample, flip),
            units=units,
            resampled=not flip.exact or wide is not None,
        )
        for sample, flip, (wide, narrow) in zip(samples, flips, boots, strict=True)
    ]


def _mean_interval(sample: Sample, resampled: Interval | None, *, level: float) -> Interval | None:
    scores = sample.scores
    if sample.kind == "real":
        return mean_interval(scores.contributions, resampled, level=level, limit=None)
    found = mean_interval(scores.contributions, resampled, level=level, limit=scores.limit)
    # No mean of differences in [-1, 1] leaves that range, whatever one cluster can weigh.
    return found and replace(found, low=max(-1.0, found.low), high=min(1.0, found.high))


def _minimal_effect(sample: Sample, settings: AnalysisSettings) -> float | None:
    scores = sample.scores
    if scores.n_clusters < 2 or not scores.contributions.any():
        return None
    sd = float(np.std(scores.linearised, ddof=1))
    return mean_minimal_effect(scores.n_clusters, sd=sd, alpha=settings.alpha)


def _test_name(sample: Sample, flip: SignFlipResult) -> str:
    how = "exact" if flip.exact else f"{flip.resamples} draws"
    unit = f" of {sample.unit_name}" if sample.unit_name else ""
    return f"sign-flip{unit}, {how}"
