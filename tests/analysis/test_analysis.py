"""From cells to effects. Expected numbers are known answers, hand calculations or statsmodels'."""

import dataclasses
import math
import random

import numpy as np
import pytest

from babelbits.analysis import AnalysisSettings, CellResult, Confirmatory
from babelbits.analysis.analyse import analyse
from babelbits.records import Effect, Failure, Metric
from compare_cells import ACC, BITS, CHRF, EXACT, cell, right_wrong

SETTINGS = AnalysisSettings(margins={"fraction": 0.02, "bits/byte": 0.01}, resamples=999)


def two(baseline: list[float], variant: list[float], language: str = "en") -> list[CellResult]:
    return [cell("baseline", language, baseline), cell("w4", language, variant)]


def only(found: tuple[Effect, ...]) -> Effect:
    [effect] = found
    return effect


def noisy(rng: np.random.Generator, scores: list[float], churn: float) -> list[float]:
    return [1 - s if rng.random() < churn else s for s in scores]


# --- one cell --------------------------------------------------------------------------------


def test_one_binary_cell_matches_fagerlands_example() -> None:
    """Airway data, b = 7, c = 1, n = 21: mid-p 0.0390625, Tango (-0.51723, -0.02600)."""
    effect = only(
        analyse(
            two(*right_wrong(both_right=1, broke=7, fixed=1, both_wrong=12)),
            AnalysisSettings(resamples=999),
        ).effects
    )
    assert effect.inference.p_value == pytest.approx(0.0390625)
    assert effect.inference.interval is not None
    assert effect.inference.interval.low == pytest.approx(-0.51723, abs=5e-6)
    assert effect.inference.interval.high == pytest.approx(-0.02600, abs=5e-6)
    assert (effect.counts.broke, effect.counts.fixed, effect.counts.n_items) == (7, 1, 21)
    assert effect.counts.churn == pytest.approx(8 / 21)
    assert effect.delta == pytest.approx(-6 / 21)
    assert effect.inference.test == "mid-p McNemar"
    assert effect.recipe.startswith("mid-p McNemar|Tango score 95%|units=21|babelbits=")


def test_a_clear_loss_is_worse_on_all_three_scales() -> None:
    """Baseline 160/200, variant 130/200: -15 points, -18.75 %, 0.15/0.55 of the ability."""
    scores = right_wrong(both_right=125, broke=35, fixed=5, both_wrong=35)
    effect = only(analyse(two(*scores), SETTINGS).effects)
    assert (effect.decision.verdict, effect.decision.reason) == ("worse", "loss shown")
    assert effect.delta == pytest.approx(-0.15)
    assert effect.relative.relative_change == pytest.approx(-0.1875)
    assert effect.relative.above_chance_lost == pytest.approx(0.15 / 0.55)
    assert effect.relative.mean_relative_change is None


def test_a_clear_gain_is_better() -> None:
    scores = right_wrong(both_right=125, broke=5, fixed=35, both_wrong=35)
    assert only(analyse(two(*scores), SETTINGS).effects).decision.verdict == "better"


def test_many_items_and_little_churn_show_equivalence() -> None:
    scores = right_wrong(both_right=1500, broke=10, fixed=9, both_wrong=481)
    effect = only(analyse(two(*scores), SETTINGS).effects)
    assert (effect.decision.verdict, effect.decision.reason) == (
        "equivalent",
        "interval inside the margin",
    )
    assert effect.inference.equivalence_interval is not None
    assert effect.inference.equivalence_interval.level == pytest.approx(0.90)


def test_a_real_loss_inside_the_margin_is_equivalent_and_says_so() -> None:
    scores = right_wrong(both_right=3000, broke=40, fixed=10, both_wrong=950)
    effect = only(analyse(two(*scores), SETTINGS).effects)
    assert effect.inference.p_value is not None
    assert effect.inference.p_value < 0.001
    assert effect.decision.verdict == "equivalent"
    assert "a real but negligible loss" in effect.notes


def test_a_large_p_is_undecided_and_says_what_could_have_been_seen() -> None:
    """The closed form at n = 100, churn 10 %: 8.8 points; the exact test takes 8.2."""
    scores = right_wrong(both_right=60, broke=6, fixed=4, both_wrong=30)
    effect = only(analyse(two(*scores), SETTINGS).effects)
    assert (effect.decision.verdict, effect.decision.reason) == (
        "undecided",
        "interval reaches past the margin",
    )
    assert effect.inference.minimal_detectable_effect == pytest.approx(0.082, abs=5e-4)


def test_without_a_margin_there_is_no_equivalence() -> None:
    settings = AnalysisSettings(resamples=999)
    same = right_wrong(both_right=900, broke=0, fixed=0, both_wrong=100)
    worse = right_wrong(both_right=125, broke=35, fixed=5, both_wrong=35)
    undecided = only(analyse(two(*same), settings).effects)
    assert (undecided.decision.verdict, undecided.decision.margin) == ("undecided", None)
    assert undecided.decision.reason == "no difference shown; no margin declared"
    assert only(analyse(two(*worse), settings).effects).decision.verdict == "worse"


def test_a_suites_margin_wins_over_its_units() -> None:
    settings = AnalysisSettings(margins={"fraction": 0.02, "xcopa": 0.2}, resamples=999)
    scores = right_wrong(both_right=60, broke=6, fixed=4, both_wrong=30)
    effect = only(analyse(two(*scores), settings).effects)
    assert (effect.decision.margin, effect.decision.verdict) == (0.2, "equivalent")


# --- corners ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 5, 1000])
def test_identical_binary_outputs_have_an_interval_of_positive_width(n: int) -> None:
    """Tango: z^2 / (n + z^2); equivalent within 2 points needs n > 133 at 90 %."""
    scores = [1.0] * n
    effect = only(analyse(two(scores, scores), SETTINGS).effects)
    assert (effect.inference.p_value, effect.delta, effect.counts.churn) == (1.0, 0.0, 0.0)
    assert effect.inference.interval is not None
    assert effect.inference.interval.high == pytest.approx(3.841459 / (n + 3.841459), rel=1e-5)
    seen = effect.inference.minimal_detectable_effect
    assert seen is None if n == 1 else seen is not None and seen >= effect.inference.interval.high
    assert effect.decision.verdict == ("equivalent" if n == 1000 else "undecided")


@pytest.mark.parametrize("metric", [CHRF, BITS])
def test_identical_scores_without_a_table(metric: Metric) -> None:
    """In [0, 1] the share that can change bounds the mean; bits per byte have no such bound."""
    scores = [0.5 + k / 1000 for k in range(400)]
    cells = [cell(v, "en", scores, metric=metric) for v in ("baseline", "w4")]
    effect = only(analyse(cells, SETTINGS).effects)
    assert (effect.inference.p_value, effect.counts.churn, effect.delta) == (1.0, 0.0, 0.0)
    if metric is CHRF:
        assert effect.decision.verdict == "equivalent"
        assert effect.inference.interval is not None
        assert effect.inference.interval.high == pytest.approx(3.841459 / 403.841459, rel=1e-5)
    else:
        assert effect.inference.interval is None
        assert (effect.decision.verdict, effect.decision.reason) == (
            "undecided",
            "too few items changed for an interval",
        )


@pytest.mark.parametrize("metric", [ACC, CHRF, BITS])
@pytest.mark.parametrize("pair", [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.0, 0.0)])
def test_one_item_decides_nothing(metric: Metric, pair: tuple[float, float]) -> None:
    cells = [
        cell(v, "en", [s], metric=metric) for v, s in zip(("baseline", "w4"), pair, strict=True)
    ]
    effect = only(analyse(cells, SETTINGS).effects)
    assert effect.decision.verdict == "undecided"
    assert effect.inference.p_value is not None
    assert effect.inference.p_value >= 0.5


def test_items_without_any_score_give_a_problem_and_no_effect() -> None:
    analysis = analyse([cell("baseline", "en", [1, 0]), cell("w4", "en", [None, None])], SETTINGS)
    assert analysis.effects == ()
    assert {"no_pairs", "failed_items"} <= {one.kind for one in analysis.problems}


def test_no_cells_give_an_empty_analysis() -> None:
    analysis = analyse([], SETTINGS)
    assert (analysis.effects, analysis.problems, analysis.smoke) == ((), (), False)


def test_failed_items_leave_the_pairs_and_are_counted() -> None:
    baseline = [1.0] * 6 + [None] + [0.0] * 3
    variant = [1.0] * 4 + [None, 0.0] + [1.0] + [0.0] * 3
    analysis = analyse([cell("baseline", "en", baseline), cell("w4", "en", variant)], SETTINGS)
    effect = only(analysis.effects)
    assert (effect.counts.n_items, effect.counts.n_failed, effect.counts.broke) == (8, 2, 1)
    assert "1 of 2 failed items failed under the variant alone" in effect.notes
    messages = [one.message for one in analysis.problems if one.kind == "failed_items"]
    assert messages == [
        "baseline · xcopa_en: 1 of 10 items failed (1 nan_logits)",
        "w4 · xcopa_en: 1 of 10 items failed (1 nan_logits)",
    ]


def test_equivalence_does_not_rest_on_items_the_variant_failed() -> None:
    """5 % of the items gave NaN under the variant: they could all be losses."""
    baseline = [1.0] * 1500 + [0.0] * 500
    variant: list[float | None] = [None if k % 20 == 0 else s for k, s in enumerate(baseline)]
    effect = only(
        analyse([cell("baseline", "en", baseline), cell("w4", "en", variant)], SETTINGS).effects
    )
    assert effect.decision.verdict == "undecided"
    assert effect.decision.reason == "inside the margin, but items failed under the variant alone"
    few: list[float | None] = [None if k == 3 else s for k, s in enumerate(baseline)]
    kept = analyse([cell("baseline", "en", baseline), cell("w4", "en", few)], SETTINGS).effects
    assert only(kept).decision.verdict == "equivalent"


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_baseline_of_zero_or_one_has_no_undefined_numbers(level: float) -> None:
    scores = [level] * 50
    changed = [1 - level] * 10 + [level] * 40
    cells = [
        cell("baseline", "en", scores, metric=EXACT),
        cell("w4", "en", changed, metric=EXACT),
    ]
    effect = only(analyse(cells, SETTINGS).effects)
    numbers = [v for v in dataclasses.astuple(effect) if isinstance(v, float)]
    assert all(math.isfinite(number) for number in numbers)
    assert (effect.relative.relative_change is None) == (level == 0.0)


def test_scores_that_are_not_finite_are_failures() -> None:
    cells = two([1.0, 1.0, 0.0], [1.0, float("nan"), 0.0])
    assert only(analyse(cells, SETTINGS).effects).counts.n_failed == 1


def test_shares_of_right_samples_are_not_mcnemars_case() -> None:
    """Several samples an item, averaged first: a 'binary' metric in between 0 and 1."""
    effect = only(analyse(two([0.25, 0.5, 1.0] * 20, [0.5, 0.25, 1.0] * 20), SETTINGS).effects)
    assert effect.kind == "bounded"
    assert effect.inference.test.startswith("sign-flip")
    assert effect.counts.broke is None
    assert "declared binary, analysed as bounded" in effect.notes


def test_over_long_prompts_are_counted_under_both_policies() -> None:
    first = cell("baseline", "en", [1.0, 0.0, 1.0, 1.0], truncated=[0, 2])
    second = cell("w4", "en", [1.0, 0.0, 1.0, 1.0], truncated=[2])
    refused = dataclasses.replace(
        second.rows[1], failure=Failure(kind="prompt_too_long", message="too long")
    )
    second = dataclasses.replace(second, rows=(second.rows[0], refused, *second.rows[2:]))
    effect = only(analyse([first, second], SETTINGS).effects)
    assert (effect.counts.n_truncated, effect.counts.n_over_long, effect.counts.n_items) == (
        2,
        3,
        3,
    )


# --- floors ----------------------------------------------------------------------------------


def test_a_baseline_at_chance_is_undecided_never_equivalent() -> None:
    """260 of 1,000 right by four choices: Wilson (0.234, 0.288) covers 0.25."""
    scores = right_wrong(both_right=258, broke=2, fixed=2, both_wrong=738)
    effect = only(analyse(two(*scores), SETTINGS).effects)
    assert (effect.decision.verdict, effect.decision.reason, effect.arms.at_floor) == (
        "undecided",
        "at floor",
        True,
    )
    assert effect.relative.relative_change is None
    assert effect.relative.above_chance_lost is None


def test_generated_answers_below_the_declared_floor_are_at_floor() -> None:
    baseline, variant = right_wrong(both_right=30, broke=0, fixed=0, both_wrong=970)
    cells = [
        cell(v, "sw", s, metric=EXACT, output_type="generation")
        for v, s in (("baseline", baseline), ("w4", variant))
    ]
    assert only(analyse(cells, SETTINGS).effects).decision.reason == "at floor"
    lower = dataclasses.replace(SETTINGS, floor=0.02)
    assert only(analyse(cells, lower).effects).decision.verdict == "equivalent"


# --- other metrics ---------------------------------------------------------------------------


def test_more_bits_per_byte_are_a_loss() -> None:
    rng = np.random.default_rng(0)
    before = rng.normal(1.5, 0.2, 120)
    after = before + rng.normal(0.03, 0.02, 120)
    cells = [
        cell(v, "hi", list(map(float, s)), metric=BITS, suite="text", output_type="text")
        for v, s in (("baseline", before), ("w4", after))
    ]
    effect = only(analyse(cells, SETTINGS).effects)
    assert effect.decision.verdict == "worse"
    assert effect.delta == pytest.approx(float(np.mean(before - after)))
    assert effect.arms.variant_score > effect.arms.baseline_score
    assert effect.relative.relative_change == pytest.approx(float(1 - after.mean() / before.mean()))
    assert effect.inference.interval is not None
    assert effect.inference.interval.method == "bootstrap-t or t, the wider"
    assert effect.relative.above_chance_lost is None


def test_error_rates_are_oriented() -> None:
    errors = Metric(name="error", kind="binary", higher_is_better=False, chance=0.75)
    baseline, variant = right_wrong(both_right=35, broke=5, fixed=35, both_wrong=125)
    cells = [cell(v, "en", s, metric=errors) for v, s in (("baseline", baseline), ("w4", variant))]
    effect = only(analyse(cells, SETTINGS).effects)
    assert (effect.decision.verdict, effect.counts.broke, effect.counts.fixed) == ("worse", 35, 5)
    assert effect.delta == pytest.approx(-0.15)
    assert not effect.arms.at_floor


def test_secondary_metrics_are_exploratory() -> None:
    baseline, variant = right_wrong(both_right=125, broke=35, fixed=5, both_wrong=35)
    cells = [
        cell("baseline", "en", baseline, extra={CHRF: [0.5] * 200}),
        cell("w4", "en", variant, extra={CHRF: [0.4 + k / 4000 for k in range(200)]}),
    ]
    first, second = analyse(cells, SETTINGS).effects
    assert (first.metric, first.inference.family) == ("acc", "w4 · xcopa · languages")
    assert (second.metric, second.inference.family, second.inference.p_adjusted) == (
        "chrf",
        None,
        None,
    )
    assert "exploratory: p is not adjusted" in second.notes
    assert second.decision.verdict == "worse"


def test_questions_on_one_passage_are_not_independent() -> None:
    """40 passages of 5 questions each, every loss in the same two passages."""
    baseline = [1.0] * 200
    variant = [0.0] * 10 + [1.0] * 190
    sources = [f"p{k // 5}" for k in range(200)]
    cells = [
        cell(v, "en", s, metric=EXACT, sources=sources)
        for v, s in (("baseline", baseline), ("w4", variant))
    ]
    effect = only(analyse(cells, SETTINGS).effects)
    assert effect.counts.n_source_items == 40
    assert effect.inference.test == "sign-flip of source items, exact"
    assert effect.inference.p_value == pytest.approx(2 / 4)


# --- several languages -----------------------------------------------------------------------


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


GROUPS = {"latin": ("en", "de", "fr", "es"), "non-latin": ("hi", "th", "ja"), "none": ("ko",)}


def test_pooled_effects_are_macro_means_over_languages() -> None:
    analysis = analyse(study(), dataclasses.replace(SETTINGS, groups=GROUPS))
    by_scope = {(e.scope, e.language or e.group): e for e in analysis.effects}
    deltas = [by_scope["language", one].delta for one in ("hi", "th", "ja")]
    pooled, everything = by_scope["group", "non-latin"], by_scope["all", None]
    assert pooled.delta == pytest.approx(float(np.mean(deltas)))
    assert pooled.languages == ("hi", "th", "ja")
    assert (everything.counts.n_items, everything.counts.n_source_items) == (900, 150)
    ratios = [e.relative.relative_change for e in analysis.effects if e.scope == "language"]
    assert everything.relative.mean_relative_change == pytest.approx(
        float(np.mean(np.array(ratios, float)))
    )
    assert everything.relative.relative_change == pytest.approx(
        everything.arms.variant_score / everything.arms.baseline_score - 1
    )
    assert everything.decision.verdict == "worse"
    assert ("group", "none") not in by_scope


def test_translations_are_one_source_and_other_items_are_not() -> None:
    together = analyse(study(), SETTINGS).effects[-1]
    apart = analyse(study(parallel=False), SETTINGS).effects[-1]
    assert (together.counts.n_source_items, apart.counts.n_source_items) == (150, 900)
    assert together.inference.test.startswith("sign-flip of source items")
    assert apart.inference.test == "sign-flip, saddlepoint tail"


def test_pooled_test_of_shared_losses_matches_enumeration_by_hand() -> None:
    """Two languages lose the same 4 sources: 2/2^4, not 2/2^8."""
    base, variant = [1.0] * 30, [0.0] * 4 + [1.0] * 26
    cells = [
        cell(v, code, s) for code in ("en", "de") for v, s in (("baseline", base), ("w4", variant))
    ]
    everything = analyse(cells, SETTINGS).effects[-1]
    assert everything.scope == "all"
    assert everything.inference.p_value == pytest.approx(2 / 16)


def test_holm_runs_within_each_variant_and_suite() -> None:
    from statsmodels.stats.multitest import multipletests

    effects = [e for e in analyse(study(), SETTINGS).effects if e.scope == "language"]
    expected = multipletests([e.inference.p_value for e in effects], method="holm")[1]
    assert [e.inference.p_adjusted for e in effects] == pytest.approx(list(expected))
    assert {e.inference.family for e in effects} == {"w4 · xcopa · languages"}


def test_a_declared_family_is_one_family_and_the_rest_is_exploratory() -> None:
    cells = study()
    cells += [dataclasses.replace(c, meta=dataclasses.replace(c.meta, variant="w8"))
              for c in cells if c.meta.variant == "w4"]  # fmt: skip
    cells += [dataclasses.replace(c, meta=dataclasses.replace(c.meta, variant="nf4"))
              for c in cells if c.meta.variant == "w4"]  # fmt: skip
    declared = Confirmatory(variants=("w4", "w8"), suites=("xcopa",))
    analysis = analyse(cells, dataclasses.replace(SETTINGS, confirmatory=declared))
    names = {(e.variant, e.scope): e.inference.family for e in analysis.effects}
    assert names["w4", "language"] == names["w8", "language"] == "confirmatory · languages"
    assert names["nf4", "language"] is None
    [family] = [f for f in analysis.families if f.name == "confirmatory · languages"]
    assert len(family.members) == 12
    assert family.members[0] == "w4 · xcopa · en"
    assert not family.all_equivalent


def test_equivalent_in_all_languages_is_an_intersection_union_claim() -> None:
    same = right_wrong(both_right=900, broke=2, fixed=2, both_wrong=96)
    cells = [cell(v, code, s) for code in ("en", "de", "fr")
             for v, s in zip(("baseline", "w8"), same, strict=True)]  # fmt: skip
    analysis = analyse(cells, SETTINGS)
    assert all(family.all_equivalent for family in analysis.families)
    assert all(effect.decision.verdict == "equivalent" for effect in analysis.effects)


def test_a_group_with_a_language_at_its_floor_is_not_equivalent() -> None:
    same = right_wrong(both_right=900, broke=2, fixed=2, both_wrong=96)
    floor = right_wrong(both_right=250, broke=2, fixed=2, both_wrong=746)
    cells = [cell(v, code, s) for code, both in (("en", same), ("sw", floor))
             for v, s in zip(("baseline", "w8"), both, strict=True)]  # fmt: skip
    everything = analyse(cells, SETTINGS).effects[-1]
    assert everything.decision.verdict == "undecided"
    assert everything.decision.reason == "inside the margin, but at floor in sw"
    assert "at floor: sw" in everything.notes
    assert not everything.arms.at_floor


# --- group contrasts -------------------------------------------------------------------------


def test_group_claims_have_languages_as_units() -> None:
    """3 v 3 languages: t with at most 4 degrees of freedom, p and interval of one model."""
    analysis = analyse(study(), dataclasses.replace(SETTINGS, groups=GROUPS))
    points, relative, kept = analysis.contrasts
    assert (points.group, points.others) == ("latin", "non-latin")
    assert points.languages_in == ("en", "de", "fr")
    assert points.difference == pytest.approx(points.mean_in - points.mean_out)
    assert points.difference > 0
    assert points.p_value is not None
    assert points.interval is not None
    assert (points.p_value <= 0.05) == (points.interval.low > 0)
    assert points.p_adjusted == points.p_value
    assert points.notes == (
        "about these languages only: languages of one family count as independent",
    )
    assert (relative.scale, kept.scale) == ("relative", "above_chance")
    assert relative.p_adjusted is None
    assert points.recipe.startswith("random-effects regression")
    assert "units=6 languages" in points.recipe


def test_two_languages_are_too_few_for_a_group_claim() -> None:
    """One against one: no variation between languages can be told from their difference."""
    cells = [*two([1.0] * 100, [0.0] * 20 + [1.0] * 80, "en"), *two([1.0] * 100, [1.0] * 100, "sw")]
    points = analyse(cells, dataclasses.replace(SETTINGS, groups={"english": ("en",)})).contrasts[0]
    assert points.p_value is None
    assert points.interval is None
    assert points.difference == pytest.approx(-0.2)
    assert points.notes == ("two languages are too few for a test",)


def test_scales_that_disagree_are_flagged() -> None:
    """English 0.80 to 0.76, Swahili 0.40 to 0.37: points and shares disagree on who lost more."""
    cells = []
    for language, right, lost in (("en", 800, 40), ("sw", 400, 30)):
        base = [1.0] * right + [0.0] * (1000 - right)
        cells += two(base, [0.0] * lost + base[lost:], language)
    analysis = analyse(cells, dataclasses.replace(SETTINGS, groups={"english": ("en",)}))
    points, relative, kept = analysis.contrasts
    assert points.difference == pytest.approx(-0.01)
    assert relative.difference == pytest.approx(0.025)
    assert kept.difference == pytest.approx(0.20 - 0.04 / 0.55)
    assert "the scales disagree on which side is harmed more" in points.notes
    assert points.interval is None
    assert points.others == "the others"


def test_languages_at_their_floor_have_no_relative_contrast() -> None:
    cells = []
    for language, right in (("en", 800), ("de", 780), ("sw", 250)):
        base = [1.0] * right + [0.0] * (1000 - right)
        cells += two(base, [0.0] * 20 + base[20:], language)
    analysis = analyse(cells, dataclasses.replace(SETTINGS, groups={"a": ("en",), "b": ("sw",)}))
    scales = {(one.group, one.scale): one for one in analysis.contrasts}
    assert scales["a", "relative"].left_out == ("sw",)
    assert ("b", "relative") not in scales
    assert ("b", "points") in scales


def test_enough_languages_can_reach_the_level() -> None:
    """4 v 4 languages whose losses grow from 0 to 21 points: 12 points apart, by 6 df."""
    base = [1.0] * 60 + [0.0] * 40
    cells = []
    for index in range(8):
        cells += two(base, [0.0] * (3 * index) + base[3 * index :], f"l{index}")
    settings = dataclasses.replace(SETTINGS, groups={"first": ("l0", "l1", "l2", "l3")})
    points = analyse(cells, settings).contrasts[0]
    assert points.p_value is not None
    assert points.p_value < 0.05
    assert points.difference == pytest.approx(0.12, abs=0.01)


def test_points_and_mean_relative_change_can_disagree_and_say_so() -> None:
    """0.80 to 0.76 and 0.10 to 0.13: -0.5 points, but +12.5 % on average."""
    cells = []
    for language, right, change in (("en", 800, -40), ("sw", 100, 30)):
        base = [1.0] * right + [0.0] * (1000 - right)
        after = [1.0] * (right + change) + [0.0] * (1000 - right - change)
        cells += [cell("baseline", language, base, metric=EXACT)]
        cells += [cell("w4", language, after, metric=EXACT)]
    everything = analyse(cells, SETTINGS).effects[-1]
    assert everything.delta == pytest.approx(-0.005)
    assert everything.relative.mean_relative_change == pytest.approx(0.125)
    assert "points and mean relative change disagree on the direction" in everything.notes


def test_a_secondary_metric_without_scores_is_left_out_quietly() -> None:
    cells = [
        cell(v, "en", [1.0, 0.0, 1.0], extra={CHRF: [None, None, None]}) for v in ("baseline", "w4")
    ]
    analysis = analyse(cells, SETTINGS)
    assert [effect.metric for effect in analysis.effects] == ["acc"]
    assert {one.kind for one in analysis.problems} == {"no_aa"}


# --- the A/A run and problems ----------------------------------------------------------------


def test_the_noise_floor_stands_beside_every_effect() -> None:
    analysis = analyse(study(), SETTINGS)
    assert {e.variant for e in analysis.aa} == {"baseline"}
    noise = {(e.scope, e.language): e.counts.churn for e in analysis.aa}
    assert all(e.arms.aa_churn == noise[e.scope, e.language] for e in analysis.effects)
    assert all(e.inference.family is None for e in analysis.aa)
    assert "no_aa" not in {one.kind for one in analysis.problems}


def test_a_noisy_baseline_is_an_error() -> None:
    base, other = right_wrong(both_right=60, broke=9, fixed=1, both_wrong=30)
    cells = [*two(base, base), cell("baseline", "en", other, replicate=1)]
    [problem] = analyse(cells, SETTINGS).problems
    assert (problem.kind, problem.severity) == ("aa_beyond_margin", "error")
    assert "8 points, more than the margin of 2 points" in problem.message


def test_missing_cells_and_baselines_are_named() -> None:
    cells = [
        *two([1.0, 0.0], [1.0, 0.0], "en"),
        cell("baseline", "de", [1.0, 0.0]),
        cell("w4", "fr", [1.0, 0.0]),
        cell("w4", "en", [0.0, 0.0]),
        cell("w8", "de", [1.0, 0.0], scorer="2"),
    ]
    analysis = analyse(cells, SETTINGS)
    found = {(one.kind, one.variant, one.language) for one in analysis.problems}
    assert ("missing_cell", "w4", "de") in found
    assert ("missing_cell", "w8", "en") in found
    assert ("missing_baseline", "w4", "fr") in found
    assert ("duplicate_cell", "w4", "en") in found
    assert ("different_scorer", "w8", "de") in found
    assert ("no_aa", "baseline", None) in found
    assert [(e.variant, e.language, e.delta) for e in analysis.effects] == [("w4", "en", 0.0)]


@pytest.mark.parametrize("rows", [slice(0, 3), slice(1, 4)])
def test_cells_about_other_items_are_refused_loudly(rows: slice) -> None:
    full = cell("w4", "en", [1.0, 0.0, 1.0, 1.0])
    part = dataclasses.replace(full, rows=full.rows[rows])
    analysis = analyse([cell("baseline", "en", [1.0, 0.0, 1.0, 1.0]), part], SETTINGS)
    [problem] = [one for one in analysis.problems if one.kind == "unpaired_items"]
    assert "1 of the baseline's 4 items missing" in problem.message
    assert analysis.effects == ()


def test_an_item_that_occurs_twice_is_refused() -> None:
    full = cell("w4", "en", [1.0, 0.0])
    twice = dataclasses.replace(full, rows=(full.rows[0], full.rows[0]))
    analysis = analyse([cell("baseline", "en", [1.0, 0.0]), twice], SETTINGS)
    [problem] = [one for one in analysis.problems if one.kind == "unpaired_items"]
    assert problem.message == "w4 · xcopa_en: 1 item id occurs more than once"


def test_a_smoke_run_is_stamped() -> None:
    cells = [cell("baseline", "en", [1.0, 0.0], smoke=True), cell("w4", "en", [1.0, 0.0])]
    assert analyse(cells, SETTINGS).smoke


# --- reproducibility -------------------------------------------------------------------------


def test_an_effect_does_not_depend_on_the_rest_of_the_study_or_on_row_order() -> None:
    rng = np.random.default_rng(1)
    before = [float(x) for x in rng.random(80)]
    after = [min(1.0, max(0.0, x + float(rng.normal(-0.02, 0.05)))) for x in before]
    cells = [cell("baseline", "en", before, metric=CHRF), cell("w4", "en", after, metric=CHRF)]
    alone = only(analyse(cells, SETTINGS).effects)
    other = cell("w8", "en", [x * 0.9 for x in before], metric=CHRF)
    rows = list(cells[1].rows)
    random.Random(0).shuffle(rows)
    shuffled = dataclasses.replace(cells[1], rows=tuple(rows))
    crowd = analyse([other, cells[0], shuffled], SETTINGS).effects
    [again] = [e for e in crowd if e.variant == "w4"]
    assert again.inference.p_value == alone.inference.p_value
    assert again.inference.interval is not None
    assert alone.inference.interval is not None
    assert again.inference.interval.low == pytest.approx(alone.inference.interval.low, abs=1e-12)
    assert again.recipe == alone.recipe
    assert "resamples=999|seed=0" in alone.recipe


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"alpha": 0.0}, "alpha"),
        ({"margins": {"fraction": -0.02}}, "margins"),
        ({"resamples": 20}, "resamples"),
    ],
)
def test_impossible_settings_are_refused(bad: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AnalysisSettings(**bad)  # type: ignore[arg-type]  # the point of the test
