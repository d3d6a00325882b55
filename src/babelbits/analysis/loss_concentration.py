"""How much of a loss the few worst items carry.

The gross loss is the sum of the items' losses, gains left out. If the worst percent of the items
carries half of it, the mean hides a few broken items; where every item loses a little the share is
small. The baseline against itself (A/A) says what share noise alone would give: a few items always
carry more than their part. Told only where a loss is shown, and only of scores that are more than
right or wrong: of those every lost item loses the same.

Differences are oriented, harm is negative; a share is a fraction of the gross loss. Exploratory:
no interval, no test.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from babelbits.analysis.cell_index import sort_cells
from babelbits.analysis.cells import BASELINE, CellResult
from babelbits.analysis.paired_samples import Part, select_part
from babelbits.analysis.settings import AnalysisSettings
from babelbits.records import Effect

WORST = (0.01, 0.02, 0.05)
"""Shares of the items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossConcentration:
    """One loss that is shown, in one language."""

    variant: str
    suite: str
    language: str
    metric: str
    n_items: int
    n_lost: int
    """Items that lost anything."""
    shares: tuple[float, ...]
    """Of the gross loss, on the worst 1, 2 and 5 % of the items, rounded up to whole items."""
    aa_shares: tuple[float, ...] | None
    """The same of the baseline against itself; None where it was not run or lost nothing."""


def measure_loss_concentrations(
    cells: Sequence[CellResult], effects: Sequence[Effect], settings: AnalysisSettings
) -> tuple[LossConcentration, ...]:
    """One for each language in which a loss of a suite's primary metric is shown.

    Parameters
    ----------
    cells : sequence of CellResult
        Baseline, A/A run and variants.
    effects : sequence of Effect
        With their verdicts: those of single languages that are "worse" are told.
    """
    shown = {
        (one.variant, one.task, str(one.language)): one.metric
        for one in effects
        if one.scope == "language" and one.decision.verdict == "worse" and one.kind != "binary"
    }
    wanted = {(suite, language) for _, suite, language in shown}
    kept = [one for one in cells if (one.meta.task.suite, one.meta.task.language) in wanted]
    desk = sort_cells(kept)
    found = {
        (variant, one.info.suite, one.language): one
        for variant, theirs in {BASELINE: desk.aa, **desk.variants}.items()
        for pairs in desk.pairs(theirs).values()
        for cell, pair in pairs
        if (
            one := select_part(
                pair, cell.meta.task.metric(cell.meta.task.primary), settings=settings
            )
        )
    }
    desk.paired()
    return tuple(
        _concentration(place, found[place], found.get((BASELINE, *place[1:])))
        for place, metric in shown.items()
        if place in found and found[place].metric.name == metric
    )


def _concentration(
    place: tuple[str, str, str], ours: Part, again: Part | None
) -> LossConcentration:
    variant, suite, language = place
    shares = measure_worst_shares(ours.changes)
    assert shares is not None  # noqa: S101  a loss is shown
    return LossConcentration(
        variant=variant,
        suite=suite,
        language=language,
        metric=ours.metric.name,
        n_items=ours.changes.size,
        n_lost=int(np.sum(ours.changes < 0)),
        shares=shares,
        aa_shares=None if again is None else measure_worst_shares(again.changes),
    )


def measure_worst_shares(
    differences: ArrayLike, *, worst: Sequence[float] = WORST
) -> tuple[float, ...] | None:
    """Shares of the gross loss on the worst items; None where no item lost anything.

    Parameters
    ----------
    differences : shape (n_items,)
        Oriented; harm is negative.
    worst : sequence of float
        Shares of the items, each rounded up to whole items.

    Examples
    --------
    >>> measure_worst_shares([-3.0, -1.0, 0.0, 2.0], worst=(0.25, 0.5))
    (0.75, 1.0)
    """
    losses = np.sort(np.maximum(-np.asarray(differences, float), 0.0))[::-1]
    gross = float(losses.sum())
    if gross <= 0:
        return None
    return tuple(float(losses[: math.ceil(share * losses.size)].sum()) / gross for share in worst)
