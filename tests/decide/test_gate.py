"""When a gate passes, fails, or decides nothing. The tables and their answers: `decision_cells`."""

import dataclasses

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from babelbits.decide.decision_input import DecisionInput
from babelbits.decide.decision_query import ask, check_variant
from babelbits.decide.gate import Gate, answer_gate
from babelbits.errors import StudyError, UnknownNameError
from compare_cells import BITS, EXACT, cell, right_wrong
from decision_cells import (
    BETTER,
    FLOOR,
    KINDS,
    OPEN,
    SHOWN,
    WORSE,
    Scores,
    findings_of,
    study_cells,
)

SMALL_LOSS: Scores = right_wrong(both_right=125, broke=16, fixed=4, both_wrong=55)
"""-6 points of 200, exact p 0.012, mid-p 0.007; Tango's 95 % interval, -10.7 to -1.7, holds -2."""


def judged(found: DecisionInput, **options: object) -> Gate:
    return answer_gate(found, "w4", ask(found, **options))  # type: ignore[arg-type]


def reasons(found: Gate) -> dict[str, str]:
    return {one.question.where: one.reason for one in found.answers}


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ({"en": SHOWN, "ja": SHOWN}, "shown"),
        ({"en": SHOWN, "ja": WORSE}, "worse"),
        ({"en": SHOWN, "ja": SMALL_LOSS}, "loss"),
        ({"en": SMALL_LOSS, "ja": WORSE}, "worse"),
        ({"en": SMALL_LOSS, "ja": OPEN}, "loss"),
        ({"en": SHOWN, "ja": OPEN}, "undecided"),
        ({"en": SHOWN, "ja": FLOOR}, "undecided"),
        ({"en": OPEN, "ja": WORSE, "sw": FLOOR}, "worse"),
        ({"en": SHOWN, "ja": BETTER}, "shown"),
    ],
)
def test_one_loss_fails_and_one_doubt_does_not_pass(
    answers: dict[str, Scores], outcome: str
) -> None:
    assert judged(findings_of(study_cells(answers))).outcome == outcome


def test_only_what_is_asked_counts() -> None:
    found = findings_of(study_cells({"en": SHOWN, "ja": WORSE, "sw": FLOOR}))
    assert judged(found, languages=["eng_Latn"]).outcome == "shown"
    assert judged(found, languages=["swh"]).outcome == "undecided"
    assert judged(found, group="non-latin").outcome == "worse"
    assert judged(found, group="latin").outcome == "undecided"


def test_equivalence_asks_about_gains_too() -> None:
    found = findings_of(study_cells({"en": BETTER}))
    assert judged(found, claim="not-worse").outcome == "shown"
    equivalent = judged(found, claim="equivalent")
    assert equivalent.outcome == "undecided"
    assert "a gain is shown" in reasons(equivalent)["en"]


def test_not_worse_compares_the_margin_with_the_lower_end_of_fagerlands_interval() -> None:
    """Airway data, b = 7, c = 1, n = 21: Tango's 95 % interval is (-0.51723, -0.02600).

    Fagerland, Lydersen, Laake 2014. It is the 1 - 2 alpha interval of alpha = 0.025.
    """
    scores = right_wrong(both_right=12, broke=7, fixed=1, both_wrong=1)
    found = findings_of(study_cells({"en": scores}), alpha=0.025)
    assert judged(found, margins={"fraction": 0.51724}).outcome == "shown"
    assert judged(found, margins={"fraction": 0.51722}).outcome != "shown"
    equivalent = judged(found, margins={"fraction": 0.51724}, claim="equivalent")
    assert equivalent.outcome == "shown"


def test_holm_runs_over_what_is_asked() -> None:
    """B = 15, c = 4 has a mid-p of 0.0118: below 0.05 alone, above it times 5."""
    loss = right_wrong(both_right=125, broke=15, fixed=4, both_wrong=56)
    answers = {"en": loss, "ja": OPEN, "sw": OPEN, "de": OPEN, "hi": OPEN}
    found = findings_of(study_cells(answers))
    alone = judged(found, languages=["en"])
    assert alone.outcome == "loss"
    [answer] = alone.answers
    assert answer.p_adjusted == pytest.approx(0.0118, abs=5e-4)
    together = judged(found)
    assert together.outcome == "undecided"
    assert together.answers[0].p_adjusted == pytest.approx(5 * answer.p_adjusted, rel=1e-9)
    assert "adjusting" in reasons(together)["en"]


def test_a_failure_needs_the_whole_interval_beyond_the_margin() -> None:
    """Airway data, b = 7, c = 1, n = 21: Tango's 95 % interval is (-0.51723, -0.02600).

    Fagerland, Lydersen, Laake 2014. A margin a little above its upper end's size is not exceeded.
    """
    scores = right_wrong(both_right=12, broke=7, fixed=1, both_wrong=1)
    found = findings_of(study_cells({"en": scores}, aa=False))
    assert judged(found, margins={"fraction": 0.0259}).outcome == "worse"
    assert judged(found, margins={"fraction": 0.0261}).outcome == "loss"
    [answer] = judged(found, margins={"fraction": 0.026}).answers
    assert answer.p_beyond == pytest.approx(0.05, abs=2e-4)


def test_a_failure_is_adjusted_over_what_is_asked() -> None:
    scores = right_wrong(both_right=12, broke=7, fixed=1, both_wrong=1)
    found = findings_of(study_cells({"en": scores, "ja": OPEN}, aa=False))
    alone = judged(found, languages=["en"], margins={"fraction": 0.02})
    assert alone.outcome == "worse"
    both = judged(found, margins={"fraction": 0.02})
    assert both.outcome != "worse"
    assert both.answers[0].p_beyond == pytest.approx(2 * (alone.answers[0].p_beyond or 0))


def test_where_gate_and_page_differ_by_family_alone_the_gate_says_so() -> None:
    """B = 15, c = 4 has a mid-p of 0.0118: shown alone, not among five."""
    loss = right_wrong(both_right=125, broke=15, fixed=4, both_wrong=56)
    found = findings_of(
        study_cells({"en": loss, "ja": OPEN, "sw": OPEN, "de": OPEN, "hi": OPEN}, aa=False)
    )
    [answer] = judged(found, languages=["en"]).answers
    assert answer.outcome == "loss"
    assert "the report's family is larger than the 1 asked here" in answer.reason
    assert all("family" not in why.replace("adjusting for the family", "")
               for why in reasons(judged(found)).values())  # fmt: skip


def test_a_smoke_run_never_decides() -> None:
    for scores in (SHOWN, WORSE):
        found = judged(findings_of(study_cells({"en": scores}, smoke=True)))
        assert (found.outcome, found.smoke) == ("undecided", True)


def test_a_missing_cell_is_no_pass_and_says_why() -> None:
    cells = study_cells({"en": SHOWN, "ja": SHOWN})
    gaps = {("w4", "xcopa", "ja"): "damaged, a checksum differs"}
    found = judged(findings_of(cells[:-1], gaps=gaps))
    assert found.outcome == "undecided"
    assert "damaged, a checksum differs" in reasons(found)["ja"]
    assert reasons(found)["en"] == "interval inside the margin"


def test_a_missing_baseline_is_no_pass() -> None:
    cells = study_cells({"en": SHOWN, "ja": SHOWN})
    cells = [c for c in cells if (c.meta.variant, c.meta.task.language) != ("baseline", "ja")]
    gaps = {("baseline", "xcopa", "ja"): "partial, 3 of 500 items"}
    found = judged(findings_of(cells, gaps=gaps))
    assert found.outcome == "undecided"
    assert "baseline" in reasons(found)["ja"]


def test_a_variant_that_was_never_run_is_undecided() -> None:
    gaps = {("awq", "xcopa", "en"): "missing, not begun"}
    found = findings_of(study_cells({"en": SHOWN}), gaps=gaps)
    assert answer_gate(found, "awq", ask(found)).outcome == "undecided"


def test_unpaired_items_are_no_pass() -> None:
    cells = study_cells({"en": SHOWN})
    short = dataclasses.replace(cells[-1], rows=cells[-1].rows[:-1])
    found = judged(findings_of([*cells[:-1], short]))
    assert found.outcome == "undecided"
    assert "missing" in reasons(found)["en"]


def test_items_that_failed_under_the_variant_alone_are_no_pass() -> None:
    """20 of 500 unanswered: all lost they are 4 points, more than the margin."""
    before, after = SHOWN
    lost = (before, [None] * 20 + list(after)[20:])
    found = judged(findings_of(study_cells({"en": lost})))
    assert found.outcome == "undecided"
    assert "failed under the variant alone" in reasons(found)["en"]
    both = ([None] * 20 + list(before)[20:], lost[1])
    assert judged(findings_of(study_cells({"en": both}))).outcome == "shown"


def test_noise_beyond_the_margin_is_no_pass() -> None:
    """The A/A run loses 30 of 1000 items, 3 points."""
    before, after = right_wrong(both_right=800, broke=0, fixed=0, both_wrong=200)
    again = [0.0] * 30 + before[30:]
    cells = [
        cell("baseline", "en", before),
        cell("baseline", "en", again, replicate=1),
        cell("w4", "en", after),
    ]
    found = judged(findings_of(cells))
    assert found.outcome == "undecided"
    assert "the baseline run twice differs by 3 points" in reasons(found)["en"]
    assert judged(findings_of(cells), margins={"fraction": 0.04}).outcome == "shown"


def test_without_a_margin_nothing_passes() -> None:
    scores = ([1.0 + k / 100 for k in range(40)], [1.0 + k / 100 for k in range(40)])
    found = findings_of(study_cells({"en": scores}, metric=BITS, suite="text"))
    assert judged(found).outcome == "undecided"


def test_the_mean_of_a_group_needs_all_its_languages() -> None:
    """Sample sizes are equal: the pooled interval is about 1,000 items without a change."""
    answers = {"ja": SHOWN, "hi": SHOWN, "ar": SHOWN, "en": WORSE}
    cells = study_cells(answers)
    pooled = judged(findings_of(cells), group="non-latin", pooled=True)
    assert [one.question.languages for one in pooled.answers] == [("ja", "hi", "ar")]
    assert pooled.outcome == "shown"
    gaps = {("w4", "xcopa", "ar"): "missing, not begun"}
    kept = [c for c in cells if (c.meta.variant, c.meta.task.language) != ("w4", "ar")]
    without = judged(findings_of(kept, gaps=gaps), group="non-latin", pooled=True)
    assert without.outcome == "undecided"
    assert "missing, not begun" in reasons(without)["non-latin"]


def test_a_mean_with_a_language_at_its_floor_is_no_pass() -> None:
    found = judged(
        findings_of(study_cells({"ja": SHOWN, "hi": FLOOR})), group="non-latin", pooled=True
    )
    assert found.outcome == "undecided"
    assert "at floor in hi" in reasons(found)["non-latin"]


def test_generated_text_at_its_floor_is_no_pass() -> None:
    """4 of 100 right is below the declared floor of 5 %."""
    before, after = right_wrong(both_right=20, broke=0, fixed=0, both_wrong=480)
    cells = [
        cell(variant, "en", scores, metric=EXACT, output_type="generation")
        for variant, scores in (("baseline", before), ("w4", after))
    ]
    assert judged(findings_of(cells)).outcome == "undecided"


# --- names --------------------------------------------------------------------------------------


def two_suites() -> DecisionInput:
    first = study_cells({"en": SHOWN, "ja": SHOWN})
    return findings_of([*first, *study_cells({"en": SHOWN, "sw": SHOWN}, suite="mgsm")])


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"suites": ["xcop"]}, "did you mean 'xcopa'?"),
        ({"languages": ["de"]}, "available: en, ja, sw"),
        ({"languages": ["ja"], "suites": ["mgsm"]}, "available: en, sw"),
        ({"languages": ["xq"]}, "use a code"),
        ({"group": "non-latn"}, "did you mean 'non-latin'"),
        ({"group": "non-latin", "suites": ["mgsm"]}, "available: en, sw"),
        ({"margins": {"xcop": 0.02}}, "did you mean 'xcopa'?"),
        ({"margins": {"fraction": 0.0}}, "positive"),
        ({"margins": {"fraction": float("nan")}}, "positive"),
        ({"margins": {"xcopa": 2.0}}, "2 points"),
        ({"languages": ["en"], "group": "latin"}, "one of the two"),
        ({"languages": ["en"], "pooled": True}, "name a group"),
    ],
)
def test_what_the_study_does_not_have_is_an_error(options: dict[str, object], hint: str) -> None:
    with pytest.raises(StudyError) as caught:
        ask(two_suites(), **options)  # type: ignore[arg-type]
    assert hint in str(caught.value.hint)


def test_a_language_that_one_suite_lacks_is_told() -> None:
    asked = ask(two_suites(), languages=["ja", "en"])
    assert asked.not_there == ("mgsm in ja",)
    assert len(asked.questions) == 3
    assert ask(two_suites()).not_there == ()


def test_a_suites_own_margin_wins() -> None:
    found = two_suites()
    asked = ask(found, margins={"xcopa": 0.05, "fraction": 0.03})
    margins = {one.question.suite: one.margin for one in answer_gate(found, "w4", asked).answers}
    assert margins == {"xcopa": 0.05, "mgsm": 0.03}


def test_an_unknown_variant_is_an_error() -> None:
    with pytest.raises(UnknownNameError, match="no variant 'w5'"):
        check_variant(two_suites(), "w5")


# --- laws ---------------------------------------------------------------------------------------

KIND = st.sampled_from(list(KINDS))
LANGUAGES = ("en", "ja", "sw", "hi")


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    kinds=st.lists(KIND, min_size=1, max_size=4),
    dropped=st.sets(st.integers(0, 3)),
    claim=st.sampled_from(["not-worse", "equivalent"]),
    smoke=st.booleans(),
)
def test_a_pass_has_every_cell_shown(
    kinds: list[str], dropped: set[int], claim: str, smoke: bool
) -> None:
    """Never 0 while a cell is missing, worse, open, or at its floor; never 1 without a loss."""
    answers = {code: KINDS[kind] for code, kind in zip(LANGUAGES, kinds, strict=False)}
    gone = {LANGUAGES[index] for index in dropped if index < len(kinds)}
    cells = study_cells(answers, smoke=smoke)
    kept = [c for c in cells if c.meta.variant == "baseline" or c.meta.task.language not in gone]
    gaps = {("w4", "xcopa", code): "missing, not begun" for code in gone}
    found = judged(findings_of(kept, gaps=gaps), claim=claim)
    good = {"shown"} if claim == "equivalent" else {"shown", "better"}
    may_pass = set(kinds) <= good and not gone and not smoke
    assert (found.outcome == "shown") == may_pass
    there = [kind for code, kind in zip(LANGUAGES, kinds, strict=False) if code not in gone]
    assert (found.outcome == "worse") == ("worse" in there and not smoke)


@settings(deadline=None, max_examples=60)
@given(
    table=st.tuples(*[st.integers(0, 60)] * 4).filter(lambda t: sum(t) > 0),
    margin=st.floats(0.005, 0.3),
)
def test_equivalence_is_the_reports_own_verdict(
    table: tuple[int, int, int, int], margin: float
) -> None:
    """One language, its own family: gate and report must never disagree."""
    right, broke, fixed, wrong = table
    scores = right_wrong(both_right=right, broke=broke, fixed=fixed, both_wrong=wrong)
    found = findings_of(study_cells({"en": scores}, aa=False), margins={"fraction": margin})
    [effect] = [one for one in found.analysis.effects if one.scope == "language"]
    outcome = judged(found, claim="equivalent").outcome
    assert (outcome == "shown") == (effect.decision.verdict == "equivalent")
    assert (outcome in ("worse", "loss")) == (effect.decision.verdict == "worse")
    assert (outcome == "worse") <= (
        effect.inference.interval is not None and effect.inference.interval.high < -margin
    )
    if outcome == "shown":
        assert judged(found, claim="not-worse").outcome == "shown"
