"""Length: longer answers, and the win rate at equal length."""

import numpy as np
import pytest
from scipy import special

from babelbits.stats.length import FEWEST, length_adjusted, longer_wins
from babelbits.stats.preference import macro_preference, net_preference


def test_longer_wins_by_hand() -> None:
    found = longer_wins([1, 1, -1, 0, 1, -0.5], [5, -2, -3, 9, 0, 4])
    assert found is not None
    assert (found.n_pairs, found.share) == (
        4,
        0.5,
    )  # 5 and -3 agree; -2 and 4 do not
    assert longer_wins([0, 0], [1, 2]) is None


def test_two_lengths_give_the_mean_of_two_logits() -> None:
    """A saturated model, solved by hand: at d = 0 the logit is the mean of those at -d and +d."""
    votes = [1] * 30 + [-1] * 10 + [1] * 8 + [-1] * 32
    lengths = [7.0] * 40 + [-7.0] * 40
    found = length_adjusted(votes, lengths)
    assert found is not None
    logits = special.logit([30 / 40, 8 / 40])
    assert found.win_rate == pytest.approx(special.expit(np.mean(logits)), abs=1e-8)
    assert found.slope == pytest.approx((logits[0] - logits[1]) / 2 / np.tanh(1), abs=1e-6)
    # Robust errors of a saturated model: the variance of a logit is 1 / (n p q).
    half = 1.959964 * np.sqrt((1 / (40 * 0.75 * 0.25) + 1 / (40 * 0.2 * 0.8)) / 4)
    low = special.expit(np.mean(logits) - half)
    assert found.interval.low == pytest.approx(low, abs=1e-5)


def test_a_judge_of_length_alone_is_even_at_equal_length() -> None:
    rng = np.random.default_rng(5)
    lengths = rng.normal(20, 60, 4000)  # the variant writes more
    likes = special.expit(2 * np.tanh(lengths / lengths.std()))
    votes = np.where(rng.random(4000) < likes, 1, -1)
    found = length_adjusted(votes, lengths)
    assert found is not None
    assert (1 + votes.mean()) / 2 > 0.57
    assert found.interval.low < 0.5 < found.interval.high
    assert found.slope == pytest.approx(2, abs=0.25)


def test_too_little_and_separated_votes_have_no_rate() -> None:
    assert length_adjusted([1, -1] * 9, [1.0, -1.0] * 9) is None
    n = FEWEST
    assert length_adjusted([1] * n + [-1] * n, [1.0] * n + [-1.0] * n) is None
    assert length_adjusted([1] * 40, [0.0] * 40) is None


# --- the mean over languages ---------------------------------------------------------------------


def test_one_language_has_the_same_mean_and_error() -> None:
    votes = [1, 0.5, -1, 0, 0.5, -0.5, 1, 1, -1, 0.5, 1, 0.5]
    alone = net_preference(votes, rng=np.random.default_rng(0), resamples=200)
    found = macro_preference(
        votes,
        prompts=np.arange(12),
        languages=["nb"] * 12,
        rng=np.random.default_rng(0),
        resamples=200,
    )
    assert found.net == pytest.approx(alone.net)
    assert found.standard_error == pytest.approx(alone.standard_error)
    assert found.p_value == pytest.approx(alone.p_value)


def test_translations_that_agree_do_not_make_false_alarms() -> None:
    """Ten languages with one vote a prompt, always the same: as votes they would be ten times n.

    400 samples with no preference, level 5 %: at most 8.4 % alarms by chance (binomial, 0.999).
    """
    rng = np.random.default_rng(11)
    alarms = 0
    for _ in range(400):
        votes = np.repeat(rng.choice([-1, 0, 1], 30), 10)
        found = macro_preference(
            votes,
            prompts=np.repeat(np.arange(30), 10),
            languages=np.tile(np.arange(10), 30),
            rng=rng,
            resamples=400,
        )
        alarms += found.p_value <= 0.05
    assert alarms / 400 <= 0.084
