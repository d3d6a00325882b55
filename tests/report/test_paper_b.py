"""Paper B: its tests as reported, and the paired analysis of the same items beside them.

Expected values are the paper's, scipy's, or by hand.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from babelbits.analysis import AnalysisSettings, CalibrationOf
from babelbits.report.paper_b import (
    MatrixComparison,
    bonferroni_alpha,
    compare_matrices,
    compare_with_english,
    independent_t_test,
    monte_carlo_binomial,
    unpaired_mean_minimal_effect,
)
from babelbits.stats.binary import mcnemar_midp, paired_table
from compare_cells import BITS, cell, right_wrong
from report import synthetic

RUNS = st.integers(2, 60).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 1), min_size=n, max_size=n),
        st.lists(st.integers(0, 1), min_size=n, max_size=n),
    )
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def runs(*, right: int, broke: int, fixed: int, wrong: int) -> tuple[list[int], list[int]]:
    before = [1] * right + [1] * broke + [0] * fixed + [0] * wrong
    after = [1] * right + [0] * broke + [1] * fixed + [0] * wrong
    return before, after


def test_bonferroni_alpha_of_borgersen_goodwin_2025() -> None:
    """They print 0.00417, which is 0.05 / 12."""
    assert round(bonferroni_alpha(), 5) == 0.00417
    assert bonferroni_alpha(0.05, comparisons=1) == 0.05


def test_independent_t_test_by_hand() -> None:
    """8 of 10 against 5 of 10: t = 0.3 / sqrt((0.16 + 0.25) / 9) on 18 degrees."""
    before, after = runs(right=5, broke=3, fixed=0, wrong=2)
    t = 0.3 / np.sqrt((0.16 + 0.25) / 9)
    assert independent_t_test(before, after) == pytest.approx(2 * stats.t.sf(t, 18), rel=1e-9)


def test_independent_t_test_without_spread() -> None:
    assert independent_t_test([1, 1], [1, 1]) == 1.0
    assert independent_t_test([1, 1], [0, 0]) == 0.0


def test_monte_carlo_binomial_agrees_with_the_exact_sum(rng: np.random.Generator) -> None:
    """Sum over both binomials of 60 items with the pooled share (40 + 31) / 120."""
    before, after = runs(right=28, broke=12, fixed=3, wrong=17)
    chance = stats.binom.pmf(np.arange(61), 60, 71 / 120)
    distance = np.abs(np.subtract.outer(np.arange(61), np.arange(61)))
    exact = float((np.outer(chance, chance) * (distance >= 9)).sum())
    found = monte_carlo_binomial(before, after, rng=rng, draws=100_000)
    assert found == pytest.approx(exact, abs=0.005)


def test_reported_tests_do_not_see_that_items_are_shared(rng: np.random.Generator) -> None:
    """The weakness in one line: the same two accuracies, whichever items changed.

    45 broke and 15 fixed of 1,200: shown beyond doubt by the pairs, not at all without them.
    """
    before, after = runs(right=795, broke=45, fixed=15, wrong=345)
    t_test_p = independent_t_test(before, after)
    assert mcnemar_midp(paired_table(before, after)).p_value < 0.001
    assert bonferroni_alpha() < 0.15 < t_test_p
    assert monte_carlo_binomial(before, after, rng=rng) == pytest.approx(t_test_p, abs=0.03)


def test_unpaired_minimal_effect_of_means_has_the_power_of_cohens_table() -> None:
    """Cohen (1988), table 2.4.1: 64 a group for d = 0.5 and 80 %."""
    assert unpaired_mean_minimal_effect(64, sd=2.0) == pytest.approx(2.0 * 0.5, rel=0.01)


@given(both=RUNS)
@settings(max_examples=40)
def test_swapping_sides_keeps_the_reported_p_values(both: tuple[list[int], list[int]]) -> None:
    before, after = both
    assert independent_t_test(before, after) == pytest.approx(independent_t_test(after, before))
    first = monte_carlo_binomial(before, after, rng=np.random.default_rng(0), draws=99)
    second = monte_carlo_binomial(after, before, rng=np.random.default_rng(0), draws=99)
    assert first == second
    assert 0 < first <= 1


def test_ka28_identical_runs_give_p_one(rng: np.random.Generator) -> None:
    run = [1, 0, 1, 1]
    assert independent_t_test(run, run) == monte_carlo_binomial(run, run, rng=rng, draws=99) == 1.0


def test_one_item_is_refused() -> None:
    with pytest.raises(ValueError, match="two items"):
        independent_t_test([1], [0])


@pytest.mark.slow
def test_power_of_the_reported_test_on_paired_data_is_a_fraction_of_mcnemars() -> None:
    """As many items as MixEval has (2,000), 2 points lost at 8 % churn, accuracy 0.7. By hand.

    McNemar: 0.02 / sqrt(0.0796 / 2000) = 3.17 standard errors, power 88 %. The t test divides by
    sqrt(2 * 0.7 * 0.3 / 2000) = 0.0145 instead, so its statistic is 1.38 ± 0.435: above 1.96 in
    9 %, above Bonferroni's 2.865 in 0.03 %. Mid-p is above 2.865 in 62 %.
    """
    rng = np.random.default_rng(8)
    draws, n = 1000, 2000
    seen = {"t": 0, "t, Bonferroni": 0, "mid-p": 0, "mid-p, Bonferroni": 0}
    for _ in range(draws):
        before = rng.random(n) < 0.7
        flips = rng.random(n) < np.where(before, 0.05 / 0.7, 0.03 / 0.3)
        after = before ^ flips
        t, midp = independent_t_test(before, after), mcnemar_midp(paired_table(before, after))
        seen["t"] += t <= 0.05
        seen["t, Bonferroni"] += t <= bonferroni_alpha()
        seen["mid-p"] += midp.p_value <= 0.05
        seen["mid-p, Bonferroni"] += midp.p_value <= bonferroni_alpha()
    powers = {name: count / draws for name, count in seen.items()}
    assert powers["mid-p"] == pytest.approx(0.88, abs=0.04)
    assert powers["mid-p, Bonferroni"] == pytest.approx(0.62, abs=0.05)
    assert powers["t"] == pytest.approx(0.09, abs=0.03)
    assert powers["t, Bonferroni"] <= 0.005


@pytest.mark.slow
def test_reported_tests_keep_their_level_by_far() -> None:
    """On paired data they reject a true null almost never: not a virtue, the power is gone too."""
    rng = np.random.default_rng(9)
    rejected = {"t": 0, "monte carlo": 0}
    for _ in range(1000):
        before = rng.random(500) < 0.7
        after = before ^ (rng.random(500) < np.where(before, 0.05 / 0.7, 0.05 / 0.3))
        rejected["t"] += independent_t_test(before, after) <= 0.05
        rejected["monte carlo"] += monte_carlo_binomial(before, after, rng=rng, draws=999) <= 0.05
    assert max(rejected.values()) <= 10


# --- matrices ---------------------------------------------------------------------------------

ENGLISH, LOST = right_wrong(both_right=120, broke=14, fixed=2, both_wrong=64)
"""The pairs show a loss of 6 points that two independent runs of 200 items do not show."""


def calibrated(*labels: str, reference: str | None = "en") -> AnalysisSettings:
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
    found = one(compare_matrices(cells, calibrated("q@en", "q@ml")))
    assert (found.recipe, found.reference, found.calibration) == ("q", "en", "ml")
    assert found.effect.delta == pytest.approx(-12 / 200)
    assert found.t_test_p == pytest.approx(stats.ttest_ind(LOST, ENGLISH).pvalue)
    assert found.t_test_p > 0.05 / 12
    assert found.monte_carlo_p == pytest.approx(found.t_test_p, abs=0.03)
    midp = (2 * (1 + 16 + 120) - 120) / 2**16
    assert found.effect.inference.p_value == pytest.approx(midp)
    assert found.effect.decision.verdict == "worse"
    assert found.effect.inference.minimal_detectable_effect is not None
    assert found.unpaired_minimal_effect is not None
    assert found.unpaired_minimal_effect > 2 * found.effect.inference.minimal_detectable_effect


def test_bits_per_byte_have_a_t_test_and_no_binomial_and_more_bits_are_harm() -> None:
    rng = np.random.default_rng(3)
    english = rng.normal(2.0, 0.3, 60)
    other = english + rng.normal(0.05, 0.02, 60)
    cells = [
        cell("q@en", "nb", list(english), metric=BITS),
        cell("q@ml", "nb", list(other), metric=BITS),
    ]
    found = one(compare_matrices(cells, calibrated("q@en", "q@ml")))
    assert found.monte_carlo_p is None
    assert found.t_test_p == pytest.approx(stats.ttest_ind(other, english).pvalue)
    assert found.effect.delta == pytest.approx(-float(np.mean(other - english)))
    assert found.effect.decision.verdict == "worse"


def test_holm_is_over_the_comparisons_of_a_task() -> None:
    """Two of three changed nothing: three times the p of the third."""
    labels = ("q@en", "q@nb", "q@ml", "r@en", "r@ml")
    cells = [cell(label, "nb", LOST if label == "q@ml" else ENGLISH) for label in labels]
    found = compare_matrices(cells, calibrated(*labels))
    assert [(c.recipe, c.calibration) for c in found] == [("q", "nb"), ("q", "ml"), ("r", "ml")]
    first, lost, third = (c.effect for c in found)
    assert lost.inference.p_value is not None
    assert lost.inference.p_adjusted == pytest.approx(3 * lost.inference.p_value)
    assert (first.inference.p_adjusted, third.inference.p_adjusted) == (1.0, 1.0)
    assert {c.effect.inference.family for c in found} == {"matrices · xcopa"}


def test_of_several_draws_the_first_is_taken() -> None:
    labels = ("q@en#1", "q@en#2", "q@ml#1", "q@ml#2")
    cells = [cell(label, "nb", LOST if "#2" in label else ENGLISH) for label in labels]
    assert one(compare_matrices(cells, calibrated(*labels))).effect.delta == 0


def test_matrices_are_compared_with_each_other_whatever_baseline_they_have() -> None:
    """A k-quant's verdict is against the baseline in llama.cpp; this is against a k-quant."""
    plain = [cell("q@en", "nb", ENGLISH), cell("q@ml", "nb", LOST)]
    by_engine = [
        replace(c, meta=replace(c.meta, baseline="baseline@llama.cpp"))
        for c in (cell("baseline@llama.cpp", "nb", LOST), *plain)
    ]
    declared = calibrated("q@en", "q@ml")
    found, wanted = (compare_matrices(cells, declared) for cells in (by_engine, plain))
    assert found == wanted


def test_nothing_is_compared_without_an_english_matrix_or_another() -> None:
    cells = [cell("baseline", "nb", ENGLISH), cell("q@nb", "nb", LOST), cell("w8a8", "nb", LOST)]
    assert compare_matrices(cells, calibrated("q@nb")) == ()
    assert compare_matrices(cells, calibrated("q@nb", reference=None)) == ()
    assert compare_matrices([cell("q@en", "nb", ENGLISH)], calibrated("q@en", "q@ml")) == ()


def test_failed_items_are_left_out_of_both_tests_and_counted() -> None:
    cells = [cell("q@en", "nb", ENGLISH), cell("q@ml", "nb", [None, *ENGLISH[1:]])]
    found = one(compare_matrices(cells, calibrated("q@en", "q@ml")))
    assert (found.effect.counts.n_items, found.effect.counts.n_failed) == (199, 1)
    assert found.t_test_p == 1.0


def test_one_item_has_no_t_test() -> None:
    cells = [cell("q@en", "nb", [1.0]), cell("q@ml", "nb", [0.0])]
    found = one(compare_matrices(cells, calibrated("q@en", "q@ml")))
    assert (found.t_test_p, found.unpaired_minimal_effect) == (None, None)


def test_the_cap_is_the_studys() -> None:
    """Of 80 documents that differ by 0.001 at most, 3 * cap / 80 decides: 0.1 does, 2 does not."""
    english = np.random.default_rng(1).normal(2.0, 0.3, 80)
    other = english + np.random.default_rng(2).normal(0.0, 0.001, 80)
    report = replace(
        synthetic.make(),
        cells=(
            cell("q@en", "nb", list(english), metric=BITS),
            cell("q@ml", "nb", list(other), metric=BITS),
        ),
        manifests={label: synthetic.manifest(label, 4.0) for label in ("q@en", "q@ml")},
    )
    verdicts = {}
    for cap in (0.1, 2.0):
        study = replace(report.study, margins={"bits/byte": 0.01}, loss_caps={"bits/byte": cap})
        [one] = compare_with_english(replace(report, study=study))
        verdicts[cap] = one.effect.decision.verdict
    assert verdicts == {0.1: "equivalent", 2.0: "undecided"}
