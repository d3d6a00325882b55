"""Exports: strict, escaped, and saying what the page says."""

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from babelbits.report import exports
from babelbits.results.results import Results
from report.synthetic import HOSTILE


def strict(text: str) -> dict:
    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def renamed(report: Results, label: str) -> Results:
    """The same study with a hostile label for its first effect's variant."""
    first = report.analysis.effects[0].variant
    effects = tuple(
        replace(effect, variant=label) if effect.variant == first else effect
        for effect in report.analysis.effects
    )
    cells = tuple(
        replace(cell, meta=replace(cell.meta, variant=label))
        if cell.meta.variant == first
        else cell
        for cell in report.cells
    )
    manifests = {label if k == first else k: v for k, v in report.manifests.items()}
    analysis = replace(report.analysis, effects=effects)
    return replace(report, analysis=analysis, cells=cells, manifests=manifests)


def test_json_is_strict_versioned_and_whole(small: Results) -> None:
    found = strict(exports.to_json(small))
    assert found["schema"] == "babelbits.report/1"
    assert len(found["effects"]) == len(small.analysis.effects)
    assert found["effects"][0]["delta"] == small.analysis.effects[0].delta
    assert len(found["references"]) == len(small.analysis.references) > 0
    assert {one["reference"] for one in found["references"]} == {"en"}
    assert found["claims"][0]["variant"] == small.analysis.claims[0].variant
    assert found["study"]["margins"] == {"fraction": 0.02, "bits/byte": 0.01}


def test_exports_are_reproducible(small: Results) -> None:
    for kind in ("json", "csv", "md", "latex"):
        assert exports.FORMATS[kind](small) == exports.FORMATS[kind](small)


def test_csv_holds_raw_numbers_one_line_an_effect(small: Results) -> None:
    rows = list(csv.DictReader(io.StringIO(exports.to_csv(small), newline="")))
    assert len(rows) == len(small.analysis.effects)
    deltas = [float(row["delta"]) for row in rows]
    assert deltas == [effect.delta for effect in small.analysis.effects]
    beyond = [float(row["beyond_reference"]) for row in rows if row["beyond_reference"]]
    assert sorted(beyond) == sorted(one.difference for one in small.analysis.references)
    [english] = {row["beyond_reference"] for row in rows if row["where"] == "en"}
    assert english == ""


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_csv_cells_cannot_become_formulas(small: Results, start: str) -> None:
    """Characters from OWASP's page on CSV injection."""
    label = f"{start}HYPERLINK(1)"
    rows = csv.reader(io.StringIO(exports.to_csv(renamed(small, label)), newline=""))
    cells = [cell for row in rows for cell in row]
    assert f"'{label}" in cells
    numbers = [c for c in cells if c.startswith("-")]
    assert numbers
    assert all(float(c) < 0 for c in numbers)


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_hostile_text_as_it_stands(text: str) -> None:
    """markdown-it is the independent reader."""
    table = f"| a |\n| --- |\n| {exports.escape_markdown(text)} |\n"
    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    tokens = reader.parse(table)
    [_, cell] = [token for token in tokens if token.type == "inline"]
    children = cell.children or []
    assert {child.type for child in children} <= {"text", "text_special"}
    assert "".join(child.content for child in children) == exports.make_one_line(text).strip()


def test_markdown_opens_with_the_verdict_and_then_what_was_not_shown(small: Results) -> None:
    text = exports.to_markdown(small)
    places = [
        text.index(one)
        for one in (
            "Harm is confirmed",
            "| variant | bits per weight | math |",
            "<details><summary>What was not shown</summary>\n\n",
            "<details><summary>All comparisons</summary>\n\n",
            "| variant | task | language |",
        )
    ]
    assert places == sorted(places)


def test_markdown_shows_a_pull_request_only_what_fits_a_screen(small: Results) -> None:
    """What stands outside of the folded parts, of 2 variants on 3 tasks in 5 languages."""
    text = exports.to_markdown(small)
    assert text.count("<details>") == text.count("</details>") == 4
    shown = re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL)
    assert len([line for line in shown.splitlines() if line]) < 20
    row = next(line for line in shown.splitlines() if line.startswith("| w4@en"))
    assert "mean −" in row
    assert "worse" in row


def test_latex_specials_by_hand() -> None:
    """Replacements as in the LaTeX companion's table of reserved characters."""
    assert exports.escape_latex(r"50% of a_b & {c} #1 \x ~^$") == (
        r"50\% of a\_b \& \{c\} \#1 \textbackslash{}x \textasciitilde{}\textasciicircum{}\$"
    )
    assert exports.escape_latex("−3.1") == "$-$3.1"


def test_latex_rows_have_as_many_cells_as_the_head(small: Results) -> None:
    lines = exports.to_latex(renamed(small, "a&b_c\n")).splitlines()
    rows = [line for line in lines if line.endswith(r"\\") and "&" in line]
    assert len(rows) == 2 * 3 * 5
    assert {line.replace(r"\&", "").count("&") for line in rows} == {len(exports.HEADS) - 1}


def test_charts_are_written_as_svg_and_png(small: Results, tmp_path: Path) -> None:
    one = replace(
        small.analysis, effects=tuple(e for e in small.analysis.effects if e.task == "math")
    )
    paths = exports.write_charts(replace(small, analysis=one), tmp_path / "charts")
    names = {path.name for path in paths}
    assert {"heat-map--math.svg", "size--math.png", "groups--math.svg"} <= names
    assert {"forest--math--w8.svg", "forest--math--w4-en.png"} <= names
    for path in paths:
        head = path.read_bytes()[:8]
        assert head == b"\x89PNG\r\n\x1a\n" if path.suffix == ".png" else head.startswith(b"<svg")
