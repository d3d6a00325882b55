"""The charts, as Altair objects: forest, cost against quality, language groups, heat map.

The same chart goes on the page (`svg.embed_chart`) and into files (`svg.write`). Nothing is written
here, and Altair is imported only when a chart is made. Differences of fractions are in points.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from babelbits.analysis import format as numbers
from babelbits.records import JSON, Effect
from babelbits.report import palette
from babelbits.report.speed_section import CostAxis
from babelbits.report.verdicts import VERDICTS

if TYPE_CHECKING:
    import altair as alt

FONT = "Arial, Helvetica, sans-serif"
"""For files; on the page a chart takes the page's font."""
ROW = 22
FOREST_WIDTH = 290
PANEL_WIDTH = 180
PANEL_HEIGHT = 210
WIDE_PANEL = 320
BAR_WIDTH = 150
COLUMNS = 4
_THOUSANDS = 1000
"""Of a cost, from which on an axis writes 1k."""
LABEL_GAP = 15
"""Least distance of two labels in a panel, in pixels; a panel of many labels is higher."""
FEW_LABELS = 8
"""Variants of a panel whose labels stand beside their points; more stand in a column, and a line
leads to each."""


def _single(row: JSON) -> "alt.InlineData":
    import altair as alt

    return alt.InlineData(values=[row])


def refer_data(name: str) -> "alt.NamedData":
    """Data that `styled` attaches: Altair copies inline data at every step of building."""
    import altair as alt

    return alt.NamedData(name)


def _verdict_scale(channel: Mapping[str, str]) -> "alt.Scale":
    import altair as alt

    return alt.Scale(domain=list(VERDICTS), range=[channel[verdict] for verdict in VERDICTS])


STYLE: JSON = {
    "font": FONT,
    "background": palette.SURFACE,
    "padding": {"left": 10, "right": 6, "top": 4, "bottom": 4},
    "view": {"stroke": None},
    "axis": {
        "domain": False,
        "gridColor": palette.LINE,
        "tickColor": palette.LINE,
        "labelColor": palette.SOFT,
        "titleColor": palette.SOFT,
        "titleFontWeight": "normal",
        "labelFontSize": 11,
        "titleFontSize": 11,
        "labelLimit": 260,
    },
}
"""No frame, thin lines, one font. Given whole: `configure_axis` and its like copy the chart."""


def styled(chart: Any, **rows: Sequence[JSON]) -> Any:
    """The chart in house style, with its data by name."""
    data = {name: list(values) for name, values in rows.items()}
    return chart.properties(config=STYLE, datasets=data)


def describe(effect: Effect, name: str) -> str:
    """An effect in one line, for tooltips and screen readers."""
    return (
        f"{name}, {effect.variant} on {effect.task}: {numbers.amount(effect.delta, effect.unit)} "
        f"({numbers.interval(effect.inference.interval, effect.unit)}), {effect.decision.verdict}"
        f"{' (at floor)' if effect.arms.at_floor else ''}, n = {effect.counts.n_items:,}"
    )


def _row(effect: Effect, name: str, *, href: str = "") -> JSON:
    factor, _ = numbers.scale(effect.unit)
    low, high = _ends(effect)
    return {
        "name": name,
        "variant": effect.variant,
        "suite": effect.task,
        "delta": effect.delta * factor,
        "low": low * factor,
        "high": high * factor,
        "verdict": effect.decision.verdict,
        "about": describe(effect, name),
        "text": f"{numbers.signed(effect.delta, effect.unit)} "
        f"({numbers.interval(effect.inference.interval, effect.unit)})",
        "href": href,
    }


def _ends(effect: Effect) -> tuple[float, float]:
    found = effect.inference.interval
    return (effect.delta, effect.delta) if found is None else (found.low, found.high)


def _domain(rows: Sequence[JSON], margin: float | None) -> list[float]:
    edges = [0.0, *(row["low"] for row in rows), *(row["high"] for row in rows)]
    edges += [] if margin is None else [-margin, margin]
    room = (max(edges) - min(edges)) * 0.04
    return [min(edges) - room, max(edges) + room]


def _axis_title(unit: str) -> str:
    return f"difference to the baseline, {numbers.unit_word(unit)} (left of 0 is harm)"


def _shown_margin(effects: Sequence[Effect]) -> float | None:
    """The margin all effects share, in shown units."""
    margins = {effect.decision.margin for effect in effects}
    [margin] = margins if len(margins) == 1 else [None]
    return None if margin is None else margin * numbers.scale(effects[0].unit)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruler:
    """The axis of differences that all layers of a panel share."""

    title: str
    domain: Sequence[float]
    ticks: int

    def x(self, name: str) -> "alt.X":
        """Field `name` along this axis, horizontally."""
        import altair as alt

        return alt.X(f"{name}:Q", **self._channel())

    def y(self, name: str) -> "alt.Y":
        """Field `name` along this axis, vertically."""
        import altair as alt

        return alt.Y(f"{name}:Q", **self._channel())

    def _channel(self) -> dict[str, Any]:
        import altair as alt

        scale = alt.Scale(domain=list(self.domain), nice=False, zero=False)
        return {"scale": scale, "title": self.title, "axis": alt.Axis(tickCount=self.ticks)}


def draw_backdrop(margin: float | None, ruler: Ruler, *, upright: bool = False) -> list[Any]:
    """The margin band and the line of no difference; `upright`: differences go upwards."""
    import altair as alt

    at = ruler.y if upright else ruler.x
    first, second = ("y", "y2") if upright else ("x", "x2")
    zero = alt.Chart(_single({"zero": 0})).mark_rule(color=palette.SOFT, aria=False)
    layers = [zero.encode(**{first: at("zero")})]
    if margin is None:
        return layers
    band = alt.Chart(_single({"from": -margin, "to": margin}))
    band = band.mark_rect(color=palette.BAND, aria=False)
    end = alt.Y2("to:Q") if upright else alt.X2("to:Q")
    return [band.encode(**{first: at("from"), second: end}), *layers]


def make_verdict_channels() -> dict[str, Any]:
    """Colour and shape of a mark, by its verdict."""
    import altair as alt

    return {
        "color": alt.Color("verdict:N", scale=_verdict_scale(palette.OF_VERDICT), legend=None),
        "shape": alt.Shape(
            "verdict:N", scale=_verdict_scale(palette.SHAPE_OF_VERDICT), legend=None
        ),
    }


# --- forest plot -----------------------------------------------------------------------------


def draw_forest(
    effects: Sequence[Effect],
    names: Mapping[str, str],
    links: Mapping[str, str],
    pooled: Effect | None = None,
) -> Any:
    """One line a language: difference, interval, verdict, over the margin band.

    Parameters
    ----------
    effects : sequence of Effect
        One variant on one suite, one effect a language; at least one.
    names, links : mapping
        Language code to its name, and to the page's anchor of its items.
    pooled : Effect, optional
        All languages together; drawn last.
    """
    import altair as alt

    rows = [
        _row(effect, names[effect.language or ""], href=links.get(effect.language or "", ""))
        for effect in effects
    ]
    if pooled is not None:
        rows.append(_row(pooled, "all languages"))
    margin = _shown_margin(effects)
    title = _axis_title(effects[0].unit)
    ruler = Ruler(title=title, domain=_domain(rows, margin), ticks=6)
    layers = [*draw_backdrop(margin, ruler), *_marks([row["name"] for row in rows], ruler)]
    chart = alt.layer(*layers).properties(width=FOREST_WIDTH, height={"step": ROW})
    return styled(chart, rows=rows)


def _marks(order: Sequence[str], ruler: Ruler) -> list[Any]:
    import altair as alt

    axis = alt.Axis(ticks=False, grid=False, labelColor=palette.INK, labelFontSize=12, title=None)
    channels = make_verdict_channels()
    base = alt.Chart(refer_data("rows")).encode(
        y=alt.Y("name:N", sort=list(order), axis=axis),
        color=channels["color"],
        href=alt.Href("href:N"),
    )
    return [
        base.mark_rule(strokeWidth=2, aria=False).encode(x=ruler.x("low"), x2=alt.X2("high:Q")),
        base.mark_point(filled=True, size=75, opacity=1).encode(
            x=ruler.x("delta"), shape=channels["shape"], description=alt.Description("about:N")
        ),
        base.mark_text(align="left", fontSize=11, aria=False).encode(
            x=alt.value(FOREST_WIDTH + 12), text=alt.Text("text:N"), color=alt.value(palette.SOFT)
        ),
    ]


# --- cost against quality --------------------------------------------------------------------


def draw_cost_quality(effects: Sequence[Effect], costs: CostAxis) -> Any:
    """What variants cost against the difference over all languages, for one suite.

    Parameters
    ----------
    effects : sequence of Effect
        One suite, one effect a variant; the cost of each variant is known.
    costs : CostAxis
        Along x, with quartiles; the baseline's is a dashed line.
    """
    import altair as alt

    rows = [
        _row(effect, "all languages") | {"cost": one.value, "least": one.low, "most": one.high}
        for effect in effects
        for one in (costs.values[effect.variant],)
    ]
    margin = _shown_margin(effects)
    domain = _domain(rows, margin)
    height = max(PANEL_HEIGHT, LABEL_GAP * len(rows))
    rows = _spread(rows, domain, least=LABEL_GAP / height)
    ends = [row[name] for row in rows for name in ("least", "most")]
    ends += [] if costs.baseline is None else [costs.baseline]
    room = max((max(ends) - min(ends)) * 0.1, 0.5 if costs.key == "bits" else max(ends) * 0.02)
    beside = len(rows) <= FEW_LABELS
    edge = max(ends) + (4 if beside else 1) * room
    rows = rows if beside else [row | {"edge": edge} for row in rows]
    scale = alt.Scale(domain=[min(ends) - room, edge], zero=False, nice=False)
    shown_as = "~s" if max(ends) >= _THOUSANDS else alt.Undefined
    axis = alt.Axis(grid=False, tickCount=5, format=shown_as)
    unit = numbers.unit_word(effects[0].unit)
    ruler = Ruler(title=f"difference, {unit}", domain=domain, ticks=5)
    x = alt.X("cost:Q", title=costs.title, axis=axis, scale=scale)
    at = "cost" if beside else "edge"
    label = alt.X(f"{at}:Q", title=costs.title, axis=axis, scale=scale)
    layers = [*draw_backdrop(margin, ruler, upright=True)]
    layers += [] if beside else [_leaders(x, ruler)]
    layers += _size_marks(x, label, ruler)
    least = alt.X("least:Q", title=costs.title, axis=axis, scale=scale)
    spread = alt.Chart(refer_data("rows")).mark_rule(color=palette.SOFT, aria=False)
    layers.append(spread.encode(x=least, x2=alt.X2("most:Q"), y=ruler.y("delta")))
    if costs.baseline is not None:
        line = alt.Chart(_single({"cost": costs.baseline, "name": "baseline"}))
        layers.append(line.mark_rule(color=palette.SOFT, strokeDash=[3, 3], aria=False).encode(x=x))
        word = line.mark_text(align="left", dx=4, fontSize=10, color=palette.SOFT, aria=False)
        layers.append(word.encode(x=x, y=alt.value(6), text=alt.Text("name:N")))
    width = PANEL_WIDTH if beside else WIDE_PANEL
    chart = alt.layer(*layers).properties(width=width, height=height)
    return styled(chart, rows=rows)


def _leaders(x: "alt.X", ruler: Ruler) -> Any:
    """A thin line from each point to its label in the column at the edge."""
    import altair as alt

    base = alt.Chart(refer_data("rows")).mark_rule(
        color=palette.SOFT, strokeWidth=1, opacity=0.45, aria=False
    )
    return base.encode(x=x, x2=alt.X2("edge:Q"), y=ruler.y("delta"), y2=alt.Y2("label:Q"))


def _spread(rows: list[JSON], domain: Sequence[float], *, least: float) -> list[JSON]:
    """Give each label its own height, so that variants of one size stay readable.

    Parameters
    ----------
    rows : list of dict
        With `delta`, where the label would stand.
    domain : pair of float
        Where labels may stand; from the axis they keep half a distance.
    least : float
        Least distance of two labels, as a share of the domain; at most 1 / len(rows).
    """
    step = (domain[1] - domain[0]) * least
    low, high = domain[0] + step / 2, domain[1] - step / 2
    ordered = sorted(rows, key=lambda row: row["delta"])
    places: list[float] = []
    for row in ordered:
        lowest = places[-1] + step if places else low
        places.append(max(row["delta"], lowest))
    for number in reversed(range(len(places))):
        highest = places[number + 1] - step if number + 1 < len(places) else high
        places[number] = min(places[number], highest)
    return [row | {"label": place} for row, place in zip(ordered, places, strict=True)]


def _size_marks(x: "alt.X", label: "alt.X", ruler: Ruler) -> list[Any]:
    import altair as alt

    channels = make_verdict_channels()
    base = alt.Chart(refer_data("rows")).encode(x=x, color=channels["color"])
    return [
        base.mark_rule(strokeWidth=2, aria=False).encode(y=ruler.y("low"), y2=alt.Y2("high:Q")),
        base.mark_point(filled=True, size=75, opacity=1).encode(
            y=ruler.y("delta"), shape=channels["shape"], description=alt.Description("about:N")
        ),
        base.mark_text(align="left", dx=8, fontSize=11, aria=False).encode(
            x=label, y=ruler.y("label"), text=alt.Text("variant:N"), color=alt.value(palette.INK)
        ),
    ]


# --- language groups -------------------------------------------------------------------------


def draw_groups(effects: Sequence[Effect], order: Sequence[str]) -> Any:
    """Bars of one suite: a panel a variant, a bar a language group, with its interval.

    Groups of the very same languages are one bar, with all their names.
    """
    import altair as alt

    rows = [_row(effect, name) for effect, name in _one_a_set(effects)]
    margin = _shown_margin(effects)
    names = list(dict.fromkeys(row["name"] for row in rows))
    present = [variant for variant in order if any(row["variant"] == variant for row in rows)]
    title = f"difference, {numbers.unit_word(effects[0].unit)}"
    ruler = Ruler(title=title, domain=_domain(rows, margin), ticks=4)
    panels, data = [], {}
    for position, variant in enumerate(present):
        data[f"rows{position}"] = [row for row in rows if row["variant"] == variant]
        bars = _bars(f"rows{position}", names, ruler, labelled=position % COLUMNS == 0)
        panel = alt.layer(*draw_backdrop(margin, ruler), *bars)
        size = {"width": BAR_WIDTH, "height": {"step": 18}}
        panels.append(panel.properties(**size, title=make_panel_title(variant)))
    return styled(alt.concat(*panels, columns=COLUMNS, spacing=18), **data)


def _one_a_set(effects: Sequence[Effect]) -> list[tuple[Effect, str]]:
    """The first effect of each variant and set of languages, with the names of its groups."""
    names: dict[frozenset[str], dict[str, None]] = {}
    for one in effects:
        names.setdefault(frozenset(one.languages), {})[one.group or "all"] = None
    first: dict[tuple[str, frozenset[str]], Effect] = {}
    for one in effects:
        first.setdefault((one.variant, frozenset(one.languages)), one)
    return [(one, ", ".join(names[languages])) for (_, languages), one in first.items()]


def make_panel_title(text: str, *, subtitle: str = "") -> "alt.Title":
    """The title of one panel of several."""
    import altair as alt

    title = alt.Title(text, color=palette.INK, fontSize=12, anchor="start")
    if subtitle:
        title["subtitle"], title["subtitleColor"] = subtitle, palette.SOFT
    return title


def _bars(data: str, names: Sequence[str], ruler: Ruler, *, labelled: bool) -> list[Any]:
    import altair as alt

    axis = alt.Axis(ticks=False, grid=False, labelColor=palette.INK, title=None, labels=labelled)
    color = alt.Color("verdict:N", scale=_verdict_scale(palette.OF_VERDICT), legend=None)
    base = alt.Chart(refer_data(data)).encode(
        y=alt.Y("name:N", axis=axis, scale=alt.Scale(domain=list(names)))
    )
    return [
        base.mark_bar(height={"band": 0.55}, opacity=0.85).encode(
            x=ruler.x("delta"), color=color, description=alt.Description("about:N")
        ),
        base.mark_rule(color=palette.INK, aria=False).encode(x=ruler.x("low"), x2=alt.X2("high:Q")),
    ]


# --- heat map --------------------------------------------------------------------------------


def draw_heat_map(
    effects: Sequence[Effect], names: Mapping[str, str], variants: Sequence[str]
) -> Any:
    """Languages × variants of one suite; colour is the difference, the glyph the verdict.

    Colours are on the margin's scale (`views.find_heat_reach`), so that tasks can be compared.
    """
    import altair as alt

    from babelbits.report.verdicts import GLYPHS
    from babelbits.report.views import find_heat_reach

    rows = [
        _row(e, names[e.language or ""])
        | {"mark": f"{GLYPHS[e.decision.verdict]} {numbers.signed(e.delta, e.unit)}"}
        for e in effects
    ]
    factor, _ = numbers.scale(effects[0].unit)
    reach = find_heat_reach(effects) * factor
    base = alt.Chart(refer_data("rows")).encode(
        x=alt.X("variant:N", sort=list(variants), title=None,
                axis=alt.Axis(orient="top", labelAngle=0, labelColor=palette.INK, ticks=False)),
        y=alt.Y("name:N", title=None, sort=alt.EncodingSortField("delta", op="mean"),
                axis=alt.Axis(labelColor=palette.INK, ticks=False)),
    )  # fmt: skip
    scale = alt.Scale(
        domain=[-reach, 0, reach],
        range=["#f0a27a", palette.SURFACE, "#9db7f2"],
        type="linear",
        clamp=True,
        interpolate="rgb",
    )
    color = alt.Color("delta:Q", scale=scale, legend=None)
    text = base.mark_text(color=palette.INK, fontSize=11, aria=False).encode(
        text=alt.Text("mark:N")
    )
    cells = base.mark_rect(stroke=palette.SURFACE, strokeWidth=2)
    chart = alt.layer(cells.encode(color=color, description=alt.Description("about:N")), text)
    return styled(chart.properties(width={"step": 92}, height={"step": ROW}), rows=rows)
