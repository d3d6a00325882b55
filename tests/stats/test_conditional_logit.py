"""Conditional odds ratios against statsmodels, a published table, and simulated truth."""

import numpy as np
import pytest
from numpy.typing import NDArray

from babelbits.stats.conditional_logit import fit_odds_ratio


def drawn(
    rng: np.random.Generator, *, ratio: float, n: int = 60, languages: int = 3
) -> tuple[NDArray[np.float64], NDArray[np.bool_], list[int], list[int]]:
    """Sources in languages of very different odds; the covariate of a source is much alike."""
    levels = np.linspace(-1.5, 0.5, languages)
    shared = rng.normal(size=(n, 1))
    covariate = (shared + rng.normal(size=(n, languages))) / np.sqrt(2)
    odds = np.exp(levels + np.log(ratio) * covariate)
    event = rng.random((n, languages)) < odds / (1 + odds)
    strata = np.tile(np.arange(languages), (n, 1)).ravel().tolist()
    clusters = np.repeat(np.arange(n), languages).tolist()
    return covariate.ravel(), event.ravel(), strata, clusters


def test_the_estimate_is_that_of_statsmodels() -> None:
    from statsmodels.discrete.conditional_models import ConditionalLogit

    rng = np.random.default_rng(1)
    covariate, event, strata, clusters = drawn(rng, ratio=1.8, n=40)
    theirs = ConditionalLogit(event.astype(int), covariate[:, None], groups=np.array(strata))
    expected = np.exp(theirs.fit(disp=0).params[0])
    found = fit_odds_ratio(
        covariate, event, strata=strata, clusters=clusters, rng=rng, resamples=50
    )
    assert found.ratio == pytest.approx(expected, rel=1e-4)


def test_matched_pairs_give_the_ratio_of_discordant_pairs() -> None:
    """Breslow & Day (1980), Statistical Methods in Cancer Research 1, section 5.2.

    With one case and one control a stratum and a binary covariate the estimate is n10 / n01.
    """
    covariate = [1.0, 0.0] * 12 + [0.0, 1.0] * 4 + [1.0, 1.0] * 9
    event = [1, 0] * 25
    strata = [number // 2 for number in range(50)]
    rng = np.random.default_rng(2)
    found = fit_odds_ratio(covariate, event, strata=strata, clusters=strata, rng=rng, resamples=20)
    assert found.ratio == pytest.approx(12 / 4, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("ratio", [1.0, 2.0])
def test_intervals_hold_a_known_odds_ratio(ratio: float) -> None:
    rng = np.random.default_rng(3)
    held, logs = 0, []
    for _ in range(100):
        covariate, event, strata, clusters = drawn(rng, ratio=ratio, n=40)
        found = fit_odds_ratio(
            covariate, event, strata=strata, clusters=clusters, rng=rng, resamples=150
        )
        assert found.ratio is not None
        assert found.interval is not None
        logs.append(np.log(found.ratio))
        held += found.interval.low <= ratio <= found.interval.high
    assert np.mean(logs) == pytest.approx(np.log(ratio), abs=0.08)
    assert held >= 88  # 95 of 100, less three standard errors of a binomial


def test_one_resample_of_weights_is_a_fit_of_the_drawn_items() -> None:
    """Drawing a cluster twice is having its items twice, which statsmodels can be told."""
    from statsmodels.discrete.conditional_models import ConditionalLogit

    from babelbits.stats.conditional_logit import _members, _slopes

    rng = np.random.default_rng(4)
    covariate, event, strata, _ = drawn(rng, ratio=1.5, n=20, languages=2)
    counts = rng.integers(0, 3, size=(1, len(covariate)))
    again = np.repeat(np.arange(len(covariate)), counts[0])
    theirs = ConditionalLogit(
        event[again].astype(int), covariate[again][:, None], groups=np.array(strata)[again]
    )
    slope = _slopes(covariate, event, _members(event, strata), counts)[0]
    assert slope == pytest.approx(theirs.fit(disp=0).params[0], rel=1e-3)


def test_what_is_undefined_says_why() -> None:
    rng = np.random.default_rng(5)
    none = fit_odds_ratio([1.0, 2.0], [1, 1], strata=[0, 0], clusters=[0, 1], rng=rng)
    assert none.ratio is None
    assert "no stratum" in none.reason
    split = fit_odds_ratio(
        [0.0, 0.1, 1.0, 1.1], [0, 0, 1, 1], strata=[0] * 4, clusters=range(4), rng=rng
    )
    assert split.ratio is None
    assert "separates" in split.reason
    with pytest.raises(ValueError, match="lengths"):
        fit_odds_ratio([1.0], [1, 0], strata=[0], clusters=[0], rng=rng)
