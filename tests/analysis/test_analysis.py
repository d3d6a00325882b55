"""A whole analysis: the noise floor, what is wrong with cells, and what effects depend on."""

import dataclasses
import random

import numpy as np
import pytest

from analysis_cells import SETTINGS, only, study, two
from babelbits.analysis import AnalysisSettings
from babelbits.analysis.analyse import analyse
from compare_cells import CHRF, cell, right_wrong

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
