"""Metrics, judges and people: one picture a language, and tables.

Three units that nothing converts into each other: items that changed, texts that a model prefers,
texts that people prefer. They stand side by side on axes of their own. Pure: no files; Altair is
imported when a chart is made. Sign: left of zero is harm. Net preferences are in points (x 100).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from babelbits.analysis import format as numbers
from babelbits.preferences.agreement import JudgeAndPeople
from babelbits.preferences.preference_summary import Panel, PreferenceSummary
from babelbits.preferences.summary import ALL, VoteSummary
from babelbits.preferences.vote_store import SIMULATED
from babelbits.records import JSON, Effect
from babelbits.report import palette
from babelbits.report.charts import (
    ROW,
    Ruler,
    draw_backdrop,
    make_panel_title,
    make_verdict_channels,
    refer_data,
    styled,
)
from babelbits.words import plural

if TYPE_CHECKING:
    from babelbits.preferences.preference_summary import VoterSummary

WIDTH = 190
UNIT = "fraction"
SPEAKERS: Mapping[str, str] = {
    "metric": "metrics",
    "llm": "judges",
    "reward": "reward models",
    "human": "people",
}
"""Panels of a chart, in this order; a panel without a row is left out."""

LINE = 19
"""Height of one source's line, pixels."""
AXIS: Mapping[bool, str] = {True: "difference, points of items", False: "net preference, points"}
"""By whether a metric speaks."""

COLUMNS = (
    *("net", "interval", "win rate", "prompts", "votes", "identical", "without verdict"),
    *("if lost", "if won", "orders disagree"),
)
ACCORD_COLUMNS = (
    *("pairs", "same verdict", "κ", "decided", "same where both decide", "judge − people"),
    *("people's net, prediction-powered", "people alone ± "),
)
PANEL_COLUMNS = ("raters", "pairs", "shared", "α, ordinal", "interval", "same verdict")


@dataclass(frozen=True, slots=True, kw_only=True)
class VoterRow:
    """One speaker on one variant in one language."""

    speaker: str
    variant: str
    cells: tuple[str, ...]
    """The values of `COLUMNS`."""
    verdict: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceRows:
    """A speaker, or two, in one language, with cells of one of the tables."""

    speaker: str
    language: str
    cells: tuple[str, ...]
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strengths:
    """All variants on one scale, by one speaker."""

    speaker: str
    rows: tuple[tuple[str, str, str, str], ...]
    """Variant, log-strength, interval, rank."""


def list_spoken_languages(voices: PreferenceSummary) -> tuple[str, ...]:
    """Codes in which somebody judged, in order of first mention."""
    found = {row.language: None for voice in voices.voices for row in voice.summaries}
    return tuple(code for code in found if code != ALL)


def make_rows(voices: PreferenceSummary, language: str) -> tuple[VoterRow, ...]:
    """Every judge and panel on every variant in a language, or in all ('all')."""
    return tuple(
        _row(voice, one)
        for voice in voices.voices
        for one in voice.summaries
        if one.language == language
    )


def _row(voice: "VoterSummary", one: VoteSummary) -> VoterRow:
    preference = one.preference
    lost, won = one.bounds or (None, None)
    dropped = ", ".join(f"{count} {kind}" for kind, count in sorted(one.dropped.items()))
    return VoterRow(
        speaker=voice.book.name,
        variant=one.variant,
        cells=(
            numbers.signed(preference.net, UNIT) if preference else numbers.NOTHING,
            numbers.interval(preference.interval, UNIT) if preference else numbers.NOTHING,
            numbers.percent(preference.win_rate) if preference else numbers.NOTHING,
            f"{preference.n_prompts:,}" if preference else "0",
            f"{one.n_pairs:,}",
            f"{one.n_identical:,}",
            dropped or "0",
            numbers.signed(lost.net, UNIT) if lost else numbers.NOTHING,
            numbers.signed(won.net, UNIT) if won else numbers.NOTHING,
            numbers.NOTHING if voice.book.kind != "llm" else numbers.percent(one.flip_share),
        ),
        verdict=one.verdict,
        reason=one.reason,
    )


# --- agreement -------------------------------------------------------------------------------


def list_accords(voices: PreferenceSummary) -> tuple[PreferenceRows, ...]:
    """Each judge against each panel, language by language."""
    return tuple(
        PreferenceRows(
            speaker=f"{accord.judge} and {accord.people}",
            language=one.language,
            cells=_accord(one),
        )
        for accord in voices.accords
        for one in accord.rows
    )


def _accord(one: JudgeAndPeople) -> tuple[str, ...]:
    powered = one.powered
    return (
        f"{one.n_pairs:,}",
        numbers.percent(one.raw_agreement),
        _decimal(one.kappa),
        f"{one.n_decided:,}",
        numbers.percent(one.agreement_when_decided),
        numbers.signed(one.judge_bias, UNIT),
        numbers.NOTHING
        if powered is None
        else f"{numbers.signed(powered.estimate, UNIT)} "
        f"({numbers.interval(powered.interval, UNIT)})",
        numbers.NOTHING
        if powered is None
        else numbers.score(powered.human_only_standard_error, UNIT),
    )


def list_panels(voices: PreferenceSummary) -> tuple[PreferenceRows, ...]:
    """How far raters agree among themselves; who lowers it is named by pseudonym."""
    return tuple(
        PreferenceRows(
            speaker=voice.book.name, language=one.language, cells=_panel(one), remark=_low(one)
        )
        for voice in voices.voices
        for one in voice.panels
    )


def _panel(one: Panel) -> tuple[str, ...]:
    low_high = one.interval and f"{_decimal(one.interval.low)} to {_decimal(one.interval.high)}"
    return (
        f"{one.n_raters}",
        f"{one.n_pairs:,}",
        f"{one.n_shared:,}",
        _decimal(one.alpha),
        low_high or numbers.NOTHING,
        numbers.percent(one.raw),
    )


def _low(one: Panel) -> str:
    """Raters without whom agreement would be higher by a tenth."""
    if one.alpha is None:
        return ""
    named = [
        rater.rater
        for rater in one.raters
        if rater.alpha_without is not None and rater.alpha_without - one.alpha > 0.1
    ]
    return f"higher without {', '.join(named)}" if named else ""


def list_strengths(voices: PreferenceSummary) -> tuple[Strengths, ...]:
    """Bradley-Terry strengths of every speaker who judged more than one variant."""
    tables = []
    for voice in voices.voices:
        if voice.strengths is not None:
            table = sorted(voice.strengths.strengths, key=lambda one: -one.log_strength)
            lines = tuple(
                (
                    one.name,
                    _signed_decimal(one.log_strength),
                    f"{_signed_decimal(one.interval.low)} to {_signed_decimal(one.interval.high)}"
                    if one.interval
                    else numbers.NOTHING,
                    numbers.NOTHING if one.rank is None else f"{one.rank.best} to {one.rank.worst}",
                )
                for one in table
            )
            tables.append(Strengths(speaker=voice.book.name, rows=lines))
    return tuple(tables)


def _decimal(value: float | None) -> str:
    return numbers.NOTHING if value is None else f"{value:.2f}".replace("-", numbers.MINUS)


def _signed_decimal(value: float) -> str:
    return ("+" if value > 0 else "") + _decimal(value)


# --- the picture -----------------------------------------------------------------------------


def draw_chart(
    effects: Sequence[Effect], voices: PreferenceSummary, language: str, *, variants: Sequence[str]
) -> Any:
    """Metrics, judges and people on one language, each on an axis of their own.

    Parameters
    ----------
    effects : sequence of Effect
        Of primary metrics that are fractions, in this language; others have units of their own and
        are not drawn.
    language : str
        Canonical code.

    Returns
    -------
    Altair chart or None
        None where nobody has anything to draw: no such metric, and no pair with a verdict.
    """
    import altair as alt

    data: dict[str, list[JSON]] = {kind: [] for kind in SPEAKERS}
    for effect in effects:
        if effect.unit == UNIT:
            data["metric"].append(_effect_row(effect))
    for voice in voices.voices:
        data[voice.book.kind] += [
            _vote_row(voice, one)
            for one in voice.summaries
            if one.language == language and one.preference is not None
        ]
    shown = {kind: panel_rows for kind, panel_rows in data.items() if panel_rows}
    if not shown:
        return None
    named_here = dict.fromkeys(
        row["variant"] for panel_rows in shown.values() for row in panel_rows
    )
    drawn = [name for name in (*variants, *named_here) if named_here.pop(name, 0) is None]
    lines = max(len(_sources(panel_rows)) for panel_rows in shown.values())
    height = len(drawn) * max(ROW + 4, lines * LINE)
    columns = [
        _panel_chart(kind, panel_rows, drawn, height=height, labelled=place == 0)
        for place, (kind, panel_rows) in enumerate(shown.items())
    ]
    joined = alt.hconcat(*columns, spacing=30).resolve_scale(yOffset="independent")
    return styled(joined, **shown)


def _sources(found: Iterable[JSON]) -> list[str]:
    return list(dict.fromkeys(row["source"] for row in found))


def _panel_chart(
    kind: str, rows: Sequence[JSON], variants: Sequence[str], *, height: int, labelled: bool
) -> Any:
    import altair as alt

    ruler = Ruler(title=AXIS[kind == "metric"], domain=_domain(rows, kind), ticks=4)
    sources = _sources(rows)
    axis = alt.Axis(
        ticks=False,
        grid=False,
        labels=labelled,
        labelColor=palette.INK,
        labelFontSize=12,
        title=None,
    )
    y = alt.Y("variant:N", axis=axis, scale=alt.Scale(domain=list(variants), paddingInner=0.2))
    margins = {row["margin"] for row in rows}
    [margin] = margins if len(margins) == 1 else [None]
    layers = [*draw_backdrop(margin, ruler), *_marks(kind, y, sources, ruler)]
    title = make_panel_title(SPEAKERS[kind], subtitle=sources[0] if len(sources) == 1 else "")
    return alt.layer(*layers).properties(width=WIDTH, height=height, title=title)


def _marks(kind: str, y: Any, sources: Sequence[str], ruler: Ruler) -> list[Any]:
    """Interval and point of every row; with several sources each has a line and its name."""
    import altair as alt

    channels = make_verdict_channels()
    base = alt.Chart(refer_data(kind)).encode(y=y, color=channels["color"])
    if len(sources) > 1:
        base = base.encode(
            yOffset=alt.YOffset("source:N", scale=alt.Scale(domain=list(sources), padding=0.3))
        )
    marks = [
        base.mark_rule(strokeWidth=2, aria=False).encode(x=ruler.x("low"), x2=alt.X2("high:Q")),
        base.mark_point(filled=True, size=60, opacity=1).encode(
            x=ruler.x("delta"), shape=channels["shape"], description=alt.Description("about:N")
        ),
    ]
    if len(sources) > 1:
        label = base.mark_text(align="left", fontSize=10, aria=False, baseline="middle")
        where = alt.value(WIDTH + 6)
        marks.append(label.encode(x=where, text="source:N", color=alt.value(palette.SOFT)))
    return marks


def _domain(found: Iterable[JSON], kind: str) -> list[float]:
    """Metrics: what there is; preferences: at least half the scale, so that sizes compare."""
    ends = [abs(row[end]) for row in found for end in ("low", "high")]
    reach = max(ends, default=1.0) * 1.08
    reach = max(reach, 1.0) if kind == "metric" else max(reach, 50.0)
    return [-reach, reach]


def _effect_row(effect: Effect) -> JSON:
    factor, _ = numbers.scale(effect.unit)
    low, high = (
        (effect.delta, effect.delta)
        if effect.inference.interval is None
        else (effect.inference.interval.low, effect.inference.interval.high)
    )
    return {
        "variant": effect.variant,
        "source": effect.task,
        "delta": effect.delta * factor,
        "low": low * factor,
        "high": high * factor,
        "verdict": effect.decision.verdict,
        "margin": None if effect.decision.margin is None else effect.decision.margin * factor,
        "about": f"{effect.variant}, {effect.task}: {numbers.amount(effect.delta, effect.unit)} "
        f"({numbers.interval(effect.inference.interval, effect.unit)}), {effect.decision.verdict}",
    }


def _vote_row(voice: "VoterSummary", one: VoteSummary) -> JSON:
    preference = one.preference
    if preference is None:
        raise ValueError("a row without a preference has no mark")
    net, interval = (
        numbers.signed(preference.net, UNIT),
        numbers.interval(preference.interval, UNIT),
    )
    unsaid = voice.book.simulated and SIMULATED not in voice.book.name
    stamp = f" ({SIMULATED})" if unsaid else ""
    return {
        "variant": one.variant,
        "source": f"{voice.book.name}{stamp}",
        "delta": preference.net * 100,
        "low": preference.interval.low * 100,
        "high": preference.interval.high * 100,
        "verdict": one.verdict,
        "margin": one.margin * 100,
        "about": f"{one.variant}, {voice.book.name}{stamp}: net preference {net} ({interval}), "
        f"{one.verdict}, {plural(preference.n_prompts, 'prompt')}",
    }
