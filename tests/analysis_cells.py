"""Cells of two arms and of six languages, and the one effect of an analysis."""

import numpy as np

from babelbits.analysis import AnalysisSettings, CellResult
from babelbits.records import Effect
from compare_cells import cell

SETTINGS = AnalysisSettings(margins={"fraction": 0.02, "bits/byte": 0.01}, resamples=999)


def two(baseline: list[float], variant: list[float], language: str = "en") -> list[CellResult]:
    return [cell("baseline", language, baseline), cell("w4", language, variant)]


def only(found: tuple[Effect, ...]) -> Effect:
    [effect] = found
    return effect


def noisy(rng: np.random.Generator, scores: list[float], churn: float) -> list[float]:
    return [1 - s if rng.random() < churn else s for s in scores]


def study(parallel: bool = True) -> list[CellResult]:
    """Six languages, 150 items, harm in three of them."""
    rng = np.random.default_rng(7)
    cells = []
    for language, harm in (("en", 0), ("de", 0), ("fr", 0), ("hi", 0.2), ("th", 0.2), ("ja", 0.25)):
        base = [1.0] * 110 + [0.0] * 40
        variant = [0.0 if s and rng.random() < harm else s for s in noisy(rng, base, 0.02)]
        cells += [
            cell("baseline", language, base, parallel=parallel),
            cell("baseline", language, noisy(rng, base, 0.01), replicate=1, parallel=parallel),
            cell("w4", language, variant, parallel=parallel),
        ]
    return cells
