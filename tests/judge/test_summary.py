"""What votes show: net preference by prompt, dropped pairs either way, no verdict too many."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babelbits.judge.bias import measure_bias, measure_first_place
from babelbits.judge.pairwise import TwoOrders
from babelbits.judge.parse_reply import Reading
from babelbits.preferences.summary import ALL, SummarySettings, summarise
from babelbits.preferences.to_votes import IDENTICAL, UNKNOWN
from babelbits.preferences.votes import Vote
from judging import pair, vote

FAST = SummarySettings(resamples=500)


def test_wins_ties_and_losses_by_hand() -> None:
    votes = [vote(n, v) for n, v in enumerate([1.0] * 3 + [0.0] * 3 + [-1.0] * 4)]
    [row] = summarise(votes, FAST)
    assert row.preference is not None
    assert (row.preference.wins, row.preference.ties, row.preference.losses) == (3, 3, 4)
    assert row.preference.net == pytest.approx(-0.1)
    assert row.preference.win_rate == pytest.approx(0.45)
    assert row.verdict == "undecided"


def test_identical_pairs_are_ties_and_told_apart() -> None:
    votes = [vote(n, -1.0) for n in range(5)]
    votes += [vote(n, 0.0, reasons=(IDENTICAL,)) for n in range(5, 20)]
    [row] = summarise(votes, FAST)
    assert (row.n_pairs, row.n_identical, row.n_judged) == (20, 15, 5)
    assert row.preference is not None
    assert row.preference.net == pytest.approx(-0.25)
    assert row.net_of_unlike == pytest.approx(-1.0)


def test_bounds_are_those_of_manski_1990() -> None:
    """A net of 0 over 90 prompts, and 10 prompts that may all have won or lost: ±10 / 100."""
    votes = [vote(n, [1.0, -1.0, 0.0][n % 3]) for n in range(90)]
    votes += [vote(n, None, verdict="unparsed") for n in range(90, 100)]
    [row] = summarise(votes, FAST)
    assert row.bounds is not None
    assert tuple(one.net for one in row.bounds) == pytest.approx((-0.1, 0.1))
    assert dict(row.dropped) == {"unparsed": 10}


def test_equivalence_must_hold_with_the_dropped_pairs_either_way() -> None:
    ties = [vote(n, 0.0) for n in range(200)]
    [row] = summarise(ties, FAST)
    assert row.verdict == "equivalent"
    [row] = summarise([*ties, *(vote(n, None) for n in range(200, 204))], FAST)
    assert row.verdict == "equivalent", "four of 204 cannot leave ten points"
    [row] = summarise([*ties, *(vote(n, None) for n in range(200, 240))], FAST)
    assert row.verdict == "undecided"
    assert "40 dropped pairs" in row.reason


def test_a_loss_that_dropped_pairs_could_undo_says_so() -> None:
    votes = [vote(n, -1.0) for n in range(30)] + [vote(n, None) for n in range(30, 80)]
    [row] = summarise(votes, FAST)
    assert row.verdict == "worse"
    assert "could undo it" in row.reason


def test_nothing_judged_is_no_result() -> None:
    [row] = summarise([vote(1, None, verdict="error")], FAST)
    assert row.preference is None
    assert (row.verdict, row.reason) == ("undecided", "no pair has a verdict")
    assert row.flip_share is None


def test_order_flips_are_no_ties() -> None:
    votes = [vote(n, 0.0, verdict="inconsistent") for n in range(3)]
    votes += [vote(n, 0.0) for n in range(3, 12)]
    [row] = summarise(votes, FAST)
    assert row.n_inconsistent == 3
    assert dict(row.verdicts) == {"inconsistent": 3, "tie": 9}
    assert row.flip_share == pytest.approx(0.25)


def test_languages_are_a_holm_family_and_share_their_prompts() -> None:
    """Holm by hand: the smaller of two p-values is doubled."""
    votes = [vote(n, -1.0 if n % 3 else 0.0, language="nb") for n in range(30)]
    votes += [vote(n, [1.0, -1.0][n % 2], language="sw") for n in range(30)]
    rows = {row.language: row for row in summarise(votes, FAST)}
    assert set(rows) == {"nb", "sw", ALL}
    norwegian = rows["nb"]
    assert norwegian.preference is not None
    assert norwegian.p_adjusted == pytest.approx(2 * norwegian.preference.p_value)
    together = rows[ALL].preference
    assert together is not None
    assert together.net == pytest.approx((-20 / 30 + 0) / 2)
    assert together.n_prompts == 30, "translations of a prompt are one unit"
    assert rows[ALL].p_adjusted is None


def test_the_mean_over_languages_is_not_the_mean_over_votes() -> None:
    votes = [vote(n, 1.0, language="nb") for n in range(10)]
    votes += [vote(n, -1.0, language="sw") for n in range(100, 130)]
    rows = {row.language: row for row in summarise(votes, FAST)}
    together = rows[ALL].preference
    assert together is not None
    assert together.net == pytest.approx(0.0)


def test_raters_of_one_prompt_are_averaged_first() -> None:
    """Three raters who agree on one prompt are one prompt."""
    votes = [vote(n, -1.0, kind="human", judge=f"r{rater}") for n in range(4) for rater in range(3)]
    [row] = summarise(votes, FAST)
    assert row.preference is not None
    assert (row.preference.n_votes, row.preference.n_prompts) == (12, 4)
    assert row.preference.p_value == pytest.approx(0.0625)  # mid-p of 4 losses: 2 (1/16) - 1/16


def test_people_and_models_are_not_pooled() -> None:
    with pytest.raises(ValueError, match="human and llm"):
        summarise([vote(1, 1.0), vote(2, 1.0, kind="human")])


def test_a_gain_is_withheld_where_the_dropped_pairs_could_undo_it() -> None:
    """60 of 100 judged pairs won, none lost: better. 55 more without a verdict, all losses: no."""
    won = [vote(n, 1.0 if n < 60 else 0.0) for n in range(100)]
    assert summarise(won, FAST)[0].verdict == "better"
    [row] = summarise([*won, *(vote(100 + n, None) for n in range(55))], FAST)
    assert (row.verdict, row.n_dropped) == ("undecided", 55)
    assert row.reason == "a gain is shown, but the 55 dropped pairs could undo it"
    lost = [vote(n, -1.0 if n < 60 else 0.0) for n in range(100)]
    [row] = summarise([*lost, *(vote(100 + n, None) for n in range(90))], FAST)
    assert row.verdict == "worse", "harm stays visible"
    assert "could undo it" in row.reason


@settings(max_examples=25)
@given(st.lists(st.sampled_from([1.0, 0.0, -1.0, None]), min_size=1, max_size=30))
def test_swapping_the_arms_negates_everything(values: list[float | None]) -> None:
    rows = [
        summarise([vote(n, None if v is None else sign * v) for n, v in enumerate(values)], FAST)[0]
        for sign in (1, -1)
    ]
    swapped = {"worse": "better", "better": "worse"}
    if any("could undo it" in row.reason for row in rows):
        assert "better" not in {row.verdict for row in rows}, "a gain is withheld, a loss is not"
    else:
        assert rows[1].verdict == swapped.get(rows[0].verdict, rows[0].verdict)
    if rows[0].preference is not None:
        assert rows[1].preference is not None
        assert rows[1].preference.net == pytest.approx(-rows[0].preference.net)
        assert rows[1].preference.p_value == pytest.approx(rows[0].preference.p_value)


# --- leanings ------------------------------------------------------------------------------------


def orders(first: str, second: str) -> TwoOrders:
    return TwoOrders(
        baseline_first=Reading(outcome=first),  # type: ignore[arg-type]
        variant_first=Reading(outcome=second),  # type: ignore[arg-type]
    )


def test_first_place_by_hand() -> None:
    """Consistent pairs have one preference for each place; two A of one pair are one pair."""
    found = measure_first_place(
        [orders("A", "B"), orders("B", "A"), orders("A", "A"), orders("tie", "A")]
    )
    assert found is not None
    assert found.n_pairs == 4
    assert found.share == pytest.approx((0.5 + 0.5 + 1 + 1) / 4)
    assert measure_first_place([orders("tie", "tie")]) is None


def test_the_longer_answer_is_counted_in_characters_without_the_ends() -> None:
    pairs = [pair(1, "short", "longer one"), pair(2, "very long text", "x"), pair(3, "a", "b    ")]
    [row] = measure_bias(pairs, [vote(1, 1.0), vote(2, -1.0), vote(3, 1.0)])
    assert row.longer is not None
    assert (row.longer.n_pairs, row.longer.share) == (2, 1.0)
    assert row.raw_win_rate == pytest.approx(2 / 3)
    assert row.at_equal_length is None, "three pairs say too little"


def test_resampling_is_repeatable() -> None:
    rng = np.random.default_rng(3)
    votes = [vote(n, float(v)) for n, v in enumerate(rng.choice([-1, -0.5, 0, 0.5, 1], 40))]
    assert summarise(votes, FAST) == summarise(votes, FAST)


# --- raters ----------------------------------------------------------------------------------


def _judged_by(tastes: tuple[float, ...], *, prompts: int = 60) -> list[Vote]:
    """Every rater votes on every prompt; this share of a rater's votes prefers the variant."""
    return [
        vote(n, 1.0 if n < taste * prompts else -1.0, kind="human", judge=f"rater {k}")
        for k, taste in enumerate(tastes)
        for n in range(prompts)
    ]


def test_one_rater_who_loves_the_variant_is_no_preference_of_people() -> None:
    """Net 0.9, 0, 0: with prompts alone as units p < 0.001; of three people one disagrees."""
    votes = _judged_by((0.95, 0.5, 0.5))
    [random] = summarise(votes, FAST)
    [fixed] = summarise(votes, dataclasses.replace(FAST, raters="fixed"))
    assert random.preference is not None
    assert fixed.preference is not None
    assert random.preference.net == fixed.preference.net
    assert fixed.preference.p_value < 0.01
    assert fixed.verdict == "better"
    assert random.preference.p_value > 0.05
    assert random.verdict == "undecided"


@pytest.mark.parametrize(
    ("count", "said"),
    [(1, "about this rater only"), (3, "about these 3 raters only"), (5, "")],
)
def test_few_raters_are_said_to_be_these_only(count: int, said: str) -> None:
    [row] = summarise(_judged_by((0.5,) * count), FAST)
    assert row.about == said
    assert row.reason.endswith(said)


def test_a_judge_is_an_instrument_and_no_rater() -> None:
    votes = [vote(n, -1.0) for n in range(40)]
    [row] = summarise(votes, FAST)
    assert row.about == ""
    assert row.verdict == "worse"


def test_unknown_raters_are_said_to_be_unknown() -> None:
    votes = [vote(n, -1.0, kind="human", judge=UNKNOWN) for n in range(40)]
    [row] = summarise(votes, FAST)
    assert "who judged is not known" in row.reason


def test_pairs_with_a_loop_are_counted_and_nothing_is_said_without_one() -> None:
    from babelbits.cli.judge_tables import note_degenerate
    from babelbits.preferences.answer_pairs import AnswerPair

    def pair(baseline: str, variant: str) -> AnswerPair:
        return AnswerPair(
            source_id="s", item_id="i", task="t", language="en", variant="w4", prompt="p",
            baseline_answer=baseline, variant_answer=variant,
        )  # fmt: skip

    loops = [pair("A fine answer.", "and so on " * 12), pair("...", ""), pair("Yes.", "No.")]
    (note,) = note_degenerate(loops)
    assert note.startswith("in 3 pairs 1 of the baseline's answers and 2 of the variants' are")
    assert list(note_degenerate([pair("Yes.", "No.")])) == []
