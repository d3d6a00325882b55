"""A judge against people: agreement by hand, and the powered mean of both."""

import pytest

from babelbits.preferences.agreement import judge_and_people
from babelbits.stats.ppi import prediction_powered_mean
from judging import vote


def test_agreement_by_hand() -> None:
    """Majorities: +1, 0 (two lead), -1, +1; the judge says +1, +0.5, +1, -1: one of four agrees."""
    people = [
        vote(n, value, kind="human", judge=f"r{rater}")
        for n, ratings in enumerate([(1, 1, -1), (1, -1), (-1,), (1, 1)])
        for rater, value in enumerate(ratings)
    ]
    judge = [vote(n, value) for n, value in enumerate([1.0, 0.5, 1.0, -1.0])]
    [found] = judge_and_people(judge, people)
    assert (found.n_pairs, found.n_decided) == (4, 3)
    assert found.raw_agreement == pytest.approx(1 / 4)
    assert found.agreement_when_decided == pytest.approx(1 / 3)
    # Judge less people: 1 - 1/3, 0.5 - 0, 1 + 1, -1 - 1.
    assert found.judge_bias == pytest.approx((2 / 3 + 0.5 + 2 - 2) / 4)
    assert found.powered is None, "nothing was judged alone"


def test_people_and_judge_together_are_prediction_powered() -> None:
    human = [1.0, -1.0, -1.0, 0.0, -1.0, 1.0]
    machine = [1.0, -1.0, 0.0, 0.0, -1.0, 0.5]
    alone = [-1.0, -0.5, 0.0, 1.0, -1.0]
    people = [vote(n, value, kind="human") for n, value in enumerate(human)]
    judge = [vote(n, value) for n, value in enumerate([*machine, *alone])]
    [found] = judge_and_people(judge, people)
    assert found.powered is not None
    expected = prediction_powered_mean(human, machine, alone)
    assert found.powered.estimate == pytest.approx(expected.estimate)
    assert found.powered.interval.low == pytest.approx(expected.interval.low)


def test_languages_are_apart_and_dropped_votes_are_no_agreement() -> None:
    people = [vote(n, 1.0, kind="human", language=code) for code in ("nb", "sw") for n in range(3)]
    judge = [vote(n, 1.0, language="nb") for n in range(3)]
    judge += [vote(n, None, language="sw") for n in range(3)]
    [found] = judge_and_people(judge, people)
    assert (found.language, found.raw_agreement) == ("nb", 1.0)


def test_a_judge_has_one_vote_a_pair() -> None:
    with pytest.raises(ValueError, match="two votes of the judge"):
        judge_and_people([vote(1, 1.0), vote(1, -1.0)], [vote(1, 1.0, kind="human")])
