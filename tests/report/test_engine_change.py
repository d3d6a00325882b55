"""What a report says of engines: the change itself, and variants that a server ran."""

from pathlib import Path

import pytest

from babelbits import compare_logs
from babelbits.analysis import CellResult
from babelbits.analysis.format import interval
from babelbits.decide.decision_input import collect_decision_input
from babelbits.decide.decision_query import ask, check_variant
from babelbits.decide.gate import answer_gate, describe_gate
from babelbits.decide.recommend import Size, describe_recommendation, list_reasons, recommend
from babelbits.errors import UnknownNameError
from babelbits.report import engine_changes, limitations
from babelbits.report.build import build
from babelbits.report.exports import make_screen, to_json, to_markdown
from babelbits.report.item_pairs import compare_items, list_axes
from babelbits.results.load import load_run
from babelbits.results.results import Results
from engine_cells import ALL, LESS, MORE, REFERENCE, study_in_two_engines
from run_folders import record

LINE = (
    "Engine change: llama.cpp against transformers on the baseline: −5.0 points ({}) on "
    "xcopa, in the mean over languages. q4 is compared with the baseline as run by llama.cpp, so "
    "this is no part of its differences."
)


def results(folder: Path, cells: list[CellResult]) -> Results:
    labels = dict.fromkeys(one.meta.variant for one in cells)
    bits = {"baseline": 16.0, REFERENCE: 32.0, "q4": 4.5, "w8": 8.0}
    return load_run(record(folder, cells, sizes={one: bits[one] for one in labels}))


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The engine loses 5 points on the same weights, q4 nothing beside that, w8 5 points."""
    cells = study_in_two_engines(reference=LESS, variant=LESS, languages=("en", "nb"))
    return results(tmp_path_factory.mktemp("measured") / "run", cells)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """q4 loses 5 points on a server; nobody ran the baseline there."""
    cells = study_in_two_engines(
        reference=None, variant=LESS, engine="endpoint", languages=("en", "nb")
    )
    return results(tmp_path_factory.mktemp("served") / "run", cells)


# --- the engine change ---------------------------------------------------------------------------


def test_the_line_says_the_change_and_whom_it_does_not_concern(measured: Results) -> None:
    [line] = engine_changes.describe_changes(measured)
    [change] = measured.analysis.engine_changes
    [mean] = [one for one in change.effects if one.scope == "all"]
    assert line == LINE.format(interval(mean.inference.interval, mean.unit))
    assert line in to_markdown(measured).replace("\\", "")
    assert "in the mean over languages. q4 is compared" in build(measured)


def test_the_verdicts_are_about_the_variants_alone(measured: Results) -> None:
    first = make_screen(measured)
    assert {one.variant: one.verdict for one in first.decisions} == {
        "q4": "equivalent",
        "w8": "worse",
    }
    assert first.headline.startswith("Harm is confirmed for w8. ")
    assert "q4 is shown to be unharmed in every required comparison" in first.headline
    assert list_axes(measured).variants == ("w8", "q4")
    assert REFERENCE not in to_json(measured).split('"engine_changes"')[0].split('"decisions"')[1]


def test_items_stand_beside_those_of_their_own_engine(measured: Results) -> None:
    """Against the checkpoint ten items of q4 broke, in its engine none."""
    broke = {one.key: one.count("broke") for one in compare_items(measured.cells)}
    assert broke == {
        (variant, "xcopa", code): count
        for code in ("en", "nb")
        for variant, count in (("q4", 0), ("w8", 10))
    }


def test_an_engines_baseline_cannot_be_gated(measured: Results) -> None:
    facts = collect_decision_input(measured)
    assert facts.variants == ("q4", "w8")
    with pytest.raises(UnknownNameError):
        check_variant(facts, REFERENCE)


def test_a_gap_of_an_engines_baseline_is_a_doubt_about_its_variants(tmp_path: Path) -> None:
    cells = study_in_two_engines(reference=LESS, variant=LESS, languages=("en", "nb"))
    gone = [c for c in cells if (c.meta.variant, c.meta.task.language) == (REFERENCE, "nb")]
    there = [c for c in cells if c not in gone]
    found = load_run(record(tmp_path / "run", there, sizes={}, unfinished=gone))
    facts = collect_decision_input(found)
    answers = {one.question.where: one for one in answer_gate(facts, "q4", ask(facts)).answers}
    assert answers["en"].outcome == "shown"
    assert answers["nb"].outcome == "undecided"
    assert answers["nb"].reason.startswith("the baseline's cell has no result")
    w8 = {one.question.where: one.reason for one in answer_gate(facts, "w8", ask(facts)).answers}
    assert not any("no result" in reason for reason in w8.values())


def test_details_have_every_language_with_both_scores(measured: Results) -> None:
    [table] = engine_changes.make_tables(measured)
    assert [row[0] for row in table.rows] == ["mean of all", "English", "Norwegian Bokmål"]
    assert table.rows[1][:4] == ("English", "200", "75.0 → 70.0", "−5.0")
    assert table.rows[1][-1] == "5.0 %"


@pytest.mark.parametrize(
    ("reference", "said"),
    [(MORE, "+5.0 points"), (ALL, "0.0 points (−1.9 to +1.9)")],
    ids=["a gain", "nothing"],
)
def test_a_gain_and_nothing_are_told_as_they_are(
    reference: list[float], said: str, tmp_path: Path
) -> None:
    """Tango's interval of 200 items without a change: ±3.841 / (200 + 3.841)."""
    cells = study_in_two_engines(reference=reference, variant=reference)
    [line] = engine_changes.describe_changes(results(tmp_path / "run", cells))
    assert said in line
    assert "in the mean over languages" not in line


def test_one_engine_has_no_line(tmp_path: Path) -> None:
    cells = study_in_two_engines(reference=None, variant=LESS, engine="transformers")
    found = results(tmp_path / "run", cells)
    assert engine_changes.describe_changes(found) == ()
    assert "Engine change" not in to_markdown(found)
    assert "engine-change" not in build(found)


def test_without_a_baseline_in_each_engine_one_sentence_says_what_that_means(
    tmp_path: Path,
) -> None:
    cells = study_in_two_engines(reference=None, variant=LESS, languages=("en", "nb"))
    found = results(tmp_path / "run", cells)
    [told] = [one for one in _limits(found) if "told apart" in one]
    assert told == (
        "q4 ran in llama.cpp, the baseline that it is compared with in transformers: what the "
        "engine changes and what quantization changes are not told apart (set "
        "`baseline_by_engine = true` under [analysis], which is the default, and run the study "
        "again)."
    )
    assert {one.verdict for one in make_screen(found).decisions} == {"worse"}


def _limits(found: Results) -> list[str]:
    from babelbits.report.exports import _board

    return [one.sentence for one in limitations.list_limitations(found, _board(found))]


# --- a served variant ----------------------------------------------------------------------------


def test_a_served_variant_has_no_verdict_in_the_headline(served: Results) -> None:
    first = make_screen(served)
    assert first.headline == (
        "Harm is confirmed for w8. 2 comparisons are worse in their family and not confirmed. No "
        "variant is shown to be unharmed in every required "
        "comparison. No verdict on q4 (engine and server differ)."
    )
    [said] = [one for one in first.verdicts if one.variant == "q4"]
    assert said.overall == "undecided"
    assert said.parts[0] == (
        "no verdict, because engine and server differ: a server ran it, and transformers its "
        "baseline"
    )
    assert "−5.0 points" in said.parts[1]
    assert not any("minimum detectable loss" in one for one in _limits(served))


def test_a_served_variant_does_not_pass_a_gate(served: Results) -> None:
    facts = collect_decision_input(served)
    found = answer_gate(facts, "q4", ask(facts))
    assert found.outcome == "undecided"
    assert "engine and server differ" in describe_gate(found, ask(facts))


def test_a_served_variant_is_not_recommended_and_bars_no_other(served: Results) -> None:
    """It is the largest here, so a walk that stopped at it would come to nothing."""
    facts = collect_decision_input(served)
    small = {"q4": Size(bytes_on_disk=90, bits_per_weight=9.0)}
    sizes = {**small, "w8": Size(bytes_on_disk=80, bits_per_weight=8.0)}
    base = Size(bytes_on_disk=160, bits_per_weight=16.0)
    asked = ask(facts, margins={"fraction": 0.3})
    found = recommend(facts, asked, sizes=sizes, baseline=base)
    assert found.chosen is not None
    assert found.chosen.variant == "w8"
    [other] = [one for one in found.candidates if one.variant == "q4"]
    assert list_reasons(other, asked, alpha=0.05) == [f"no verdict: {other.apart}"]


def test_a_study_of_served_variants_alone_says_that_it_has_no_verdict(tmp_path: Path) -> None:
    cells = [
        one
        for one in study_in_two_engines(reference=None, variant=ALL, engine="endpoint")
        if one.meta.variant != "w8"
    ]
    found = results(tmp_path / "run", cells)
    headline = make_screen(found).headline
    assert headline == "No variant has a verdict: q4 (engine and server differ)."
    facts = collect_decision_input(found)
    none = recommend(facts, ask(facts), sizes={}, baseline=None)
    assert describe_recommendation(none, ask(facts)) == "none: no variant can have a verdict"


# --- run folders beside other results ------------------------------------------------------------


def test_a_run_folder_that_is_compared_brings_its_variants_and_their_engines(
    tmp_path: Path,
) -> None:
    """Against the baseline that is named: the sentence says what that cannot tell apart."""
    cells = study_in_two_engines(reference=LESS, variant=LESS, languages=("en",))
    folder = record(tmp_path / "run", cells, sizes={})
    found = compare_logs(folder, [folder])
    assert {one.variant for one in found.analysis.effects} == {"q4", "w8"}
    assert any("q4 ran in llama.cpp" in one for one in _limits(found))
    own = compare_logs(f"{folder}:{REFERENCE}", [f"{folder}:q4"])
    assert not any("told apart" in one for one in _limits(own))
    assert [e.delta for e in own.analysis.effects if e.scope == "language"] == [0.0]


def test_a_served_run_has_no_verdict_beside_one_that_is_not(tmp_path: Path) -> None:
    cells = study_in_two_engines(reference=None, variant=LESS, engine="endpoint")
    folder = record(tmp_path / "run", cells, sizes={})
    found = compare_logs(folder, [folder])
    assert dict(found.analysis.apart) == {
        "q4": "engine and server differ: a server ran it, and transformers its baseline"
    }
