"""What may be said of a variant: levels of harm, decisions, and what follows from what.

The tables and their answers: `decision_cells`. Every sentence has inputs for which it is true and
inputs for which it is false.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from babelbits.analysis import AnalysisSettings, CellResult, Confirmatory
from babelbits.analysis.analyse import analyse
from babelbits.analysis.confirmed import compute_one_sided_p
from babelbits.decide.decision import Decision, compute_p_beyond, decide_all
from babelbits.records import Effect, Interval
from babelbits.stats.multiplicity import holm
from compare_cells import BITS, EXACT, cell, right_wrong
from decision_cells import FLOOR, OPEN, SHOWN, WORSE, Scores, findings_of, study_cells
from effects import altered

LANGUAGES = ("en", "ja", "sw", "hi", "de")


def decided(
    answers: Mapping[str, Scores], *, gaps: Mapping[tuple[str, str, str], str] | None = None
) -> Decision:
    [found] = decide_all(findings_of(study_cells(answers, aa=False), gaps=gaps))
    return found


def by_place(effects: tuple[Effect, ...]) -> dict[tuple[str, str], Effect]:
    return {(one.variant, one.language or one.scope): one for one in effects}


def test_a_large_loss_is_confirmed_and_names_its_place() -> None:
    found = decided({"en": SHOWN, "ja": WORSE, "sw": SHOWN})
    assert (found.verdict, found.level) == ("worse", "confirmed")
    assert [one.language for one in found.confirmed if one.scope == "language"] == ["ja"]
    assert found.worst_shown is not None
    assert found.worst_shown.language == "ja"


def test_nothing_is_shown_where_a_cell_is_missing() -> None:
    """Two of three cells are missing: unharmed is not said, and every question is counted."""
    gaps = {("w4", "xcopa", code): "missing, not begun" for code in ("ja", "sw")}
    found = decided({"en": SHOWN}, gaps=gaps)
    assert (found.verdict, found.unanswered, len(found.answers)) == ("undecided", 2, 3)
    assert not found.equivalent_in_the_mean
    assert any("missing, not begun" in reason for reason in found.reasons)
    whole = decided({"en": SHOWN, "ja": SHOWN, "sw": SHOWN})
    assert (whole.verdict, whole.unanswered, whole.reasons) == ("equivalent", 0, ())
    assert whole.equivalent_in_the_mean


def test_a_baseline_at_its_floor_is_no_unharmed_variant() -> None:
    assert decided({"en": SHOWN, "ja": FLOOR}).verdict == "undecided"


def test_the_largest_estimate_and_the_largest_harm_shown_are_told_apart() -> None:
    """Of 200 items 30 net lost are shown; of 10 items 3 lost are twice as much, and not shown."""
    few = right_wrong(both_right=5, broke=3, fixed=0, both_wrong=2)
    cells = study_cells({"en": WORSE, "sw": few}, metric=EXACT, aa=False)
    [found] = decide_all(findings_of(cells))
    assert found.worst_shown is not None
    assert found.worst_shown.language == "en"
    assert found.largest_estimate is not None
    assert (found.largest_estimate.language, found.largest_estimate.decision.level) == ("sw", None)


def test_a_smoke_run_decides_nothing() -> None:
    [found] = decide_all(findings_of(study_cells({"en": WORSE}, smoke=True)))
    assert (found.verdict, found.level, found.harms) == ("undecided", None, ())


@pytest.mark.parametrize("kind", ["bounded", "real"])
def test_beyond_the_margin_is_where_the_interval_ends(kind: str) -> None:
    """Whatever the tails: p is alpha where the 1 - alpha interval ends at -margin; Holm adds to it.

    Student's 0.975 and 0.9977 points of 3 df are 3.18 and 7.6: eleven questions want a metric
    without a range to lie 2.4 times as far off, one with a range (39 df) 1.5 times.
    """
    [effect] = [one for one in findings_of(study_cells({"ja": WORSE}, aa=False)).analysis.effects
                if one.scope == "language"]  # fmt: skip
    interval = Interval(low=-0.4, high=-0.1, level=0.95, method="bootstrap-t")
    other = altered(effect, kind=kind, delta=-0.2, interval=interval, n_source_items=40)
    assert compute_p_beyond(other, 0.1) == pytest.approx(0.05)
    assert compute_p_beyond(other, 0.1001) > 0.05 > compute_p_beyond(other, 0.0999)
    far = stats.t.isf(0.05 / 22, 3 if kind == "real" else 39)
    near = stats.t.isf(0.025, 3 if kind == "real" else 39)
    assert compute_p_beyond(other, 0.2 - 0.1 * far / near) == pytest.approx(0.05 / 11)
    assert compute_p_beyond(other, None) == compute_p_beyond(None, 0.02) == 1.0
    assert compute_p_beyond(altered(other, at_floor=True), 0.02) == 1.0


# --- two levels ---------------------------------------------------------------------------------


def many(losses: Mapping[str, Scores], others: int) -> list[CellResult]:
    """Variant w0 with these answers, and others that nothing happened to."""
    found = study_cells(losses, variant="w0", aa=False)
    for number in range(1, others + 1):
        still = {code: (before, before) for code, (before, _) in losses.items()}
        more = study_cells(still, variant=f"w{number}", aa=False)
        found += [one for one in more if one.meta.variant != "baseline"]
    return found


def test_a_loss_of_one_variant_among_many_is_worse_in_its_family_and_not_confirmed() -> None:
    """B = 17, c = 4 of 200: mid-p 0.0046, Holm of five languages 0.023; ten variants: 50 cells."""
    loss = right_wrong(both_right=125, broke=17, fixed=4, both_wrong=54)
    answers = {code: loss if code == "ja" else OPEN for code in LANGUAGES}
    alone = by_place(findings_of(many(answers, 0)).analysis.effects)
    crowd = by_place(findings_of(many(answers, 9)).analysis.effects)
    assert alone["w0", "ja"].decision.verdict == crowd["w0", "ja"].decision.verdict == "worse"
    assert alone["w0", "ja"].decision.level == "confirmed"
    assert crowd["w0", "ja"].decision.level == "family"
    # One-sided and exact, half of alpha for languages, over 10 variants and 5 languages.
    exact = stats.binomtest(17, 21, alternative="greater").pvalue
    assert crowd["w0", "ja"].inference.p_report == pytest.approx(exact * 2 * 10 * 5)


def test_missing_cells_count_among_the_questions() -> None:
    loss = right_wrong(both_right=125, broke=20, fixed=4, both_wrong=51)
    cells = study_cells({"ja": loss, "en": OPEN}, aa=False)
    settings = AnalysisSettings(margins={"fraction": 0.02}, resamples=999)
    here = by_place(analyse(cells, settings).effects)["w4", "ja"]
    planned = [("w4", "xcopa", code) for code in LANGUAGES]
    there = by_place(analyse(cells, settings, planned=planned).effects)["w4", "ja"]
    assert here.inference.p_report is not None
    assert there.inference.p_report == pytest.approx(here.inference.p_report * 5 / 2)


def test_what_the_study_did_not_declare_is_never_confirmed() -> None:
    cells = many({"ja": WORSE, "en": WORSE}, 1)
    settings = AnalysisSettings(confirmatory=Confirmatory(variants=("w1",)), resamples=999)
    found = by_place(analyse(cells, settings).effects)
    assert found["w0", "ja"].inference.p_report is None
    assert {one.decision.level for one in found.values()} == {None}


def test_a_gain_and_a_floor_are_no_harm() -> None:
    [effect] = [one for one in findings_of(study_cells({"ja": WORSE}, aa=False)).analysis.effects
                if one.scope == "language"]  # fmt: skip
    assert compute_one_sided_p(effect) == pytest.approx(
        stats.binomtest(35, 40, alternative="greater").pvalue
    )
    other = altered(effect, test="sign-flip, exact", p_value=0.03)
    assert compute_one_sided_p(other) == 0.015
    assert compute_one_sided_p(replace(effect, delta=0.1)) == 1.0
    assert compute_one_sided_p(altered(effect, at_floor=True)) == 1.0
    assert compute_one_sided_p(altered(effect, p_value=None)) == 1.0


def test_no_more_than_alpha_of_reports_without_harm_confirm_one() -> None:
    """Null reports of 3 variants and 4 languages at a churn of 20 %, all p-values at once.

    Only p-values matter to the graph, so effects are one analysed report's with p drawn uniform
    and a coin for the sign; "worse in its family" would be said of some variant in about 7 %.
    """
    rng = np.random.default_rng(3)
    cells = many(dict.fromkeys(LANGUAGES[:4], OPEN), 2)
    settings = AnalysisSettings(resamples=999)
    template = [one for one in analyse(cells, settings).effects if one.scope != "group"]
    asked = {(f"w{n}", "xcopa"): LANGUAGES[:4] for n in range(3)}
    from babelbits.analysis.confirmed import confirm

    draws, confirmed, family = 1500, 0, 0
    for _ in range(draws):
        drawn = [
            altered(one, p_value=float(p), test="uniform", delta=-0.01 if loss else 0.01)
            for one, p, loss in zip(
                template, rng.random(len(template)), rng.random(len(template)) < 0.5, strict=True
            )
        ]
        worse = [one for one in drawn if one.delta < 0 and _in_family(one, drawn) <= 0.05]
        family += bool(worse)
        marked = [altered(one, verdict="worse", family="f") if one in worse else one
                  for one in drawn]  # fmt: skip
        found = confirm(marked, asked, primary={"xcopa": "acc"}, settings=settings)
        confirmed += any(one.decision.level == "confirmed" for one in found)
    error = 3 * np.sqrt(0.05 * 0.95 / draws)
    assert confirmed / draws <= 0.05 + error
    assert family / draws > confirmed / draws


def _in_family(effect: Effect, drawn: list[Effect]) -> float:
    """Holm within a variant's languages; the mean is a family of one."""
    ours = [one for one in drawn if one.variant == effect.variant and one.scope == effect.scope]
    return holm([one.inference.p_value or 0.0 for one in ours])[ours.index(effect)]


# --- what follows from what ---------------------------------------------------------------------


def test_a_mean_of_equivalent_languages_is_equivalent() -> None:
    """400 items of 500 right in each, one broke: ±2 points hold each language, hence the mean.

    With one item changed in each of two languages, the bound on what was not seen in the pooled
    clusters is wider than the margin, which used to say "undecided" above two equivalents.
    """
    before = SHOWN[0]
    one_broke = [0.0, *before[1:]]
    found = findings_of(
        study_cells({"en": (before, one_broke), "ja": (before, one_broke)}, aa=False),
        margins={"fraction": 0.02},
    )
    effects = by_place(found.analysis.effects)
    assert (
        effects["w4", "en"].decision.verdict == effects["w4", "ja"].decision.verdict == "equivalent"
    )
    assert effects["w4", "all"].decision.verdict == "equivalent"


def test_a_secondary_measure_without_a_margin_has_no_verdict() -> None:
    """Correct answers stay; bits per byte, beside them and without a margin, rise by a tenth."""
    before = [1.0] * 300
    bits, more = [1.0 + k / 1000 for k in range(300)], [1.1 + k / 900 for k in range(300)]
    cells = [
        cell(variant, "en", before, metric=EXACT, extra={BITS: second})
        for variant, second in (("baseline", bits), ("w4", more))
    ]
    settings = AnalysisSettings(margins={"fraction": 0.02}, resamples=999)
    primary, secondary = (
        next(one for one in analyse(cells, settings).effects if one.metric == name)
        for name in ("exact_match", "bits_per_byte")
    )
    assert primary.decision.verdict == "equivalent"
    assert secondary.inference.interval is not None
    assert secondary.inference.interval.high < 0
    assert (secondary.decision.verdict, secondary.decision.level) == ("undecided", None)
    assert secondary.decision.reason == "a secondary measure without a margin"


def test_real_but_negligible_needs_the_p_of_all_families() -> None:
    """B = 40, c = 19 of 10,000: mid-p 0.006, -0.21 points; among 20 variants that is chance."""
    loss = right_wrong(both_right=6000, broke=40, fixed=19, both_wrong=3941)
    alone = by_place(findings_of(many({"en": loss}, 0)).analysis.effects)["w0", "en"]
    crowd = by_place(findings_of(many({"en": loss}, 19)).analysis.effects)["w0", "en"]
    assert alone.decision.verdict == crowd.decision.verdict == "equivalent"
    assert "a real but negligible loss" in alone.notes
    assert "a real but negligible loss" not in crowd.notes


def test_a_gain_of_eighteen_standard_errors_is_not_called_luck() -> None:
    """800 of 1,000 wrong items fixed beside a language of 20 items that a coin moves."""
    gain = right_wrong(both_right=100, broke=20, fixed=700, both_wrong=180)
    coin = right_wrong(both_right=4, broke=5, fixed=5, both_wrong=6)
    cells = study_cells({"en": gain, "sw": coin}, metric=EXACT, aa=False)
    found = by_place(findings_of(cells).analysis.effects)["w4", "en"]
    assert found.decision.verdict == "better"
    assert not any("expect the gain to shrink" in note for note in found.notes)
