"""Extended use as a picture: baseline and variant by position in the answer, and by turn.

Lines are means over the languages, of the items whose answers reach a position in both arms. The
bar at a point of the variant is the paired interval of its difference to the baseline, drawn from
the baseline's point: where it does not touch the baseline's line, the two differ.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from babelbits.records import JSON, Effect
from babelbits.report import palette
from babelbits.report.charts import refer_data, styled
from babelbits.tasks.extended import LANGUAGE, REPEATED

if TYPE_CHECKING:
    import altair as alt

SUITE = "extended"
TITLES = {LANGUAGE: "in the prompt's language, %", REPEATED: "said before, % (4-grams)"}
_PLACE = re.compile(r"(language|repeated) (turn )?(\d+)(?:-(\d+))?")
WIDTH, HEIGHT = 300, 170


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One position (or turn) of one measure."""

    measure: str
    by_turn: bool
    order: int
    effect: Effect

    @property
    def name(self) -> str:
        """As on the axis: the last token of the piece, or the number of the turn."""
        return str(self.order)


def list_points(effects: Iterable[Effect], variant: str) -> list[Point]:
    """The positions of a variant's effects: over all languages, or of the only one."""
    found: dict[str, Point] = {}
    for effect in effects:
        match = _PLACE.fullmatch(effect.metric)
        if effect.task != SUITE or effect.variant != variant or match is None:
            continue
        measure, turn, first, last = match.groups()
        one = Point(measure=measure, by_turn=bool(turn), order=int(last or first), effect=effect)
        held = found.get(effect.metric)
        if effect.scope == "all" or (held is None and effect.scope == "language"):
            found[effect.metric] = one
    return sorted(found.values(), key=lambda one: (one.measure, one.by_turn, one.order))


def draw_chart(found: Sequence[Point], variant: str) -> Any:
    """A panel a measure, by position and, where there are several, by turn."""
    import altair as alt

    groups: dict[tuple[str, bool], list[Point]] = {}
    for point in found:
        groups.setdefault((point.measure, point.by_turn), []).append(point)
    panels, data = [], {}
    for number, ((measure, by_turn), members) in enumerate(groups.items()):
        data[f"rows{number}"] = [_row(point, variant) for point in members]
        title = "turn" if by_turn else "tokens into the answer"
        order = [point.name for point in members]
        panels.append(_panel(f"rows{number}", order, x_title=title, y_title=TITLES[measure]))
    return styled(alt.concat(*panels, columns=2, spacing=24), **data)


def _row(point: Point, variant: str) -> JSON:
    effect = point.effect
    low, high = find_variant_ends(effect)
    place = f"turn {point.order}" if point.by_turn else f"up to token {point.order}"
    return {
        "place": point.name,
        "baseline": 100 * effect.arms.baseline_score,
        "variant": 100 * effect.arms.variant_score,
        "low": 100 * low,
        "high": 100 * high,
        "about": f"{place}: baseline {100 * effect.arms.baseline_score:.1f} %, {variant} "
        f"{100 * effect.arms.variant_score:.1f} %, n = {effect.counts.n_items:,}",
    }


def find_variant_ends(effect: Effect) -> tuple[float, float]:
    """Ends of the paired interval, from the baseline's score; shares stay between 0 and 1."""
    if effect.inference.interval is None:
        return effect.arms.variant_score, effect.arms.variant_score
    ends = (effect.inference.interval.low, effect.inference.interval.high)
    if not effect.higher_is_better:
        ends = (-ends[1], -ends[0])
    low, high = (min(max(effect.arms.baseline_score + end, 0.0), 1.0) for end in ends)
    return low, high


def _panel(data: str, order: Sequence[str], *, x_title: str, y_title: str) -> Any:
    import altair as alt

    axis = alt.Axis(grid=False, labelAngle=0)
    x = alt.X("place:O", sort=list(order), title=x_title, axis=axis)
    base = alt.Chart(refer_data(data)).encode(x=x)
    lines = [
        base.mark_rule(strokeWidth=2, color=palette.BETTER, opacity=0.6, aria=False).encode(
            y=_y("low", y_title), y2=alt.Y2("high:Q")
        ),
        base.mark_line(color=palette.INK, strokeDash=[5, 3], aria=False).encode(
            y=_y("baseline", y_title)
        ),
        base.mark_line(color=palette.BETTER, aria=False).encode(y=_y("variant", y_title)),
        base.mark_point(filled=True, size=45, opacity=1, color=palette.BETTER).encode(
            y=_y("variant", y_title), description=alt.Description("about:N")
        ),
    ]
    return alt.layer(*lines).properties(width=WIDTH, height=HEIGHT)


def _y(name: str, title: str) -> "alt.Y":
    import altair as alt

    return alt.Y(f"{name}:Q", title=title, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5))


def make_table(found: Sequence[Point]) -> list[Mapping[str, str]]:
    """The same numbers for those who do not look at pictures."""
    return [
        {
            "measure": point.measure,
            "place": ("turn " if point.by_turn else "to token ") + point.name,
            "baseline": f"{100 * point.effect.arms.baseline_score:.1f}",
            "variant": f"{100 * point.effect.arms.variant_score:.1f}",
            "interval": "{:.1f} to {:.1f}".format(
                *(100 * e for e in find_variant_ends(point.effect))
            ),
            "n": f"{point.effect.counts.n_items:,}",
        }
        for point in found
    ]
