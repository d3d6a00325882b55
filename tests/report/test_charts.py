"""Charts are valid Vega-Lite, keep their numbers and links, and survive hostile names."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise

import pytest

from babelbits.records import Effect
from babelbits.report import charts, svg
from babelbits.report.speed_section import Cost, CostAxis, list_cost_axes
from babelbits.results.results import Results


@pytest.fixture(scope="module")
def effects(small: Results) -> list[Effect]:
    return [
        effect
        for effect in small.analysis.effects
        if (effect.variant, effect.task, effect.scope) == ("w4@en", "math", "language")
    ]


def names(small: Results) -> dict[str, str]:
    return {code: language.name for code, language in small.languages.items()}


def test_forest_is_valid_and_holds_points(small: Results, effects: list[Effect]) -> None:
    chart = charts.draw_forest(effects, names(small), {"ar": "#cell-x"})
    rows = chart.to_dict()["datasets"]["rows"]  # validates against Vega-Lite's schema
    assert [row["delta"] for row in rows] == pytest.approx([e.delta * 100 for e in effects])
    assert [row["href"] for row in rows if row["name"] == "Arabic"] == ["#cell-x"]


def test_svg_on_the_page_has_links_descriptions_and_named_colours(
    small: Results, effects: list[Effect]
) -> None:
    markup = svg.embed_chart(
        charts.draw_forest(effects, names(small), {"ar": "#cell-x"}), "a label"
    )
    root = ET.fromstring(markup)  # noqa: S314  made a line above
    assert root.get("aria-label") == "a label"
    assert any(element.get("href") == "#cell-x" for element in root.iter("a"))
    labels = [element.get("aria-label", "") for element in root.iter()]
    assert sum("w4@en on math" in label for label in labels) == len(effects)
    assert "var(--band)" in markup
    assert "xmlns" not in markup


def test_hostile_names_stay_text_in_svg(small: Results, effects: list[Effect]) -> None:
    hostile = [replace(effect, variant='"><script>x</script>&') for effect in effects]
    markup = svg.embed_chart(charts.draw_forest(hostile, names(small), {}), "<b>")
    assert "<script" not in markup
    assert "<b>" not in markup


def test_the_same_chart_gives_the_same_bytes(small: Results, effects: list[Effect]) -> None:
    drawn = {svg.to_svg(charts.draw_forest(effects, names(small), {})) for _ in range(2)}
    assert len(drawn) == 1


def test_labels_of_variants_of_one_size_are_spread(small: Results) -> None:
    pooled = [e for e in small.analysis.effects if (e.scope, e.task) == ("all", "math")]
    twins = [replace(pooled[0], variant=f"v{n}", delta=0.0) for n in range(4)]
    costs = {one.variant: Cost(value=8.1, low=8.1, high=8.1) for one in twins}
    axis = CostAxis(key="bits", title="bits per weight", name="bits per weight", values=costs)
    rows = charts.draw_cost_quality(twins, axis).to_dict()["datasets"]["rows"]
    heights = sorted(row["label"] for row in rows)
    gaps = [after - before for before, after in pairwise(heights)]
    assert min(gaps) > 0


def test_many_labels_stand_in_a_column_inside_the_panel(small: Results) -> None:
    """20 labels of at least 15 pixels each, all of them on the axis, with a line to each point."""
    pooled = [e for e in small.analysis.effects if (e.scope, e.task) == ("all", "math")]
    many = [replace(pooled[0], variant=f"v{n}", delta=-n / 1000) for n in range(20)]
    costs = {one.variant: Cost(value=4.5, low=4.5, high=4.5) for one in many}
    axis = CostAxis(key="bits", title="bits per weight", name="bits per weight", values=costs)
    made = charts.draw_cost_quality(many, axis).to_dict()
    rows = made["datasets"]["rows"]
    scales = [one["encoding"]["y"].get("scale", {}) for one in made["layer"] if "encoding" in one]
    low, high = next(one["domain"] for one in scales if "domain" in one)
    heights = sorted(row["label"] for row in rows)
    assert low <= heights[0] < heights[-1] <= high
    least = 15 / made["height"] * (high - low)
    assert min(b - a for a, b in pairwise(heights)) >= least * (1 - 1e-9)
    assert len({row["edge"] for row in rows}) == 1


def test_every_chart_is_valid_vega_lite(small: Results) -> None:
    math = [e for e in small.analysis.effects if e.task == "math" and e.metric == "exact_match"]
    languages = [e for e in math if e.scope == "language"]
    charts.draw_heat_map(languages, names(small), ("w8", "w4@en")).to_dict()
    charts.draw_groups([e for e in math if e.scope == "group"], ("w8", "w4@en")).to_dict()
    pooled = [e for e in math if e.scope == "all"]
    for axis in list_cost_axes(small):
        charts.draw_cost_quality(pooled, axis).to_dict()


def test_groups_of_the_same_languages_are_one_bar_with_all_names(small: Results) -> None:
    found = [
        one
        for one in small.analysis.effects
        if one.scope == "group" and one.task == "math" and one.metric == "exact_match"
    ]
    first = found[0]
    assert first.group is not None
    twin = replace(first, group="twin")
    before = charts.draw_groups(found, ("w8",)).to_dict()["datasets"]["rows0"]
    after = charts.draw_groups([*found, twin], ("w8",)).to_dict()["datasets"]["rows0"]
    assert len(after) == len(before)
    (name,) = (row["name"] for row in after if "twin" in row["name"])
    assert first.group in name.split(", ")
