"""What `lab volume` says of damage, with damage that is known."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from babelbits.lab.volume_results import (
    VolumeCell,
    VolumeResults,
    VolumeSlope,
    _adjusted,
    describe_results,
    estimate_slope_of_arrays,
)
from babelbits.report import volume_page

LEVELS = [Fraction(1, 64), Fraction(1, 4), Fraction(1)]


def slope_with(truth: float, *, seeds: int = 3, recipe: str = "w4") -> VolumeSlope:
    """Simulated: delta changes by `truth` a doubling; the baseline improves by 0.2 a doubling."""
    rng = np.random.default_rng(11)
    dose = np.log2([float(one) for one in LEVELS])[None, :, None]
    size = rng.integers(40, 200, 80).astype(float)
    baseline = 2.5 - 0.2 * dose + rng.normal(0, 0.1, (seeds, 3, 80))
    delta = -0.05 + truth * dose + rng.normal(0, 0.004, (seeds, 3, 80))
    return estimate_slope_of_arrays(delta, baseline, LEVELS, size, subject="nb", recipe=recipe)


def results_of(*slopes: VolumeSlope, seeds: int = 3) -> VolumeResults:
    cells = [
        VolumeCell(
            seed=seed, subject="nb", level=level, recipe="w4", language=language, rows=6,
            baseline=2.0, delta=-0.01 * seed,
        )
        for seed in range(1, seeds + 1)
        for level in ("0", "1/64", "1")
        for language in ("nb", "en")
    ]  # fmt: skip
    return VolumeResults(
        plan={"declared": "2026-01-02T03:04:05+00:00", "scored_before": 0, "tokens": 200_000},
        planned=4 * seeds, scored=4 * seeds, seeds=tuple(range(1, seeds + 1)), weights=3_278_080,
        cells=tuple(cells), slopes=_adjusted(slopes),
    )  # fmt: skip


@pytest.mark.parametrize("truth", [-0.01, 0.01])
def test_a_known_slope_is_recovered_plain_and_at_matched_baseline(truth: float) -> None:
    found = slope_with(truth)
    assert found.slope == pytest.approx(truth, abs=0.001)
    assert found.interval is not None
    assert found.interval.low < truth < found.interval.high
    assert found.matched == pytest.approx(truth, abs=0.002)
    assert found.held == pytest.approx(0, abs=0.02)


def test_damage_that_follows_the_baseline_alone_has_no_slope_at_matched_baseline() -> None:
    """Harm of 0.1 for each bit per byte: 0.02 a doubling, and none at equal baseline."""
    rng = np.random.default_rng(12)
    dose = np.log2([float(one) for one in LEVELS])[None, :, None]
    baseline = 2.5 - 0.2 * dose + rng.normal(0, 0.1, (3, 3, 80))
    delta = -0.1 * baseline + rng.normal(0, 0.001, (3, 3, 80))
    found = estimate_slope_of_arrays(
        delta, baseline, LEVELS, np.ones(80), subject="nb", recipe="w4"
    )
    assert found.slope == pytest.approx(0.02, abs=0.003)
    assert found.matched == pytest.approx(0, abs=0.001)
    assert found.held == pytest.approx(-0.1, abs=0.005)


def test_the_sentence_says_which_way_and_of_which_model() -> None:
    (said, matched, *_) = describe_results(results_of(slope_with(-0.01)))
    assert said.startswith("in this 3.3M-weight model each doubling of the Norwegian Bokmål text")
    assert "95 % interval" in said
    assert said.endswith("more text, more harm")
    assert "at equal bits per byte" in matched
    assert describe_results(results_of(slope_with(0.01)))[0].endswith("more text, less harm")


def test_no_effect_is_never_said_to_be_none() -> None:
    said = describe_results(results_of(slope_with(0.0)))[0]
    assert said.endswith("not decided")


def test_one_seed_has_a_slope_and_no_interval_with_the_reason() -> None:
    found = slope_with(-0.01, seeds=1)
    assert found.interval is None
    assert found.p_value is None
    said = describe_results(results_of(found, seeds=1))[0]
    assert "no interval: one seed: nothing says how much seeds differ" in said


def test_two_seeds_decide_nothing() -> None:
    found = slope_with(-0.01, seeds=2)
    assert found.interval is not None
    said = describe_results(results_of(found, seeds=2))[0]
    assert said.endswith("not decided with fewer than 3 seeds")


def test_a_look_before_the_end_decides_nothing() -> None:
    early = replace(results_of(slope_with(-0.01)), planned=20)
    said = describe_results(early)
    assert said[0].endswith("not decided before all models are scored")
    assert "12 of 20 models are scored; slopes use 3 seeds whose models all are" in said


def test_p_values_are_adjusted_over_all_languages_and_recipes() -> None:
    """Holm's smallest of two is twice itself."""
    one, two = _adjusted([slope_with(-0.01), replace(slope_with(0.0), recipe="w4-g")])
    assert one.p_value is not None
    assert one.p_adjusted == pytest.approx(2 * one.p_value)
    assert two.p_adjusted == pytest.approx(two.p_value)


def test_nothing_finished_says_that_there_is_no_result() -> None:
    empty = replace(results_of(), seeds=(), scored=2, planned=27, cells=(), slopes=())
    assert describe_results(empty) == (
        "2 of 27 models are scored and no seed is complete: no result",
    )
    assert "no result" in volume_page.make_page(empty)


def test_a_plan_written_after_results_says_so() -> None:
    late = results_of(slope_with(-0.01))
    late = replace(late, plan={**late.plan, "scored_before": 3})
    assert "this plan was written when 3 models of it were already scored" in describe_results(late)


def test_the_page_has_picture_numbers_and_plan(tmp_path: Path) -> None:
    found = results_of(slope_with(-0.01))
    page = volume_page.make_page(found)
    assert "<svg" in page
    assert "2026-01-02T03:04:05+00:00" in page
    assert "more text, more harm" in page
    assert "<script" not in page
    assert page == volume_page.make_page(found)
    levels = [row[1] for row in volume_page.make_cell_rows(found)]
    assert levels == ["0", "1/64", "1", "0", "1/64", "1"]
    assert found.as_json()["slopes"][0]["p_adjusted"] is not None
