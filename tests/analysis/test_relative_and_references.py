"""Relative change, double differences, claims and luck, from cells on."""

import dataclasses
import json

import numpy as np
import pytest
from scipy import stats

from babelbits.analysis import AnalysisSettings, CellResult, Confirmatory
from babelbits.analysis.analyse import analyse
from babelbits.analysis.tables import make_effect_rows, make_reference_rows
from babelbits.records import Effect
from compare_cells import BITS, CHRF, EXACT, cell, right_wrong

SETTINGS = AnalysisSettings(margins={"fraction": 0.02}, resamples=999)


def two(
    baseline: list[float], variant: list[float], language: str = "en", **kind: object
) -> list[CellResult]:
    return [
        cell("baseline", language, baseline, **kind),  # type: ignore[arg-type]
        cell("w4", language, variant, **kind),  # type: ignore[arg-type]
    ]


def by_scope(effects: tuple[Effect, ...], scope: str) -> Effect:
    [effect] = [one for one in effects if one.scope == scope]
    return effect


# --- relative change -------------------------------------------------------------------------


def test_the_relative_interval_of_many_items_is_near_fiellers_by_scipy() -> None:
    """Ratios at which the paired t test of v - r b does not reject, less one."""
    rng = np.random.default_rng(0)
    before = rng.uniform(0.3, 0.9, 500)
    after = np.clip(before * 0.93 + rng.normal(0, 0.05, 500), 0, 1)
    [effect] = analyse(two(before.tolist(), after.tolist(), metric=CHRF), SETTINGS).effects
    assert effect.relative.relative_change == pytest.approx(after.mean() / before.mean() - 1)
    found = effect.relative.relative_interval
    assert found is not None
    for end in (found.low, found.high):
        p = stats.ttest_1samp(after - (1 + end) * before, 0).pvalue
        assert p == pytest.approx(0.05, abs=0.005)


@pytest.mark.parametrize("broke", [3, 20, 40])
def test_relative_change_and_difference_exclude_zero_together(broke: int) -> None:
    scores = right_wrong(both_right=160 - broke, broke=broke, fixed=3, both_wrong=37)
    [effect] = analyse(two(*scores), SETTINGS).effects
    assert effect.inference.interval is not None
    assert effect.relative.relative_interval is not None
    assert (effect.inference.interval.high < 0) == (effect.relative.relative_interval.high < 0)


def test_nothing_changed_has_a_relative_interval_of_positive_width() -> None:
    """Tango's ±z^2/(n + z^2) over a share of 0.8, the baseline being known to some 6 points."""
    same = [1.0] * 80 + [0.0] * 20
    [effect] = analyse(two(same, same), SETTINGS).effects
    assert effect.relative.relative_change == 0.0
    assert effect.relative.relative_interval is not None
    plain = 3.841459 / 103.841459 / 0.8
    assert plain <= effect.relative.relative_interval.high <= 1.2 * plain


def test_at_the_floor_relative_numbers_are_withheld() -> None:
    scores = right_wrong(both_right=20, broke=6, fixed=2, both_wrong=72)
    [effect] = analyse(two(*scores), SETTINGS).effects
    assert effect.arms.at_floor
    assert effect.relative.relative_change is None
    assert effect.relative.relative_interval is None


def test_without_an_interval_of_the_difference_the_ratio_has_none() -> None:
    values = [1.5 + k / 100 for k in range(20)]
    [effect] = analyse(two(values, values, metric=BITS), SETTINGS).effects
    assert (effect.relative.relative_change, effect.relative.relative_interval) == (0.0, None)


def test_one_item_has_no_relative_interval() -> None:
    pair = analyse(two([1.5], [1.6], metric=BITS), SETTINGS).effects
    assert pair[0].relative.relative_interval is None


def test_mean_of_ratios_leaves_out_floors_and_zeros_and_has_its_own_p() -> None:
    """Two languages count: -10/80 and -10/50, by hand -16.25 %; one at 0 % has no ratio."""
    strong = right_wrong(both_right=70, broke=10, fixed=0, both_wrong=20)
    weak = right_wrong(both_right=40, broke=10, fixed=0, both_wrong=50)
    zero = ([0.0] * 100, [0.0] * 100)
    cells = [one for code, scores in (("en", strong), ("sw", weak), ("th", zero))
             for one in two(*scores, code, metric=EXACT)]  # fmt: skip
    everything = by_scope(analyse(cells, SETTINGS).effects, "all")
    assert everything.relative.mean_relative_change == pytest.approx(-0.1625)
    assert everything.relative.mean_relative_interval is not None
    assert everything.relative.mean_relative_interval.high < 0
    assert everything.relative.mean_relative_p is not None
    assert everything.relative.mean_relative_p < 0.001


def test_languages_that_are_all_at_zero_have_no_mean_of_ratios() -> None:
    cells = [one for code in ("en", "sw") for one in two([0.0] * 9, [0.0] * 9, code, metric=EXACT)]
    everything = by_scope(analyse(cells, SETTINGS).effects, "all")
    assert everything.relative.mean_relative_change is None
    assert everything.relative.mean_relative_p is None


def test_a_group_with_one_language_here_is_that_language_and_no_comparison_of_its_own() -> None:
    scores = right_wrong(both_right=125, broke=35, fixed=5, both_wrong=35)
    settings = dataclasses.replace(SETTINGS, groups={"nordic": ("nb", "sv")})
    [alone] = analyse(two(*scores, "nb"), settings).effects
    assert alone.scope == "language"
    assert alone.relative.relative_interval is not None


def test_a_pooled_change_of_one_source_has_no_relative_interval() -> None:
    cells = [one for code in ("en", "de") for one in two([0.9], [0.8], code, metric=CHRF)]
    everything = by_scope(analyse(cells, SETTINGS).effects, "all")
    assert everything.relative.relative_change == pytest.approx(-1 / 9)
    assert everything.relative.relative_interval is None


# --- against the reference language ----------------------------------------------------------


def study(*, parallel: bool) -> list[CellResult]:
    """English loses 2 of 200, Swahili 30 other ones, German the same 2."""
    base = [1.0] * 160 + [0.0] * 40
    lost = {"en": range(2), "de": range(2), "sw": range(10, 40)}
    return [
        one
        for code, items in lost.items()
        for one in two(
            base,
            [0.0 if k in items else s for k, s in enumerate(base)],
            code,
            parallel=parallel,
        )
    ]


def test_double_differences_of_translations_are_scipys_paired_t() -> None:
    settings = dataclasses.replace(SETTINGS, reference="en")
    german, swahili = analyse(study(parallel=True), settings).references
    assert (german.language, swahili.language) == ("de", "sw")
    assert (german.difference, german.p_value) == (0.0, None)
    assert german.notes == ("too few items changed for a test",)
    assert german.p_adjusted is None
    change = np.zeros((2, 200))
    change[0, :2] = change[1, 10:40] = -1
    assert swahili.paired
    assert swahili.difference == pytest.approx(-28 / 200)
    theirs = stats.ttest_rel(change[1], change[0]).statistic
    assert swahili.p_value == pytest.approx(2 * stats.t.sf(abs(theirs), 31))
    assert swahili.p_adjusted == pytest.approx(2 * swahili.p_value)
    assert swahili.family == "w4 · xcopa · against en"
    assert swahili.recipe.startswith("paired t of source items|units=200")


def test_double_differences_of_other_items_are_welch() -> None:
    settings = dataclasses.replace(SETTINGS, reference="en")
    _, swahili = analyse(study(parallel=False), settings).references
    assert not swahili.paired
    assert swahili.n_sources == 400
    assert swahili.recipe.startswith("Welch t of two samples")


def test_without_a_reference_or_where_a_suite_lacks_it_there_are_none() -> None:
    assert analyse(study(parallel=True), SETTINGS).references == ()
    french = dataclasses.replace(SETTINGS, reference="fr")
    assert analyse(study(parallel=True), french).references == ()


def test_a_language_at_its_floor_is_named_in_its_double_difference() -> None:
    floor = right_wrong(both_right=20, broke=6, fixed=2, both_wrong=72)
    fine = right_wrong(both_right=70, broke=10, fixed=4, both_wrong=16)
    cells = [*two(*fine, "en"), *two(*floor, "sw")]
    [found] = analyse(cells, dataclasses.replace(SETTINGS, reference="en")).references
    assert found.notes == ("at floor: sw; nothing to lose there",)
    [row] = make_reference_rows([found])
    json.dumps(row, allow_nan=False)
    assert row["difference_text"] == "+2.0 points"


# --- claims ----------------------------------------------------------------------------------


def test_claims_of_a_suite_name_what_stands_in_the_way() -> None:
    fine = right_wrong(both_right=1500, broke=3, fixed=3, both_wrong=494)
    hurt = right_wrong(both_right=1400, broke=103, fixed=3, both_wrong=494)
    cells = [*two(*fine, "en"), *two(*fine, "de"), *two(*hurt, "sw")]
    [claim] = analyse(cells, SETTINGS).claims
    assert claim.languages == ("en", "de", "sw")
    assert (claim.equivalent_in_all, claim.not_equivalent) == (False, ("sw",))
    assert claim.worse_in == ("sw",)
    swahili = next(e for e in analyse(cells, SETTINGS).effects if e.language == "sw")
    assert swahili.inference.p_value is not None
    assert claim.worse_in_some_p == pytest.approx(3 * swahili.inference.p_value)
    [whole] = analyse(cells[:4], SETTINGS).claims
    assert (whole.equivalent_in_all, whole.margin, whole.worse_in_some_p) == (True, 0.02, 1.0)


# --- gains and the map -----------------------------------------------------------------------


def test_a_gain_stands_beside_luck_and_the_baselines_own_noise() -> None:
    """One comparison: the best of one is expected at 0; the A/A cell moved by +0.5 points."""
    base, variant = right_wrong(both_right=125, broke=5, fixed=35, both_wrong=35)
    again = [*base[:-1], 1.0]
    cells = [*two(base, variant), cell("baseline", "en", again, replicate=1)]
    [effect] = analyse(cells, SETTINGS).effects
    assert effect.decision.verdict == "better"
    assert effect.arms.aa_delta == pytest.approx(1 / 200)
    assert effect.inference.best_by_chance == pytest.approx(0.0, abs=1e-6)
    assert not any("the best of these" in note for note in effect.notes)
    assert "the baseline run twice shows +0.5 points" in effect.notes
    assert not any("shrink" in note for note in effect.notes)


def test_a_gain_no_larger_than_the_noise_of_the_baseline_says_so() -> None:
    base, variant = right_wrong(both_right=125, broke=5, fixed=35, both_wrong=35)
    cells = [*two(base, variant), cell("baseline", "en", variant, replicate=1)]
    [effect] = analyse(cells, dataclasses.replace(SETTINGS, margins={})).effects
    assert effect.decision.verdict == "better"
    assert any("expect the gain to shrink" in note for note in effect.notes)


def test_intervals_against_the_reference_exclude_zero_only_where_the_adjusted_p_does() -> None:
    """60 null tables of five languages: Bonferroni's intervals hold together at 95 %.

    Holm rejects wherever Bonferroni does, so an interval that excludes zero never stands beside an
    adjusted p above alpha. Unadjusted 95 % intervals excluded zero somewhere in some 18 %.
    """
    rng = np.random.default_rng(5)
    codes = ("en", "de", "fr", "es", "ja", "sw")
    settings = dataclasses.replace(SETTINGS, reference="en", margins={})
    excluded, tables = 0, 60
    for _ in range(tables):
        cells = []
        for code in codes:
            base = [float(x) for x in rng.random(120) < 0.6]
            again = [
                1 - x if flip else x for x, flip in zip(base, rng.random(120) < 0.1, strict=True)
            ]
            cells += [cell("baseline", code, base), cell("w4", code, again)]
        found = analyse(cells, settings).references
        assert len(found) == 5
        for one in found:
            assert one.interval is not None
            assert one.interval.level == pytest.approx(0.99)
            if not one.interval.low <= 0 <= one.interval.high:
                assert one.p_adjusted is not None
                assert one.p_adjusted <= 0.05
        excluded += any(
            one.interval is not None and not one.interval.low <= 0 <= one.interval.high
            for one in found
        )
    assert excluded / tables <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / tables)


def test_the_best_by_chance_is_over_all_variants_and_languages_of_a_table() -> None:
    """Ten comparisons with churn 10 % of 200 items: 1.53875 x sqrt(0.1 / 200)."""
    base, variant = right_wrong(both_right=90, broke=10, fixed=10, both_wrong=90)
    cells = [cell(v, code, base if v == "baseline" else variant)
             for v in ("baseline", "a", "b", "c", "d", "e") for code in ("en", "de")]  # fmt: skip
    effects = analyse(cells, SETTINGS).effects
    expected = 1.53875 * np.sqrt(0.1 / 200)
    found = {e.inference.best_by_chance for e in effects if e.scope == "language"}
    assert list(found) == pytest.approx([expected], abs=1e-5)
    gain = [0.0] * 5 + base[5:]
    cells = [cell(v, "en", gain if v == "baseline" else base) for v in ("baseline", "a", "b")]
    first = analyse(cells, dataclasses.replace(SETTINGS, alpha=0.1, margins={})).effects[0]
    assert first.decision.verdict == "better"
    assert (
        "if nothing differed, the best of these comparisons would show +0.6 points at the "
        "precision of this one" in first.notes
    )


def test_the_exploratory_map_is_adjusted_by_benjamini_and_hochberg() -> None:
    from statsmodels.stats.multitest import multipletests

    base = [1.0] * 132 + [0.0] * 36
    cells = [cell("baseline", "en", base)] + [
        cell(v, "en", [0.0 if k < lost else s for k, s in enumerate(base)])
        for v, lost in (("a", 3), ("b", 6), ("c", 9), ("declared", 12))
    ]
    declared = Confirmatory(variants=("declared",))
    effects = analyse(cells, dataclasses.replace(SETTINGS, confirmatory=declared)).effects
    explored = [e for e in effects if e.inference.family is None]
    expected = multipletests([e.inference.p_value for e in explored], method="fdr_bh")[1]
    assert [e.inference.p_map for e in explored] == pytest.approx(list(expected))
    assert [e.inference.p_map for e in effects if e.inference.family is not None] == [None]
    rows = make_effect_rows(effects)
    assert [row["p_map"] for row in rows[:3]] == pytest.approx(list(expected))
