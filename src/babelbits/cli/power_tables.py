"""Prospects as rows: raw numbers for machines, texts for people. Used by `babelbits power`."""

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from babelbits.analysis import format as shown
from babelbits.cli.console import make_cell, make_safe, open_console, print_data
from babelbits.decide.power_analysis import PooledPowerLine, PowerAnalysis, PowerLine
from babelbits.decide.power_planning import ComparisonPower, GroupLimit, ItemsNeeded

if TYPE_CHECKING:
    from babelbits.analysis.tables import Row

COLUMNS = (
    "variant", "task", "languages", "items", "churn", "minimum detectable loss", "after Holm",
    "margin", "items: equivalent", "items: not worse", "items: whole gate",
    "sample sufficient?",
)  # fmt: skip
POOLED_COLUMNS = ("variant", "task", "languages", "churn", "minimum detectable loss of the mean")
GROUP_COLUMNS = ("task", "group", "languages", "smallest possible p", "after Holm", "testable?")
NAMED_LANGUAGES = 8


# --- for machines ------------------------------------------------------------------------------


def make_line_row(line: PowerLine) -> "Row":
    """One line, numbers in the metric's unit."""
    prospect = line.prospect
    churn = None if prospect is None else prospect.spread.interval
    return {
        "variant": line.variant,
        "suite": line.suite,
        "language": line.language,
        "unit": line.unit,
        "n_items": line.n_items,
        "churn": None if prospect is None else prospect.spread.churn,
        "churn_low": None if churn is None else churn.low,
        "churn_high": None if churn is None else churn.high,
        "tests": None if prospect is None else prospect.tests,
        "margin": line.margin,
        "smallest_loss": None if prospect is None else prospect.detectable_loss,
        "smallest_loss_after_holm": None
        if prospect is None
        else prospect.detectable_loss_in_family,
        **_need_row("equivalent", None if prospect is None else prospect.equivalent, line.n_items),
        **_need_row("not_worse", None if prospect is None else prospect.not_worse, line.n_items),
        "questions": None if prospect is None else prospect.questions,
        **_need_row(
            "equivalent_in_all",
            None if prospect is None else prospect.equivalent_in_all,
            line.n_items,
        ),
        **_need_row(
            "not_worse_in_all",
            None if prospect is None else prospect.not_worse_in_all,
            line.n_items,
        ),
    }


def _need_row(name: str, need: ItemsNeeded | None, n_items: int | None) -> "Row":
    known = need is not None and n_items is not None
    return {
        f"{name}_items": None if need is None else need.items,
        f"{name}_is_lower_bound": None if need is None else need.at_least,
        f"{name}_times": need.items / n_items if need is not None and n_items else None,
        f"{name}_enough": need.met_by(n_items) if known and need and n_items is not None else None,
    }


def as_object(outlook: PowerAnalysis, *, schema: str, power: float) -> dict[str, Any]:
    """All of it as JSON."""
    return {
        "schema": schema,
        "alpha": outlook.alpha,
        "power": power,
        "comparisons": [make_line_row(line) for line in outlook.lines],
        "pooled": [
            {
                "variant": one.variant,
                "suite": one.suite,
                "languages": list(one.languages),
                "unit": one.unit,
                "churn": one.churn,
                "smallest_loss_at_best": one.best,
                "smallest_loss_at_worst": one.worst,
            }
            for one in outlook.pooled
        ],
        "groups": [
            {
                "suite": suite,
                "group": one.group,
                "inside": list(one.inside),
                "outside": list(one.outside),
                "smallest_p": one.smallest_p,
                "tests": one.tests,
                "reaches_alpha": one.reaches(outlook.alpha),
                "reaches_alpha_after_holm": one.reaches_in_family(outlook.alpha),
            }
            for suite, one in outlook.groups
        ],
    }


def as_csv(outlook: PowerAnalysis) -> str:
    """The comparisons as CSV, one a line."""
    rows = [make_line_row(line) for line in outlook.lines]
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


# --- for people --------------------------------------------------------------------------------


def make_tables(outlook: PowerAnalysis) -> list[tuple[str, tuple[str, ...], list[tuple[str, ...]]]]:
    """Title, columns and rows of every table that has rows; columns that say nothing left out."""
    found = [
        ("Each language", COLUMNS, [_texts(group) for group in fold_lines(outlook.lines)]),
        ("Mean over languages", POOLED_COLUMNS, [_pooled_texts(one) for one in outlook.pooled]),
        (
            "Is a group of languages harmed more? Units are languages",
            GROUP_COLUMNS,
            _group_rows(outlook),
        ),
    ]
    return [_without_empty(title, columns, rows) for title, columns, rows in found if rows]


def fold_lines(lines: Sequence[PowerLine]) -> list[list[PowerLine]]:
    """Languages about which the same is said, together."""
    groups: dict[Any, list[PowerLine]] = {}
    for one in lines:
        groups.setdefault((one.variant, one.suite, one.n_items, one.prospect), []).append(one)
    return list(groups.values())


def _texts(group: Sequence[PowerLine]) -> tuple[str, ...]:
    line = group[0]
    about = (
        line.variant or "",
        line.suite or "",
        _codes([one.language for one in group if one.language is not None]),
        "unknown" if line.n_items is None else f"{line.n_items:,}",
    )
    prospect = line.prospect
    if prospect is None:
        return (*about, "", line.why_unknown, "", "", "", "", "", "")
    return (
        *about,
        _churn(prospect),
        _loss(prospect.detectable_loss, line),
        _after_holm(prospect, line),
        shown.NOTHING if line.margin is None else shown.size(line.margin, line.unit),
        _need(prospect.equivalent, line),
        _need(prospect.not_worse, line),
        "" if prospect.not_worse_in_all is None else _need(prospect.not_worse_in_all, line),
        _is_sufficient(prospect),
    )


def _codes(codes: Sequence[str]) -> str:
    named = " ".join(codes[:NAMED_LANGUAGES])
    return named if len(codes) <= NAMED_LANGUAGES else f"{named} … ({len(codes)})"


def _churn(found: ComparisonPower) -> str:
    spread = found.spread
    if spread.churn is None:
        return ""
    text = shown.percent(spread.churn)
    if spread.interval is None:
        return text
    return f"{text} ({spread.interval.low * 100:.1f} to {spread.interval.high * 100:.1f})"


def _loss(loss: float | None, line: PowerLine) -> str:
    if loss is not None:
        return f"≥ {_rounded(loss, line.unit)}"
    if line.n_items is None:
        return "unknown"
    found = line.prospect
    return "unknown: no item changed" if found is not None and not found.spread.variance else "none"


def _after_holm(found: ComparisonPower, line: PowerLine) -> str:
    if found.tests == 1:
        return ""
    text = _loss(found.detectable_loss_in_family, line)
    return f"{text} ({found.tests})" if found.detectable_loss_in_family is not None else text


def _rounded(value: float, unit: str) -> str:
    """One decimal for points, two figures for other units: these sizes may be tiny."""
    text = f"{value * 100:.1f}" if unit == "fraction" else f"{value:.2g}"
    return f"{text} {shown.unit_word(unit)}"


def _need(need: ItemsNeeded | None, line: PowerLine) -> str:
    if need is None:
        return shown.NOTHING
    text = f"{'≥ ' if need.at_least else ''}{need.items:,}"
    if not line.n_items:
        return text
    times = f"{need.items / line.n_items:.1f} ×"
    return f"{text} ({times} {line.suite})" if line.suite else f"{text} ({times})"


def _is_sufficient(found: ComparisonPower) -> str:
    """Whether the items at hand suffice to show the margin."""
    if found.n_items is None or found.equivalent is None or found.not_worse is None:
        return "unknown"
    both, one_side = (need.met_by(found.n_items) for need in (found.equivalent, found.not_worse))
    if both:
        return "yes"
    if both is None:
        return "perhaps"
    return {True: "not worse only", None: "perhaps not worse", False: "no"}[one_side]


def _pooled_texts(one: PooledPowerLine) -> tuple[str, ...]:
    ends = [None if end is None else _rounded(end, one.unit) for end in (one.best, one.worst)]
    low, high = (end or "none" for end in ends)
    text = f"≥ {low}" if low == high and one.best is not None else f"≥ {low} to {high}"
    text = "none" if one.best is None else text
    about = (one.variant or "", one.suite, _codes(one.languages), shown.percent(one.churn))
    return (*about, text)


def _group_rows(outlook: PowerAnalysis) -> list[tuple[str, ...]]:
    """Suites of the same languages together."""
    suites: dict[GroupLimit, list[str]] = {}
    for suite, limit in outlook.groups:
        suites.setdefault(limit, []).append(suite)
    return [
        _group_texts(" ".join(names), limit, alpha=outlook.alpha) for limit, names in suites.items()
    ]


def _group_texts(suites: str, one: GroupLimit, *, alpha: float) -> tuple[str, ...]:
    after = min(1.0, one.smallest_p * one.tests)
    can = "yes" if one.reaches_in_family(alpha) else "no"
    if can == "no" and one.reaches(alpha):
        can = "only without Holm"
    return (
        suites,
        one.group,
        f"{len(one.inside)} against {len(one.outside)}",
        "no limit" if one.smallest_p == 0 else f"{one.smallest_p:.2g}",
        "no limit" if after == 0 else f"{after:.2g} ({one.tests})",
        can,
    )


def _without_empty(
    title: str, columns: Sequence[str], rows: Sequence[tuple[str, ...]]
) -> tuple[str, tuple[str, ...], list[tuple[str, ...]]]:
    kept = [index for index in range(len(columns)) if any(row[index] for row in rows)]
    return (
        title,
        tuple(columns[index] for index in kept),
        [tuple(row[index] for index in kept) for row in rows],
    )


def render(outlook: PowerAnalysis) -> None:
    """Print every table."""
    from rich import box
    from rich.table import Table

    for title, columns, rows in make_tables(outlook):
        print_data(title)
        table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
        for row in rows:
            table.add_row(*map(make_cell, row))
        open_console().print(table)


def as_markdown(outlook: PowerAnalysis) -> str:
    """Every table as GitHub-flavoured Markdown."""
    parts = []
    for title, columns, rows in make_tables(outlook):
        lines = [f"**{title}**", "", f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
        lines += [
            "| "
            + " | ".join(make_safe(text, one_line=True).replace("|", "\\|") for text in row)
            + " |"
            for row in rows
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)
