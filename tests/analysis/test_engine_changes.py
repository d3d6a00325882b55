"""Baselines by engine: who is compared with whom, and what is said where engines differ.

Truths are made by hand: an engine that loses ten of 200 items on the same weights, and a variant
that loses nothing of its own, or the other way round.
"""

from dataclasses import replace

import pytest

from babelbits.analysis import Analysis, AnalysisSettings, CellResult, Confirmatory
from babelbits.analysis.analyse import analyse
from babelbits.analysis.engine_identity import (
    APART,
    find_variants_apart,
    list_engine_baselines,
    list_questions,
    map_baselines,
)
from compare_cells import cell
from decision_cells import SHOWN, WORSE
from engine_cells import ALL, LESS, MORE, OURS, REFERENCE, THEIRS, run_in, study_in_two_engines

SETTINGS = AnalysisSettings(margins={"fraction": 0.02}, resamples=999)


def effect(found: Analysis, variant: str = "q4") -> tuple[float, str]:
    [one] = [e for e in found.effects if e.variant == variant and e.scope == "language"]
    return one.delta, one.decision.verdict


def differ(found: Analysis) -> list[str]:
    return [one.message for one in found.problems if one.kind == "engines_differ"]


# --- who is compared with whom -------------------------------------------------------------------


def test_an_engines_loss_is_not_charged_to_the_variant() -> None:
    """The engine loses 5 points on the same weights, the variant nothing beside that."""
    found = analyse(study_in_two_engines(reference=LESS, variant=LESS), SETTINGS)
    assert effect(found) == (0.0, "equivalent")
    former = analyse(study_in_two_engines(reference=None, variant=LESS), SETTINGS)
    assert effect(former) == (pytest.approx(-0.05), "worse")


def test_an_engines_gain_does_not_hide_what_the_variant_loses() -> None:
    """The engine gains 5 points, the variant loses them again: against the checkpoint, nothing."""
    found = analyse(study_in_two_engines(reference=MORE, variant=ALL), SETTINGS)
    assert effect(found) == (pytest.approx(-0.05), "worse")
    former = analyse(study_in_two_engines(reference=None, variant=ALL), SETTINGS)
    assert effect(former)[0] == 0.0


@pytest.mark.parametrize("declared", [None, Confirmatory(), Confirmatory(variants=("q4", "w8"))])
def test_an_engines_baseline_is_no_question(declared: Confirmatory | None) -> None:
    """No effect, claim, rank or family of its own; others' numbers are as without it."""
    settings = replace(SETTINGS, confirmatory=declared)
    cells = study_in_two_engines(reference=LESS, variant=LESS, languages=("en", "nb"))
    asked = list_questions([one.meta for one in cells])
    assert {variant for variant, _, _ in asked} == {"q4", "w8"}
    found = analyse(cells, settings, planned=asked)
    assert {one.variant for one in found.effects} == {"q4", "w8"}
    assert {one.variant for one in found.claims} == {"q4", "w8"}
    assert {one.variant for one in found.variant_ranks} == {"q4", "w8"}
    assert not any(REFERENCE in name for one in found.families for name in (one.name, *one.members))
    # The same q4 against the same scores, in one engine.
    alone = [
        run_in(one, OURS)
        for one in study_in_two_engines(reference=LESS, variant=ALL, languages=("en", "nb"))
        if one.meta.variant != REFERENCE
    ]
    plain = analyse(alone, settings)
    w8, same = ([e for e in one.effects if e.variant == "w8"] for one in (found, plain))
    assert w8 == same


def test_the_engine_change_is_measured_and_has_no_verdict() -> None:
    """Ten of 200 items lost, none won: mid-p McNemar is 2^-10, a loss that is "worse" anywhere."""
    settings = replace(SETTINGS, confirmatory=Confirmatory())
    [change] = analyse(study_in_two_engines(reference=LESS, variant=LESS), settings).engine_changes
    assert (change.engine, change.reference, change.variants) == (THEIRS, OURS, ("q4",))
    [one] = [e for e in change.effects if e.scope == "language"]
    assert one.delta == pytest.approx(-0.05)
    assert (one.counts.broke, one.counts.fixed) == (10, 0)
    assert one.inference.p_value == pytest.approx(2**-10)
    assert (one.inference.family, one.decision.verdict, one.decision.level) == (
        None,
        "undecided",
        None,
    )


def test_one_engine_has_no_engine_change() -> None:
    cells = study_in_two_engines(reference=None, variant=LESS, engine=OURS)
    found = analyse(cells, SETTINGS)
    assert (found.engine_changes, found.apart, differ(found)) == ((), {}, [])


def test_a_missing_cell_of_an_engines_baseline_is_named_and_not_replaced() -> None:
    cells = study_in_two_engines(reference=LESS, variant=LESS, languages=("en", "nb"))
    left = [one for one in cells if (one.meta.variant, one.meta.task.language) != (REFERENCE, "nb")]
    found = analyse(left, SETTINGS)
    assert [e.language for e in found.effects if e.variant == "q4"] == ["en"]
    [told] = [one for one in found.problems if one.kind == "missing_baseline"]
    assert (
        told.message == f"q4 · xcopa_nb: {REFERENCE}, which it is compared with, has no such cell"
    )
    assert "baseline_by_engine = false" in told.hint


# --- what is said --------------------------------------------------------------------------------


def test_two_engines_without_a_baseline_in_each_are_told_in_one_sentence() -> None:
    """As in run folders of former releases, whose verdicts stay."""
    cells = study_in_two_engines(reference=None, variant=LESS, languages=("en", "nb"))
    found = analyse(cells, SETTINGS)
    [told] = differ(found)
    assert told == (
        "q4 ran in llama.cpp, the baseline that it is compared with in transformers: what the "
        "engine changes and what quantization changes are not told apart"
    )
    assert {e.decision.verdict for e in found.effects if e.variant == "q4"} == {"worse"}


@pytest.mark.parametrize(
    "cells",
    [
        study_in_two_engines(reference=LESS, variant=LESS),
        [run_in(c, None) for c in study_in_two_engines(reference=None, variant=LESS)],
    ],
    ids=["a baseline in each engine", "engines that nobody wrote down"],
)
def test_it_is_not_told_where_it_is_not_so(cells: list[CellResult]) -> None:
    assert differ(analyse(cells, SETTINGS)) == []


# --- served --------------------------------------------------------------------------------------


def test_a_served_variant_without_a_served_baseline_has_effects_and_no_verdict() -> None:
    cells = study_in_two_engines(reference=None, variant=WORSE[1], engine="endpoint")
    asked = list_questions([one.meta for one in cells])
    assert asked == [("w8", "xcopa", "en")]
    found = analyse(cells, SETTINGS, planned=asked)
    why = f"{APART}: a server ran it, and transformers its baseline"
    assert dict(found.apart) == {"q4": why}
    [one] = [e for e in found.effects if e.variant == "q4"]
    assert one.delta != 0
    assert one.inference.interval is not None
    assert (one.decision.verdict, one.decision.reason, one.decision.level) == (
        "undecided",
        why,
        None,
    )
    assert (one.inference.family, one.inference.p_report) == (None, None)
    assert {claim.variant for claim in found.claims} == {"w8"}


def test_others_pay_nothing_for_a_served_variant() -> None:
    cells = study_in_two_engines(
        reference=None, variant=WORSE[1], engine="endpoint", languages=("en", "nb")
    )
    without = [one for one in cells if one.meta.variant != "q4"]
    found, plain = (analyse(some, SETTINGS) for some in (cells, without))
    assert [e for e in found.effects if e.variant == "w8"] == list(plain.effects)
    assert found.variant_ranks == plain.variant_ranks


@pytest.mark.parametrize(
    ("ours", "theirs", "apart"),
    [("endpoint", "endpoint", False), ("endpoint", OURS, True), (OURS, "endpoint", True)],
)
def test_only_one_served_side_sets_apart(ours: str, theirs: str, *, apart: bool) -> None:
    baseline, variant = cell("baseline", "en", SHOWN[0]), cell("q4", "en", SHOWN[1])
    metas = [run_in(baseline, ours).meta, run_in(variant, theirs).meta]
    assert ("q4" in find_variants_apart(metas)) is apart


def test_labels_say_who_is_a_baseline() -> None:
    metas = [one.meta for one in study_in_two_engines(reference=LESS, variant=LESS)]
    assert map_baselines(metas) == {
        "baseline": "baseline",
        REFERENCE: REFERENCE,
        "q4": REFERENCE,
        "w8": "baseline",
    }
    assert list_engine_baselines(metas) == (REFERENCE,)
