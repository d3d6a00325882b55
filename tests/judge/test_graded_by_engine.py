"""Grades of a variant that runs in another engine: against the baseline of that engine."""

from dataclasses import replace

from babelbits.analysis import AnalysisSettings, CellResult
from babelbits.judge.grading.answers import list_asked
from babelbits.judge.grading.grade_effects import compute_graded_effects
from babelbits.judge.grading.grader import Grade
from grading import FREE, cell

REFERENCE = "baseline@llama.cpp"
THEIRS = ["Earth"] * 20 + ["Venus"] * 20
WORTH = {"Mars": 1.0, "Earth": 0.5}
"""'Venus' has no grade."""


def of_engine(found: CellResult) -> CellResult:
    return replace(found, meta=replace(found.meta, baseline=REFERENCE))


def test_what_the_engine_says_is_not_charged_to_the_variant() -> None:
    """The engine alone makes other answers of 'Mars'; q4 says what its engine says.

    Whatever an answer without a grade is worth, both arms share it: nothing is lost either way.
    """
    cells = [
        cell("baseline", ["Mars"] * 40),
        of_engine(cell(REFERENCE, THEIRS)),
        of_engine(cell("q4", THEIRS)),
        cell("w8", THEIRS),
    ]
    grades = {
        asked: Grade(
            outcome="grade" if row.output in WORTH else "unparsed", grade=WORTH.get(row.output)
        )
        for one in cells
        for row in one.rows
        for asked in list_asked(row, suite=FREE)
    }
    found = compute_graded_effects(cells, grades, AnalysisSettings(resamples=999))
    effects = {one.effect.variant: one for one in found.effects}
    assert set(effects) == {"q4", "w8"}
    assert (effects["q4"].effect.delta, effects["q4"].bounds) == (0.0, (0.0, 0.0))
    assert effects["q4"].n_ungraded == 20
    # 20 items lose 0.5; the others all of 1 at worst, nothing at best.
    assert effects["w8"].effect.delta == -0.5
    assert effects["w8"].bounds == (-0.75, -0.25)
