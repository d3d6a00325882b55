"""What the page's template shows, as plain values: the tables of the report, cell by cell.

Pure: no markup, no files. Every text is still hostile; the template escapes it.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from babelbits.analysis import format as numbers
from babelbits.records import Effect, Manifest, digest
from babelbits.report.item_pairs import Axes
from babelbits.report.speed_section import CostAxis
from babelbits.report.verdicts import GLYPHS, LEVEL_WORDS, VERDICTS, Board
from babelbits.results.results import Results
from babelbits.words import bytes_size, plural

STRONGEST_TINT = 0.62
"""Opacity of the heat map's largest difference: text on it stays readable."""
DARKEST = 3.0
"""Margins at which the heat map is at its strongest."""
LONGEST_TABLE = 2000

Key = tuple[str, str, str]


def make_slug(text: str) -> str:
    """`text` for a file name or an anchor: ASCII letters, digits and hyphens."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")


def map_primary_metrics(report: Results) -> dict[str, str]:
    """Suite to the metric that its verdicts are about."""
    return {cell.meta.task.suite: cell.meta.task.primary for cell in report.cells}


def select_costed(found: Board, suite: str, costs: CostAxis) -> list[Effect]:
    """Effects over all languages of variants whose cost is known."""
    return [
        found.pooled[variant, suite]
        for variant in found.axes.variants
        if (variant, suite) in found.pooled and variant in costs.values
    ]


def make_anchors(keys: Iterable[Key]) -> dict[Key, str]:
    """A readable, unique anchor for each cell, e.g. 'cell-w4-g-en--mgsm--ja'."""
    found: dict[Key, str] = {}
    for key in keys:
        name = "cell-" + "--".join(make_slug(part) for part in key)
        taken = name in found.values()
        found[key] = f"{name}--{digest(list(key), length=6)}" if taken else name
    return found


# --- verdict matrix --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixCell:
    """A variant on a suite: how many languages got which verdict."""

    suite: str
    parts: tuple[tuple[str, str, int], ...]
    """Verdict, glyph, number of languages; verdicts nobody got are left out."""
    pooled: str
    """The difference over all languages; '' where there is none."""
    pooled_verdict: str
    pooled_word: str
    """Its verdict with its level."""
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRow:
    """A variant with its size and its verdicts."""

    variant: str
    bits: str
    size: str
    cells: tuple[MatrixCell, ...]


def make_matrix(report: Results, found: Board, order: Sequence[str] = ()) -> tuple[MatrixRow, ...]:
    """Variants × suites, in `order` where it is given."""
    there = [variant for variant in order if variant in found.axes.variants]
    names = dict.fromkeys((*there, *found.axes.variants))
    return tuple(_matrix_row(report, found, variant) for variant in names)


def _matrix_row(report: Results, found: Board, variant: str) -> MatrixRow:
    made = report.manifests.get(variant)
    ran = frozenset((cell.meta.variant, cell.meta.task.suite) for cell in report.cells)
    return MatrixRow(
        variant=variant,
        bits=numbers.NOTHING if made is None else f"{made.bits_per_weight:.2f}",
        size=numbers.NOTHING if made is None else bytes_size(made.bytes_on_disk, decimals=1),
        cells=tuple(_matrix_cell(found, variant, suite, ran) for suite in found.axes.suites),
    )


def describe_maker(made: Manifest) -> str:
    """Device and threads that made a variant: its weights may depend on them."""
    parts = [made.device] if made.device else []
    parts += [] if made.n_threads is None else [plural(made.n_threads, "thread")]
    return ", ".join(parts) or numbers.NOTHING


def _matrix_cell(
    board: Board, variant: str, suite: str, ran: frozenset[tuple[str, str]]
) -> MatrixCell:
    tally: Counter[str] = board.tally(variant, suite)
    nothing = "no score" if (variant, suite) in ran else "not run"
    parts = tuple(
        (verdict, GLYPHS[verdict], tally[verdict]) for verdict in VERDICTS if tally[verdict]
    )
    pooled = board.pooled.get((variant, suite))
    return MatrixCell(
        suite=suite,
        parts=parts,
        pooled="" if pooled is None else numbers.amount(pooled.delta, pooled.unit),
        pooled_verdict="" if pooled is None else pooled.decision.verdict,
        pooled_word="" if pooled is None else numbers.verdict_word(pooled),
        about=", ".join(f"{count} {verdict}" for verdict, _, count in parts) or nothing,
    )


# --- heat maps -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatCell:
    """A difference, its verdict, and how strongly it is tinted."""

    delta: str
    verdict: str
    glyph: str
    tone: str
    """'harm', 'gain' or ''."""
    tint: str
    """Opacity, 0 to 1."""
    anchor: str
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatRow:
    """A language under every variant; None where a cell is missing."""

    language: str
    cells: tuple[HeatCell | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """A suite: languages × variants, most harmed language first."""

    suite: str
    unit: str
    scale: str
    """What the strongest colour stands for."""
    rows: tuple[HeatRow, ...]


def make_heat_maps(found: Board, links: Mapping[Key, str]) -> tuple[HeatMap, ...]:
    """One map a suite; none where no cell has a comparison."""
    maps = (_heat_map(found, suite, links) for suite in found.axes.suites)
    return tuple(one for one in maps if one.rows)


def _heat_map(board: Board, suite: str, links: Mapping[Key, str]) -> HeatMap:
    axes = board.axes
    table = {
        language: [board.by_cell.get((variant, suite, language)) for variant in axes.variants]
        for language in axes.languages
    }
    table = {language: row for language, row in table.items() if any(row)}
    there = [effect for row in table.values() for effect in row if effect is not None]
    reach = find_heat_reach(there)
    order = sorted(table, key=lambda language: _mean([e.delta for e in table[language] if e]))
    rows = tuple(
        HeatRow(language=code, cells=tuple(_heat_cell(e, reach, links) for e in table[code]))
        for code in order
    )
    unit = there[0].unit if there else ""
    return HeatMap(
        suite=suite,
        unit=numbers.unit_word(unit) if there else "",
        scale=f"darkest at {numbers.size(reach, unit).partition(' ')[0]} or more" if there else "",
        rows=rows,
    )


def find_heat_reach(effects: Sequence[Effect]) -> float:
    """The difference with the strongest colour: `DARKEST` margins, where the suite has a margin.

    So that a colour means the same in every task, and an equivalent difference is always pale.
    Without a margin, the largest difference.
    """
    margins = {effect.decision.margin for effect in effects}
    [margin] = margins if len(margins) == 1 else [None]
    if margin is not None:
        return DARKEST * margin
    return max((abs(effect.delta) for effect in effects), default=0.0)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _heat_cell(effect: Effect | None, reach: float, links: Mapping[Key, str]) -> HeatCell | None:
    if effect is None:
        return None
    share = min(1.0, abs(effect.delta) / reach) if reach else 0.0
    return HeatCell(
        delta=numbers.signed(effect.delta, effect.unit),
        verdict=effect.decision.verdict,
        glyph=GLYPHS[effect.decision.verdict],
        tone="harm" if effect.delta < 0 else "gain" if effect.delta > 0 else "",
        tint=f"{share * STRONGEST_TINT:.2f}",
        anchor=links[effect.variant, effect.task, effect.language or ""],
        about=", ".join(
            (numbers.interval(effect.inference.interval, effect.unit), numbers.verdict_word(effect))
        ),
    )


# --- the full table --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A number as shown and as sorted; '' sorts last."""

    text: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """An effect, ready to be shown."""

    effect: Effect
    where: str
    """Language code, or the group's name."""
    anchor: str
    """Empty for groups, whose items are those of their languages."""
    glyph: str
    level: str
    """How firmly a "worse" is shown, and 'exploratory' of every verdict without a family."""
    remark: str
    """Why nothing was decided, and what else must be known."""
    numbers: tuple[Value, ...]


COLUMNS: tuple[tuple[str, str], ...] = (
    ("n", "pairs of items with a score in both arms"),
    ("baseline", "score of the unquantized model"),
    ("variant", "score of the quantized model"),
    ("Δ", "variant − baseline, oriented: negative is harm"),
    ("interval", "confidence interval of Δ, each for itself: not adjusted for the family"),
    ("Δ %", "difference relative to the baseline's score; withheld at the floor"),
    ("Δ % interval", "confidence interval of Δ %; excludes zero where that of Δ does"),
    (
        "p (Holm)",
        "two-sided, adjusted in its family; in brackets where exploratory: raw p, then p (BH)",
    ),
    ("broke / fixed", "right then wrong / wrong then right"),
    ("churn", "share of items whose score changed"),
    ("A/A", "the same for the baseline run twice: the noise floor"),
    ("min. detectable loss", "smallest true loss that is called worse with 80 % power"),
)


def make_table(effects: Sequence[Effect], links: Mapping[Key, str]) -> tuple[TableRow, ...]:
    """Every effect, harm first, then by size of the difference within a unit."""
    ordered = sorted(effects, key=_urgency)
    return tuple(_table_row(effect, links) for effect in ordered[:LONGEST_TABLE])


SEVERITY = {"worse": 0, "undecided": 1, "equivalent": 2, "better": 3}


def _urgency(effect: Effect) -> tuple[object, ...]:
    """Sorts harm first; points before other units; then by the difference."""
    unit = (effect.unit != "fraction", effect.unit)
    names = (effect.variant, effect.task, effect.metric, _where(effect))
    return (SEVERITY[effect.decision.verdict], *unit, effect.delta, *names)


def _where(effect: Effect) -> str:
    if effect.scope == "language":
        return effect.language or ""
    return effect.group or "all languages"


def _table_row(effect: Effect, links: Mapping[Key, str]) -> TableRow:
    return TableRow(
        effect=effect,
        where=_where(effect),
        anchor=links.get((effect.variant, effect.task, effect.language or ""), ""),
        glyph=GLYPHS[effect.decision.verdict],
        level=_level(effect),
        remark=_remark(effect),
        numbers=_numbers(effect),
    )


def _level(effect: Effect) -> str:
    if effect.decision.verdict == "undecided":
        return ""
    if effect.decision.verdict == "better" or effect.inference.family is None:
        return LEVEL_WORDS[None]
    return "" if effect.decision.level is None else LEVEL_WORDS[effect.decision.level]


def _remark(effect: Effect) -> str:
    reason = (effect.decision.reason,) if effect.decision.verdict == "undecided" else ()
    notes = (note for note in effect.notes if not note.startswith("exploratory"))
    return "; ".join((*reason, *notes))


def _key(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _numbers(effect: Effect) -> tuple[Value, ...]:
    """The values of `COLUMNS`, in its order."""
    unit = effect.unit
    low = None if effect.inference.interval is None else effect.inference.interval.low
    p = (
        effect.inference.p_value
        if effect.inference.p_adjusted is None
        else effect.inference.p_adjusted
    )
    p_text = (
        numbers.p_value(p) if effect.inference.p_adjusted is not None else _exploratory_p(effect)
    )
    flips = "" if effect.counts.broke is None else f"{effect.counts.broke} / {effect.counts.fixed}"
    churn = None if effect.kind == "real" else effect.counts.churn
    noise = None if effect.kind == "real" else effect.arms.aa_churn
    seen, relative = effect.inference.minimal_detectable_effect, effect.relative.relative_change
    around = effect.relative.relative_interval
    return (
        Value(text=f"{effect.counts.n_items:,}", key=str(effect.counts.n_items)),
        Value(
            text=numbers.score(effect.arms.baseline_score, unit),
            key=_key(effect.arms.baseline_score),
        ),
        Value(
            text=numbers.score(effect.arms.variant_score, unit), key=_key(effect.arms.variant_score)
        ),
        Value(text=numbers.signed(effect.delta, unit), key=_key(effect.delta)),
        Value(text=numbers.interval(effect.inference.interval, unit), key=_key(low)),
        Value(text=numbers.signed_percent(relative), key=_key(relative)),
        Value(
            text=numbers.percent_interval(around), key=_key(None if around is None else around.low)
        ),
        Value(text=p_text if p is not None else numbers.NOTHING, key=_key(p)),
        Value(
            text=flips or numbers.NOTHING,
            key="" if effect.counts.broke is None else str(effect.counts.broke),
        ),
        Value(text=numbers.percent(churn), key=_key(churn)),
        Value(text=numbers.percent(noise), key=_key(noise)),
        Value(text=numbers.score(seen, unit), key=_key(seen)),
    )


def _exploratory_p(effect: Effect) -> str:
    raw = numbers.p_value(effect.inference.p_value)
    return (
        f"({raw})"
        if effect.inference.p_map is None
        else f"({raw}; BH {numbers.p_value(effect.inference.p_map)})"
    )


# --- noise floor -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """The baseline against itself, batched differently, on one suite."""

    suite: str
    cells: int
    largest: str
    """Over the languages: churn, where items are right or wrong, and difference."""


def find_noise_floor(report: Results, axes: Axes) -> tuple[Noise, ...]:
    """Largest churn and difference over the languages of each suite that has an A/A cell."""
    rows = []
    metric = map_primary_metrics(report)
    for suite in axes.suites:
        effects = [
            effect
            for effect in report.analysis.aa
            if effect.task == suite
            and effect.metric == metric[suite]
            and effect.scope == "language"
        ]
        if effects:
            shares = [
                e.counts.churn for e in effects if e.counts.churn is not None and e.kind != "real"
            ]
            churn = f"churn {numbers.percent(max(shares))}, " if shares else ""
            largest = max(abs(effect.delta) for effect in effects)
            rows.append(
                Noise(
                    suite=suite,
                    cells=len(effects),
                    largest=churn + f"difference {numbers.score(largest, effects[0].unit)} "
                    f"{numbers.unit_word(effects[0].unit)}",
                )
            )
    return tuple(rows)
