"""Recipes calibrated in several languages, from cells to contrasts."""

from dataclasses import replace

import pytest

from babelbits.analysis import AnalysisSettings, CalibrationOf
from babelbits.analysis.analyse import analyse
from babelbits.analysis.calibrations import FEW_DRAWS
from babelbits.analysis.tables import make_calibration_rows
from compare_cells import cell, right_wrong

BEFORE, _ = right_wrong(both_right=60, broke=0, fixed=0, both_wrong=20)


def losing(n: int) -> list[float]:
    """As the baseline, but the first n right answers are wrong."""
    return [0.0] * n + BEFORE[n:]


def settings(*labels: str, reference: str | None = "en") -> AnalysisSettings:
    """Labels are recipe@language#draw."""
    return AnalysisSettings(
        calibrations={
            label: CalibrationOf(
                recipe=label.split("@")[0], language=label.split("@")[1].split("#")[0]
            )
            for label in labels
        },
        reference=reference,
    )


def test_draws_of_one_language_are_averaged_and_held_against_the_reference() -> None:
    lost = {
        "q@en#1": 2,
        "q@en#2": 4,
        "q@en#3": 3,
        "q@nb#1": 10,
        "q@nb#2": 8,
        "q@nb#3": 9,
        "other@en": 0,
    }
    cells = [cell("baseline", code, BEFORE) for code in ("de", "fr")]
    cells += [cell(label, code, losing(n)) for label, n in lost.items() for code in ("de", "fr")]
    found = analyse(cells, settings(*lost)).calibrations
    assert [(one.recipe, one.language) for one in found] == [("q", "de"), ("q", "fr"), ("q", None)]
    de = found[0]
    assert (de.calibration, de.reference, de.draws, de.reference_draws) == ("nb", "en", 3, 3)
    assert de.delta == pytest.approx(-9 / 80)
    assert de.reference_delta == pytest.approx(-3 / 80)
    assert de.difference == pytest.approx(-6 / 80)
    assert de.draw_sd == pytest.approx(1 / 80)  # 2, 4, 3 and 10, 8, 9 items
    assert de.p_value is not None
    assert de.p_adjusted == pytest.approx(min(1.0, 4 * de.p_value))  # Holm over 2, half of alpha
    assert found[2].p_value is not None
    assert found[2].p_adjusted == pytest.approx(min(1.0, 2 * found[2].p_value))
    [row, *_] = make_calibration_rows(found)
    assert (row["draws"], row["p"]) == (3, de.p_value)


def test_with_one_draw_it_says_this_text_and_never_this_language() -> None:
    cells = [cell("baseline", "de", BEFORE)]
    cells += [cell(label, "de", losing(n)) for label, n in (("q@en", 2), ("q@nb", 20))]
    [found] = analyse(cells, settings("q@en", "q@nb")).calibrations
    assert (found.p_value, found.interval, found.draw_sd) == (None, None, None)
    assert found.notes == (FEW_DRAWS,)


def test_without_english_the_first_calibration_is_the_reference() -> None:
    cells = [cell("baseline", "de", BEFORE)]
    cells += [cell(label, "de", losing(3)) for label in ("q@nb", "q@ml")]
    [found] = analyse(cells, settings("q@nb", "q@ml")).calibrations
    assert (found.calibration, found.reference) == ("ml", "nb")


def test_items_that_failed_under_one_draw_are_left_out_of_all_and_counted() -> None:
    broken: list[float | None] = [None, *losing(2)[1:]]
    cells = [cell("baseline", "de", BEFORE), cell("q@en", "de", losing(2))]
    cells.append(cell("q@nb", "de", broken))
    [found] = analyse(cells, settings("q@en", "q@nb")).calibrations
    assert found.difference == pytest.approx(0.0)
    assert "1 item without a score" in found.notes[-1]


def test_one_calibration_language_has_nothing_to_be_compared_with() -> None:
    cells = [cell("baseline", "de", BEFORE), cell("q@en", "de", losing(2))]
    assert analyse(cells, settings("q@en")).calibrations == ()
    assert analyse(cells, replace(settings("q@en"), calibrations={})).calibrations == ()
