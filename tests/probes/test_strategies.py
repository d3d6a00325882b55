"""Contrasts of two variants on simulated answers of known truth, and what is said of them."""

import numpy as np
import pytest

from babelbits.probes.answer_contrasts import pair_answers, score_tokens
from babelbits.probes.language_loss import Answers
from babelbits.probes.strategies import (
    LANGUAGE,
    ConditionScores,
    StrategyContrast,
    StrategyPair,
    adjust,
    contrast_between,
    contrast_on,
    contrast_sentence,
)
from babelbits.stats.cluster import ClusterScores, cluster_scores

PAIR = StrategyPair(variant="w8a8-sq@en", against="w8a8")
HORIZON = 12


def answers(times: np.ndarray, *, language: str = "de", longest: int = 20) -> Answers:
    """Answers of `longest` tokens that leave their language at these positions, if before."""
    n = len(times)
    return Answers(
        variant="w4",
        suite="confusion",
        language=language,
        units=tuple(f"s{i}" for i in range(n)),
        items=tuple(f"{language}-{i}" for i in range(n)),
        lasted=tuple(int(one) for one in np.minimum(times, longest)),
        switched=tuple(bool(one) for one in times < longest),
        switched_to=(None,) * n,
        means={"margin": None},
    )


def simulated(
    rng: np.random.Generator, hazards: tuple[float, float], *, n: int, languages: int = 2
) -> ClusterScores:
    """Sources with a frailty that both arms and all languages share, so that pairs go together."""
    frailty = rng.uniform(0.3, 1.7, size=n)
    pairs = {
        f"l{number}": pair_answers(
            *(
                answers(rng.geometric(hazard * frailty) - 1, language=f"l{number}")
                for hazard in hazards
            )
        )
        for number in range(languages)
    }
    return score_tokens(pairs, horizon=HORIZON, parallel=True)


def mean_lasting(hazard: float) -> float:
    """E over U(0.3, 1.7) of the sum of (1 - h u)^(t + 1), t < 12; Gauss-Legendre."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    frailty = 1 + 0.7 * nodes
    lasting = np.array([sum((1 - hazard * u) ** (t + 1) for t in range(HORIZON)) for u in frailty])
    return float(weights @ lasting / 2)


def condition(scores: ClusterScores, suite: str, **fields: object) -> ConditionScores:
    return ConditionScores(
        suite=suite, measure=LANGUAGE, unit="tokens", languages=("de", "sw"), n_items=80,
        contrast=scores, horizon=HORIZON, **fields,  # type: ignore[arg-type]
    )  # fmt: skip


def test_intervals_hold_a_known_difference_of_two_variants() -> None:
    """Truth by the geometric distribution's survival, integrated over the frailty."""
    rng = np.random.default_rng(11)
    truth = mean_lasting(0.04) - mean_lasting(0.08)
    found = [
        contrast_on(PAIR, condition(simulated(rng, (0.04, 0.08), n=60), "confusion"), alpha=0.05)
        for _ in range(100)
    ]
    held = np.mean([one.interval is not None and one.interval.low <= truth <= one.interval.high
                    for one in found])  # fmt: skip
    assert np.mean([one.difference for one in found]) == pytest.approx(truth, abs=0.08)
    assert 0.88 <= held <= 0.99


def test_a_difference_of_differences_is_held_and_none_is_called_one_in_5_percent() -> None:
    """Equal contrasts on two tasks: at most 5 % (and three errors) of 120 are called different."""
    rng = np.random.default_rng(12)
    called, held = [], []
    truth = (mean_lasting(0.04) - mean_lasting(0.08)) - (mean_lasting(0.05) - mean_lasting(0.05))
    for _ in range(120):
        same, other = (
            condition(simulated(rng, (0.04, 0.08), n=40), name) for name in ("one", "two")
        )
        null = condition(simulated(rng, (0.05, 0.05), n=40), "three")
        found = adjust([contrast_between(PAIR, same, other, alpha=0.05)], alpha=0.05)[0]
        called.append(found.shown)
        interval = contrast_between(PAIR, same, null, alpha=0.05).interval
        held.append(interval is not None and interval.low <= truth <= interval.high)
    assert np.mean(called) <= 0.05 + 3 * (0.05 * 0.95 / 120) ** 0.5
    assert 0.88 <= np.mean(held) <= 0.99


def test_items_that_only_one_variant_answered_are_left_out() -> None:
    first = answers(np.array([3, 20, 20]))
    second = answers(np.array([20, 20]))
    ours, theirs = pair_answers(first, second)
    assert ours.items == theirs.items == ("de-0", "de-1")
    scores = score_tokens({"de": (ours, theirs)}, horizon=10, parallel=True)
    assert scores.estimate == pytest.approx(-3.5)  # one of two leaves at token 3 of 10


def test_without_parallel_items_languages_are_independent() -> None:
    pairs = {
        code: pair_answers(answers(np.array([3, 20]), language=code),
                           answers(np.array([20, 20]), language=code))
        for code in ("de", "sw")
    }  # fmt: skip
    assert score_tokens(pairs, horizon=10, parallel=True).n_clusters == 2
    assert score_tokens(pairs, horizon=10, parallel=False).n_clusters == 4


# --- what is said ---------------------------------------------------------------------------------


def scored(values: list[float]) -> ClusterScores:
    return cluster_scores(values, clusters=np.arange(len(values)))


def said(contrast: list[float], own: list[float], theirs: list[float]) -> str:
    one = ConditionScores(
        suite="math", measure="exact_match", unit="fraction", languages=("en",),
        n_items=len(contrast), contrast=scored(contrast), own=scored(own), theirs=scored(theirs),
    )  # fmt: skip
    return contrast_sentence(adjust([contrast_on(PAIR, one, alpha=0.05)], alpha=0.05)[0])


HARM, SMALL = [-1.0] * 30 + [0.0] * 30, [-1.0, 1.0] * 5 + [0.0] * 50
GAIN, HALF = [1.0] * 30 + [0.0] * 30, [-1.0] * 15 + [0.0] * 45


def test_undoing_is_said_only_of_harm_that_is_shown() -> None:
    undone = said(GAIN, SMALL, HARM)
    assert "w8a8-sq@en does better than w8a8, +50.0 points (" in undone
    assert "w8a8 harms, and w8a8-sq@en undoes it, as far as can be seen" in undone
    assert "undoes part of it, and harm is left" in said(GAIN, HALF, HARM)
    assert "w8a8 harms, and that w8a8-sq@en undoes it is not shown" in said(SMALL, HARM, HARM)
    assert "no harm of w8a8 is shown, so there is none to undo" in said(SMALL, SMALL, SMALL)
    assert "no harm of w8a8 is shown, so there is none to undo" in said(GAIN, GAIN, SMALL)


def test_a_task_that_is_hurt_more_is_told_from_one_that_is_not() -> None:
    hurt, spared = (
        ConditionScores(
            suite=name, measure="line_pass", unit="fraction", languages=("de",), n_items=60,
            contrast=scored(values),
        )
        for name, values in (("cross", HARM), ("mono", SMALL))
    )  # fmt: skip
    worse = contrast_sentence(
        adjust([contrast_between(PAIR, hurt, spared, alpha=0.05)], alpha=0.05)[0]
    )
    assert worse.startswith(
        "w8a8-sq@en less w8a8 on cross against mono (line_pass): relative to w8a8 it does worse on "
        "cross, −50.0 points ("
    )
    assert "120 items of 120 sources in 1 language; adjusted p < 0.001; exploratory" in worse
    none = contrast_sentence(
        adjust([contrast_between(PAIR, spared, spared, alpha=0.05)], alpha=0.05)[0]
    )
    assert "no difference between the two tasks is shown, 0.0 points" in none


def test_declared_contrasts_are_adjusted_apart() -> None:
    """Holm (1979): one declared keeps its p; two others at 0.03 and 0.04 become 0.06 each."""

    def one(p: float, *, declared: bool) -> StrategyContrast:
        pair = StrategyPair(variant="a", against="b", declared=declared)
        return StrategyContrast(
            pair=pair, suite="s", other_suite=None, measure="m", unit="fraction",
            difference=-0.1, p_value=p,
        )  # fmt: skip

    found = adjust([one(0.03, declared=True), one(0.03, declared=False), one(0.04, declared=False)],
                   alpha=0.05)  # fmt: skip
    assert [each.p_adjusted for each in found] == pytest.approx([0.03, 0.06, 0.06])
    assert [each.shown for each in found] == [True, False, False]


def test_what_cannot_be_compared_is_said() -> None:
    one = StrategyContrast(
        pair=PAIR, suite="confusion", other_suite=None, measure=LANGUAGE, unit="tokens",
        why_not="no answer of either leaves its language",
    )  # fmt: skip
    assert contrast_sentence(one) == (
        "w8a8-sq@en less w8a8 on confusion (tokens in the language): no contrast: no answer of "
        "either leaves its language"
    )
