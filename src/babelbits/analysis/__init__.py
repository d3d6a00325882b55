"""From item rows to effects and verdicts.

    readers     results of other tools
    books, matching, scales, join   those results to cells, paired on content
    cells       what comes in: finished cells
    columns     rows as columns; items joined on their ids
    engine_identity  which engine ran a cell and its baseline, and what follows
    desk        cells sorted and paired with their baselines
    settings    alpha, margins, families, groups
    samples     the paired numbers that one effect is about
    inference   p-values and intervals, resampled together
    relative    relative changes with intervals
    luck        what the best of many comparisons would show by chance
    floor       baselines with nothing to lose
    verdicts    worse, equivalent, better, undecided
    effects     samples and inference to `records.Effect`
    families    Holm within declared families
    confirmed   which harms are shown at the error rate of the whole report
    decision    what may be said of a variant over a set of questions
    contrasts   groups of languages against the others
    references  languages against the reference language
    calibrations  calibration languages against the variation between draws of text
    checks      what is missing, failed or noisy
    analysis    `analyse`, the way through all of these; what holds of all languages of a suite
    format, tables   numbers and rows as people read them

`from babelbits.analysis.analyse import analyse`; the names below load neither numpy nor scipy.
"""

from babelbits.analysis.cells import BASELINE, CellResult
from babelbits.analysis.results import (
    Analysis,
    CalibrationContrast,
    GroupContrast,
    Problem,
    ReferenceContrast,
    SuiteClaim,
    TestFamily,
)
from babelbits.analysis.settings import AnalysisSettings, CalibrationOf, Confirmatory

__all__ = [
    "BASELINE",
    "Analysis",
    "AnalysisSettings",
    "CalibrationContrast",
    "CalibrationOf",
    "CellResult",
    "Confirmatory",
    "GroupContrast",
    "Problem",
    "ReferenceContrast",
    "SuiteClaim",
    "TestFamily",
]
