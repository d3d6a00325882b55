"""What `babelbits speed` measured, as plain values for the page: tables, sentences, and costs.

A cost is what a picture of quality has on its other axis: bits, bytes, memory or speed; only what
was measured is one. Pure: no markup, no files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from babelbits.analysis import BASELINE
from babelbits.results.results import Results
from babelbits.study.speed.recorded_speed import RecordedSpeed
from babelbits.study.speed.speed_summary import ArmSpeed, SpeedTable
from babelbits.study.speed.speed_words import (
    describe_arm,
    describe_floor,
    describe_host,
    describe_languages,
    list_notes,
    make_language_rows,
    make_size_rows,
    make_speed_rows,
)
from babelbits.words import agreeing, listed

CostKey = Literal["bits", "bytes", "memory", "speed"]
_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "bytes"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one variant costs, with the quartiles of a measurement."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CostAxis:
    """One way to look at costs."""

    key: CostKey
    title: str
    """Of the axis, with its unit."""
    name: str
    """Of the choice."""
    values: Mapping[str, Cost]
    """By label."""
    baseline: float | None = None


def list_cost_axes(report: Results) -> tuple[CostAxis, ...]:
    """Bits per weight, bytes on disk, peak memory, decoding speed: what is known of a variant."""
    bits = {label: _exact(one.bits_per_weight) for label, one in report.manifests.items()}
    sizes = {label: float(one.bytes_on_disk) for label, one in report.manifests.items()}
    arms: Mapping[str, ArmSpeed] = {} if report.speed is None else report.speed.arms
    memory = {label: float(arm.memory) for label, arm in arms.items() if arm.memory is not None}
    speeds = {
        label: Cost(value=arm.decode.median, low=arm.decode.low, high=arm.decode.high)
        for label, arm in arms.items()
        if arm.decode is not None
    }
    found = [
        CostAxis(key="bits", title="bits per weight", name="bits per weight", values=bits),
        _of_bytes("bytes", "on disk", sizes),
        _of_bytes("memory", "peak memory", memory),
        CostAxis(
            key="speed",
            title="decode, tokens/s, batch 1",
            name="decoding speed",
            values=speeds,
            baseline=speeds[BASELINE].value if BASELINE in speeds else None,
        ),
    ]
    return tuple(one for one in found if set(one.values) - {BASELINE})


def _exact(value: float) -> Cost:
    return Cost(value=value, low=value, high=value)


def _of_bytes(key: CostKey, name: str, values: Mapping[str, float]) -> CostAxis:
    """Bytes in the largest unit in which none is below 1."""
    least = min(values.values(), default=1.0)
    scale, unit = next(one for one in _UNITS if least >= one[0] or one[0] == 1)
    shown = {label: _exact(value / scale) for label, value in values.items()}
    return CostAxis(
        key=key,
        title=f"{name}, {unit}",
        name=name,
        values=shown,
        baseline=shown[BASELINE].value if BASELINE in shown else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTable:
    """A table on the page."""

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    n_names: int
    """So many columns at the left are names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSession:
    """A session on the page."""

    when: str
    floor: str
    sentences: Sequence[str]
    tables: Sequence[ShownTable]
    notes: Sequence[str]


def list_sessions(speed: RecordedSpeed | None) -> list[ShownSession]:
    """What the section shows; empty where nothing was measured."""
    return [] if speed is None else [_session(table) for table in speed.tables]


def describe_stale(speed: RecordedSpeed | None) -> str:
    """What was measured of weights that are no longer there; '' where nothing was."""
    if speed is None or not speed.stale:
        return ""
    n = len(speed.stale)
    return (
        f"{listed(speed.stale)} {agreeing(n, 'was', 'were')} made again since "
        f"{agreeing(n, 'it was', 'they were')} measured: run `babelbits speed` again."
    )


def _session(table: SpeedTable) -> ShownSession:
    makers = (
        ("Size, memory, start", make_size_rows),
        ("Speed", make_speed_rows),
        ("Languages: tokens of parallel sentences, and sentences that each variant writes a second",
         make_language_rows),
    )  # fmt: skip
    tables = []
    for caption, make in makers:
        heads, rows, n_names = make(table)
        if rows:
            tables.append(ShownTable(caption=caption, heads=heads, rows=rows, n_names=n_names))
    compared = [describe_arm(arm, BASELINE) for arm in table.arms]
    return ShownSession(
        when=datetime.fromtimestamp(table.began, UTC).strftime("%Y-%m-%d"),
        floor=describe_floor(table),
        sentences=[line for line in compared if line] + describe_languages(table),
        tables=tables,
        notes=[describe_host(table), *list_notes(table)],
    )
