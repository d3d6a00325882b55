"""Charts drawn without vl-convert: what they show, held against vl-convert's own drawing."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from babelbits.records import Effect
from babelbits.report import build, charts, plain_svg, svg
from babelbits.results.results import Results


@pytest.fixture(scope="module")
def effects(small: Results) -> list[Effect]:
    return [
        effect
        for effect in small.analysis.effects
        if (effect.variant, effect.task, effect.scope) == ("w4@en", "math", "language")
    ]


@pytest.fixture
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(svg, "can_draw", lambda: False)


def forest(small: Results, effects: list[Effect]) -> ET.Element:
    names = {code: language.name for code, language in small.languages.items()}
    return plain_svg.draw(
        svg.make_specification(charts.draw_forest(effects, names, {"ar": "#cell-x"}))
    )


def places(root: ET.Element) -> list[tuple[float, float]]:
    """Where the points are, from the top down."""
    moves = [one.get("transform", "") for one in root.iter("path") if one.get("aria-label")]
    found = [re.findall(r"-?[\d.]+", one) for one in moves]
    return [(float(x), float(y)) for x, y in found]


@pytest.mark.parametrize(
    ("ends", "count", "expected"),
    [
        ((0, 10), 5, [0, 2, 4, 6, 8, 10]),  # d3.ticks(0, 10, 5), its documentation
        ((0, 1), 10, [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]),
        ((-49.7, 6.5), 6, [-40, -30, -20, -10, 0]),  # as Vega draws it
        ((3, 3), 5, [3]),
    ],
)
def test_ticks_are_those_of_d3(
    ends: tuple[float, float], count: int, expected: list[float]
) -> None:
    assert plain_svg.place_ticks(*ends, count) == pytest.approx(expected)


def test_points_lie_on_one_scale_and_a_line_each(small: Results, effects: list[Effect]) -> None:
    found = places(forest(small, effects))
    deltas = [effect.delta for effect in effects]
    low, high = min(range(5), key=deltas.__getitem__), max(range(5), key=deltas.__getitem__)
    slope = (found[high][0] - found[low][0]) / (deltas[high] - deltas[low])
    for (x, _), delta in zip(found, deltas, strict=True):
        assert x == pytest.approx(found[low][0] + slope * (delta - deltas[low]), abs=0.11)
    rows = [y for _, y in found]
    assert rows == pytest.approx([11 + charts.ROW * row for row in range(5)])


def test_points_are_where_vega_has_them(small: Results, effects: list[Effect]) -> None:
    names = {code: language.name for code, language in small.languages.items()}
    drawn = ET.fromstring(svg.to_svg(charts.draw_forest(effects, names, {})))  # noqa: S314  our own
    vega = [
        tuple(map(float, re.findall(r"-?[\d.]+", one.get("transform", ""))))
        for one in drawn.iter("{http://www.w3.org/2000/svg}path")
        if "on math" in one.get("aria-label", "")
    ]
    for ours, theirs in zip(places(forest(small, effects)), vega, strict=True):
        assert ours == pytest.approx(theirs, abs=0.11)


def test_links_and_hostile_names(small: Results, effects: list[Effect]) -> None:
    hostile = [replace(effect, variant='"><script>x</script>&') for effect in effects]
    root = forest(small, hostile)
    assert [one.get("href") for one in root.iter("a")] == ["#cell-x"] * 3
    assert "<script" not in ET.tostring(root, encoding="unicode")


@pytest.mark.usefixtures("_plain")
def test_every_chart_of_a_page_is_drawn(small: Results, page: str) -> None:
    """As many charts and as many described marks as on the page that vl-convert drew."""
    ours = build.build(small)
    assert ours.count("<svg") == page.count("<svg")
    assert "var(--band)" in ours
    points = len(re.findall(r'aria-label="[^"]* on math: ', ours))
    assert points == len(re.findall(r'aria-label="[^"]* on math: ', page))


def test_an_unknown_mark_is_an_error(small: Results, effects: list[Effect]) -> None:
    names = {code: language.name for code, language in small.languages.items()}
    chart = svg.make_specification(charts.draw_forest(effects, names, {}))
    chart["layer"][-1]["mark"]["type"] = "arc"
    with pytest.raises(ValueError, match="mark 'arc'"):
        plain_svg.draw(chart)
