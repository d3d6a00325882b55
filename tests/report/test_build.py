"""The page as text: reproducible, offline, linked, honest about smoke runs."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from babelbits.report.build import LIMIT, build
from babelbits.results.results import Results
from report import synthetic


class Outline(HTMLParser):
    """Ids, links, headings, scripts and outside addresses of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.headings: list[int] = []
        self.scripts: list[str] = []
        self.outside: list[str] = []
        self._in_script = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids += [values["id"]] if "id" in values else []
        if tag == "a":
            self.targets.append(values["href"])
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        self._in_script = tag == "script" and "type" not in values
        self.outside += [values[name] for name in ("src", "srcset", "action") if name in values]
        self.outside += [values["href"]] if tag == "link" else []

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts.append(data)
            self._in_script = False


@pytest.fixture(scope="module")
def outline(page: str) -> Outline:
    return Outline(page)


def test_the_same_input_gives_the_same_bytes(small: Results, page: str) -> None:
    turned = dict(reversed(small.manifests.items()))
    languages = dict(reversed(small.languages.items()))
    assert build(replace(small, manifests=turned, languages=languages)) == page


def test_every_link_has_its_target_and_every_id_is_unique(outline: Outline) -> None:
    assert len(outline.ids) == len(set(outline.ids))
    assert len(outline.targets) > 100
    assert {target.removeprefix("#") for target in outline.targets} <= set(outline.ids)


def test_every_cell_is_linked_and_has_its_command(small: Results, page: str) -> None:
    cells = [c for c in small.cells if c.meta.variant != "baseline"]
    for cell in cells:
        task = cell.meta.task
        words = f"--variant {cell.meta.variant} --suite {task.suite} --language {task.language}"
        assert f"babelbits show study.run {words}" in page
    assert page.count('<tr id="cell-') == len(cells)


def test_languages_are_held_against_the_reference(small: Results, page: str) -> None:
    assert "Is a language harmed more than English?" in page
    analysis = replace(small.analysis, references=())
    assert "Is a language harmed more" not in build(replace(small, analysis=analysis))


def test_nothing_is_fetched(outline: Outline, page: str) -> None:
    assert outline.outside == []
    assert "@import" not in page
    assert "url(" not in page
    assert "default-src 'none'" in page


def test_the_policy_lets_our_script_run_and_no_other(outline: Outline, page: str) -> None:
    [script] = outline.scripts
    expected = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    [allowed] = re.findall(r"script-src ([^;]+);", page)
    assert allowed == f"'sha256-{expected}'"


def test_headings_do_not_skip_a_level(outline: Outline) -> None:
    steps = zip(outline.headings, outline.headings[1:], strict=False)
    assert outline.headings[0] == 1
    assert all(after <= before + 1 for before, after in steps)


def test_the_verdict_comes_first_and_what_was_not_shown_next(page: str) -> None:
    sections = re.findall(r'<section id="(\w+)">', page)
    assert sections[:3] == ["verdict", "gaps", "languages"]


def test_hostile_outputs_appear_only_as_escaped_json(page: str) -> None:
    assert "window.pwned" in page
    assert "<script>window.pwned" not in page
    assert "</script><script>" not in page.replace("</script>\n<script>", "")
    assert "\u2028" not in page
    assert "\x1b" not in page


def test_smoke_and_bundled_are_stamped(tiny: Results, page: str) -> None:
    study = replace(tiny.study, smoke=True, bundled=False)
    other = build(replace(tiny, study=study))
    assert "SMOKE" in other
    assert "do not carry over" not in other
    assert "SMOKE" not in page
    assert "do not carry over to large models" in page


def test_hostile_names_are_escaped(tiny: Results) -> None:
    study = replace(tiny.study, name="<img src=x onerror=alert(1)>", model="</title><b>&")
    other = build(replace(tiny, study=study))
    assert "<img" not in other
    assert "</title><b>" not in other


def test_a_study_without_variants_still_gives_a_page(tiny: Results) -> None:
    cells = tuple(c for c in tiny.cells if c.meta.variant == "baseline")
    analysis = replace(tiny.analysis, effects=(), contrasts=(), families=(), problems=())
    manifests = {"baseline": tiny.manifests["baseline"]}
    bare = replace(tiny, cells=cells, analysis=analysis, manifests=manifests)
    assert "Nothing was compared yet" in build(bare)


def test_embedded_data_is_strict_json(page: str) -> None:
    def refuse(word: str) -> None:
        raise ValueError(word)

    [text] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    data = json.loads(text, parse_constant=refuse)
    assert data["schema"] == 1
    assert data["languages"]["ar"]["dir"] == "rtl"


@pytest.mark.slow
def test_twenty_languages_eight_variants_two_hundred_items_stay_under_five_megabytes() -> None:
    report = synthetic.make(
        languages=synthetic.MORE_LANGUAGES, variants=synthetic.MORE_VARIANTS, items=200
    )
    assert len(build(report).encode()) < LIMIT == 5_000_000
