"""How far a mean would move if something was done again: other items, another run, another text.

Four sources of variation in one table, as standard deviations in the metric's unit: items (the
error of the mean over all languages), a second run of the same model with another seed (from the
A/A cells), another draw of calibration text (from recipes with several), and other raters (from
votes; the report adds these, which are in another unit). None feeds a verdict: they say where more
effort would tell more.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from babelbits.analysis.paired_samples import Sample
from babelbits.analysis.results import CalibrationContrast, Variation
from babelbits.stats.cluster import cluster_standard_error

ITEMS, RUNS, DRAWS, RATERS = "other items", "another run or seed", "another text", "other raters"


def estimate_variation(
    samples: Sequence[Sample], aa: Sequence[Sample], calibrations: Sequence[CalibrationContrast]
) -> tuple[Variation, ...]:
    """A row a suite and kind of luck that the study can tell.

    Parameters
    ----------
    samples, aa : sequences of Sample
        Of the variants and of the A/A cells; those over all languages on primary metrics count.
    calibrations : sequence of CalibrationContrast
        Those over all languages count.
    """
    variants, runs = _whole(samples), _whole(aa)
    rows: list[Variation] = []
    for suite in dict.fromkeys(one.info.suite for one in variants):
        mine = [one for one in variants if one.info.suite == suite]
        again = [one for one in runs if one.info.suite == suite]
        rows += _row(ITEMS, mine, [_error(one) for one in mine], kind="variant")
        # The difference of two runs varies twice as much as one of them.
        halved = [None if (e := _error(one)) is None else e / math.sqrt(2) for one in again]
        rows += _row(RUNS, again, halved, kind="A/A run")
        spreads = {
            (one.recipe, one.calibration): one.draw_sd
            for one in calibrations
            if one.suite == suite and one.language is None and one.draw_sd is not None
        }
        rows += _row(DRAWS, mine, list(spreads.values()), kind="calibration")
    return tuple(rows)


def _whole(samples: Iterable[Sample]) -> list[Sample]:
    """Over all languages, or over the only one, on the primary metric."""
    ours = [one for one in samples if one.metric.name == one.info.primary and not one.stops]
    several = {(one.variant, one.info.suite) for one in ours if one.scope == "all"}
    return [
        one
        for one in ours
        if one.scope == "all"
        or (one.scope == "language" and (one.variant, one.info.suite) not in several)
    ]


def _error(sample: Sample) -> float | None:
    return cluster_standard_error(sample.scores)


def _row(
    source: str, samples: Sequence[Sample], sds: Sequence[float | None], *, kind: str
) -> list[Variation]:
    known = [sd for sd in sds if sd is not None]
    if not known:
        return []
    first = samples[0]
    return [
        Variation(
            source=source,
            suite=first.info.suite,
            unit=first.metric.unit,
            sd=float(np.sqrt(np.mean(np.square(known)))),
            n=len(known),
            kind=kind,
        )
    ]
