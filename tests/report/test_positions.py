"""Effects by position as points of a picture; expected values are by hand."""

import pytest

from babelbits.records import Effect, Interval
from babelbits.report import positions
from babelbits.results.results import Results
from effects import altered


@pytest.fixture
def effect(small: Results) -> Effect:
    interval = Interval(low=-0.2, high=0.1, level=0.95, method="x")
    return altered(
        small.analysis.effects[0],
        task="extended",
        baseline_score=0.5,
        variant_score=0.45,
        interval=interval,
        scope="language",
        higher_is_better=True,
    )


def test_the_interval_is_drawn_from_the_baselines_point(effect: Effect) -> None:
    assert positions.find_variant_ends(effect) == (pytest.approx(0.3), pytest.approx(0.6))
    # Harm is negative: of a measure where lower is better the ends change places.
    lower = altered(effect, higher_is_better=False)
    assert positions.find_variant_ends(lower) == (pytest.approx(0.4), pytest.approx(0.7))


def test_shares_stay_between_0_and_1(effect: Effect) -> None:
    assert positions.find_variant_ends(altered(effect, baseline_score=0.1))[0] == 0.0


def test_all_languages_win_over_one_and_the_whole_is_no_position(effect: Effect) -> None:
    given = [
        altered(effect, metric="language 65-128", scope="all"),
        altered(effect, metric="language 65-128"),
        altered(effect, metric="language 1-64"),
        altered(effect, metric="language turn 2"),
        altered(effect, metric="language"),
    ]
    found = positions.list_points(given, effect.variant)
    assert [(point.by_turn, point.order, point.effect.scope) for point in found] == [
        (False, 64, "language"),
        (False, 128, "all"),
        (True, 2, "language"),
    ]
