"""p-values and intervals for many samples at once.

Right/wrong items of one language: mid-p McNemar and Tango's interval. A corpus score (BLEU, chrF)
of one language: approximate randomisation and a paired bootstrap. Everything else: a sign-flip
permutation test and a bootstrap-t interval over clusters (source items). Samples with equally many
clusters share one set of draws, fixed by the seed and that number alone, so that a sample's numbers
do not depend on what else is in the study.

The interval for "not worse" and "equivalent" also holds what losses too rare to have been seen
could do, up to the declared cap on the loss of one item; the test and its own interval do not.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version

import numpy as np

from babelbits.analysis.alpha_allocation import (
    LocalLevels,
    allocate_error_shares,
    find_local_levels,
)
from babelbits.analysis.corpora import test_corpus
from babelbits.analysis.early_stopping import LOOK_EVERY, look_last
from babelbits.analysis.paired_samples import Sample
from babelbits.analysis.settings import AnalysisSettings
from babelbits.records import Interval
from babelbits.stats.binary import mcnemar_midp, paired_table, tango
from babelbits.stats.detectable import (
    changes_needed,
    detectable_mean,
    detectable_share,
    share_to_change,
)
from babelbits.stats.mean_tests import (
    SignFlipResult,
    bootstrap_t_columns,
    mean_interval,
    sign_flip_columns,
    with_rare_losses,
)

_COLUMNS_AT_ONCE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """What the data of one sample support."""

    p_value: float | None
    """Two-sided; None where no test holds."""
    interval: Interval | None
    """Level 1 - alpha; None where nothing bounds an unseen change."""
    equivalence_interval: Interval | None
    """Level 1 - 2 alpha, rare losses included; of cells that could stop early the same as
    `interval`."""
    minimal_effect: float | None
    """The loss that the verdict rule calls worse in 80 % of studies if its family is harmless."""
    confirmed_effect: float | None
    """The same for what the report's headline confirms."""
    test: str
    units: int
    """Independent units: items, or source items."""
    resampled: bool


def infer(samples: Sequence[Sample], settings: AnalysisSettings) -> list[Inference]:
    """Test and interval of every sample, in order."""
    inferences: dict[int, Inference] = {}
    waiting: dict[int, list[int]] = defaultdict(list)
    shares, levels = allocate_error_shares(samples, settings), find_local_levels(samples, settings)
    for index, sample in enumerate(samples):
        if sample.stops:
            inferences[index] = _at_any_time(sample, alpha=shares[index])
        elif sample.is_paired_table:
            inferences[index] = _right_or_wrong(sample, settings, levels[index])
        elif sample.is_corpus:
            inferences[index] = _of_a_corpus(sample, settings, levels[index])
        else:
            waiting[sample.scores.n_clusters].append(index)
    for same_size in waiting.values():
        for start in range(0, len(same_size), _COLUMNS_AT_ONCE):
            batch = same_size[start : start + _COLUMNS_AT_ONCE]
            results = _resampled(
                [samples[index] for index in batch], settings, [levels[index] for index in batch]
            )
            inferences.update(zip(batch, results, strict=True))
    return [inferences[index] for index in range(len(samples))]


def _at_any_time(sample: Sample, *, alpha: float) -> Inference:
    """A confidence sequence: the only interval that holds for cells that could stop early."""
    nothing = Inference(
        p_value=None,
        interval=None,
        equivalence_interval=None,
        minimal_effect=None,
        confirmed_effect=None,
        test="none: the cell could stop early, and the metric has no range",
        units=len(sample.units),
        resampled=False,
    )
    if sample.kind == "real" or not len(sample.units):
        return nothing
    glance = look_last(sample.units, alpha=alpha, margin=None)
    return replace(
        nothing,
        p_value=glance.p_value,
        interval=glance.look.interval,
        equivalence_interval=glance.look.interval,
        test=f"betting, anytime-valid, a look every {LOOK_EVERY} units",
    )


def _right_or_wrong(sample: Sample, settings: AnalysisSettings, levels: LocalLevels) -> Inference:
    [part] = sample.parts
    first, second = part.baseline, part.variant
    if not part.metric.higher_is_better:
        first, second = 1 - first, 1 - second
    table = paired_table(first, second)
    interval = tango(table, level=1 - settings.alpha)

    def detectable(confirmed: float | None) -> float | None:
        found = detectable_share(
            table.n_items,
            churn=(table.broke + table.fixed) / table.n_items,
            level=levels.family,
            alpha=settings.alpha,
            confirmed=confirmed,
        )
        return _at_least_half(found, interval)

    return Inference(
        p_value=mcnemar_midp(table).p_value,
        interval=interval,
        equivalence_interval=tango(table, level=1 - 2 * settings.alpha),
        minimal_effect=detectable(None),
        confirmed_effect=None if levels.confirmed is None else detectable(levels.confirmed),
        test="mid-p McNemar",
        units=table.n_items,
        resampled=False,
    )


def _at_least_half(effect: float | None, interval: Interval | None) -> float | None:
    """Nothing smaller can be detected than the interval leaves open."""
    if effect is None or interval is None:
        return effect
    return max(effect, (interval.high - interval.low) / 2)


def _of_a_corpus(sample: Sample, settings: AnalysisSettings, levels: LocalLevels) -> Inference:
    """BLEU or chrF of one language: segments are swapped and drawn, sums are scored."""
    [part] = sample.parts
    assert part.statistics is not None  # noqa: S101  what makes it a corpus sample
    test, (wide, narrow) = test_corpus(
        *part.statistics,
        units=sample.clusters,
        metric=part.metric,
        levels=(1 - settings.alpha, 1 - 2 * settings.alpha),
        seed=settings.seed,
        resamples=settings.resamples,
    )
    how = "exact" if test.exact else f"{test.resamples} draws"
    how = "saddlepoint tail" if test.saddlepoint else how
    return Inference(
        p_value=test.p_value,
        interval=wide,
        equivalence_interval=_with_rare_losses(sample, narrow, settings),
        minimal_effect=_minimal_effect(sample, levels.family, wide),
        confirmed_effect=_confirmed_effect(sample, levels, wide),
        test=f"approximate randomisation of the corpus score, {how}",
        units=test.n_segments,
        resampled=not test.exact or wide is not None,
    )


def _resampled(
    samples: Sequence[Sample], settings: AnalysisSettings, local: Sequence[LocalLevels]
) -> list[Inference]:
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
    intervals = [
        _mean_interval(sample, wide, level=levels[0])
        for sample, (wide, _) in zip(samples, boots, strict=True)
    ]
    return [
        Inference(
            p_value=flip.p_value,
            interval=interval,
            equivalence_interval=_with_rare_losses(
                sample, _mean_interval(sample, narrow, level=levels[1]), settings
            ),
            minimal_effect=_minimal_effect(sample, at.family, interval),
            confirmed_effect=_confirmed_effect(sample, at, interval),
            test=_test_name(sample, flip),
            units=units,
            resampled=not flip.exact or wide is not None,
        )
        for sample, flip, (wide, narrow), interval, at in zip(
            samples, flips, boots, intervals, local, strict=True
        )
    ]


def _mean_interval(sample: Sample, resampled: Interval | None, *, level: float) -> Interval | None:
    scores = sample.scores
    if sample.kind == "real":
        return mean_interval(scores.linearised, resampled, level=level, limit=None)
    found = mean_interval(
        scores.contributions,
        resampled,
        level=level,
        limit=scores.limit,
        one_change=scores.item_limit,
    )
    # No mean of differences in [-1, 1] leaves that range, whatever one cluster can weigh.
    return found and replace(found, low=max(-1.0, found.low), high=min(1.0, found.high))


def _with_rare_losses(
    sample: Sample, found: Interval | None, settings: AnalysisSettings
) -> Interval | None:
    """No cap is no assumption: then equivalence is withheld, see `analysis.effects`."""
    cap = settings.loss_cap(sample.metric)
    if cap is None:
        return found
    limit = cap * sample.scores.limit
    return with_rare_losses(
        found, sample.scores.linearised, alpha=settings.alpha, loss=limit, gain=limit
    )


def _confirmed_effect(
    sample: Sample, levels: LocalLevels, interval: Interval | None
) -> float | None:
    if levels.confirmed is None:
        return None
    return _minimal_effect(sample, min(levels.family, 2 * levels.confirmed), interval)


def _minimal_effect(sample: Sample, level: float, interval: Interval | None) -> float | None:
    """From the spread of the units, the interval, and the changes that the test needs at least."""
    scores = sample.scores
    if scores.n_clusters < 2:
        return None
    sd = float(np.std(scores.linearised, ddof=1))
    arm = 0.0 if interval is None else interval.high - scores.estimate
    found = detectable_mean(scores.n_clusters, sd=sd, level=level, arm=arm)
    needed = changes_needed(level)
    if int(np.count_nonzero(scores.contributions)) < needed:
        share = share_to_change(scores.n_clusters, changes=needed)
        if share is None:
            return None
        found = max(found or 0.0, share * _one_change(sample))
    return _at_least_half(found, interval)


def _one_change(sample: Sample) -> float:
    """Size of a unit's change: that of those seen (root mean square), else what one item can do."""
    seen = sample.scores.contributions[sample.scores.contributions != 0]
    return float(np.sqrt(np.mean(seen**2))) if seen.size else sample.scores.item_limit


def _test_name(sample: Sample, flip: SignFlipResult) -> str:
    how = "exact" if flip.exact else f"{flip.resamples} draws"
    how = "saddlepoint tail" if flip.saddlepoint else how
    unit = f" of {sample.unit_name}" if sample.unit_name else ""
    return f"sign-flip{unit}, {how}"


# --- how a number was computed --------------------------------------------------------------------


def make_signature(*pieces: str) -> str:
    """The pieces and this package's version, joined by bars."""
    return "|".join([*pieces, f"babelbits={_version()}"])


@cache
def _version() -> str:
    return version("babelbits")
