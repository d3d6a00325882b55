"""Whole studies with known truth: what a run folder would hold, and what is true of it.

Cells are the product's own records, so that the analysis cannot tell them from a real run's. Every
study is paired: the same report number gives the same items under every truth and to every version
of the code (seeds by `SeedSequence`). Truth is the mean paired difference of each variant, suite
and language, harm negative, in the metric's unit; the margin is `MARGIN` in every unit.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from babelbits.analysis import BASELINE, CellResult
from babelbits.records import CellMeta, ItemRow, Metric, MetricKind, TaskInfo

Array = NDArray[np.float64]

MARGIN = 0.02
"""Two points, or 0.02 bits per byte."""
ENTROPY = 20260213
SHARED = 0.3
"""Latent correlation of what one question does in two languages, or under two variants."""
SHARED_IN_PASSAGE = 0.6
"""The same of questions about one passage, where questions have passages."""
RIGHT = 0.6
CHURN = 0.05
"""Share of right/wrong items that break, and that are fixed, where nothing differs."""
MOVED = 0.3
"""Share of items in [0, 1] whose score changes, by a normal amount with `SPREAD`."""
SPREAD = 0.1
TEXT_SPREAD = 0.03
JITTER = 0.01
RARE_TEXT = 2.0
"""Bits per byte that a document loses where losses are rare and large."""
PASSAGE = 4
"""Questions about one passage."""
KINDS: tuple[MetricKind, ...] = ("binary", "binary", "bounded", "real", "binary", "bounded")
"""Of the suites, in order."""
ITEMS: Mapping[MetricKind, int] = {"binary": 240, "bounded": 240, "real": 320}
RARE: tuple[tuple[MetricKind, int], ...] = (
    ("real", 80), ("bounded", 100), ("real", 320), ("bounded", 240),
)  # fmt: skip
"""Suites and their items where losses are rare: two where few would be seen, two where some are."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How many variants, suites and languages a study has."""

    variants: int
    suites: int
    languages: int

    def __str__(self) -> str:
        return f"{self.variants}x{self.suites}x{self.languages}"

    @property
    def variant_names(self) -> tuple[str, ...]:
        """Most bits per weight first."""
        return tuple(f"v{number:02}" for number in range(self.variants))

    @property
    def suite_names(self) -> tuple[str, ...]:
        """In the study's order."""
        return tuple(f"suite{number}" for number in range(self.suites))

    @property
    def codes(self) -> tuple[str, ...]:
        """One a language; the first is the reference."""
        return tuple(f"l{number:02}" for number in range(self.languages))

    @property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        """A small group, and two that split the languages in halves."""
        codes = self.codes
        small = codes[: max(2, self.languages // 4)]
        return {"few": small, "even": codes[::2], "odd": codes[1::2]}


def shape(text: str) -> Shape:
    """'4x4x13' as a shape.

    Raises
    ------
    ValueError
        If the text is not three positive numbers.
    """
    numbers = [int(part) for part in text.lower().split("x")]
    if len(numbers) != 3 or min(numbers) < 1:
        raise ValueError(f"{text!r} is no shape: variants x suites x languages, e.g. 4x4x13")
    return Shape(*numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is true of a study, and how its items behave."""

    name: str
    about: str
    loss: float = 0.0
    """In margins, where something is lost."""
    where: str = "everywhere"
    """'everywhere', 'variants' (every other), 'suite' (the first), 'language' (the first) or
    'languages' (every other)."""
    rare: bool = False
    """The loss is a few items that lose all; the others only jitter."""
    passages: bool = False
    """Questions about one passage depend on each other."""
    unequal: bool = False
    """The languages of the group 'few' have few items, the others many."""

    def deltas(self, of: Shape) -> Array:
        """True differences, shape (variants, suites, languages)."""
        found = np.zeros((of.variants, of.suites, of.languages))
        places = {
            "everywhere": np.s_[:, :, :],
            "variants": np.s_[::2, :, :],
            "suite": np.s_[:, :1, :],
            "language": np.s_[:, :, :1],
            "languages": np.s_[:, :, ::2],
        }
        found[places[self.where]] = -self.loss * MARGIN
        return found


TRUTHS = {
    one.name: one
    for one in (
        Truth(name="null", about="nothing differs"),
        Truth(name="margin", about="every variant loses the margin everywhere", loss=1),
        Truth(
            name="rare", about="the same, as few items that lose much or all", loss=1, rare=True
        ),
        Truth(name="clustered", about="nothing differs, four questions a passage", passages=True),
        Truth(name="unequal", about="nothing differs, 50 items or 500", unequal=True),
        Truth(name="variants", about="every other variant loses 2 margins", loss=2,
              where="variants"),
        Truth(name="suite", about="all lose 2 margins, in one suite only", loss=2, where="suite"),
        Truth(name="language", about="all lose 4 margins, in one language only", loss=4,
              where="language"),
        Truth(name="languages", about="all lose 2 margins, in every other language", loss=2,
              where="languages"),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """Finished cells, and what is true of them."""

    of: Shape
    cells: Sequence[CellResult]
    deltas: Array
    """Shape (variants, suites, languages); harm is negative."""


def simulate(of: Shape, truth: Truth, report: int) -> Study:
    """The study with this number; equal numbers share items and what happens to them."""
    deltas = truth.deltas(of)
    seeds = np.random.SeedSequence(
        ENTROPY, spawn_key=(of.variants, of.suites, of.languages, report)
    )
    cells: list[CellResult] = []
    for number, (suite, seed) in enumerate(
        zip(of.suite_names, seeds.spawn(of.suites), strict=True)
    ):
        kind = _kind(truth, number)
        rng = np.random.default_rng(seed)
        sizes = _sizes(of, truth, number)
        right = rng.random((max(sizes), of.languages)) < RIGHT
        latent = _latent(rng, (of.variants, max(sizes), of.languages), passages=truth.passages)
        lost = rng.random(latent.shape)
        for place, size in enumerate(sizes):
            info = _task(suite, of.codes[place], kind)
            first = right[:size, place]
            before = _before(first, kind, rare=truth.rare)
            cells.append(_cell(BASELINE, info, before, passages=truth.passages))
            for index, name in enumerate(of.variant_names):
                z, u = latent[index, :size, place], lost[index, :size, place]
                after = before + _moved(
                    z, u, first, kind, delta=float(deltas[index, number, place]), rare=truth.rare
                )
                cells.append(_cell(name, info, after, passages=truth.passages))
    return Study(of=of, cells=_in_order(cells, of), deltas=deltas)


def _kind(truth: Truth, number: int) -> MetricKind:
    """Rare losses need scores that are not right or wrong."""
    return RARE[number % len(RARE)][0] if truth.rare else KINDS[number % len(KINDS)]


def _sizes(of: Shape, truth: Truth, number: int) -> list[int]:
    """Items of a suite, one number a language."""
    if truth.rare:
        return [RARE[number % len(RARE)][1]] * of.languages
    if not truth.unequal:
        return [ITEMS[_kind(truth, number)]] * of.languages
    few = set(of.groups["few"])
    return [50 if code in few else 500 for code in of.codes]


def _latent(rng: np.random.Generator, shape: tuple[int, int, int], *, passages: bool) -> Array:
    """Standard normal: what happens to an item; shared by languages and by variants in part."""
    items = shape[1]
    own = rng.standard_normal(shape)
    common = rng.standard_normal((1, items, 1))
    passage = np.repeat(rng.standard_normal((1, -(-items // PASSAGE), 1)), PASSAGE, axis=1)
    if passages:
        inside = SHARED_IN_PASSAGE
        common = np.sqrt(inside) * passage[:, :items] + np.sqrt(1 - inside) * common
        return np.asarray(np.sqrt(inside) * common + np.sqrt(1 - inside) * own)
    return np.asarray(np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * own)


def _before(right: NDArray[np.bool_], kind: MetricKind, *, rare: bool) -> Array:
    """The baseline's scores: whoever can lose everything has it."""
    if kind == "binary":
        return right.astype(float)
    level = 1.0 if kind == "real" else 0.95 if rare else 0.5
    return np.full(right.size, level)


def _moved(
    z: Array, u: Array, right: NDArray[np.bool_], kind: MetricKind, *, delta: float, rare: bool
) -> Array:
    """Changes of the scores as the metric counts them, with this true mean (harm negative)."""
    if kind == "binary":
        return _flips(z, right, broke=CHURN - min(0.0, delta), fixed=CHURN + max(0.0, delta))
    if kind == "bounded" and not rare:
        changed = np.abs(z) > stats.norm.isf(MOVED / 2)
        return np.asarray(changed * np.round(SPREAD * z + delta / MOVED, 3))
    if not rare:
        return np.asarray(np.round(-(TEXT_SPREAD * z + delta), 3))
    size = RARE_TEXT if kind == "real" else 0.95
    jitter = np.clip(np.round(JITTER * z, 3), -0.05, 0.05)
    change = np.where(u < -delta / size, -size, jitter)
    return np.asarray(-change if kind == "real" else change)


def _flips(z: Array, right: NDArray[np.bool_], *, broke: float, fixed: float) -> Array:
    """Breaking and being fixed lie at opposite ends, so that shared causes have one direction."""
    breaks = right & (z < stats.norm.ppf(broke / RIGHT))
    mends = ~right & (z > stats.norm.isf(fixed / (1 - RIGHT)))
    return np.asarray(mends.astype(float) - breaks)


# --- records ---------------------------------------------------------------------------------


@cache
def _task(suite: str, code: str, kind: MetricKind) -> TaskInfo:
    metric = {
        "binary": Metric(name="acc", kind="binary", chance=0.25),
        "bounded": Metric(name="chrf", kind="bounded"),
        "real": Metric(name="bits_per_byte", kind="real", unit="bits/byte", higher_is_better=False),
    }[kind]
    return TaskInfo(
        name=f"{suite}_{code}",
        suite=suite,
        language=code,
        metrics=(metric,),
        primary=metric.name,
        output_type="choice" if kind == "binary" else "text",
        parallel=True,
        scorer_version="1",
        origin="simulated",
    )


_HAS_CLUSTERS = "cluster_id" in {one.name for one in dataclasses.fields(ItemRow)}
"""Older code has no word for a passage: it takes every question for its own unit."""


@cache
def _row(item: int, metric: str, value: float, *, passages: bool) -> ItemRow:
    """Rows are built once: making them is dearer than reading them."""
    row = ItemRow(
        item_id=f"i{item}",
        source_id=f"s{item}",
        task="",
        language="",
        variant="",
        target="",
        output="",
        scores={metric: value},
        choice_logprobs=None,
        prompt_hash="",
        prompt="",
        prompt_tokens=0,
        output_tokens=0,
        finish_reason=None,
    )
    if passages and _HAS_CLUSTERS:
        return dataclasses.replace(row, **_passage(item))
    return row


def _passage(item: int) -> dict[str, Any]:
    """Typed loosely: older code has no such field."""
    return {"cluster_id": f"p{item // PASSAGE}"}


def _cell(variant: str, info: TaskInfo, scores: Array, *, passages: bool) -> CellResult:
    values = np.round(scores, 4).tolist()
    return CellResult(
        meta=CellMeta(
            cell_id=f"{variant}-{info.name}",
            identity={},
            variant=variant,
            variant_id=variant,
            replicate=0,
            task=info,
            n_items=len(values),
            chunk=64,
            smoke=False,
        ),
        rows=tuple(
            [
                _row(item, info.primary, value, passages=passages)
                for item, value in enumerate(values)
            ]
        ),
    )


def _in_order(cells: Sequence[CellResult], of: Shape) -> list[CellResult]:
    """The baseline first, then variant by variant, as a study runs them."""
    rank = {name: number for number, name in enumerate((BASELINE, *of.variant_names))}
    return sorted(cells, key=lambda cell: rank[cell.meta.variant])
