"""Altair charts to SVG and PNG through vl-convert: for the page, and as files.

On the page a chart follows the reader's colour scheme, keeps its links, and says what each mark is
to a screen reader. The same chart gives the same bytes.
"""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from babelbits.errors import MissingExtraError
from babelbits.libraries import load
from babelbits.report import palette, plain_svg

PNG_SCALE = 2.0
DROPPED = frozenset(
    [
        "aria-roledescription",
        "class",
        "font-family",
        "pointer-events",
        "stroke-miterlimit",
        "version",
    ]
)
"""Attributes that say nothing to a browser showing a still picture in the page's own font."""
NOTHING_DRAWN = frozenset({"", "M0,0h0v0h0Z"})


def make_specification(chart: Any) -> dict[str, Any]:
    """The chart in Vega-Lite; not validated again, which takes longer than drawing it."""
    made: dict[str, Any] = chart.to_dict(validate=False)
    return made


def can_draw() -> bool:
    """Whether vl-convert is installed."""
    try:
        _converter()
    except MissingExtraError:
        return False
    return True


def _converter() -> Any:
    return load("vl_convert", of="vl-convert-python", what="a chart as a file")


def to_svg(chart: Any) -> str:
    """The chart as a stand-alone SVG document."""
    vl_convert = _converter()
    svg: str = vl_convert.vegalite_to_svg(make_specification(chart))
    return svg


def embed_chart(chart: Any, label: str) -> str:
    """The chart as an element of an HTML page; `label` says what it shows.

    Marks that cannot be seen are dropped, and each colour of the palette becomes a custom property.
    Without vl-convert the chart is drawn by `plain_svg`.
    """
    text = to_svg(chart) if can_draw() else None
    root = plain_svg.draw(make_specification(chart)) if text is None else ET.fromstring(text)  # noqa: S314  our own
    _prune(root)
    for element in root.iter():
        _simplify(element)
    root.set("role", "group")
    root.set("aria-label", label)
    return ET.tostring(root, encoding="unicode", short_empty_elements=False)


def _prune(element: ET.Element) -> None:
    for child in list(element):
        _prune(child)
        if _is_invisible(child):
            element.remove(child)


def _is_invisible(element: ET.Element) -> bool:
    kind = _local(element.tag)
    if element.get("opacity") == "0" or element.get("display") == "none":
        return True
    if kind == "path":
        return element.get("d", "") in NOTHING_DRAWN
    return kind in {"g", "a"} and len(element) == 0


def _simplify(element: ET.Element) -> None:
    """Plain HTML names, no noise, colours by name."""
    element.tag = _local(element.tag)
    kept = {_local(name): value for name, value in element.attrib.items()}
    element.attrib.clear()
    if "href" in kept:
        # vl-convert resolves links against a web address of its own.
        kept = {"href": f"#{kept['href'].rpartition('#')[2]}"}
    for name, value in kept.items():
        if name not in DROPPED:
            color = palette.PROPERTIES.get(value)
            element.set(name, value if color is None else f"var({color})")


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def write(chart: Any, stem: Path) -> tuple[Path, Path]:
    """Write `stem`.svg and `stem`.png; returns the two paths."""
    vl_convert = _converter()
    svg, png = (stem.with_name(f"{stem.name}.{suffix}") for suffix in ("svg", "png"))
    svg.write_text(to_svg(chart), encoding="utf-8")
    png.write_bytes(vl_convert.vegalite_to_png(make_specification(chart), scale=PNG_SCALE))
    return svg, png
