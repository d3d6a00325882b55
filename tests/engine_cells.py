"""Cells of a study in two engines with a known truth, for the tests of baselines by engine."""

from collections.abc import Sequence
from dataclasses import replace

from babelbits.analysis import CellResult
from compare_cells import Score, cell

OURS, THEIRS = "transformers", "llama.cpp"
REFERENCE = "baseline@llama.cpp"
ALL = [1.0] * 150 + [0.0] * 50
LESS = [1.0] * 140 + [0.0] * 60
"""Ten of 200 items fewer: 5 points."""
MORE = [1.0] * 160 + [0.0] * 40


def run_in(found: CellResult, engine: str | None, *, baseline: str = "baseline") -> CellResult:
    """The cell as an engine ran it, compared with a baseline of that label."""
    identity = {} if engine is None else {"engine": {"name": engine}}
    return replace(found, meta=replace(found.meta, identity=identity, baseline=baseline))


def study_in_two_engines(
    *,
    reference: Sequence[Score] | None,
    variant: Sequence[Score],
    engine: str = THEIRS,
    languages: Sequence[str] = ("en",),
) -> list[CellResult]:
    """The baseline (150 of 200 right, twice), q4 in another engine, and w8, which loses ten.

    Parameters
    ----------
    reference : sequence or None
        Scores of the baseline in the other engine; None: it was not run there.
    """
    cells = []
    for code in languages:
        cells += [run_in(cell("baseline", code, ALL, replicate=k), OURS) for k in (0, 1)]
        if reference is not None:
            cells.append(run_in(cell(REFERENCE, code, reference), engine, baseline=REFERENCE))
        own = "baseline" if reference is None else REFERENCE
        cells.append(run_in(cell("q4", code, variant), engine, baseline=own))
        cells.append(run_in(cell("w8", code, LESS), OURS))
    return cells
