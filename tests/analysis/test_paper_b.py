"""Matrices against the English one: reconstructions and the paired analysis of the same items.

Expected values are scipy's, or by hand.
"""

import numpy as np
import pytest
from scipy import stats

from babelbits.analysis import AnalysisSettings, CalibrationOf
from babelbits.analysis.paper_b import MatrixComparison, matrix_comparisons
from compare_cells import BITS, cell, right_wrong

ENGLISH, LOST = right_wrong(both_right=120, broke=14, fixed=2, both_wrong=64)
"""The pairs show a loss of 6 points that two independent runs of 200 items do not show."""


def settings(*labels: str, reference: str | None = "en") -> AnalysisSettings:
    """Labels are recipe@language#draw."""
    seen = {
        label: CalibrationOf(recipe=label.split("@")[0], language=label.split("@")[1].split("#")[0])
        for label in labels
    }
    return AnalysisSettings(
        calibrations=seen, reference=reference, margins={"fraction": 0.02, "bits/byte": 0.01}
    )


def one(found: tuple[MatrixComparison, ...]) -> MatrixComparison:
    [only] = found
    return only


def test_the_same_items_show_what_two_independent_runs_do_not() -> None:
    """McNemar's exact p of 14 against 2 is 2 * 137 / 2**16; its mid-p is half a term less."""
    cells = [cell("q@en", "nb", ENGLISH), cell("q@ml", "nb", LOST)]
    found = one(matrix_comparisons(cells, settings("q@en", "q@ml")))
    assert (found.recipe, found.reference, found.calibration) == ("q", "en", "ml")
    assert found.effect.delta == pytest.approx(-12 / 200)
    assert found.t_test_p == pytest.approx(stats.ttest_ind(LOST, ENGLISH).pvalue)
    assert found.t_test_p > 0.05 / 12
    assert found.monte_carlo_p == pytest.approx(found.t_test_p, abs=0.03)
    midp = (2 * (1 + 16 + 120) - 120) / 2**16
    assert found.effect.p_value == pytest.approx(midp)
    assert found.effect.verdict == "worse"
    assert found.effect.minimal_detectable_effect is not None
    assert found.unpaired_minimal_effect is not None
    assert found.unpaired_minimal_effect > 2 * found.effect.minimal_detectable_effect


def test_bits_per_byte_have_a_t_test_and_no_binomial_and_more_bits_are_harm() -> None:
    rng = np.random.default_rng(3)
    english = rng.normal(2.0, 0.3, 60)
    other = english + rng.normal(0.05, 0.02, 60)
    cells = [
        cell("q@en", "nb", list(english), metric=BITS),
        cell("q@ml", "nb", list(other), metric=BITS),
    ]
    found = one(matrix_comparisons(cells, settings("q@en", "q@ml")))
    assert found.monte_carlo_p is None
    assert found.t_test_p == pytest.approx(stats.ttest_ind(other, english).pvalue)
    assert found.effect.delta == pytest.approx(-float(np.mean(other - english)))
    assert found.effect.verdict == "worse"


def test_holm_is_over_the_comparisons_of_a_task() -> None:
    """Two of three changed nothing: three times the p of the third."""
    labels = ("q@en", "q@nb", "q@ml", "r@en", "r@ml")
    cells = [cell(label, "nb", LOST if label == "q@ml" else ENGLISH) for label in labels]
    found = matrix_comparisons(cells, settings(*labels))
    assert [(c.recipe, c.calibration) for c in found] == [("q", "nb"), ("q", "ml"), ("r", "ml")]
    first, lost, third = (c.effect for c in found)
    assert lost.p_value is not None
    assert lost.p_adjusted == pytest.approx(3 * lost.p_value)
    assert (first.p_adjusted, third.p_adjusted) == (1.0, 1.0)
    assert {c.effect.family for c in found} == {"matrices · xcopa"}


def test_of_several_draws_the_first_is_taken() -> None:
    labels = ("q@en#1", "q@en#2", "q@ml#1", "q@ml#2")
    cells = [cell(label, "nb", LOST if "#2" in label else ENGLISH) for label in labels]
    assert one(matrix_comparisons(cells, settings(*labels))).effect.delta == 0


def test_nothing_is_compared_without_an_english_matrix_or_another() -> None:
    cells = [cell("baseline", "nb", ENGLISH), cell("q@nb", "nb", LOST), cell("w8a8", "nb", LOST)]
    assert matrix_comparisons(cells, settings("q@nb")) == ()
    assert matrix_comparisons(cells, settings("q@nb", reference=None)) == ()
    assert matrix_comparisons([cell("q@en", "nb", ENGLISH)], settings("q@en", "q@ml")) == ()


def test_failed_items_are_left_out_of_both_tests_and_counted() -> None:
    cells = [cell("q@en", "nb", ENGLISH), cell("q@ml", "nb", [None, *ENGLISH[1:]])]
    found = one(matrix_comparisons(cells, settings("q@en", "q@ml")))
    assert (found.effect.n_items, found.effect.n_failed) == (199, 1)
    assert found.t_test_p == 1.0


def test_one_item_has_no_t_test() -> None:
    cells = [cell("q@en", "nb", [1.0]), cell("q@ml", "nb", [0.0])]
    found = one(matrix_comparisons(cells, settings("q@en", "q@ml")))
    assert (found.t_test_p, found.unpaired_minimal_effect) == (None, None)
