"""Bradley-Terry against published fits, and rank intervals by hand."""

import numpy as np
import pytest
from scipy.special import xlogy

from babelbits.errors import UnpairedItemsError
from babelbits.stats.bradley_terry import BradleyTerry, bradley_terry
from babelbits.stats.ranks import RankInterval, rank_intervals
from plain_statistics import mean_replicates

Games = list[tuple[str, str, int, int]]
CITATIONS: Games = [
    ("Biometrika", "CommStat", 730, 33),
    ("Biometrika", "JASA", 498, 320),
    ("Biometrika", "JRSSB", 221, 284),
    ("CommStat", "JASA", 68, 813),
    ("CommStat", "JRSSB", 17, 276),
    ("JASA", "JRSSB", 142, 325),
]
"""Stigler (1994), as in Agresti and in the BradleyTerry2 vignette."""


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def fit(
    games: list[tuple[str, str, int, int]], *, reference: str, resamples: int = 50
) -> BradleyTerry:
    left, right, votes = expand(games)
    found = bradley_terry(
        left, right, votes, reference=reference, rng=np.random.default_rng(0), resamples=50
    )
    assert found is not None
    return found


def expand(games: Games) -> tuple[list[str], list[str], list[int]]:
    left = [a for a, _, won, lost in games for _ in range(won + lost)]
    right = [b for _, b, won, lost in games for _ in range(won + lost)]
    votes = [v for _, _, won, lost in games for v in [1] * won + [-1] * lost]
    return left, right, votes


def test_ka17_strengths_and_deviance_match_stigler_1994_citations() -> None:
    found = fit(CITATIONS, reference="Biometrika")
    names = [one.name for one in found.strengths]
    logs = np.array([one.log_strength for one in found.strengths])
    assert names == ["Biometrika", "CommStat", "JASA", "JRSSB"]
    assert logs == pytest.approx([0, -2.9491, -0.4796, 0.2690], abs=5e-5)

    deviance = 0.0
    for a, b, won, lost in CITATIONS:
        i, j = names.index(a), names.index(b)
        expected = (won + lost) / (1 + np.exp(logs[j] - logs[i]))
        deviance += 2 * xlogy(won, won / expected)
        deviance += 2 * xlogy(lost, lost / (won + lost - expected))
    assert deviance == pytest.approx(4.2934, abs=5e-5)


def test_ka17_strengths_match_wikipedias_example() -> None:
    """Geometric mean 1; choix and evalica agree."""
    games: Games = [("A", "B", 2, 3), ("A", "D", 1, 4), ("B", "C", 5, 3), ("C", "D", 1, 3)]
    logs = np.array([one.log_strength for one in fit(games, reference="A").strengths])
    strengths = np.exp(logs - logs.mean())
    assert strengths == pytest.approx([0.6398, 1.0433, 0.6598, 2.2704], abs=5e-5)


def test_two_variants_have_the_log_odds_and_a_tie_is_half_a_win(rng: np.random.Generator) -> None:
    """30 wins, 20 ties, 10 losses of b: 40 against 20, ln 2."""
    found = bradley_terry(
        ["b"] * 60, ["a"] * 60, [1] * 30 + [0] * 20 + [-1] * 10, reference="a", rng=rng
    )
    assert found is not None
    one = found.strengths[1]
    assert one.log_strength == pytest.approx(np.log(2), abs=1e-6)
    assert one.interval is not None
    assert one.interval.low < np.log(2) < one.interval.high
    assert one.rank == RankInterval(best=1, worst=1)


def test_intervals_by_prompt_are_wider_than_by_vote_when_raters_agree(
    rng: np.random.Generator,
) -> None:
    left, right, votes = expand([("a", "b", 24, 12), ("b", "c", 20, 16), ("a", "c", 22, 14)])
    by_vote = bradley_terry(left * 4, right * 4, votes * 4, reference="a", rng=rng, resamples=300)
    by_prompt = bradley_terry(
        left * 4, right * 4, votes * 4, reference="a", rng=rng, resamples=300,
        prompts=list(range(108)) * 4,
    )  # fmt: skip
    assert by_vote is not None
    assert by_prompt is not None
    assert (by_vote.n_prompts, by_prompt.n_prompts) == (432, 108)
    widths = []
    for found in (by_vote, by_prompt):
        interval = found.strengths[2].interval
        assert interval is not None
        widths.append(interval.high - interval.low)
    assert widths[1] > 1.6 * widths[0]


def test_no_finite_strengths_where_a_variant_always_won(rng: np.random.Generator) -> None:
    """Ford (1957): a group that never lost to the rest is infinitely strong."""
    assert bradley_terry(["a"] * 5, ["b"] * 5, [1] * 5, reference="a", rng=rng) is None
    apart = bradley_terry(["a", "c"] * 2, ["b", "d"] * 2, [1, 1, -1, -1], reference="a", rng=rng)
    assert apart is None


def test_too_many_undefined_resamples_leave_no_interval(rng: np.random.Generator) -> None:
    """B won once in ten: about a third of the resamples lack that vote."""
    found = bradley_terry(["a"] * 10, ["b"] * 10, [1] * 9 + [-1], reference="a", rng=rng)
    assert found is not None
    assert found.strengths[1].log_strength == pytest.approx(-np.log(9), abs=1e-6)
    assert found.undefined_resamples / 1000 == pytest.approx(0.9**10, abs=0.05)
    assert found.strengths[1].interval is None
    assert found.strengths[1].rank is None


def test_swapping_sides_changes_nothing(rng: np.random.Generator) -> None:
    left, right, votes = expand(CITATIONS)
    first = fit(CITATIONS, reference="JASA")
    second = bradley_terry(
        right, left, [-v for v in votes], reference="JASA", rng=rng, resamples=50
    )
    assert second is not None
    for one, two in zip(first.strengths, second.strengths, strict=True):
        assert one.log_strength == pytest.approx(two.log_strength, abs=1e-7)
        assert one.rank == two.rank


def test_refusals_name_what_is_wrong(rng: np.random.Generator) -> None:
    with pytest.raises(UnpairedItemsError, match="1 left, 1 right, 2 votes"):
        bradley_terry(["a"], ["b"], [1, 0], reference="a", rng=rng)
    with pytest.raises(UnpairedItemsError, match="0 votes"):
        bradley_terry([], [], [], reference="a", rng=rng)
    with pytest.raises(ValueError, match="a vote is -1, 0 or 1"):
        bradley_terry(["a"], ["b"], [0.5], reference="a", rng=rng)
    with pytest.raises(ValueError, match="no vote about the reference 'z'"):
        bradley_terry(["a"], ["b"], [1], reference="z", rng=rng)


# --- ranks -------------------------------------------------------------------------------------


def test_rank_intervals_of_clear_and_tied_variants(rng: np.random.Generator) -> None:
    """Means 3, 1, 1.02, -5 with errors of 0.1: the middle two cannot be told apart."""
    draws = np.array([3, 1, 1.02, -5]) + rng.normal(0, 0.1, (4000, 4))
    found = rank_intervals([3, 1, 1.02, -5], draws)
    assert [(one.best, one.worst) for one in found] == [(1, 1), (2, 3), (2, 3), (4, 4)]


def test_rank_intervals_agree_with_bonferroni_for_independent_pairs(
    rng: np.random.Generator,
) -> None:
    """The critical value for 3 pairs lies between one pair's 1.96 and Bonferroni's 2.394.

    Tukey's for three means and infinite degrees of freedom is 3.314 / sqrt(2) = 2.344: differences
    of 2.30 and 2.39 standard errors lie on either side of it.
    """
    draws = rng.normal(0, 1, (40_000, 3))
    error = np.sqrt(2)
    for distance, separated in ((2.30, False), (2.39, True)):
        theta = np.array([distance * error, 0, 0])
        found = rank_intervals(theta, theta + draws)
        assert (found[0].worst == 1) is separated


def test_variants_that_never_differ_are_tied_and_a_constant_difference_separates() -> None:
    shared = np.random.default_rng(1).normal(0.5, 0.1, (200, 1))
    found = rank_intervals([0.5, 0.5, 0.4], np.hstack([shared, shared, shared - 0.1]))
    assert [(one.best, one.worst) for one in found] == [(1, 2), (1, 2), (3, 3)]
    same = rank_intervals([0.5, 0.5], np.hstack([shared, shared]))
    assert same == (RankInterval(best=1, worst=2),) * 2


def test_rank_intervals_from_items(rng: np.random.Generator) -> None:
    """Accuracies 0.9 and 0.5 on the same 200 items are apart; a copy of a variant is tied."""
    better = np.arange(200) % 10 > 0
    worse = np.arange(200) % 2 > 0
    scores = np.stack([worse, better, worse], axis=1).astype(float)
    found = rank_intervals(scores.mean(axis=0), mean_replicates(scores, rng=rng, resamples=500))
    assert [(one.best, one.worst) for one in found] == [(2, 3), (1, 1), (2, 3)]


@pytest.mark.parametrize("shape", [(10, 2), (1, 3)])
def test_rank_intervals_refuse_shapes_that_do_not_fit(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="a column a variant"):
        rank_intervals([1, 2, 3], np.zeros(shape))


@pytest.mark.slow
@pytest.mark.parametrize(
    "theta", [(0, 0, 0, 0, 0), (0, 0.01, 0.02, 0.2, 0.2), (0, 0.1, 0.2, 0.3, 0.4)]
)
def test_rank_intervals_hold_together_with_ties_and_near_ties(theta: tuple[float, ...]) -> None:
    """Every variant's interval holds all ranks that ties allow, at least 95 % of the time."""
    truth = np.array(theta)
    allowed = [(1 + (truth > t).sum(), (truth >= t).sum()) for t in truth]
    rng = np.random.default_rng(3)
    missed = 0
    for _ in range(400):
        items = truth + 0.5 * rng.normal(size=(100, 1)) + rng.normal(size=(100, 5))
        found = rank_intervals(items.mean(axis=0), mean_replicates(items, rng=rng, resamples=400))
        missed += any(
            one.best > best or one.worst < worst
            for one, (best, worst) in zip(found, allowed, strict=True)
        )
    assert missed <= 33, "binom.ppf(0.999, 400, 0.05) is 35; the bootstrap's own error is inside"


@pytest.mark.slow
def test_bradley_terry_intervals_cover_with_raters_inside_prompts() -> None:
    """60 prompts, 3 raters who share the prompt's taste; a vote estimates the mean over prompts."""
    rng = np.random.default_rng(4)
    sides, labels = (["b"] * 180, ["a"] * 180), np.repeat(np.arange(60), 3)
    chance = 1 / (1 + np.exp(-rng.normal(-0.5, 2, 200_000)))
    truth = np.log(chance.mean() / (1 - chance.mean()))
    covered = 0
    for _ in range(80):
        tastes = np.repeat(rng.normal(-0.5, 2, 60), 3)
        votes = np.where(rng.random(180) < 1 / (1 + np.exp(-tastes)), 1, -1)
        found = bradley_terry(*sides, votes, reference="a", prompts=labels, rng=rng, resamples=100)
        assert found is not None
        interval = found.strengths[1].interval
        assert interval is not None
        covered += interval.low <= truth <= interval.high
    assert covered >= 67
