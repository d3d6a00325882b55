"""Costs and the section on speed: only what was measured, and the choice in a real browser."""

from dataclasses import replace
from pathlib import Path

import pytest

from babelbits.report import speed_section
from babelbits.report.build import build
from babelbits.results.results import Results
from babelbits.study.speed.recorded_speed import RecordedSpeed
from babelbits.study.speed.speed_summary import summarise_session
from fake_arms import arm, measured, session
from report.browser import Browser


@pytest.fixture
def recorded() -> RecordedSpeed:
    arms = (
        measured("baseline", speed=100, memory=4 * 10**9),
        measured("baseline", speed=100, memory=4 * 10**9, replicate=1),
        measured("w8", speed=250, memory=2 * 10**9),
        arm("w8a8", not_measured="quality only: <b>no</b> kernel"),
    )
    return RecordedSpeed(
        tables=(summarise_session(replace(session(), arms=arms)),), stale=("w4@en",)
    )


def test_a_choice_is_only_what_was_measured(small: Results, recorded: RecordedSpeed) -> None:
    assert [one.key for one in speed_section.list_cost_axes(small)] == ["bits", "bytes"]
    axes = {one.key: one for one in speed_section.list_cost_axes(replace(small, speed=recorded))}
    assert list(axes) == ["bits", "bytes", "memory", "speed"]
    assert axes["memory"].title == "peak memory, GB"
    assert axes["memory"].values["w8"].value == pytest.approx(2)
    assert axes["speed"].values["w8"].value == pytest.approx(250)
    assert axes["speed"].baseline == pytest.approx(100)
    assert "w8a8" not in axes["speed"].values


def test_the_page_says_what_was_measured(small: Results, recorded: RecordedSpeed) -> None:
    page = build(replace(small, speed=recorded))
    assert "w8 decodes 2.50 × as fast as baseline (2.50 to 2.50)." in page
    assert "w8 writes 25 sentences a second in English, 6.25 in Malayalam (batch 1)." in page
    assert "quality only: &lt;b&gt;no&lt;/b&gt; kernel" in page
    assert "w4@en was made again since it was measured" in page
    section = page.partition('id="speed"')[2].partition("<section")[0]
    assert "babelbits speed" not in section.partition('<p class="lead">')[2]


def test_the_page_says_that_nothing_was_measured(small: Results) -> None:
    page = build(small)
    section = page.partition('<section id="speed">')[2].partition("</section>")[0]
    assert "Not measured." in section
    assert "babelbits speed" in section
    assert "decodes" not in section


@pytest.mark.chromium
def test_the_picture_follows_the_choice(
    chromium: Browser, small: Results, recorded: RecordedSpeed, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    path.write_text(build(replace(small, speed=recorded)), "utf-8")
    shown = (
        "[...new Set([...document.querySelectorAll('#sizecharts figure')]"
        ".filter(f => !f.hidden).map(f => f.dataset.cost))]"
    )
    chromium.open(path)
    assert chromium.ask(shown) == ["bits"]
    for key in ("memory", "speed"):
        chromium.ask(
            "(() => { const s = document.querySelector('form[data-for=sizecharts] select');"
            f"s.value = '{key}'; s.form.dispatchEvent(new Event('change')); }})()"
        )
        assert chromium.ask(shown) == [key]
    assert chromium.errors == []
