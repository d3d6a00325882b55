"""What the worst items carry of a loss: hand calculations."""

import numpy as np
import pytest

from babelbits.analysis import AnalysisSettings
from babelbits.analysis.analyse import analyse
from babelbits.analysis.loss_concentration import measure_loss_concentrations, measure_worst_shares
from compare_cells import BITS, EXACT, cell


def test_the_share_of_the_gross_loss_by_hand() -> None:
    """100 items: one lost 50, fifty lost 1 each; gains do not count."""
    differences = [-50.0] + [-1.0] * 50 + [3.0] * 49
    assert measure_worst_shares(differences) == pytest.approx((0.5, 0.51, 0.54))


def test_an_even_loss_is_carried_evenly() -> None:
    assert measure_worst_shares([-1.0] * 200) == pytest.approx((0.01, 0.02, 0.05))


def test_shares_of_items_are_rounded_up() -> None:
    """Of 30 items the worst 1 % is one item."""
    assert measure_worst_shares([-1.0] * 30, worst=(0.01,)) == pytest.approx((1 / 30,))


def test_nothing_lost_has_no_share() -> None:
    assert measure_worst_shares([0.0, 1.0]) is None


def cells(metric, baseline, again, variant):  # type: ignore[no-untyped-def]
    kind = "text" if metric is BITS else "generation"
    return [
        cell("baseline", "en", baseline, metric=metric, suite="s", output_type=kind),
        cell("baseline", "en", again, metric=metric, suite="s", replicate=1, output_type=kind),
        cell("w4", "en", variant, metric=metric, suite="s", output_type=kind),
    ]


def test_told_of_a_shown_loss_beside_the_same_share_of_the_second_run() -> None:
    """Bits per byte, more is worse: 4 of 200 passages lose 1 bit, all others 0.01."""
    rng = np.random.default_rng(0)
    base = rng.uniform(1.0, 2.0, 200)
    loss = np.full(200, 0.01)
    loss[[3, 50, 120, 199]] = 1.0
    made = cells(BITS, list(base), list(base + rng.normal(0, 0.001, 200)), list(base + loss))
    settings = AnalysisSettings(margins={"bits/byte": 0.005}, resamples=2000)
    [found] = measure_loss_concentrations(made, analyse(made, settings).effects, settings)
    assert (found.variant, found.suite, found.language) == ("w4", "s", "en")
    assert found.n_lost == found.n_items == 200
    gross = 4 + 196 * 0.01
    assert found.shares == pytest.approx((2 / gross, 4 / gross, (4 + 6 * 0.01) / gross), rel=1e-6)
    assert found.aa_shares is not None
    assert found.aa_shares[0] < 0.1


def test_nothing_is_told_without_a_loss_or_of_right_and_wrong() -> None:
    settings = AnalysisSettings(resamples=2000)
    same = cells(BITS, [1.0, 1.5] * 50, [1.0, 1.5] * 50, [1.0, 1.5] * 50)
    assert measure_loss_concentrations(same, analyse(same, settings).effects, settings) == ()
    lost = cells(EXACT, [1.0] * 100, [1.0] * 100, [0.0] * 60 + [1.0] * 40)
    effects = analyse(lost, settings).effects
    assert [one.decision.verdict for one in effects] == ["worse"]
    assert measure_loss_concentrations(lost, effects, settings) == ()
