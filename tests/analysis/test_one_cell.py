"""One cell to one effect. Expected numbers are known answers, hand calculations or statsmodels'."""

import dataclasses
import math

import numpy as np
import pytest

from analysis_cells import SETTINGS, only, two
from babelbits.analysis import AnalysisSettings
from babelbits.analysis.analyse import analyse
from babelbits.records import Failure, Metric
from compare_cells import ACC, BITS, CHRF, EXACT, cell, right_wrong

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
