"""One offline HTML page from a `Results`: the same input gives the same bytes.

The page asks for nothing: style, script, charts and data are inside. Its content security policy
lets exactly one script run, ours, named by its hash; model outputs travel as JSON and are shown as
text. Nothing here reads a run folder or a clock.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import TYPE_CHECKING, Any

from babelbits import words
from babelbits.analysis import BASELINE, CellResult
from babelbits.preferences.summary import ALL
from babelbits.records import Effect
from babelbits.report import (
    charts,
    collapse_section,
    commands,
    contrasts,
    engine_changes,
    grades,
    items,
    joint_estimates_section,
    kl_section,
    limitations,
    perplexity_logs,
    positions,
    preference_section,
    share_section,
    speed_section,
    svg,
    verdicts,
    views,
)
from babelbits.report.first_screen import make_first_screen
from babelbits.report.item_pairs import compare_items, list_axes
from babelbits.report.plain_text import make_one_line
from babelbits.results.results import Results
from babelbits.words import plural

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskNote:
    """A note and where it holds."""

    suite: str
    languages: tuple[str, ...]
    """Codes, in the report's order."""
    text: str


def list_task_notes(cells: Iterable[CellResult]) -> tuple[TaskNote, ...]:
    """The notes of the baseline's tasks, by suite, each with its languages."""
    found: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        if cell.meta.variant == BASELINE and cell.meta.replicate == 0:
            for note in cell.meta.task.notes:
                found.setdefault((cell.meta.task.suite, note), []).append(cell.meta.task.language)
    return tuple(
        TaskNote(suite=suite, languages=tuple(dict.fromkeys(codes)), text=text)
        for (suite, text), codes in sorted(found.items(), key=lambda one: one[0][0])
    )


LIMIT = 5_000_000
"""Bytes of a page: it must open from a mail attachment."""
ITEMS_BUDGET = 3_000_000
FOREST_BUDGET = 1_200_000
ROOM = 60_000
"""Bytes kept free for what the item budget only estimates."""


def build(report: Results) -> str:
    """The whole page as text, to be written as UTF-8.

    Returns
    -------
    str
        An HTML document under 5 MB. Items that do not fit are counted on the page.
    """
    context = _context(report)
    template = _environment().get_template("report.html.j2")
    empty = template.render(**context, data=items.embed({"schema": 1, "cells": [], "texts": []}))
    budget = min(ITEMS_BUDGET, LIMIT - len(empty.encode()) - ROOM)
    payload = items.make_payload(compare_items(report.cells), context["anchors"], budget=budget)
    payload["languages"] = {
        code: {"name": one.name, "dir": one.direction, "tag": one.code}
        for code, one in sorted(report.languages.items())
    }
    payload["folder"] = report.study.folder
    return template.render(**context, data=items.embed(payload))


def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("babelbits.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"words": words, "plural": plural, "glyphs": verdicts.GLYPHS}
    environment.globals["made_on"] = views.describe_maker
    return environment


def _asset(name: str) -> str:
    return (resources.files("babelbits.report") / "assets" / name).read_text(encoding="utf-8")


def _script_hash(script: str) -> str:
    """The source expression that lets this script, and no other, run (CSP level 2)."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def _context(report: Results) -> dict[str, Any]:
    """Everything the template shows except the items."""
    span = list_axes(report)
    board = verdicts.make_board(report.analysis.effects, views.map_primary_metrics(report), span)
    links = views.make_anchors(_cell_keys(report, board))
    names = {code: language.name for code, language in report.languages.items()}
    screen = make_first_screen(report, board)
    script = _asset("report.js")
    return {
        "report": report,
        "study": report.study,
        "axes": span,
        "anchors": links,
        "headline": screen.headline,
        "ship": " ".join(text for text in (screen.ship, screen.ship_by_mean) if text),
        "engine_lines": screen.engine_changes,
        "engine_tables": engine_changes.make_tables(report),
        "engine_heads": engine_changes.HEADS,
        "verdicts": screen.verdicts,
        "most_told": verdicts.MOST_NAMED,
        "level_words": verdicts.LEVEL_WORDS,
        "matrix": views.make_matrix(report, board, screen.variants),
        "gaps": _by_topic(limitations.list_limitations(report, board)),
        "noise": views.find_noise_floor(report, span),
        "heat_maps": views.make_heat_maps(board, links),
        "figures": _Figures(report=report, found=board, names=names, links=links),
        "columns": views.COLUMNS,
        "contrast_columns": contrasts.CONTRAST_COLUMNS,
        "contrasts": {
            s: contrasts.list_contrasts(report.analysis.contrasts, s) for s in span.suites
        },
        "reference_columns": contrasts.REFERENCE_COLUMNS,
        "references": {
            s: contrasts.list_references(report.analysis.references, s) for s in span.suites
        },
        "reference": _reference_name(report),
        "calibration_columns": contrasts.CALIBRATION_COLUMNS,
        "calibrations": {
            suite: rows
            for suite in span.suites
            if (rows := contrasts.list_calibrations(report.analysis.calibrations, suite))
        },
        "rows": views.make_table(report.analysis.effects, links),
        "variants": [
            (label, report.manifests[label])
            for label in (BASELINE, *_of_engines(report), *span.variants)
            if label in report.manifests
        ],
        "tasks": _tasks(report),
        "task_notes": list_task_notes(report.cells),
        "recipes": sorted({effect.recipe for effect in report.analysis.effects}),
        "families": sorted(
            {e.inference.family for e in report.analysis.effects if e.inference.family is not None}
        ),
        "family_count": len(
            {e.inference.family for e in report.analysis.effects if e.inference.family is not None}
        ),
        "run_command": commands.run(report.study),
        "charts_command": commands.charts(report.study),
        "cell_commands": [
            (anchor, key, commands.show_cell(report.study, key)) for key, anchor in links.items()
        ],
        "foreign": report.foreign,
        "logs": None
        if report.foreign is None
        else perplexity_logs.make_rows(report.foreign.logs, report.languages),
        "log_heads": perplexity_logs.HEADS,
        "log_caption": perplexity_logs.CAPTION,
        "kept": kl_section.make_section(report),
        "kept_heads": kl_section.HEADS,
        "kept_command": commands.divergence(report.study) if _has_texts(report) else "",
        "speed": speed_section.list_sessions(report.speed),
        "speed_stale": speed_section.describe_stale(report.speed),
        "speed_command": commands.speed(report.study),
        "voices": _voices(report, board, span.variants),
        "grades": _grades(report),
        "collapse": _collapse(report),
        "shares": _shares(report),
        "few_labels": charts.FEW_LABELS,
        "beside": joint_estimates_section.make_section(report),
        "beside_columns": {
            "bounds": joint_estimates_section.BOUND_COLUMNS,
            "ranks": joint_estimates_section.RANK_COLUMNS,
            "variants": joint_estimates_section.VARIANT_COLUMNS,
            "variation": joint_estimates_section.VARIATION_COLUMNS,
        },
        "script": script,
        "script_hash": _script_hash(script),
        "style": _asset("report.css"),
    }


def _of_engines(report: Results) -> list[str]:
    """Labels of the baselines of further engines, in the study's order."""
    return [label for label in report.manifests if label in report.reference_labels - {BASELINE}]


def _voices(
    report: Results, board: verdicts.Board, variants: Sequence[str]
) -> dict[str, Any] | None:
    """What the section on judges and people shows; None where nobody judged."""
    if report.voices is None or not report.voices.voices:
        return None
    codes = preference_section.list_spoken_languages(report.voices)
    drawn = []
    for code in codes:
        effects = [effect for effect in board.by_cell.values() if effect.language == code]
        picture = preference_section.draw_chart(effects, report.voices, code, variants=variants)
        label = f"metrics, judges and people on {report.languages[code].name}"
        figure = None if picture is None else _figure(picture, "", f"voices-{code}", label)
        drawn.append((code, figure))
    return {
        "simulated": report.voices.simulated,
        "figures": drawn,
        "columns": preference_section.COLUMNS,
        "rows": {code: preference_section.make_rows(report.voices, code) for code in (*codes, ALL)},
        "accord_columns": preference_section.ACCORD_COLUMNS,
        "accords": preference_section.list_accords(report.voices),
        "panel_columns": preference_section.PANEL_COLUMNS,
        "panels": preference_section.list_panels(report.voices),
        "strengths": preference_section.list_strengths(report.voices),
    }


def _grades(report: Results) -> dict[str, Any] | None:
    """What the section on graded answers shows; None where nothing was graded."""
    if not report.grades:
        return None
    return {
        "heads": grades.HEADS,
        "coverage_heads": grades.COVERAGE_HEADS,
        "accord_heads": grades.ACCORD_HEADS,
        "books": [
            {
                "name": book.name,
                "rows": grades.make_effect_rows(book.effects),
                "coverage": [grades.make_coverage_row(one) for one in book.coverage],
                "accords": [grades.make_accord_row(one) for one in book.accords],
            }
            for book in report.grades
        ],
    }


def _collapse(report: Results) -> dict[str, Any] | None:
    """What the section on collapsed answers shows; None where there are none to look at."""
    found = collapse_section.make_section(report)
    if found is None:
        return None
    return {
        "lead": collapse_section.LEAD,
        "heads": collapse_section.HEADS,
        "numeric": collapse_section.NUMERIC,
        "rows": found.rows,
        "quiet": found.quiet,
        "off": found.off,
        "loss_heads": collapse_section.LOSS_HEADS,
        "loss_numeric": collapse_section.LOSS_NUMERIC,
        "losses": found.losses,
        "examples": [
            replace(
                one, text=make_one_line(one.text), baseline_text=make_one_line(one.baseline_text)
            )
            for one in found.examples
        ],
    }


def _shares(report: Results) -> dict[str, Any] | None:
    """What the section on shares of a corpus shows; None where no variant was asked anything."""
    found = share_section.make_section(report)
    if found is None:
        return None
    label = f"damage against share of {found.corpus}"
    return {
        "section": found,
        "heads": share_section.HEADS,
        "numeric": share_section.NUMERIC,
        "figures": [
            _figure(one.chart, one.unit, f"shares-{number}", f"{label}, in {one.unit}")
            for number, one in enumerate(found.pictures)
        ],
    }


def _cell_keys(report: Results, found: verdicts.Board) -> list[views.Key]:
    """Variant, suite, language of all that can be looked at, in the report's order."""
    there = set(found.by_cell) | {one.key for one in compare_items(report.cells)}
    span = found.axes
    return [
        (variant, suite, language)
        for variant in span.variants
        for suite in span.suites
        for language in span.languages
        if (variant, suite, language) in there
    ]


def _has_texts(report: Results) -> bool:
    """Whether divergences can be measured: of a study of our own with a text suite."""
    return report.foreign is None and any(
        cell.meta.task.output_type == "text" for cell in report.cells
    )


def _reference_name(report: Results) -> str:
    """The language that the others are held against; '' where there is none."""
    codes = {one.reference for one in report.analysis.references}
    return report.languages[min(codes)].name if codes else ""


def _by_topic(found: Iterable[limitations.Limitation]) -> dict[str, list[str]]:
    topics: dict[str, list[str]] = {}
    for gap in found:
        topics.setdefault(gap.topic, []).append(gap.sentence)
    return topics


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLine:
    """A suite as the last section tells it."""

    suite: str
    metric: str
    kind: str
    languages: int
    items: int
    origin: str
    licence: str


def _tasks(report: Results) -> list[TaskLine]:
    """One line a suite, from the baseline's cells."""
    cells = [c for c in report.cells if c.meta.variant == BASELINE and c.meta.replicate == 0]
    by_suite: dict[str, list[Any]] = {}
    for cell in cells:
        by_suite.setdefault(cell.meta.task.suite, []).append(cell)
    return [
        TaskLine(
            suite=suite,
            metric=group[0].meta.task.primary,
            kind=group[0].meta.task.output_type,
            languages=len(group),
            items=sum(cell.meta.n_items for cell in group),
            origin=group[0].meta.task.origin,
            licence=group[0].meta.task.licence,
        )
        for suite, group in sorted(by_suite.items())
    ]


# --- charts on the page ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A chart on the page; `markup` is SVG of escaped values."""

    anchor: str
    variant: str
    suite: str
    markup: Any
    """A `markupsafe.Markup`: the template must not escape it again."""
    cost: str = ""
    """What is along x, of a picture of quality against a cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """A variant by position in the answer: the picture and its numbers."""

    figure: Figure
    rows: Sequence[Mapping[str, str]]


class _Figures:
    """The page's charts, each made once."""

    def __init__(
        self,
        *,
        report: Results,
        found: verdicts.Board,
        names: Mapping[str, str],
        links: Mapping[views.Key, str],
    ) -> None:
        self.left_out = 0
        self.forests = self._make_forests(found, names, links)
        self.anchors = {(one.variant, one.suite): one.anchor for one in self.forests}
        axes_of_costs = speed_section.list_cost_axes(report)
        self.size = self._make_size(found, axes_of_costs)
        drawn = {one.cost for one in self.size}
        self.costs = [costs for costs in axes_of_costs if costs.key in drawn]
        self.groups = self._make_groups(found)
        self.positions = self._make_positions(found, report)

    def _make_forests(
        self, board: verdicts.Board, names: Mapping[str, str], links: Mapping[views.Key, str]
    ) -> list[Figure]:
        figures: list[Figure] = []
        spent = 0
        pairs = [(v, s) for v in board.axes.variants for s in board.axes.suites if board.row(v, s)]
        for variant, suite in sorted(pairs, key=lambda pair: -board.tally(*pair)["worse"]):
            if spent > FOREST_BUDGET:
                self.left_out += 1
                continue
            hrefs = {
                language: f"#{links[variant, suite, language]}"
                for language in board.axes.languages
                if (variant, suite, language) in links
            }
            row, pooled = board.row(variant, suite), board.pooled.get((variant, suite))
            chart = charts.draw_forest(row, names, hrefs, pooled)
            figure = _figure(chart, variant, suite, f"{variant} on {suite}, language by language")
            spent += len(figure.markup)
            figures.append(figure)
        return sorted(figures, key=lambda one: pairs.index((one.variant, one.suite)))

    def _make_size(
        self, found: verdicts.Board, axes_of_costs: Sequence[speed_section.CostAxis]
    ) -> list[Figure]:
        figures = []
        for costs in axes_of_costs:
            for suite in found.axes.suites:
                effects = views.select_costed(found, suite, costs)
                if effects:
                    chart = charts.draw_cost_quality(effects, costs)
                    drawn = _figure(chart, "", suite, f"{suite}: {costs.name} and difference")
                    figures.append(replace(drawn, cost=costs.key))
        return figures

    def _make_groups(self, found: verdicts.Board) -> list[Figure]:
        figures = []
        for suite in found.axes.suites:
            effects: Sequence[Effect] = [
                effect
                for variant in found.axes.variants
                for effect in found.grouped.get((variant, suite), ())
            ]
            if effects:
                chart = charts.draw_groups(effects, found.axes.variants)
                figures.append(_figure(chart, "", suite, f"{suite} by language group"))
        return figures

    def _make_positions(self, found: verdicts.Board, report: Results) -> list[Positions]:
        figures = []
        for variant in found.axes.variants:
            there = positions.list_points(report.analysis.effects, variant)
            if there:
                label = f"{variant}: baseline and variant by position"
                drawn = _figure(
                    positions.draw_chart(there, variant), variant, positions.SUITE, label
                )
                figures.append(Positions(figure=drawn, rows=positions.make_table(there)))
        return figures


def _figure(chart: Any, variant: str, suite: str, label: str) -> Figure:
    from markupsafe import Markup

    anchor = views.make_anchors([(variant, suite, "")])[variant, suite, ""]
    return Figure(
        anchor=anchor.replace("cell-", "figure-", 1).rstrip("-"),
        variant=variant,
        suite=suite,
        markup=Markup(svg.embed_chart(chart, label)),  # noqa: S704  serialised by ElementTree, which escapes
    )
