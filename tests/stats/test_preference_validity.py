"""Level and coverage of net preference under simulation, the prompt being the unit."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from babelbits.stats.agreement import alpha_interval
from babelbits.stats.binary import mcnemar_midp
from babelbits.stats.preference import net_preference, vote_table

pytestmark = pytest.mark.slow
DRAWS = 500
HIGHEST = float(stats.binom.ppf(0.999, DRAWS, 0.05)) / DRAWS


def raters(
    rng: np.random.Generator, *, prompts: int, per_prompt: int, net: float
) -> NDArray[np.float64]:
    """Votes, shape (prompts, per_prompt): each copies its prompt's common vote half of the time."""
    chances = [(0.6 - net) / 2, 0.4, (0.6 + net) / 2]
    common = rng.choice([-1, 0, 1], size=(prompts, 1), p=chances)
    own = rng.choice([-1, 0, 1], size=(prompts, per_prompt), p=chances)
    return np.where(rng.random(own.shape) < 0.5, common, own).astype(float)


@pytest.mark.parametrize("net", [0.0, -0.2])
@pytest.mark.parametrize(("prompts", "per_prompt"), [(20, 3), (100, 3), (150, 1)])
def test_level_and_coverage_with_raters_inside_prompts(
    net: float, prompts: int, per_prompt: int
) -> None:
    rng = np.random.default_rng(11)
    labels = np.repeat(np.arange(prompts), per_prompt)
    rejected, covered = 0, 0
    for _ in range(DRAWS):
        votes = raters(rng, prompts=prompts, per_prompt=per_prompt, net=net).ravel()
        found = net_preference(votes, prompts=labels, rng=rng, resamples=499)
        rejected += found.p_value <= 0.05
        covered += found.interval.low <= net <= found.interval.high
    if net == 0:
        assert rejected / DRAWS <= HIGHEST
    assert covered / DRAWS >= float(stats.binom.ppf(0.001, DRAWS, 0.95)) / DRAWS


def test_counting_raters_as_prompts_gives_false_alarms() -> None:
    """Five raters a prompt who half agree: a sign test on votes is wrong three times too often."""
    rng = np.random.default_rng(12)
    wrong = 0
    for _ in range(DRAWS):
        votes = raters(rng, prompts=60, per_prompt=5, net=0.0)
        table = vote_table(
            wins=int((votes > 0).sum()),
            ties=int((votes == 0).sum()),
            losses=int((votes < 0).sum()),
        )
        wrong += mcnemar_midp(table).p_value <= 0.05
    assert wrong / DRAWS > 0.12


def test_alpha_intervals_cover_by_item() -> None:
    """Three raters copy the truth with chance 0.7: nominal alpha is 0.49. Percentile bootstrap."""
    rng = np.random.default_rng(13)
    covered = 0
    for _ in range(80):
        truth = rng.integers(0, 3, 60)
        copied = rng.random((3, 60)) < 0.7
        ratings = np.where(copied, truth, rng.integers(0, 3, (3, 60))).astype(float)
        found = alpha_interval(ratings, measurement="nominal", rng=rng, resamples=100)
        assert found is not None
        covered += found.low <= 0.49 <= found.high
    assert covered >= 67
