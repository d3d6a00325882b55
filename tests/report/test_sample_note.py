"""The sentence on how small a sample is, against McNemar's power by hand."""

import pytest

from babelbits.analysis import AnalysisSettings
from babelbits.analysis.analyse import analyse
from babelbits.records import Effect
from babelbits.report.sample_note import describe_suite
from decision_cells import KINDS, study_cells
from effects import altered


def effects(**answers: str) -> list[Effect]:
    cells = study_cells({language: KINDS[kind] for language, kind in answers.items()})
    settings = AnalysisSettings(margins={"fraction": 0.02}, resamples=999)
    found = analyse(cells, settings).effects
    return [one for one in found if one.scope == "language" and one.variant == "w4"]


def test_items_and_the_smallest_loss_are_told() -> None:
    """20 of 200 changed: (1.96 + 0.84) x sqrt(0.1 / 200) = 6.3 points by the normal law."""
    (only,) = effects(nb="open")
    told = describe_suite("xcopa", [only])
    assert told.startswith("xcopa: 200 items a language; the smallest loss that would be seen")
    seen = float(told.partition("power): ")[2].partition(" ")[0])
    assert seen == pytest.approx(6.3, abs=0.7)


def test_nothing_changed_is_never_told_as_no_loss() -> None:
    (only,) = effects(nb="shown")
    told = describe_suite("xcopa", [altered(only, minimal_detectable_effect=None)])
    assert told == "xcopa: 500 items a language, too few to show any loss in a language."


def test_a_range_over_languages_and_those_that_are_blind() -> None:
    first, second = effects(nb="open", sw="shown")
    blind = altered(second, minimal_detectable_effect=None)
    told = describe_suite("xcopa", [first, blind])
    assert told.startswith("xcopa: 200 to 500 items a language")
    assert told.endswith("; none in 1 of 2 comparisons, where too few answers changed.")
