"""Our charts as SVG, drawn here: for the page where vl-convert is not installed.

It knows the part of Vega-Lite that `charts`, `positions` and `preference_section` use (layers of
rectangles, rules, bars, lines, points and text, side by side in panels) and nothing else: an
unknown mark is an error, which the tests would show. As files, charts are drawn by vl-convert only.
Lengths are pixels; widths of text are estimated.
"""

import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from babelbits.records import JSON
from babelbits.report import palette

Row = Mapping[str, Any]
Domain = Sequence[Any]
FONT_SIZE = 11
STEP = 20
"""Height of a line where the chart names none."""
_CHARACTER = 0.5
"""Mean width of a character in its font's size; twice that for wide ones (UAX 11)."""
_GAP = 6
_LINE = 14


def draw(specification: Row) -> ET.Element:
    """The chart as an SVG element.

    Parameters
    ----------
    specification : mapping
        A chart in Vega-Lite, with its data by name.

    Raises
    ------
    ValueError
        If a mark is none of ours.
    """
    panels = _panels(specification)
    columns = int(specification.get("columns", len(panels)))
    spacing = float(specification.get("spacing", 20))
    drawn = [_Panel.of(one, specification["datasets"]) for one in panels]
    root = ET.Element("svg")
    top, width = 4.0, 0.0
    for start in range(0, len(drawn), columns):
        line, left = drawn[start : start + columns], 4.0
        above = max(one.above for one in line)
        for one in line:
            one.put(root, left + one.before, top + above)
            left += one.before + one.width + one.after + spacing
        top += above + max(one.height + one.below for one in line) + spacing
        width = max(width, left - spacing + 4)
    size = {"width": f"{width:.0f}", "height": f"{top - spacing + 4:.0f}"}
    for name, value in {**size, "viewBox": f"0 0 {size['width']} {size['height']}"}.items():
        root.set(name, value)
    root.set("font-size", str(FONT_SIZE))
    return root


def _panels(specification: Row) -> Sequence[Row]:
    for name in ("concat", "hconcat"):
        if name in specification:
            found: Sequence[Row] = specification[name]
            return found
    return [specification]


def measure_text(text: str, size: float = FONT_SIZE) -> float:
    """About how wide a text is, in pixels."""
    wide = sum(unicodedata.east_asian_width(one) in "WF" for one in text)
    return (len(text) + 0.8 * wide) * _CHARACTER * size


# --- scales --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Scale:
    """From a value to pixels: along a line, or the middle of a band."""

    domain: Domain
    length: float
    linear: bool
    upright: bool

    def at(self, value: Any) -> float:
        """Pixels from the left, or from the top."""
        if not self.linear:
            return (self.domain.index(value) + 0.5) * self.length / len(self.domain)
        share = (value - self.domain[0]) / ((self.domain[1] - self.domain[0]) or 1)
        return float(self.length * ((1 - share) if self.upright else share))

    @property
    def band(self) -> float:
        """Pixels of a value's band."""
        return self.length / len(self.domain)


def place_ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers between two ends, about `count` of them: steps of 1, 2 or 5 times a power."""
    raw = (high - low) / max(count, 1)
    if not raw > 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(raw))
    limits = ((math.sqrt(2), 1), (math.sqrt(10), 2), (math.sqrt(50), 5), (math.inf, 10))
    step = power * next(size for limit, size in limits if raw / power < limit)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def _scale(
    layers: Sequence[Row], data: Mapping[str, Sequence[Row]], axis: str, length: Any
) -> _Scale:
    """The scale that all layers of a panel share along an axis."""
    channels = [(one, one["encoding"][axis]) for one in layers if axis in one["encoding"]]
    fields = [(one, channel) for one, channel in channels if "field" in channel]
    given = next((c["scale"]["domain"] for _, c in fields if c.get("scale", {}).get("domain")), ())
    linear = all(channel["type"] == "quantitative" for _, channel in fields)
    ends = [
        row[name]
        for one, channel in fields
        for name in (channel["field"], one["encoding"].get(f"{axis}2", channel)["field"])
        for row in data[one["data"]["name"]]
    ]
    if not given and linear:
        room = (max(ends) - min(ends)) * 0.05 or 1.0
        given = [min(ends) - room, max(ends) + room]
    orders = (c["sort"] for _, c in fields if isinstance(c.get("sort"), list))
    domain = list(given) or list(dict.fromkeys(next(orders, ends)))
    step = length["step"] if isinstance(length, Mapping) else None
    whole = float(length) if step is None else float(step) * len(domain)
    return _Scale(domain=domain, length=whole, linear=linear, upright=axis == "y")


def _through(channel: Row, row: Row) -> Any:
    """A channel's value for a row: constant, by an ordinal scale, or the field itself."""
    if "value" in channel:
        return channel["value"]
    value, scale = row[channel["field"]], channel.get("scale", {})
    return scale["range"][scale["domain"].index(value)] if "range" in scale else value


# --- one panel -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    """Layers over two scales, and the room that axes and text take around them."""

    layers: Sequence[Row]
    data: Mapping[str, Sequence[Row]]
    x: _Scale
    y: _Scale
    title: Row
    before: float
    after: float
    above: float
    below: float

    @classmethod
    def of(cls, panel: Row, data: Mapping[str, Sequence[Row]]) -> "_Panel":
        """A panel measured."""
        layers = panel["layer"]
        x = _scale(layers, data, "x", panel["width"])
        y = _scale(layers, data, "y", panel["height"])
        labels = [] if y.linear else [str(one) for one in y.domain]
        shown = _axis(layers, "y").get("labels", True)
        width = max(map(measure_text, labels), default=0.0) * 1.1 + _GAP if labels else 52.0
        title = panel.get("title") or {}
        ends = [_text_end(one, row, x) for one in layers for row in data[one["data"]["name"]]]
        return cls(
            layers=layers,
            data=data,
            x=x,
            y=y,
            title=title,
            before=width if shown else _GAP,
            after=max([0.0, *(end - x.length for end in ends)]),
            above=(18.0 if title else 0.0) + (_LINE if title.get("subtitle") else 0.0) + 4,
            below=38.0,
        )

    @property
    def width(self) -> float:
        """Pixels of the panel itself."""
        return self.x.length

    @property
    def height(self) -> float:
        """Pixels of the panel itself."""
        return self.y.length

    def put(self, root: ET.Element, left: float, top: float) -> None:
        """Draw the panel with its origin there."""
        group = ET.SubElement(root, "g", transform=f"translate({left:.1f},{top:.1f})")
        self._titles(group)
        backdrop = [one for one in self.layers if one["mark"]["type"] == "rect"]
        for layer in backdrop:
            self._layer(group, layer)
        self._axis_x(group)
        self._axis_y(group)
        for layer in self.layers:
            if layer not in backdrop:
                self._layer(group, layer)

    def _titles(self, group: ET.Element) -> None:
        title = self.title
        if title:
            style = {"fill": title.get("color", palette.INK), "font-weight": "bold"}
            _text(group, title["text"], 0, 8 - self.above + 4, size=title["fontSize"], **style)
        if title.get("subtitle"):
            _text(group, title["subtitle"], 0, 8 - self.above + 4 + _LINE, fill=palette.SOFT)

    def _axis_x(self, group: ET.Element) -> None:
        axis, bottom = _axis(self.layers, "x"), self.height
        for value, name in _marks(self.x, axis):
            at = self.x.at(value)
            if axis.get("grid", True):
                _line(group, (at, 0), (at, bottom), stroke=palette.LINE)
            _text(group, name, at, bottom + 14, fill=palette.SOFT, anchor="middle")
        if title := _title(self.layers, "x"):
            _text(group, title, self.width / 2, bottom + 30, fill=palette.SOFT, anchor="middle")

    def _axis_y(self, group: ET.Element) -> None:
        axis = _axis(self.layers, "y")
        color, size = axis.get("labelColor", palette.SOFT), axis.get("labelFontSize", FONT_SIZE)
        for value, name in _marks(self.y, axis) if axis.get("labels", True) else ():
            at = self.y.at(value)
            if self.y.linear and axis.get("grid", True):
                _line(group, (0, at), (self.width, at), stroke=palette.LINE)
            _text(group, name, -_GAP, at + 4, fill=color, anchor="end", size=size)
        if title := _title(self.layers, "y"):
            turned = f"translate(-42,{self.height / 2:.1f}) rotate(-90)"
            where = ET.SubElement(group, "g", transform=turned)
            _text(where, title, 0, 0, fill=palette.SOFT, anchor="middle")

    def _layer(self, group: ET.Element, layer: Row) -> None:
        mark, rows = layer["mark"], self.data[layer["data"]["name"]]
        if mark["type"] == "line":
            self._path(group, layer, rows)
            return
        for row in rows:
            href = _of(layer, row, "href", "")
            parent = ET.SubElement(group, "a", href=href) if href else group
            element = self._mark(parent, layer, row)
            about = _of(layer, row, "description", "")
            if about:
                element.set("role", "img")
                element.set("aria-label", about)
                ET.SubElement(element, "title").text = about

    def _mark(self, parent: ET.Element, layer: Row, row: Row) -> ET.Element:
        mark = layer["mark"]
        color = _of(layer, row, "color", mark.get("color", palette.INK))
        (x, x2), (y, y2) = self._ends(layer, row, "x"), self._ends(layer, row, "y")
        opacity = str(mark.get("opacity", 1))
        kind = mark["type"]
        if kind == "rule":
            width = str(mark.get("strokeWidth", 1))
            return _line(parent, (x, y), (x2, y2), stroke=color, width=width, opacity=opacity)
        if kind == "point":
            symbol = _symbol(_of(layer, row, "shape", "circle"), mark["size"])
            place = f"translate({x:.1f},{y:.1f})"
            return ET.SubElement(parent, "path", d=symbol, transform=place, fill=color)
        if kind == "text":
            text = str(_of(layer, row, "text", ""))
            at = x + mark.get("dx", 0)
            return _text(parent, text, at, y + 4, fill=color, size=mark["fontSize"])
        if kind == "bar":
            thick = self.y.band * mark["height"]["band"]
            x2, y, y2 = self.x.at(0), y - thick / 2, y + thick / 2
        elif kind != "rect":
            raise ValueError(f"no chart of ours has a mark '{kind}'")
        box = {"x": min(x, x2), "y": min(y, y2), "width": abs(x2 - x), "height": abs(y2 - y)}
        numbers = {name: f"{value:.1f}" for name, value in box.items()}
        return ET.SubElement(parent, "rect", {**numbers, "fill": color, "opacity": opacity})

    def _ends(self, layer: Row, row: Row, axis: str) -> tuple[float, float]:
        """Where a mark begins and ends along an axis; the whole axis where nothing is said."""
        scale, encoding = (self.x if axis == "x" else self.y), layer["encoding"]
        if axis not in encoding:
            return 0.0, scale.length
        channel = encoding[axis]
        if "value" in channel:
            return channel["value"], channel["value"]
        first = scale.at(row[channel["field"]]) + self._offset(encoding, row, axis)
        if f"{axis}2" not in encoding:
            return first, first
        return first, scale.at(row[encoding[f"{axis}2"]["field"]])

    def _offset(self, encoding: Row, row: Row, axis: str) -> float:
        """From the middle of a band to the line of one of several sources."""
        channel = encoding.get(f"{axis}Offset")
        if channel is None:
            return 0.0
        domain = channel["scale"]["domain"]
        share = (domain.index(row[channel["field"]]) + 0.5) / len(domain) - 0.5
        return float(share * self.y.band * 0.8)

    def _path(self, group: ET.Element, layer: Row, rows: Sequence[Row]) -> None:
        points = [(self._ends(layer, row, "x")[0], self._ends(layer, row, "y")[0]) for row in rows]
        path = "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in points)
        mark = layer["mark"]
        style = {"stroke": mark["color"], "stroke-width": "2", "fill": "none"}
        if "strokeDash" in mark:
            style["stroke-dasharray"] = ",".join(map(str, mark["strokeDash"]))
        ET.SubElement(group, "path", {"d": path, **style})


def _of(layer: Row, row: Row, channel: str, otherwise: Any) -> Any:
    encoding = layer["encoding"]
    return _through(encoding[channel], row) if channel in encoding else otherwise


def _text_end(layer: Row, row: Row, x: _Scale) -> float:
    """Where the text of a layer ends; 0 for other marks."""
    if layer["mark"]["type"] != "text":
        return 0.0
    channel = layer["encoding"]["x"]
    at = channel["value"] if "value" in channel else x.at(row[channel["field"]])
    return float(at) + 8 + measure_text(str(_of(layer, row, "text", "")))


def _axis(layers: Iterable[Row], name: str) -> JSON:
    """What the layers say of an axis."""
    channels = (one["encoding"].get(name, {}) for one in layers)
    return next((dict(one["axis"]) for one in channels if one.get("axis")), {})


def _title(layers: Iterable[Row], name: str) -> str:
    channels = (one["encoding"].get(name, {}) for one in layers)
    return next((one["title"] for one in channels if one.get("title")), "")


def _marks(scale: _Scale, axis: Row) -> list[tuple[Any, str]]:
    """The values of an axis that have a label, and the label."""
    if not scale.linear:
        return [(one, str(one)) for one in scale.domain]
    found = place_ticks(scale.domain[0], scale.domain[1], axis.get("tickCount", 5))
    return [(one, f"{one:g}".replace("-", "−")) for one in found]


# --- elements ------------------------------------------------------------------------------------


def _text(
    parent: ET.Element, text: str, x: float, y: float, *, fill: str, anchor: str = "start",
    size: float = FONT_SIZE, **style: str,
) -> ET.Element:  # fmt: skip
    place = {"x": f"{x:.1f}", "y": f"{y:.1f}", "fill": fill, "text-anchor": anchor}
    element = ET.SubElement(parent, "text", {**place, "font-size": f"{size}px", **style})
    element.text = text
    return element


def _line(
    parent: ET.Element, start: tuple[float, float], end: tuple[float, float], *, stroke: str,
    width: str = "1", opacity: str = "1",
) -> ET.Element:  # fmt: skip
    ends = dict(
        zip(("x1", "y1", "x2", "y2"), (f"{one:.1f}" for one in (*start, *end)), strict=True)
    )
    return ET.SubElement(
        parent, "line", {**ends, "stroke": stroke, "stroke-width": width, "opacity": opacity}
    )


def _symbol(shape: str, size: float) -> str:
    """The path of a mark that covers `size` square pixels' box, its middle at the origin."""
    half = math.sqrt(size) / 2
    if shape == "square":
        return f"M{-half:.1f},{-half:.1f}h{2 * half:.1f}v{2 * half:.1f}h{-2 * half:.1f}Z"
    if shape == "circle":
        arc = f"A{half:.1f},{half:.1f},0,1,1"
        return f"M{half:.1f},0{arc},{-half:.1f},0{arc},{half:.1f},0"
    up = -1 if shape == "triangle-up" else 1
    high = half * math.sqrt(3) / 2
    corners = f"{-half * 1.2:.1f},{-up * high:.1f}L{half * 1.2:.1f},{-up * high:.1f}"
    return f"M0,{up * high:.1f}L{corners}Z"
