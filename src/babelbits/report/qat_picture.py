"""The picture of a QAT lab: damage of each way to quantize, a row a language, a column a mix.

Held-out text only, in bits per byte against the control; lines are intervals over seeds and items.
Harm is left of 0.
"""

from typing import Any

from babelbits.lab.qat_design import HELD_OUT
from babelbits.lab.qat_results import QatDifference, QatResults
from babelbits.languages import resolve
from babelbits.records import JSON, quantities
from babelbits.report import charts, palette

_ARMS = ("ptq", "gptq", "qat")
_WORDS = {"ptq": "rounded to nearest", "gptq": "GPTQ", "qat": "trained with quantization"}
_SHAPES = ("circle", "square", "diamond")
_FILLS = (palette.SURFACE, palette.SURFACE, palette.INK)
WIDTH, STEP = 260, 34


def draw(results: QatResults) -> Any | None:
    """The chart, in house style; `report.svg` writes it. None where nothing is finished."""
    import altair as alt

    wanted = [
        one
        for one in results.differences
        if one.suite == HELD_OUT and one.second == "control" and one.mix and one.scope != "others"
    ]
    wanted = [one for one in wanted if one.first in _ARMS]
    if not wanted:
        return None
    rows = [_row(one) for one in wanted]
    order = list(
        dict.fromkeys(row["language"] for row in sorted(rows, key=lambda row: row["place"]))
    )
    unit = quantities.unit_word(wanted[0].unit)
    kinds = [_WORDS[arm] for arm in _ARMS]
    y = alt.Y("language:N", sort=order, title=None, axis=alt.Axis(ticks=False, grid=True))
    offset = alt.YOffset("kind:N", sort=kinds)
    base = alt.Chart().encode(y=y, yOffset=offset)
    # Above the panels: at the right its last letters are cut where another font is wider.
    legend = alt.Legend(orient="top")
    title = f"change to the control, {unit} (left of 0 is harm)"
    lines = base.mark_rule(strokeWidth=1.5, color=palette.INK, aria=False).encode(
        x=alt.X("low:Q", title=title), x2=alt.X2("high:Q")
    )
    marks = base.mark_point(size=48, opacity=1, color=palette.INK, strokeWidth=1.3).encode(
        x=alt.X("delta:Q", title=title),
        shape=alt.Shape(
            "kind:N",
            title=None,
            legend=legend,
            scale=alt.Scale(domain=kinds, range=list(_SHAPES)),
        ),
        fill=alt.Fill(
            "kind:N",
            title=None,
            legend=legend,
            scale=alt.Scale(domain=kinds, range=list(_FILLS)),
        ),
        description=alt.Description("about:N"),
    )
    zero = alt.Chart().mark_rule(color=palette.SOFT, aria=False).encode(x=alt.datum(0.0))
    panel = alt.layer(zero, lines, marks).properties(
        width=WIDTH, height={"step": STEP, "for": "position"}
    )
    chart = panel.facet(
        column=alt.Column("mix:N", title=None, header=alt.Header(labelFontSize=13)),
        data=charts.refer_data("rows"),
    )
    return charts.styled(chart, rows=rows)


def _row(one: QatDifference) -> JSON:
    factor, _ = quantities.scale(one.unit)
    name = "all languages" if one.language is None else resolve(one.language).name
    low = one.estimate if one.interval is None else one.interval.low
    high = one.estimate if one.interval is None else one.interval.high
    around = "no interval" if one.interval is None else quantities.interval(one.interval, one.unit)
    kind = _WORDS[one.first]
    return {
        "language": name,
        "place": (one.language is None, name),
        "mix": "trained on English" if one.mix == "english" else "trained on all languages",
        "kind": kind,
        "delta": one.estimate * factor,
        "low": low * factor,
        "high": high * factor,
        "about": f"{name}, {kind}: {quantities.amount(one.estimate, one.unit)} ({around})",
    }
