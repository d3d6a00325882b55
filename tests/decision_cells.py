"""Cells with a known answer, and the findings made of them, for the tests of decisions.

Margins are 2 points, alpha 5 %. Tango's 90 % interval of 500 items without a change is
±2.706/(500 + 2.706) = ±0.54 points: inside. A loss of 30 of 200 has p < 0.0001.
"""

from collections.abc import Mapping, Sequence

from babelbits.analysis import AnalysisSettings, CellResult
from babelbits.analysis.analyse import analyse
from babelbits.decide.decision_input import CellKey, DecisionInput
from babelbits.languages import group_languages
from babelbits.records import Metric
from compare_cells import ACC, Score, cell, right_wrong

Scores = tuple[Sequence[Score], Sequence[Score]]

SHOWN: Scores = right_wrong(both_right=400, broke=0, fixed=0, both_wrong=100)
WORSE: Scores = right_wrong(both_right=125, broke=35, fixed=5, both_wrong=35)
BETTER: Scores = right_wrong(both_right=125, broke=5, fixed=35, both_wrong=35)
OPEN: Scores = right_wrong(both_right=125, broke=10, fixed=10, both_wrong=55)
FLOOR: Scores = right_wrong(both_right=130, broke=0, fixed=0, both_wrong=370)
"""26 of 100 right where guessing gives 25: nothing changed, and nothing could."""
KINDS: Mapping[str, Scores] = {
    "shown": SHOWN, "worse": WORSE, "better": BETTER, "open": OPEN, "floor": FLOOR,
}  # fmt: skip


def study_cells(
    answers: Mapping[str, Scores],
    *,
    variant: str = "w4",
    suite: str = "xcopa",
    metric: Metric = ACC,
    aa: bool = True,
    smoke: bool = False,
) -> list[CellResult]:
    """Baseline, A/A and one variant: language to scores of baseline and variant."""
    found = []
    for language, (before, after) in answers.items():
        options = {"suite": suite, "metric": metric, "smoke": smoke}
        found.append(cell("baseline", language, before, **options))  # type: ignore[arg-type]
        if aa:
            found.append(cell("baseline", language, before, replicate=1, **options))  # type: ignore[arg-type]
        found.append(cell(variant, language, after, **options))  # type: ignore[arg-type]
    return found


def findings_of(
    cells: Sequence[CellResult],
    *,
    gaps: Mapping[CellKey, str] | None = None,
    margins: Mapping[str, float] | None = None,
    user: Mapping[str, Sequence[str]] | None = None,
    alpha: float = 0.05,
) -> DecisionInput:
    """The findings that a study of these cells would have."""
    gaps = {} if gaps is None else gaps
    places = [(one.meta.task.suite, one.meta.task.language) for one in cells]
    places += [(suite, language) for _, suite, language in gaps]
    languages: dict[str, dict[str, None]] = {}
    for suite, language in places:
        languages.setdefault(suite, {})[language] = None
    codes = list(dict.fromkeys(code for here in languages.values() for code in here))
    found = group_languages(codes, user=user)
    settings = AnalysisSettings(
        alpha=alpha,
        margins={"fraction": 0.02} if margins is None else margins,
        groups=found,
        resamples=999,
    )
    labels = [one.meta.variant for one in cells] + [variant for variant, _, _ in gaps]
    return DecisionInput(
        analysis=analyse(cells, settings),
        primary={one.meta.task.suite: one.meta.task.metric(one.meta.task.primary) for one in cells},
        languages={suite: tuple(here) for suite, here in languages.items()},
        variants=tuple(label for label in dict.fromkeys(labels) if label != "baseline"),
        groups=found,
        alpha=alpha,
        gaps=gaps,
    )
