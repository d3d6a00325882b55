"""What a notebook and a Python prompt show of the front door's objects."""

import re
from dataclasses import replace
from html import unescape

import pytest

import babelbits
from babelbits.records import Interval
from babelbits.results.results import Results
from babelbits.words import html_table
from effects import altered
from report import synthetic


@pytest.fixture(scope="module")
def results() -> Results:
    return synthetic.make(
        languages=("en", "ar"), variants={"w4@en": 4.25}, suites=("math",), items=60
    )


def cells(html: str) -> list[list[str]]:
    """The texts of a table, row by row, its heads first."""
    rows = re.findall(r"<tr>(.*?)</tr>", html)
    return [[unescape(one) for one in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
            for row in rows]  # fmt: skip


def test_a_table_escapes_aligns_and_says_how_many_rows_it_left_out() -> None:
    html = html_table(
        ("a", "n"), [("<b>", "1"), ("y", "2"), ("z", "3")], caption="x & y", numeric=("n",), limit=2
    )
    assert cells(html) == [["a", "n"], ["<b>", "1"], ["y", "2"]]
    assert "<b>" not in html
    assert "x &amp; y" in html
    assert html.count("text-align:right") == 3  # the head and two rows
    assert "and 1 more row<" in html


def test_an_effect_shows_what_it_is_about_its_change_and_its_verdict(results: Results) -> None:
    """0.427 - 0.087 is 8.7 points less: by hand, with a true minus."""
    effect = altered(
        results.analysis.effects[0], variant="w4", task="math", language="hi", unit="fraction",
        baseline_score=0.427, delta=-0.087, verdict="worse", reason="interval below zero",
        interval=Interval(low=-0.16, high=-0.017, level=0.95, method=""),
    )  # fmt: skip
    assert cells(effect._repr_html_()) == [
        ["variant", "task", "language", "baseline", "change", "interval", "verdict"],
        ["w4", "math", "hi", "42.7", "−8.7 points", "−16.0 to −1.7", "worse: interval below zero"],
    ]
    (_, row) = cells(altered(effect, interval=None, language=None, group="latin")._repr_html_())
    assert (row[2], row[5]) == ("latin", "–")


def test_results_gates_and_recommendations_show_a_row_an_answer(results: Results) -> None:
    shown = [one for one in results.analysis.effects if one.inference.family is not None]
    assert len(cells(results._repr_html_())) == len(shown) + 1
    gate = babelbits.gate(results, "w4@en")
    heads, *rows = cells(gate._repr_html_())
    assert heads == ["outcome", "where", "change", "why"]
    assert {"math in en", "math in ar"} <= {row[1] for row in rows}
    choice = babelbits.recommend(results)
    assert {"variant", "w4@en"} <= {row[0] for row in cells(choice._repr_html_())}
    assert str(gate) in unescape(gate._repr_html_())
    assert str(choice) in unescape(choice._repr_html_())


def test_at_a_prompt_each_is_one_line(results: Results) -> None:
    for one in (results, babelbits.gate(results, "w4@en"), babelbits.recommend(results)):
        assert "\n" not in repr(one)
        assert len(repr(one)) < 500


def test_a_smoke_run_says_so(results: Results) -> None:
    smoke = replace(results, study=replace(results.study, smoke=True))
    assert "SMOKE" in smoke._repr_html_()
    assert "SMOKE" in repr(smoke)
