"""The forest picture of several studies: a line a variant of a model, all together at the end.

Effects without standard errors are hollow marks without a line. Harm is left of 0.
"""

from typing import TYPE_CHECKING, Any

from babelbits.decide.meta_analysis import ForestRow, UnitEvidence
from babelbits.records import JSON, quantities
from babelbits.report import charts, palette
from babelbits.words import plural

if TYPE_CHECKING:
    import altair as alt


def draw(found: UnitEvidence) -> Any:
    """The chart of one unit, in house style; `report.svg` writes it.

    Parameters
    ----------
    found : UnitEvidence
        With at least one row.
    """
    import altair as alt

    rows = [_row(one, found.unit, place) for place, one in enumerate(found.forest)]
    known = [row for row in rows if row["exact"]]
    ends = [0.0, *(row[name] for row in rows for name in ("low", "high"))]
    room = (max(ends) - min(ends)) * 0.04 or 1.0
    word = quantities.unit_word(found.unit)
    ruler = charts.Ruler(
        title=f"change to the baseline, {word} (left of 0 is harm)",
        domain=[min(ends) - room, max(ends) + room],
        ticks=6,
    )
    order = [row["name"] for row in rows]
    axis = alt.Axis(ticks=False, grid=False, labelColor=palette.INK, labelFontSize=12, title=None)
    y = alt.Y("name:N", sort=order, axis=axis)
    layers = [*charts.draw_backdrop(None, ruler), *_marks(y, ruler)]
    chart = alt.layer(*layers).properties(width=charts.FOREST_WIDTH, height={"step": charts.ROW})
    return charts.styled(chart, rows=rows, known=known)


def _marks(y: "alt.Y", ruler: charts.Ruler) -> list[Any]:
    import altair as alt

    lines = alt.Chart(charts.refer_data("known")).encode(y=y)
    base = alt.Chart(charts.refer_data("rows")).encode(y=y)
    filled = alt.Fill(
        "exact:N",
        scale=alt.Scale(domain=[True, False], range=[palette.INK, palette.SURFACE]),
        legend=None,
    )
    return [
        lines.mark_rule(strokeWidth=2, color=palette.INK, aria=False).encode(
            x=ruler.x("low"), x2=alt.X2("high:Q")
        ),
        base.mark_point(size=75, opacity=1, color=palette.INK, strokeWidth=1.5).encode(
            x=ruler.x("delta"),
            fill=filled,
            shape=alt.Shape(
                "whole:N",
                scale=alt.Scale(domain=[True, False], range=["diamond", "circle"]),
                legend=None,
            ),
            description=alt.Description("about:N"),
        ),
        base.mark_text(align="left", fontSize=11, aria=False, color=palette.SOFT).encode(
            x=alt.value(charts.FOREST_WIDTH + 12), text=alt.Text("text:N")
        ),
    ]


def _row(one: ForestRow, unit: str, place: int) -> JSON:
    factor, _ = quantities.scale(unit)
    exact = one.low is not None and one.high is not None
    low = one.delta if one.low is None else one.low
    high = one.delta if one.high is None else one.high
    name = f"{one.model} · {one.variant}" if one.variant else one.model
    ends = (
        f"{quantities.signed(low, unit)} to {quantities.signed(high, unit)}"
        if exact
        else "no interval"
    )
    text = f"{quantities.signed(one.delta, unit)} ({ends})"
    return {
        "name": name,
        "place": place,
        "delta": one.delta * factor,
        "low": low * factor,
        "high": high * factor,
        "exact": exact,
        "whole": not one.variant,
        "text": text,
        "about": f"{name}: {text}, {plural(one.n_rows, 'effect')} in "
        f"{plural(one.n_languages, 'language')}",
    }
