"""The picture of damage against share of a corpus: a mark a language, shares on a logarithmic axis.

Filled circles are languages in Latin script, hollow squares the others. Harm is downwards.
"""

from typing import Any

from babelbits.decide.corpus_damage import CorpusDamage
from babelbits.languages import resolve
from babelbits.records import quantities
from babelbits.report import charts, palette

WIDTH, HEIGHT = 460, 300


def draw(found: CorpusDamage, *, corpus: str) -> Any:
    """The chart, in house style; `report.svg` writes it.

    Parameters
    ----------
    found : CorpusDamage
        With at least one language.
    corpus : str
        Its title, for the axis.
    """
    import altair as alt

    factor, _ = quantities.scale(found.unit)
    word = quantities.unit_word(found.unit)
    rows = [
        {
            "code": one.language,
            "share": one.share * 100,
            "damage": one.damage * factor,
            "script": "Latin" if one.latin else "not Latin",
            "about": f"{resolve(one.language).name}: "
            f"{quantities.amount(one.damage, found.unit)} at {one.share:.3g} of the corpus",
        }
        for one in found.languages
    ]
    kinds = ["Latin", "not Latin"]
    base = alt.Chart(charts.refer_data("rows")).encode(
        x=alt.X(
            "share:Q",
            scale=alt.Scale(type="log", nice=False, padding=18),
            title=f"share of {corpus}, per cent, logarithmic",
            axis=alt.Axis(tickCount=5, grid=False, format="~g"),
        ),
        y=alt.Y("damage:Q", title=f"change beyond the languages' mean, {word} (down is harm)"),
    )
    zero = alt.Chart(charts.refer_data("zero")).mark_rule(color=palette.SOFT, aria=False)
    marks = base.mark_point(size=60, opacity=1, color=palette.INK, strokeWidth=1.5).encode(
        shape=alt.Shape(
            "script:N", title="script", scale=alt.Scale(domain=kinds, range=["circle", "square"])
        ),
        fill=alt.Fill(
            "script:N",
            title="script",
            scale=alt.Scale(domain=kinds, range=[palette.INK, palette.SURFACE]),
        ),
        description=alt.Description("about:N"),
    )
    names = base.mark_text(align="left", dx=8, fontSize=11, color=palette.SOFT, aria=False).encode(
        text=alt.Text("code:N")
    )
    chart = alt.layer(zero.encode(y=alt.Y("at:Q")), marks, names)
    return charts.styled(
        chart.properties(width=WIDTH, height=HEIGHT), rows=rows, zero=[{"at": 0.0}]
    )
