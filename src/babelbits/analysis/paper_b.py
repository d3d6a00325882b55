"""Importance matrices in several languages: a published study's tests beside paired ones.

Borgersen & Goodwin (2025, arXiv 2503.03592; "Paper B") quantized a model to three levels, each with
a matrix computed on English, Norwegian and Malayalam text, and tested every other matrix against
the English one. Their tests are RECONSTRUCTED here, for comparison and never for a verdict: by one
account an independent t-test, by another a Monte Carlo binomial model, both against 0.05 / 12. They
ignore that both models answered the same items. Beside them stands what `compare` says anywhere.

The English matrix is the baseline here, not the unquantized model: ``delta = other - English`` of
an oriented score, negative where the other matrix harms more. One text a language is compared: what
differs are these texts; languages are told apart by `calibrations`, over draws of text.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from babelbits.analysis.cell_index import sort_cells
from babelbits.analysis.cells import BASELINE, CellResult
from babelbits.analysis.effects import conclude, draft
from babelbits.analysis.inference import Inference, infer
from babelbits.analysis.paired_samples import Part, Sample, part
from babelbits.analysis.settings import AnalysisSettings
from babelbits.records import Effect, Metric
from babelbits.stats.multiplicity import holm
from babelbits.stats.reported import (
    independent_t_test,
    monte_carlo_binomial,
    unpaired_mean_minimal_effect,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixComparison:
    """One matrix against the reference one: the same recipe, the same items."""

    recipe: str
    calibration: str
    reference: str
    """Languages of the two texts."""
    t_test_p: float | None
    """As reported, reconstruction; None with one item."""
    monte_carlo_p: float | None
    """As reported, reconstruction; None where items are not right or wrong."""
    unpaired_minimal_effect: float | None
    """What an unpaired test would show with 80 % power at `alpha`, in the metric's unit; None where
    the scores of the reference do not vary."""
    effect: Effect
    """The paired analysis; its family is all comparisons of the suite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """A comparison before its numbers."""

    recipe: str
    calibration: str
    sample: Sample


def matrix_comparisons(
    cells: Sequence[CellResult], settings: AnalysisSettings
) -> tuple[MatrixComparison, ...]:
    """Every matrix against the one of the reference language, in each language asked.

    Parameters
    ----------
    cells : sequence of CellResult
        Of a study; what was not calibrated is left out.
    settings : AnalysisSettings
        `calibrations` says which text a variant saw; of several draws the first is taken.
        Without a `reference` nothing is compared.

    Returns
    -------
    tuple of MatrixComparison
        Suite by suite; empty where no recipe was calibrated on the reference language and another.
    """
    pairs = list(_pairs(cells, settings))
    suites = list(dict.fromkeys(one.sample.info.suite for one in pairs))
    pairs.sort(key=lambda one: suites.index(one.sample.info.suite))
    found = infer([one.sample for one in pairs], settings)
    adjusted = _adjusted(pairs, found)
    return tuple(
        _comparison(pair, inference, adjusted.get(index), settings)
        for index, (pair, inference) in enumerate(zip(pairs, found, strict=True))
    )


def _pairs(cells: Sequence[CellResult], settings: AnalysisSettings) -> Iterator[_Pair]:
    """Recipe by recipe, each other matrix, each task that both were asked."""
    first: dict[str, dict[str, str]] = defaultdict(dict)
    for label, seen in settings.calibrations.items():
        first[seen.recipe].setdefault(seen.language, label)
    for recipe, labels in first.items():
        english = labels.pop(settings.reference or "", None)
        if english is None:
            continue
        desk = sort_cells(
            [_as_baseline(one) for one in cells if one.meta.variant == english]
            + [one for one in cells if one.meta.variant in labels.values()]
        )
        for language, label in labels.items():
            for paired in desk.pairs(desk.variants.get(label, {})).values():
                for cell, pairs in paired:
                    found = part(pairs, _primary(cell), settings=settings)
                    if found is not None:
                        yield _Pair(
                            recipe=recipe, calibration=language, sample=_sample(label, found)
                        )


def _as_baseline(cell: CellResult) -> CellResult:
    return replace(cell, meta=replace(cell.meta, variant=BASELINE, replicate=0))


def _primary(cell: CellResult) -> Metric:
    return cell.meta.task.metric(cell.meta.task.primary)


def _sample(label: str, found: Part) -> Sample:
    return Sample(variant=label, scope="language", group=None, parts=(found,))


def _adjusted(pairs: Sequence[_Pair], found: Sequence[Inference]) -> dict[int, float]:
    """Holm over the comparisons of a suite, by their place in `pairs`."""
    families: dict[str, dict[int, float]] = defaultdict(dict)
    for index, (pair, inference) in enumerate(zip(pairs, found, strict=True)):
        if inference.p_value is not None:
            families[pair.sample.info.suite][index] = inference.p_value
    return {
        index: p
        for members in families.values()
        for index, p in zip(members, holm(list(members.values())), strict=True)
    }


def _comparison(
    pair: _Pair, inference: Inference, p_adjusted: float | None, settings: AnalysisSettings
) -> MatrixComparison:
    [one] = pair.sample.parts
    found = draft(pair.sample, inference, settings=settings, noise={})
    binary = pair.sample.kind == "binary"
    rng = np.random.default_rng(settings.seed)
    n_items, sd = one.baseline.size, float(np.std(one.baseline))
    return MatrixComparison(
        recipe=pair.recipe,
        calibration=pair.calibration,
        reference=settings.reference or "",
        t_test_p=independent_t_test(one.baseline, one.variant) if n_items > 1 else None,
        monte_carlo_p=monte_carlo_binomial(one.baseline, one.variant, rng=rng) if binary else None,
        unpaired_minimal_effect=unpaired_mean_minimal_effect(n_items, sd=sd, alpha=settings.alpha)
        if sd > 0
        else None,
        effect=conclude(
            found,
            family=f"matrices · {pair.sample.info.suite}",
            p_adjusted=p_adjusted,
            settings=settings,
        ),
    )
