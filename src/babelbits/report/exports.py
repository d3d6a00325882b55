"""The report as Markdown, CSV, JSON and LaTeX, and its charts as files.

Numbers come from `analysis.tables`: what the page says, these say. Texts are hostile: Markdown and
LaTeX escape them, CSV cells cannot become formulas, JSON holds no NaN.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from babelbits.analysis import format as numbers
from babelbits.analysis import tables
from babelbits.analysis.results import EngineChange
from babelbits.decide.decision import OUTCOMES, Decision
from babelbits.errors import StoreError, StudyError
from babelbits.records import Effect
from babelbits.report import (
    charts,
    collapse_section,
    commands,
    limitations,
    perplexity_logs,
    speed_section,
    svg,
    verdicts,
    views,
)
from babelbits.report.first_screen import FirstScreen, list_sentences, make_first_screen
from babelbits.report.item_pairs import list_axes
from babelbits.report.plain_text import make_one_line
from babelbits.results.results import Results
from babelbits.store.atomic import write_atomically
from babelbits.words import plural

SCHEMA = "babelbits.report/1"
COMPARE_SCHEMA = "babelbits.analysis/1"
"""The same object with the sources, the matches, the notes and the logs of the runs compared."""
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet runs a cell that begins so (OWASP, CSV injection)."""
KEPT_TEXTS = ("verdict_text", "notes_text")
AGAINST = {
    "reference": "reference",
    "beyond_reference": "difference",
    "beyond_reference_low": "low",
    "beyond_reference_high": "high",
    "beyond_reference_p": "p",
    "beyond_reference_p_adjusted": "p_adjusted",
}
"""Columns of the CSV file to those of `tables.make_reference_row`."""
HEADS = (
    *("variant", "task", "language", "n", "Δ", "interval", "p (Holm)", "verdict"),
    "broke / fixed",
)


# --- JSON ------------------------------------------------------------------------------------


def to_json(report: Results) -> str:
    """One object with a schema version: study, variants, effects, contrasts, families, gaps."""
    board = _board(report)
    said = make_first_screen(report, board)
    study = {k: v for k, v in asdict(report.study).items() if k != "text"}
    value = {
        "schema": SCHEMA,
        "study": study,
        "smoke": report.study.smoke or report.analysis.smoke,
        "headline": said.headline,
        "ship": said.ship,
        "ship_by_mean": said.ship_by_mean,
        "engine_change": list(said.engine_changes),
        "engine_changes": [_engine_change(one) for one in report.analysis.engine_changes],
        "verdicts": [asdict(one) for one in said.verdicts],
        "decisions": [_decision(one) for one in said.decisions],
        "not_shown": [asdict(one) for one in limitations.list_limitations(report, board)],
        "variants": {label: _manifest(report, label) for label in report.manifests},
        "effects": tables.make_effect_rows(report.analysis.effects),
        "noise_floor": tables.make_effect_rows(report.analysis.aa),
        "contrasts": tables.make_contrast_rows(report.analysis.contrasts),
        "references": tables.make_reference_rows(report.analysis.references),
        "calibrations": tables.make_calibration_rows(report.analysis.calibrations),
        "claims": [asdict(one) for one in report.analysis.claims],
        "beside": [asdict(one) for one in report.analysis.beside],
        "variant_ranks": [asdict(one) for one in report.analysis.variant_ranks],
        "variation": [asdict(one) for one in report.analysis.variation],
        "families": [asdict(one) for one in report.analysis.families],
        "problems": [tables.make_problem_row(one) for one in report.analysis.problems],
        "open_cells": [asdict(one) for one in report.open_cells],
    }
    value["collapses"] = _collapses(report)
    if report.foreign is not None:
        value |= {"schema": COMPARE_SCHEMA, **asdict(report.foreign)}
    return json.dumps(value, ensure_ascii=True, allow_nan=False, sort_keys=True, indent=1) + "\n"


def _collapses(report: Results) -> dict[str, Any]:
    """Degenerate answers as rows; the signs that are off; what the worst items carry."""
    found = report.collapses
    return {
        "effects": [
            {
                **tables.make_effect_row(one.effect),
                "signs": dict(one.variant),
                "baseline_signs": dict(one.baseline),
                "lost": None if one.lost is None else asdict(one.lost),
            }
            for one in found.effects
        ],
        "off": [asdict(one) for one in found.off],
        "not_told_apart": {code: list(others) for code, others in found.not_told_apart.items()},
        "concentration": [asdict(one) for one in found.concentration],
    }


def _engine_change(one: EngineChange) -> dict[str, Any]:
    return {**asdict(replace(one, effects=())), "effects": tables.make_effect_rows(one.effects)}


def _decision(one: Decision) -> dict[str, Any]:
    """A decision with what its effects are about; the effects themselves stand under `effects`."""
    return {
        "variant": one.variant,
        "verdict": one.verdict,
        "level": one.level,
        "questions": len(one.answers),
        "unanswered": one.unanswered,
        "outcomes": {outcome: one.count(outcome) for outcome in OUTCOMES},
        "harms": [_mark(effect) for effect in one.harms],
        "worst_shown": None if one.worst_shown is None else _mark(one.worst_shown),
        "largest_estimate": None if one.largest_estimate is None else _mark(one.largest_estimate),
        "apart": one.apart,
        "reasons": list(one.reasons),
    }


def _mark(effect: Effect) -> dict[str, Any]:
    row = tables.make_effect_row(effect)
    return {
        name: row[name] for name in ("suite", "scope", "where", "level", "delta", "low", "high")
    }


def _manifest(report: Results, label: str) -> dict[str, Any]:
    """A manifest without its list of tensors, and without a path of this machine."""
    left_out = ("tensors", "place")
    return {k: v for k, v in asdict(report.manifests[label]).items() if k not in left_out}


# --- CSV -------------------------------------------------------------------------------------


def to_csv(report: Results) -> str:
    """One line an effect, raw numbers in the metric's own unit; RFC 4180.

    The last columns hold a language against the reference language.
    """
    against: dict[tuple[object, ...], tables.Row] = {
        (row["variant"], row["suite"], row["metric"], row["language"]): row
        for row in tables.make_reference_rows(report.analysis.references)
    }
    rows = [
        {**_raw(row), **_against(against.get(_about(row), {}))}
        for row in tables.make_effect_rows(report.analysis.effects)
    ]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    if rows:
        writer.writerow(rows[0])
    for row in rows:
        writer.writerow([_csv_cell(value) for value in row.values()])
    return out.getvalue()


def _raw(row: tables.Row) -> tables.Row:
    return {k: v for k, v in row.items() if not k.endswith("_text") or k in KEPT_TEXTS}


def _about(row: tables.Row) -> tuple[object, ...]:
    """What a double difference would have to be about to stand in this row."""
    return row["variant"], row["suite"], row["metric"], row["scope"] == "language" and row["where"]


def _against(row: Mapping[str, Any]) -> tables.Row:
    """The columns of a double difference; empty where there is none."""
    return {column: row.get(name) for column, name in AGAINST.items()}


def _csv_cell(value: object) -> object:
    """Text that a spreadsheet would run gets an apostrophe; numbers stay numbers."""
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return "" if value is None else value


# --- Markdown and LaTeX ----------------------------------------------------------------------


def to_markdown(report: Results) -> str:
    """Verdicts and a small table, and the rest folded: GitHub's Markdown, for a pull request."""
    board = _board(report)
    said = make_first_screen(report, board)
    lines = [f"# {escape_markdown(report.study.name)}", ""]
    if report.study.smoke:
        lines += ["> **SMOKE**: a run on a few items; its numbers are not results.", ""]
    if report.study.early:
        early = "Cells stopped when their verdict was known: intervals are confidence sequences."
        lines += [f"> {early}", ""]
    if report.study.bundled:
        lines += ["> Results of the bundled model do not carry over to large models.", ""]
    if report.cells:
        lines += [f"**{escape_markdown(' '.join(list_sentences(said)))}**", ""]
    lines += [
        f"- **{escape_markdown(one.variant)}**: {escape_markdown(one.sentence)}"
        for one in said.verdicts
    ]
    lines += [f"- {escape_markdown(line)}" for line in said.engine_changes]
    if report.cells:
        lines += ["", *_overview(report, board, said.variants)]
    gaps = [
        f"- {escape_markdown(gap.topic)}: {escape_markdown(gap.sentence)}"
        for gap in limitations.list_limitations(report, board)
    ] or ["Every cell is complete and every comparison was decided."]
    lines += ["", *_details("What was not shown", gaps)]
    if report.cells:
        table = [escape_markdown(_legend(report.study.alpha)), ""]
        table += _markdown_table(HEADS, _table(report, board))
        lines += ["", *_details("All comparisons", table)]
        if collapsed := list(_markdown_collapse(report)):
            lines += ["", *_details("Collapsed answers", collapsed)]
    lines += ["", *_details("Where it comes from", _markdown_foreign(report))]
    return "\n".join(lines) + "\n"


def _overview(report: Results, board: verdicts.Board, order: Sequence[str]) -> Iterator[str]:
    """A row a variant: its size, and on each suite the mean and its languages by verdict."""
    rows = views.make_matrix(report, board, order)
    suites = board.axes.suites
    yield from _markdown_table(
        ("variant", "bits per weight", *suites),
        ((row.variant, row.bits, *map(_overview_cell, row.cells)) for row in rows),
    )


def _overview_cell(cell: views.MatrixCell) -> str:
    mean = f"mean {cell.pooled} {cell.pooled_word}; " if cell.pooled else ""
    return f"{mean}{cell.about}"


def _details(title: str, lines: Iterable[str]) -> Iterator[str]:
    """Lines that a reader opens: GitHub's Markdown shows them folded."""
    yield from (f"<details><summary>{title}</summary>", "", *lines, "", "</details>")


def _legend(alpha: float) -> str:
    level = numbers.percent(alpha, digits=0)
    return (
        f"Two levels of harm. Confirmed: at most {level} of reports hold one false harm of this "
        "kind or more, the headline included. Worse in its family: the same of one variant and "
        "task alone; a report has many. Gains and contrasts are exploratory."
    )


def _markdown_table(heads: Sequence[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    yield _markdown_row(heads)
    yield _markdown_row(["---"] * len(heads))
    yield from (_markdown_row(map(escape_markdown, row)) for row in rows)


def _markdown_collapse(report: Results) -> Iterator[str]:
    """Degenerate answers, and what the worst items carry of each loss."""
    collapses = report.collapses
    found = collapse_section.make_section(report, collapses)
    if found is None:
        return
    if found.rows or found.quiet:
        yield from (escape_markdown(collapse_section.LEAD), "")
        yield from (
            f"- {escape_markdown(one)}" for one in collapse_section.describe_collapse(collapses)
        )
        if found.rows:
            yield ""
            yield from _markdown_table(collapse_section.HEADS, found.rows)
        yield from ("", *(f"- {escape_markdown(one)}" for one in (found.quiet, *found.off) if one))
    if found.losses:
        yield from ("", "What the worst items carry of a loss:", "")
        yield from _markdown_table(collapse_section.LOSS_HEADS, found.losses)


def _markdown_foreign(report: Results) -> Iterator[str]:
    """Where the numbers came from: the command of a study, or the sources of a comparison."""
    if report.foreign is None:
        yield f"Made by `{commands.run(report.study)}`."
        return
    if report.foreign.logs:
        yield from (perplexity_logs.CAPTION, "")
        shown = perplexity_logs.make_rows(report.foreign.logs, report.languages)
        yield from _markdown_table(perplexity_logs.HEADS, shown)
        yield ""
    for one in report.foreign.sources:
        tool, path = escape_markdown(one.tool), escape_markdown(one.path)
        yield f"- **{escape_markdown(one.label)}**: {tool}, {path}"
    for label in dict.fromkeys(one.label for one in report.foreign.matches):
        ours = [one for one in report.foreign.matches if one.label == label]
        used, whole = sum(m.used for m in ours), sum(m.baseline_items for m in ours)
        yield f"- {escape_markdown(label)}: {used:,} of {plural(whole, 'item')} matched"


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


MARKDOWN_SPECIALS = str.maketrans(
    {character: f"\\{character}" for character in "\\`*_{}[]()#+!|~$"}
    | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
)
LATEX_SPECIALS = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", '"': r"\textquotedbl{}", "|": r"\textbar{}"}
    | {
        numbers.MINUS: "$-$",
        numbers.NOTHING: "--",
        "≥": r"$\ge$",
        "Δ": r"$\Delta$",
        "×": r"$\times$",
    }
)


def escape_markdown(text: str) -> str:
    """`text` as it stands, in Markdown."""
    return make_one_line(text).translate(MARKDOWN_SPECIALS)


def escape_latex(text: str) -> str:
    """`text` as it stands, in LaTeX."""
    return make_one_line(text).translate(LATEX_SPECIALS)


def to_latex(report: Results) -> str:
    """The table of single languages; needs the packages booktabs and longtable."""
    board = _board(report)
    stamp = r" \textbf{SMOKE: not results.}" if report.study.smoke else ""
    head = f"{' & '.join(map(escape_latex, HEADS))} \\\\"
    lines = [
        "% \\usepackage{booktabs,longtable}",
        r"\begin{longtable}{lllrrrrll}",
        f"\\caption{{{escape_latex(report.study.name)}: difference to the baseline.{stamp}}}\\\\",
        rf"\toprule {head} \midrule \endfirsthead",
        rf"\toprule {head} \midrule \endhead",
        r"\bottomrule \endfoot",
        *(f"{' & '.join(map(escape_latex, row))} \\\\" for row in _table(report, board)),
        r"\end{longtable}",
    ]
    return "\n".join(lines) + "\n"


def _table(report: Results, found: verdicts.Board) -> Iterator[tuple[str, ...]]:
    """The values of `HEADS` for every variant, suite and language."""
    for variant in found.axes.variants:
        for suite in found.axes.suites:
            for effect in found.row(variant, suite):
                yield _line(effect, report.languages[effect.language or ""].name)


def _line(effect: Effect, language: str) -> tuple[str, ...]:
    p = numbers.p_value(effect.inference.p_adjusted)
    if effect.inference.p_adjusted is None:
        p = f"({numbers.p_value(effect.inference.p_value)})"
    flips = (
        numbers.NOTHING
        if effect.counts.broke is None
        else f"{effect.counts.broke} / {effect.counts.fixed}"
    )
    return (
        effect.variant,
        effect.task,
        language,
        f"{effect.counts.n_items}",
        numbers.amount(effect.delta, effect.unit),
        numbers.interval(effect.inference.interval, effect.unit),
        p,
        numbers.verdict_word(effect),
        flips,
    )


# --- charts as files -------------------------------------------------------------------------


def write_charts(report: Results, folder: Path) -> tuple[Path, ...]:
    """Every chart as SVG and PNG into `folder`, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    taken: set[str] = set()
    for name, chart in _charts(report):
        stem = name if name not in taken else f"{name}--{len(taken)}"
        taken.add(stem)
        written += svg.write(chart, folder / stem)
    return tuple(written)


def _charts(report: Results) -> Iterator[tuple[str, Any]]:
    """File stem and chart."""
    found = _board(report)
    names = {code: language.name for code, language in report.languages.items()}
    for suite in found.axes.suites:
        rows = {variant: found.row(variant, suite) for variant in found.axes.variants}
        everything = [effect for row in rows.values() for effect in row]
        if everything:
            yield (
                _stem("heat-map", suite),
                charts.draw_heat_map(everything, names, found.axes.variants),
            )
        yield from _pooled_charts(report, found, suite)
        for variant, row in rows.items():
            if row:
                pooled = found.pooled.get((variant, suite))
                yield _stem("forest", suite, variant), charts.draw_forest(row, names, {}, pooled)


def _pooled_charts(report: Results, found: verdicts.Board, suite: str) -> Iterator[tuple[str, Any]]:
    variants = found.axes.variants
    grouped = [e for variant in variants for e in found.grouped.get((variant, suite), ())]
    for costs in speed_section.list_cost_axes(report):
        effects = views.select_costed(found, suite, costs)
        if effects:
            stem = "size" if costs.key == "bits" else f"size-{costs.key}"
            yield _stem(stem, suite), charts.draw_cost_quality(effects, costs)
    if grouped:
        yield _stem("groups", suite), charts.draw_groups(grouped, variants)


def _stem(*parts: str) -> str:
    return "--".join(views.make_slug(part) for part in parts)


# --- shared ----------------------------------------------------------------------------------


def _board(report: Results) -> verdicts.Board:
    return verdicts.make_board(
        report.analysis.effects, views.map_primary_metrics(report), list_axes(report)
    )


def make_screen(report: Results) -> FirstScreen:
    """Headline, recommendation, and one sentence a variant."""
    return make_first_screen(report, _board(report))


def _to_html(report: Results) -> str:
    from babelbits.report.build import build

    return build(report)


FORMATS: Mapping[str, Callable[[Results], str]] = {
    "html": _to_html,
    "md": to_markdown,
    "csv": to_csv,
    "json": to_json,
    "latex": to_latex,
}
"""What `babelbits report --format` offers."""

ENDINGS = {".html": "html", ".md": "md", ".csv": "csv", ".json": "json", ".tex": "latex"}
"""A file's ending to its format."""


def write(report: Results, path: Path) -> Path:
    """Write what a file's ending names, whole or not at all; returns the path.

    Raises
    ------
    StudyError
        If the ending names no format.
    StoreError
        If the file cannot be written.
    """
    kind = ENDINGS.get(path.suffix.lower())
    if kind is None:
        raise StudyError(
            f"a report cannot be written as '{path.suffix}'",
            where=str(path),
            hint=f"endings: {', '.join(ENDINGS)}",
        )
    return write_text(path, FORMATS[kind](report))


def write_text(path: Path, text: str) -> Path:
    """Write a file whole or not at all; bytes, so that line ends stay as they are.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise StoreError(
            f"cannot be written: {error.strerror or error}", where=str(path)
        ) from error
    return path
