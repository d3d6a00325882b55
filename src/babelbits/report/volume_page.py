"""One offline page of what `babelbits lab volume` found; the same input gives the same bytes.

The declared question comes first, then the picture and the numbers behind it. Harm is downwards and
negative, in bits per byte. Nothing on the page runs. Pure: no files.
"""

from collections.abc import Sequence
from fractions import Fraction
from importlib import resources
from statistics import fmean
from typing import TYPE_CHECKING, Any

from babelbits.analysis import format as numbers
from babelbits.lab.volume_results import (
    UNIT,
    VolumeCell,
    VolumeResults,
    describe_results,
    format_interval,
    format_slope,
)
from babelbits.languages import resolve
from babelbits.records import JSON, quantities
from babelbits.report import charts, palette, svg

if TYPE_CHECKING:
    import altair as alt

WIDTH, HEIGHT = 200, 150
SLOPE_HEADS = (
    *("language", "variant", "change a doubling", "95 % interval", "p (Holm)"),
    *("at equal baseline", "95 % interval ", "p (Holm) "),
)
CELL_HEADS = (
    *("varied", "of a full share", "variant", "measured in", "seeds"),
    *("bits/byte, unquantized", "change by quantizing"),
)


def draw_picture(results: VolumeResults) -> Any:
    """A panel a language and variant: change by amount; circles are seeds, the line their mean."""
    import altair as alt

    panels, data = [], {}
    own = [one for one in results.cells if one.language == one.subject]
    places = dict.fromkeys((one.subject, one.recipe) for one in own)
    for number, (subject, recipe) in enumerate(places):
        cells = [one for one in own if (one.subject, one.recipe) == (subject, recipe)]
        levels = _levels(cells)
        data[f"seeds{number}"] = [_point(one) for one in cells]
        data[f"means{number}"] = [
            {"level": level, "delta": fmean(one.delta for one in cells if one.level == level)}
            for level in levels
            if level != "0"
        ]
        data[f"zero{number}"] = [{"at": 0.0}]
        title = f"{resolve(subject).name}, {recipe}"
        panels.append(_panel(number, levels, title))
    return charts.styled(alt.concat(*panels, columns=3, spacing=24), **data)


def _panel(number: int, levels: Sequence[str], title: str) -> Any:
    import altair as alt

    axis = alt.Axis(grid=False, labelAngle=0)
    scale = alt.Scale(domain=_places(levels))
    x = alt.X("level:O", scale=scale, sort=None, title="of a full share of the text", axis=axis)
    zero = alt.Chart(charts.refer_data(f"zero{number}")).mark_rule(color=palette.SOFT, aria=False)
    means = alt.Chart(charts.refer_data(f"means{number}")).encode(x=x, y=_y())
    seeds = alt.Chart(charts.refer_data(f"seeds{number}")).encode(x=x, y=_y())
    layers = [
        zero.encode(y=alt.Y("at:Q")),
        means.mark_line(color=palette.INK, aria=False),
        seeds.mark_point(filled=False, size=45, opacity=1, color=palette.BETTER).encode(
            description=alt.Description("about:N")
        ),
    ]
    head = alt.TitleParams(title, fontSize=12, anchor="start", color=palette.INK)
    return alt.layer(*layers).properties(title=head, width=WIDTH, height=HEIGHT)


def _y() -> "alt.Y":
    import altair as alt

    return alt.Y("delta:Q", title="change, bits/byte (down is harm)", axis=alt.Axis(tickCount=5))


def _point(one: VolumeCell) -> JSON:
    about = f"seed {one.seed}, {one.level} of a full share: {quantities.amount(one.delta, UNIT)}"
    return {"level": one.level, "delta": one.delta, "about": about}


def _levels(cells: Sequence[VolumeCell]) -> list[str]:
    return sorted({one.level for one in cells}, key=Fraction)


def _places(levels: Sequence[str]) -> list[str]:
    """Places on the axis: amounts a factor of four apart stand a step apart, also left-out ones."""
    above = [Fraction(level) for level in levels if level != "0"]
    steps = [Fraction(1, 4**n) for n in range(8) if Fraction(1, 4**n) >= min(above, default=1)]
    if not set(above) <= set(steps):
        return list(levels)
    return ["0"] * ("0" in levels) + [str(one) for one in reversed(steps)]


def make_slope_rows(results: VolumeResults) -> list[tuple[str, ...]]:
    """The values of `SLOPE_HEADS`."""
    return [
        (
            resolve(one.subject).name,
            one.recipe,
            format_slope(one.slope),
            format_interval(one.interval),
            numbers.p_value(one.p_adjusted),
            format_slope(one.matched),
            format_interval(one.matched_interval),
            numbers.p_value(one.matched_p_adjusted),
        )
        for one in results.slopes
    ]


def make_cell_rows(results: VolumeResults) -> list[tuple[str, ...]]:
    """The values of `CELL_HEADS`: means over the seeds that are scored."""
    places: dict[tuple[str, str, str, str], list[VolumeCell]] = {}
    for one in results.cells:
        places.setdefault((one.subject, one.recipe, one.language, one.level), []).append(one)
    order = sorted(places, key=lambda key: (*key[:2], key[2] != key[0], Fraction(key[3])))
    return [
        (
            resolve(subject).name,
            level,
            recipe,
            resolve(language).name + ("" if language == subject else " (control)"),
            str(len(places[key])),
            quantities.score(fmean(one.baseline for one in places[key]), UNIT),
            quantities.signed(fmean(one.delta for one in places[key]), UNIT),
        )
        for key in order
        for subject, recipe, language, level in [key]
    ]


def make_page(results: VolumeResults) -> str:
    """The page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("babelbits.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = (resources.files("babelbits.report") / "assets/report.css").read_text("utf-8")
    drawn = None
    if results.cells:
        label = "Change by quantizing against the amount of a language"
        drawn = Markup(svg.embed_chart(draw_picture(results), label))  # noqa: S704  ElementTree escapes
    return environment.get_template("volume.html.j2").render(
        style=style,
        plan=results.plan,
        weights=f"{results.weights / 1e6:.1f}M",
        seeds=len(results.seeds),
        scored=results.scored,
        planned=results.planned,
        sentences=describe_results(results),
        picture=drawn,
        slope_heads=SLOPE_HEADS,
        slopes=make_slope_rows(results),
        cell_heads=CELL_HEADS,
        cells=make_cell_rows(results),
    )
