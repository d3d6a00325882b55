"""How often decisions err, and whether as many items do what was promised: simulated studies.

Every study draws items of which a share `churn` changes, with a given net change; the rate of an
outcome is held against its nominal value with a binomial tolerance of 3.3 standard errors.
"""

import math

import numpy as np
import pytest

from babelbits.decide.decision_query import Claim, ask
from babelbits.decide.gate import answer_gate
from babelbits.decide.power_planning import assume_spread, count_items_needed, find_smallest_effect
from decision_cells import Scores, findings_of, study_cells

pytestmark = pytest.mark.slow


def draw(rng: np.random.Generator, n_items: int, *, churn: float, net: float) -> Scores:
    """A baseline of about 60 % and a variant with P(broke) - P(fixed) = -net."""
    chances = ((churn - net) / 2, (churn + net) / 2)
    broke, fixed = rng.multinomial(n_items, [*chances, 1 - sum(chances)])[:2]
    right = int(0.6 * (n_items - broke - fixed))
    wrong = n_items - broke - fixed - right
    before = [1.0] * (right + broke) + [0.0] * (fixed + wrong)
    after = [1.0] * right + [0.0] * broke + [1.0] * fixed + [0.0] * wrong
    return before, after


def rate(
    outcome: str, *, studies: int, n_items: int, churn: float, net: float, languages: int = 1,
    claim: Claim = "not-worse",
) -> float:  # fmt: skip
    """Share of studies whose gate has an outcome; "harmed": any loss is shown."""
    rng, codes = np.random.default_rng(7), ("en", "ja", "sw", "hi")[:languages]
    hits = 0
    for _ in range(studies):
        answers = {code: draw(rng, n_items, churn=churn, net=net) for code in codes}
        found = findings_of(study_cells(answers, aa=False))
        answer = answer_gate(found, "w4", ask(found, claim=claim)).outcome
        hits += answer == outcome or (outcome == "harmed" and answer in ("worse", "loss"))
    return hits / studies


def tolerance(share: float, studies: int) -> float:
    return 3.3 * math.sqrt(share * (1 - share) / studies)


@pytest.mark.parametrize("churn", [0.03, 0.10])
def test_a_loss_of_the_margin_passes_in_at_most_alpha(churn: float) -> None:
    found = rate("shown", studies=800, n_items=700, churn=churn, net=-0.02)
    assert found <= 0.05 + tolerance(0.05, 800)


def test_four_languages_without_a_loss_fail_in_at_most_alpha() -> None:
    """Every question is null; at this size few can be shown, so Holm has all the work."""
    found = rate("harmed", studies=400, n_items=200, churn=0.15, net=0.0, languages=4)
    assert found <= 0.05 + tolerance(0.05, 400)


def test_a_loss_of_the_margin_fails_in_at_most_alpha() -> None:
    """Four languages that all lose just the margin: none loses more."""
    found = rate("worse", studies=400, n_items=700, churn=0.10, net=-0.02, languages=4)
    assert found <= 0.05 + tolerance(0.05, 400)


@pytest.mark.parametrize("claim", ["not-worse", "equivalent"])
def test_as_many_items_as_promised_show_it_in_four_of_five(claim: Claim) -> None:
    n_items = count_items_needed(claim, assume_spread(0.15), margin=0.02).items
    found = rate("shown", studies=300, n_items=n_items, churn=0.15, net=0.0, claim=claim)
    assert found == pytest.approx(0.80, abs=0.02 + tolerance(0.80, 300))


def test_the_smallest_loss_is_shown_in_four_of_five() -> None:
    loss = find_smallest_effect(250, assume_spread(0.10))
    assert loss is not None
    found = rate("harmed", studies=1000, n_items=250, churn=0.10, net=-loss)
    assert found == pytest.approx(0.80, abs=0.02 + tolerance(0.80, 1000))


def test_the_smallest_loss_in_a_family_is_shown_in_four_of_five() -> None:
    """Three other languages lose nothing and change nothing: Holm's first step, alpha / 4."""
    loss = find_smallest_effect(250, assume_spread(0.10), tests=4)
    assert loss is not None
    rng = np.random.default_rng(8)
    codes, same = ("en", "ja", "sw", "hi"), ([1.0] * 150 + [0.0] * 100,) * 2
    hits = 0
    for _ in range(200):
        lost = draw(rng, 250, churn=0.10, net=-loss)
        cells = study_cells({"en": lost, **dict.fromkeys(codes[1:], same)}, aa=False)
        effects = findings_of(cells).analysis.effects
        [ours] = [one for one in effects if one.language == "en"]
        hits += ours.decision.verdict == "worse"
    assert hits / 200 == pytest.approx(0.80, abs=0.02 + tolerance(0.80, 200))
