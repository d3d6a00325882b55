"""What people read: units, signs, words; and rows that are JSON."""

import dataclasses
import json
import subprocess
import sys

import pytest

from babelbits.analysis import AnalysisSettings
from babelbits.analysis import format as shown
from babelbits.analysis.analyse import analyse
from babelbits.analysis.tables import make_contrast_rows, make_effect_rows, make_problem_row
from babelbits.records import Interval
from compare_cells import BITS, cell, right_wrong

SETTINGS = AnalysisSettings(
    margins={"fraction": 0.02}, resamples=999, groups={"a": ("en",), "b": ("de", "fr")}
)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (-0.0314, "fraction", "−3.1 points"),
        (0.004, "fraction", "+0.4 points"),
        (-0.0001, "fraction", "0.0 points"),
        (0.0, "fraction", "0.0 points"),
        (-0.0123, "bits/byte", "−0.012 bits/byte"),
        (None, "fraction", "–"),
    ],
)
def test_differences_have_a_true_minus_and_a_unit(
    value: float | None, unit: str, text: str
) -> None:
    assert shown.amount(value, unit) == text


def test_other_numbers() -> None:
    assert shown.score(0.634, "fraction") == "63.4"
    assert shown.score(1.8421, "bits/byte") == "1.842"
    assert shown.score(None, "fraction") == shown.signed(None, "fraction") == "–"
    assert shown.size(0.02, "fraction") == "2 points"
    assert shown.size(0.035, "fraction") == "3.5 points"
    assert shown.size(0.0, "fraction") == "0 points"
    assert shown.size(0.2, "fraction") == "20 points"
    assert shown.size(0.01, "bits/byte") == "0.01 bits/byte"
    assert shown.percent(0.125) == "12.5 %"
    assert shown.percent(None) == shown.signed_percent(None) == "–"
    assert shown.signed_percent(-0.0423) == "−4.2 %"
    assert shown.p_value(0.0004) == "<0.001"
    assert shown.p_value(0.0431) == "0.043"
    assert shown.p_value(None) == "–"
    found = Interval(low=-0.052, high=-0.01, level=0.95, method="x")
    assert shown.interval(found, "fraction") == "−5.2 to −1.0"
    assert shown.interval(None, "fraction") == "–"


def rows_of(**table: int) -> dict[str, object]:
    baseline, variant = right_wrong(**table)
    cells = [cell("baseline", "en", baseline), cell("w4", "en", variant)]
    [row] = make_effect_rows(analyse(cells, dataclasses.replace(SETTINGS, groups={})).effects)
    return dict(row)


def test_verdicts_in_words() -> None:
    worse = rows_of(both_right=125, broke=35, fixed=5, both_wrong=35)
    same = rows_of(both_right=1500, broke=10, fixed=9, both_wrong=481)
    open_ = rows_of(both_right=60, broke=6, fixed=4, both_wrong=30)
    identical = rows_of(both_right=60, broke=0, fixed=0, both_wrong=40)
    assert worse["verdict_text"] == "worse, confirmed: −15.0 points"
    assert worse["changes_text"] == "35 broke, 5 fixed"
    assert same["verdict_text"] == "equivalent within 2 points"
    assert open_["verdict_text"] == (
        "undecided: interval reaches past the margin; minimum detectable loss ≥ 8.2 points"
    )
    assert identical["detectable_text"] == "≥ 6.6 points", "P(at least 5 of 100) = 0.8 at 6.6 %"
    few = rows_of(both_right=1, broke=1, fixed=0, both_wrong=0)
    assert few["detectable_text"] == "none: too few items"
    assert few["verdict_text"].endswith("; no loss detectable: too few items")


def test_rows_are_json_and_share_their_keys() -> None:
    base = [1.0] * 30 + [0.0] * 10
    cells = []
    for language in ("en", "de", "fr"):
        cells += [cell("baseline", language, base), cell("w4", language, [0.0] * 8 + base[8:])]
    cells += [cell(v, "en", [1.5] * 5, metric=BITS, suite="text") for v in ("baseline", "w4")]
    analysis = analyse(cells, SETTINGS)
    for rows in (make_effect_rows(analysis.effects), make_contrast_rows(analysis.contrasts)):
        assert len({tuple(row) for row in rows}) == 1
        json.dumps(rows, allow_nan=False)
    json.dumps([make_problem_row(one) for one in analysis.problems], allow_nan=False)
    points, relative, _ = make_contrast_rows(analysis.contrasts)
    assert points["difference_text"] == "0.0 points"
    assert points["p_text"] == "1.000"
    assert relative["difference_text"] == "0.0 %"
    text = make_effect_rows(analysis.effects)[-1]
    assert text["changes_text"] == "–"
    assert (text["low"], text["interval_text"]) == (None, "–")


def test_a_contrast_with_an_interval_shows_both_ends() -> None:
    base = [1.0] * 60 + [0.0] * 40
    cells = []
    for language, lost in (("en", 0), ("es", 2), ("hi", 20), ("th", 26)):
        cells += [
            cell("baseline", language, base),
            cell("w4", language, [0.0] * lost + base[lost:]),
        ]
    settings = dataclasses.replace(SETTINGS, groups={"latin": ("en", "es")})
    [row] = [
        r for r in make_contrast_rows(analyse(cells, settings).contrasts) if r["scale"] == "points"
    ]
    assert row["difference_text"] == "+22.2 points"  # 22.0 if every language counted the same
    assert " points to +" in str(row["interval_text"])


def test_the_light_names_load_neither_numpy_nor_scipy() -> None:
    code = "import sys, babelbits.analysis; print({'numpy', 'scipy', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
