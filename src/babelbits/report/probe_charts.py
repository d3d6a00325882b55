"""The charts of the probes' page: which layers move in which language, and the declared question.

Pure: no files; Altair is imported only when a chart is made.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from babelbits.probes.damage import Prediction
from babelbits.probes.language_loss import LanguageLoss
from babelbits.probes.summaries import ProbeSummary
from babelbits.records import JSON
from babelbits.report import palette
from babelbits.report.charts import refer_data, styled

if TYPE_CHECKING:
    import altair as alt

_CELL = 34
_MOST_NUMBERS = 12
"""Layers up to which every cell of a map has its number."""
_FOREST = 330
_FLOOR = 90.0
"""Highest lower end of the axis of survival, per cent: small losses stay small."""
_ROW = 26


def draw_layer_map(summaries: Sequence[ProbeSummary], names: Mapping[str, str]) -> Any:
    """Relative error of hidden states, percent: languages down, layers across, a panel a variant.

    Parameters
    ----------
    summaries : sequence of ProbeSummary
        Of one suite.
    names : mapping
        Language code to name.
    """
    import altair as alt

    rows: list[JSON] = [
        {
            "variant": one.record.variant,
            "language": names[one.record.language],
            "layer": layer.layer,
            "error": 100 * error,
            "text": f"{100 * error:.1f}",
            "about": f"{one.record.variant}, {names[one.record.language]}, layer {layer.layer}: "
            f"{100 * error:.2f} %",
        }
        for one in summaries
        for layer in one.layers
        if (error := layer.means["relative_error"]) is not None
    ]
    n_layers = max((row["layer"] for row in rows), default=0) + 1
    languages = list(dict.fromkeys(row["language"] for row in rows))
    width = max(12, min(_CELL, 420 // n_layers))
    panels = [
        _panel(variant, languages, reach=max(row["error"] for row in rows) or 1, width=width,
               n_layers=n_layers)
        for variant in dict.fromkeys(row["variant"] for row in rows)
    ]  # fmt: skip
    chart = alt.hconcat(*panels, spacing=18).resolve_scale(opacity="shared")
    return styled(chart, cells=rows)


def _panel(
    variant: str, languages: Sequence[str], *, reach: float, width: int, n_layers: int
) -> "alt.LayerChart | alt.FacetChart":
    import altair as alt

    base = (
        alt.Chart(refer_data("cells"))
        .transform_filter(alt.datum.variant == variant)
        .encode(
            x=alt.X("layer:O", title="layer (0: embeddings)", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("language:N", sort=list(languages), title=None),
        )
    )
    tint = alt.Scale(domain=[0, reach], range=[0.03, 0.85])
    tiles = base.mark_rect(color=palette.WORSE).encode(
        opacity=alt.Opacity("error:Q", scale=tint, legend=None),
        description="about:N",
        tooltip="about:N",
    )
    layers = [tiles]
    if n_layers <= _MOST_NUMBERS:
        text = base.mark_text(fontSize=10, color=palette.INK, aria=False)
        layers.append(text.encode(text="text:N"))
    return alt.layer(*layers).properties(
        title=alt.TitleParams(variant, fontSize=12, anchor="start", color=palette.INK),
        width=n_layers * width,
        height=len(languages) * _ROW,
    )


def draw_area_forest(predictions: Sequence[Prediction]) -> Any:
    """Areas under the curve with their intervals; the band is where dealt labels give 95 %."""
    import altair as alt

    rows: list[JSON] = [
        {
            "name": ("A/A run" if one.again else one.variant) + f" · {one.suite}",
            "auc": one.auc.auc,
            "low": one.auc.auc if one.auc.interval is None else one.auc.interval.low,
            "high": one.auc.auc if one.auc.interval is None else one.auc.interval.high,
            "dealt_low": 0.5 if one.permuted is None else one.permuted[0],
            "dealt_high": 0.5 if one.permuted is None else one.permuted[1],
            "shown": one.shown,
            "about": f"{one.variant} on {one.suite}: AUC {one.auc.auc:.2f}",
        }
        for one in predictions
        if one.auc.auc is not None
    ]
    low = min([0.4, *(row["low"] for row in rows), *(row["dealt_low"] for row in rows)])
    high = max([0.6, *(row["high"] for row in rows), *(row["dealt_high"] for row in rows)])
    title = "area under the ROC curve (0.5: no better than chance)"
    scale = alt.Scale(domain=[low - 0.02, high + 0.02], nice=False, zero=False)
    x = alt.X("auc:Q", scale=scale, title=title)
    names = [row["name"] for row in rows]
    base = alt.Chart(refer_data("areas")).encode(y=alt.Y("name:N", sort=names, title=None))
    color = alt.condition(alt.datum.shown, alt.value(palette.WORSE), alt.value(palette.UNDECIDED))
    band = base.mark_bar(color=palette.BAND, size=_ROW - 8, aria=False).encode(
        x=alt.X("dealt_low:Q", scale=scale, title=title), x2="dealt_high:Q"
    )
    half = (
        alt.Chart(alt.InlineData(values=[{"half": 0.5}]))
        .mark_rule(color=palette.SOFT, aria=False)
        .encode(x=alt.X("half:Q", scale=scale, title=title))
    )
    line = base.mark_rule(strokeWidth=2, aria=False).encode(
        x=alt.X("low:Q", scale=scale, title=title), x2="high:Q", color=color
    )
    point = base.mark_point(filled=True, size=60, opacity=1).encode(
        x=x, color=color, description="about:N", tooltip="about:N"
    )
    chart = alt.layer(band, half, line, point).properties(
        width=_FOREST, height=max(1, len(rows)) * _ROW
    )
    return styled(chart, areas=rows)


def draw_survival(losses: Sequence[LanguageLoss], names: Mapping[str, str]) -> Any:
    """Share of answers still in their language by position: a panel a language, a line a variant.

    Parameters
    ----------
    losses : sequence of LanguageLoss
        Of one suite.
    names : mapping
        Language code to name.
    """
    import altair as alt

    variants = list(dict.fromkeys(one.variant for one in losses))
    rows: list[JSON] = [
        {
            "variant": one.variant,
            "language": names[one.language],
            "position": point.position,
            "share": 100 * point.share,
            "low": 100 * (point.share if point.interval is None else point.interval.low),
            "high": 100 * (point.share if point.interval is None else point.interval.high),
        }
        for one in losses
        for point in one.curve
    ]
    lowest = min([_FLOOR, *(row["low"] for row in rows)])
    x = alt.X("position:Q", title="token of the answer")
    scale = alt.Scale(domain=[max(0.0, lowest - 2), 100.5], nice=False, zero=False)
    colors = (palette.SOFT, palette.WORSE, palette.BETTER, palette.EQUIVALENT, palette.INK)
    color = alt.Color(
        "variant:N",
        scale=alt.Scale(
            domain=variants, range=[colors[n % len(colors)] for n in range(len(variants))]
        ),
        legend=alt.Legend(title=None, orient="top", symbolType="stroke", symbolOpacity=1),
    )
    panels = []
    for language in dict.fromkeys(row["language"] for row in rows):
        base = alt.Chart(refer_data("curves")).transform_filter(alt.datum.language == language)
        y = alt.Y("share:Q", title="still in its language, %", scale=scale)
        band = base.mark_area(opacity=0.12, interpolate="step-after", aria=False).encode(
            x=x, y=alt.Y("low:Q", title="", scale=scale), y2="high:Q", color=color
        )
        line = base.mark_line(interpolate="step-after", aria=False).encode(x=x, y=y, color=color)
        title = alt.TitleParams(language, fontSize=12, anchor="start", color=palette.INK)
        panels.append(alt.layer(band, line).properties(title=title, width=200, height=150))
    return styled(alt.concat(*panels, columns=4, spacing=20), curves=rows)
