"""Mass, margin and survival of answers on distributions and answers of known truth."""

import numpy as np
import pytest

from babelbits.probes.language_loss import Answers, describe_loss, summarise_loss


def answers(variant: str, *, leave_at: int | None, share: float) -> Answers:
    """100 answers of 20 tokens, a share of which leaves German for English at a position."""
    left = int(100 * share) if leave_at is not None else 0
    return Answers(
        variant=variant,
        suite="confusion",
        language="de",
        units=tuple(f"s{n}" for n in range(100)),
        lasted=tuple([leave_at or 0] * left + [20] * (100 - left)),
        switched=tuple([True] * left + [False] * (100 - left)),
        switched_to=tuple(["en"] * left + [None] * (100 - left)),
        means={"other_script": 0.0, "other_language": 0.1, "margin": 2.0},
    )


def test_a_planted_loss_is_found_with_its_size() -> None:
    """30 % leave at token 5 of 20: 0.3 x 15 tokens less."""
    base = answers("baseline", leave_at=None, share=0)
    found = summarise_loss(answers("w4", leave_at=5, share=0.3), base, seed=0)
    assert found.curve[4].share == 1
    assert found.curve[5].share == pytest.approx(0.7)
    assert found.difference is not None
    assert found.difference.difference == pytest.approx(-4.5)
    told = describe_loss(found)
    assert told.startswith(
        "w4 on confusion in de: 30 of 100 answers leave their language, most often to en; fewer "
        "tokens in the language than the baseline: -4.50 ["
    )
    assert told.endswith("of the first 20 tokens")


def test_a_gain_and_no_difference_are_said_as_such() -> None:
    base = answers("baseline", leave_at=5, share=0.3)
    gain = describe_loss(summarise_loss(answers("w4", leave_at=5, share=0.02), base, seed=0))
    assert "more tokens in the language than the baseline: +4.20" in gain
    same = describe_loss(summarise_loss(answers("w4", leave_at=5, share=0.3), base, seed=0))
    assert "no difference to the baseline is shown: +0.00" in same


def test_without_any_switch_the_sentence_has_a_bound_and_no_interval_of_width_0() -> None:
    """Wilson (1927): 0 of 100 has the upper limit z^2 / (100 + z^2), 3.7 %."""
    base = answers("baseline", leave_at=None, share=0)
    found = summarise_loss(answers("w4", leave_at=None, share=0), base, seed=0)
    assert found.difference is None
    assert describe_loss(found) == (
        "w4 on confusion in de: 0 of 100 answers leave their language (at most 4 % do, 95 % "
        "certain)"
    )


def test_mass_and_margin_are_sums_and_differences_of_probabilities() -> None:
    torch = pytest.importorskip("torch")
    from babelbits.probes.switching import Elsewhere, measure_masses

    chances = np.array([[0.5, 0.3, 0.15, 0.05], [0.1, 0.2, 0.6, 0.1]])
    elsewhere = Elsewhere(
        script=np.array([False, False, False, True]),
        language=np.array([False, False, True, True]),
    )
    found = measure_masses(torch.tensor(chances).log(), elsewhere)
    assert found["other_script"] == pytest.approx([0.05, 0.1])
    assert found["other_language"] == pytest.approx([0.2, 0.7])
    assert found["margin"] == pytest.approx([np.log(0.5 / 0.15), np.log(0.2 / 0.6)])
    unknown = measure_masses(
        torch.tensor(chances).log(), Elsewhere(script=elsewhere.script, language=None)
    )
    assert np.isnan(unknown["margin"]).all()
    assert unknown["other_script"] == pytest.approx([0.05, 0.1])


def test_chances_are_the_models_own_before_each_token(tmp_path: object) -> None:
    torch = pytest.importorskip("torch")
    from pathlib import Path

    from probed_models import tiny_insides

    insides = tiny_insides(Path(str(tmp_path)) / "llama")
    tokens = [5, 9, 13, 17, 21]
    with torch.no_grad():
        whole = insides.model(input_ids=torch.tensor([tokens])).logits[0].float().log_softmax(-1)
    found = insides.chances(tokens, last=2)
    assert torch.allclose(found, whole[2:4], atol=1e-4)  # before the 4th and the 5th token
