"""What a comparison will see. Expected numbers: the closed forms' printed tables, or by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelbits.decide.power_planning import (
    Spread,
    assume_spread,
    compute_power,
    count_items_needed,
    count_items_to_see,
    estimate_correlation,
    find_pooled_range,
    find_smallest_effect,
    group_limits,
    measure_spread,
)
from babelbits.languages import group_languages
from babelbits.records import Effect, Interval
from babelbits.stats.binary import PairedTable, tango
from compare_cells import BITS, cell, right_wrong
from decision_cells import OPEN, SHOWN, findings_of, study_cells
from effects import altered


@pytest.mark.parametrize(
    ("n_items", "points"),
    [
        (250, (None, 3.9, 5.6, 7.9)),
        (500, (None, 2.8, 4.0, 5.6)),
        (1000, (1.3, 2.0, 2.8, 4.0)),
        (5000, (0.6, 0.9, 1.3, 1.8)),
    ],
)
def test_smallest_losses_are_near_miettinens_formula(
    n_items: int, points: tuple[float | None, ...]
) -> None:
    """N = (z_a sqrt(p) + z_b sqrt(p - d^2))^2 / d^2 at churn 2, 5, 10 and 20 %; MGSM has 250.

    The formula approximates the mid-p test, whose exact power stands in `test_detectable`.
    """
    for churn, expected in zip((0.02, 0.05, 0.10, 0.20), points, strict=True):
        found = find_smallest_effect(n_items, assume_spread(churn))
        assert found is not None
        assert expected is None or found * 100 == pytest.approx(expected, abs=0.2)


def test_a_loss_of_more_than_the_churn_is_still_a_loss() -> None:
    """300 items of which none changed: five losses are worse, P(at least 5) = 0.8 at 2.23 %."""
    assert find_smallest_effect(300, assume_spread(1e-9)) == pytest.approx(0.0223, abs=1e-4)


@pytest.mark.parametrize(
    ("margin", "churn", "items"),
    [
        (0.02, 0.05, 1071), (0.02, 0.10, 2141), (0.02, 0.20, 4282),
        (0.01, 0.05, 4282), (0.01, 0.10, 8564), (0.01, 0.20, 17128),
    ],
)  # fmt: skip
def test_items_that_show_equivalence(margin: float, churn: float, items: int) -> None:
    """(z.95 + z.90)^2 churn / margin^2 and what Tango's interval takes beyond it: up to 5 %."""
    found = count_items_needed("equivalent", assume_spread(churn), margin=margin)
    assert items <= found.items <= items * 1.055
    assert not found.at_least


def test_mgsm_is_eight_times_too_small_for_two_points() -> None:
    found = compute_power(250, assume_spread(0.10), margin=0.02)
    assert found.equivalent is not None
    assert found.equivalent.items == pytest.approx(2141, rel=0.015)
    assert found.times(found.equivalent) == pytest.approx(8.6, abs=0.1)
    assert found.equivalent.met_by(250) is False


def test_not_worse_is_a_one_sided_claim() -> None:
    """(z.95 + z.80)^2 x 0.10 / 0.02^2 = (1.64485 + 0.84162)^2 x 250 = 1545.6."""
    assert count_items_needed("not-worse", assume_spread(0.10), margin=0.02).items == pytest.approx(
        1546, rel=0.015
    )


def test_no_item_changed_and_still_it_takes_133() -> None:
    """z.95^2 (1 / 0.02 - 1) = 2.70554 x 49 = 132.6."""
    found = count_items_needed("equivalent", assume_spread(1e-9), margin=0.02)
    assert (found.items, found.at_least) == (133, False)
    assert found.met_by(132) is False
    nothing = count_items_needed("equivalent", assume_spread(1e-9), margin=0.02)
    assert nothing.items == 133
    unknown = count_items_needed("equivalent", Spread(variance=0.0, binary=True), margin=0.02)
    assert (unknown.items, unknown.met_by(1000)) == (133, None)


def test_a_loss_of_ten_points_takes_miettinens_234_items() -> None:
    """Churn 0.3, difference 0.1, 80 %: 233.09."""
    assert count_items_to_see(0.1, assume_spread(0.3)) == pytest.approx(234, rel=0.02)


def test_a_mean_score_takes_the_normal_formulas_items() -> None:
    """(1.95996 + 0.84162)^2 x 0.04 / 0.05^2 = 125.6; the paired t test of d = 0.25 takes 127.5."""
    spread = Spread(variance=0.04, binary=False)
    assert count_items_to_see(0.05, spread) == 126
    assert find_smallest_effect(128, spread) == pytest.approx(0.05, rel=0.01)


def test_holm_makes_it_coarser() -> None:
    """At alpha / 11: z = 2.8376; Miettinen's formula has 7.3 points for 250 items, churn 10 %.

    The mid-p test is a little less strict in its tail than the formula.
    """
    found = find_smallest_effect(250, assume_spread(0.10), tests=11)
    assert found is not None
    assert 0.066 <= found <= 0.0733


def test_all_questions_together_take_more_than_one() -> None:
    """Independent: each needs 0.8^(1/11) = 0.97992; z: (1.64485 + 2.0517)^2 x 250 = 3,416."""
    one = count_items_needed("not-worse", assume_spread(0.10), margin=0.02)
    found = count_items_needed("not-worse", assume_spread(0.10), margin=0.02, questions=11)
    assert found.items == pytest.approx(3416, rel=0.015)
    close = count_items_needed(
        "not-worse", assume_spread(0.10), margin=0.02, questions=11, correlation=0.9
    )
    assert one.items < close.items < found.items


def test_as_many_items_as_promised_pass_eleven_languages_in_four_of_five() -> None:
    """400 drawn gates; the items of one question alone pass all eleven in 0.8^11 = 8.6 %."""
    rng = np.random.default_rng(1)

    def passed(n_items: int) -> float:
        drawn = rng.multinomial(n_items, [0.05, 0.05, 0.90], size=(400, 11))
        hits = 0
        for study in drawn:
            hits += all(
                tango(
                    PairedTable(both_right=same, broke=broke, fixed=fixed, both_wrong=0), level=0.9
                ).low
                > -0.02
                for broke, fixed, same in study
            )
        return hits / 400

    needed = count_items_needed("not-worse", assume_spread(0.10), margin=0.02, questions=11)
    assert passed(needed.items) == pytest.approx(0.80, abs=3.3 * 0.02)
    alone = count_items_needed("not-worse", assume_spread(0.10), margin=0.02)
    assert passed(alone.items) == pytest.approx(0.086, abs=3.3 * 0.014)


def test_the_correlation_of_languages_follows_from_the_variance_of_their_mean() -> None:
    """Four languages of error 1 whose mean has error 0.8: (16 x 0.64 - 4) / 12 = 0.52."""
    effects = findings_of(study_cells({"en": OPEN, "ja": OPEN})).analysis.effects
    one = effects[0]

    def with_error(error: float) -> Effect:
        half = 1.959964 * error
        found = Interval(low=-half, high=half, level=0.95, method="by hand")
        return altered(one, interval=found)

    languages = [with_error(1.0)] * 4
    assert estimate_correlation(languages, with_error(0.8)) == pytest.approx(0.52, abs=1e-6)
    assert estimate_correlation(languages, with_error(0.4)) == 0.0
    assert estimate_correlation(languages, None) == 0.0


def test_a_score_without_a_range_takes_three_caps_over_the_margin() -> None:
    """Cap (1 - 0.05^(1/n)) < 0.02 from n = 299 on at a cap of 2, and so with hardly any spread."""
    spread = Spread(variance=1e-8, binary=False, limit=2.0)
    assert count_items_needed("not-worse", spread, margin=0.02).items == pytest.approx(300, abs=3)
    assert count_items_needed(
        "not-worse", Spread(variance=1e-8, binary=False), margin=0.02
    ).at_least


def test_the_mean_over_languages_is_between_independent_and_one() -> None:
    best, worst = find_pooled_range(250, 11, assume_spread(0.10))
    assert best == find_smallest_effect(2750, assume_spread(0.10))
    assert worst == find_smallest_effect(250, assume_spread(0.10))


# --- measured -----------------------------------------------------------------------------------


def test_a_measured_churn_has_newcombes_interval() -> None:
    """15 of 148: Wilson (0.0624, 0.1605), Newcombe 1998a."""
    scores = right_wrong(both_right=100, broke=10, fixed=5, both_wrong=33)
    effect = findings_of(study_cells({"en": scores})).analysis.effects[0]
    spread = measure_spread(effect)
    assert spread is not None
    assert spread.interval is not None
    assert spread.churn == pytest.approx(15 / 148)
    assert spread.interval.low == pytest.approx(0.0624, abs=5e-5)
    assert spread.interval.high == pytest.approx(0.1605, abs=5e-5)


def test_a_measured_variance_comes_from_the_interval() -> None:
    """Differences of alternately ±0.1 on 400 texts: variance 0.01.

    The interval is the wider of two, end by end, so the variance errs on the large side.
    """
    before = [2.0] * 400
    after = [2.0 + (0.1 if k % 2 else -0.1) for k in range(400)]
    cells = [cell(name, "en", scores, metric=BITS, suite="text", output_type="text")
             for name, scores in (("baseline", before), ("w4", after))]  # fmt: skip
    effect = findings_of(cells, margins={"bits/byte": 0.02}).analysis.effects[0]
    spread = measure_spread(effect)
    assert spread is not None
    assert not spread.binary
    assert 0.01 <= spread.variance < 0.012


def test_clustered_items_are_not_counted_as_independent() -> None:
    """Four questions a text that change together: the variance of an item is four times as large.

    200 items, churn 20 %; independent items have a variance of 0.2. With ten changed texts the
    interval is Student's with 9 degrees of freedom: up to (2.262 / 1.960)² = 1.33 times as much,
    and 50/49 for the divisor of the variance of 50 texts.
    """
    before = [1.0] * 20 + [0.0] * 20 + [1.0] * 160
    after = [0.0] * 20 + [1.0] * 20 + [1.0] * 160
    sources = [f"s{k // 4}" for k in range(200)]
    cells = [cell(name, "en", scores, sources=sources)
             for name, scores in (("baseline", before), ("w4", after))]  # fmt: skip
    effect = findings_of(cells).analysis.effects[0]
    spread = measure_spread(effect)
    assert spread is not None
    assert not spread.binary
    assert spread.churn == pytest.approx(0.2)
    assert 0.8 <= spread.variance < 0.8 * (2.262 / 1.960) ** 2 * 50 / 49 * 1.01


def test_a_mean_of_which_almost_nothing_changed_tells_no_spread() -> None:
    effects = findings_of(study_cells({"en": SHOWN, "ja": SHOWN})).analysis.effects
    [pooled] = [one for one in effects if one.scope == "all"]
    assert measure_spread(pooled) is None


# --- groups -------------------------------------------------------------------------------------


def test_a_group_claim_needs_three_languages() -> None:
    """A regression on two groups leaves m - 2 degrees of freedom."""
    [pair] = group_limits(("en", "ja"), {"latin": ("en",)})
    assert not pair.reaches(0.05)
    codes = ("en", "de", "fr", "ja", "hi", "ar")
    [latin] = [one for one in group_limits(codes, group_languages(codes)) if one.group == "latin"]
    assert latin.reaches(0.05)
    assert (latin.group, latin.tests) == ("latin", 1), "a split and its mirror image are one"
    assert latin.reaches_in_family(0.05)


def test_a_group_without_a_counterpart_is_no_claim() -> None:
    assert group_limits(("en", "de"), {"latin": ("en", "de"), "none": ("ja",)}) == ()


# --- laws ---------------------------------------------------------------------------------------


@given(
    churn=st.floats(0.001, 1.0), margin=st.floats(0.002, 0.2), more=st.integers(1, 5000),
    n_items=st.integers(10, 5000),
)  # fmt: skip
def test_more_items_see_more_and_one_side_takes_fewer(
    churn: float, margin: float, more: int, n_items: int
) -> None:
    spread = assume_spread(churn)
    few, many = find_smallest_effect(n_items, spread), find_smallest_effect(n_items + more, spread)
    assert few is None or (many is not None and many <= few * 1.02)
    both = count_items_needed("equivalent", spread, margin=margin)
    one_side = count_items_needed("not-worse", spread, margin=margin)
    assert one_side.items <= both.items * 1.01
    assert count_items_needed("equivalent", spread, margin=margin / 2).items >= both.items
