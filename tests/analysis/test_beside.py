"""Bounds, ranks and pooled estimates beside the verdicts: by hand, and by simulated truth."""

import numpy as np
import pytest

from babelbits.analysis import AnalysisSettings
from babelbits.analysis.analyse import analyse
from babelbits.analysis.cells import CellResult
from babelbits.analysis.results import Analysis
from babelbits.stats.binary import paired_table, tango
from compare_cells import cell

SETTINGS = AnalysisSettings(margins={"fraction": 0.02}, resamples=500)


def study(lost: dict[str, int], *, n: int = 200, variant: str = "w4") -> list[CellResult]:
    """Languages in which so many of the right answers broke."""
    base = [1.0] * (3 * n // 4) + [0.0] * (n // 4)
    return [
        one
        for language, count in lost.items()
        for one in (
            cell("baseline", language, base),
            cell(variant, language, [0.0] * count + base[count:]),
        )
    ]


def analysed(cells: list[CellResult]) -> Analysis:
    return analyse(cells, SETTINGS)


def test_the_bound_is_the_lowest_one_sided_bound_of_a_language() -> None:
    """English lost 2 of 200, Swahili 12: Tango's 90 % interval of Swahili ends it."""
    [found] = analysed(study({"en": 2, "sw": 12})).beside
    base, after = np.ones(200), np.r_[np.zeros(12), np.ones(188)]
    low = tango(paired_table(base, after), level=0.90).low
    assert found.bound == pytest.approx(low)
    assert (found.bound_level, found.bound_reason) == (0.95, "")


def test_a_missing_language_leaves_no_bound() -> None:
    cells = study({"en": 2, "sw": 12, "de": 0})
    [found] = analysed(cells[:-1]).beside
    assert found.bound is None
    assert found.bound_reason == "no result in de"


def test_items_that_the_variant_failed_leave_no_bound() -> None:
    cells = study({"en": 2, "sw": 0})
    broken = cell("w4", "sw", [None, *[1.0] * 149, *[0.0] * 50])
    [found] = analysed([*cells[:-1], broken]).beside
    assert found.bound is None
    assert found.bound_reason == "the variant failed on items in sw"


@pytest.mark.parametrize(
    "losses", [(0.03,) * 8, (0.0,) * 7 + (0.06,)], ids=["all alike", "one is worst"]
)
def test_no_language_loses_more_than_the_bound_says(losses: tuple[float, ...]) -> None:
    """400 studies of 8 languages with 250 items and 10 % churn: 95 % at least."""
    rng, held = np.random.default_rng(2), 0
    for _ in range(400):
        lows = []
        for loss in losses:
            broke = rng.binomial(250, (0.10 + loss) / 2)
            fixed = rng.binomial(250 - broke, (0.10 - loss) / 2 / (1 - (0.10 + loss) / 2))
            before = np.r_[np.ones(broke), np.zeros(fixed), np.ones(250 - broke - fixed)]
            after = np.r_[np.zeros(broke), np.ones(fixed), np.ones(250 - broke - fixed)]
            lows.append(tango(paired_table(before, after), level=0.90).low)
        held += min(lows) <= -max(losses)
    assert held / 400 >= 0.95 - 3 * (0.05 * 0.95 / 400) ** 0.5


def test_a_language_far_below_the_others_is_hit_hardest_and_the_rest_are_tied() -> None:
    [found] = analysed(study({"en": 0, "de": 1, "sw": 60})).beside
    ranks = {one.language: (one.hardest, one.mildest) for one in found.languages}
    assert ranks == {"en": (2, 3), "de": (2, 3), "sw": (1, 1)}


def test_variants_are_ranked_on_the_same_items() -> None:
    """w8 breaks the first item only, w4 the first fifty: no item speaks for w4."""
    cells = study({"en": 1, "sw": 1}, variant="w8")
    cells += [one for one in study({"en": 50, "sw": 50}) if one.meta.variant == "w4"]
    found = analysed(cells).variant_ranks
    assert [(one.variant, one.best, one.worst) for one in found] == [("w8", 1, 1), ("w4", 2, 2)]


def test_pooled_estimates_lie_between_the_raw_ones_and_their_mean() -> None:
    analysis = analysed(study({"en": 0, "de": 2, "fr": 4, "sw": 40}))
    [found] = analysis.beside
    deltas = [0.0, -2 / 200, -4 / 200, -40 / 200]
    pooled = [one.pooled for one in found.languages]
    assert [one.delta for one in found.languages] == pytest.approx(deltas)
    assert found.tau is not None
    assert found.tau > 0
    assert all(
        a is not None and abs(a - (found.mean or 0)) <= abs(b - (found.mean or 0)) + 1e-12
        for a, b in zip(pooled, deltas, strict=True)
    )


def test_one_language_has_nothing_beside_it() -> None:
    assert analysed(study({"en": 5})).beside == ()
