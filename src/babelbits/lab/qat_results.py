"""One analysis over the seeds of a QAT lab: differences between arms, their intervals, verdicts.

Reads the run folders of the lab's studies and nothing else; a seed whose study is not finished is
left out of its mix and named. Intervals take seeds and items as random (`stats.crossed_mean`); of
the untrained model, of which there is one, items alone. Sign: first - second of oriented scores, so
that harm is negative: fewer bits per byte are better.

Only `qat` against `ptq` is adjusted and has verdicts: over all languages of the held-out text by
Holm over the mixes, the declared claim; by language by Holm over the languages of a mix and suite.
All else is shown with its interval. Equivalence is never said: no margin is tested.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from babelbits.analysis import AnalysisSettings
from babelbits.analysis.columns import Columns, pair, read_columns
from babelbits.analysis.paired_samples import Part, Sample, pair_samples, select_part
from babelbits.errors import NothingThereError, StoreError, UnpairedItemsError
from babelbits.lab.qat_design import (
    ENGLISH,
    HELD_OUT,
    PRIMARY,
    QUANTIZED,
    Mix,
    QatDesign,
    find_base_folder,
    find_folder,
    list_differences,
    read_design,
)
from babelbits.records import JSON, Interval, Verdict
from babelbits.results.load import load_cells
from babelbits.stats.crossed_mean import FEWEST_SEEDS, crossed_mean
from babelbits.stats.multiplicity import holm
from babelbits.stats.student import MeanTest, t_of_changed
from babelbits.store import Store

Scope = Literal["language", "all", "others"]
"""'all': the mean over languages; 'others': over those that are not English."""
UNTRAINED = "untrained"
RESULTS = "results"
"""Run folder of each study."""
OTHERS = "other languages"

Cells = Mapping[str, Mapping[tuple[str, str], Columns]]
"""Arm to (suite, language) to a cell; the baseline is called 'control', or 'untrained'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QatDifference:
    """Two arms on one suite, in a language or over several."""

    mix: Mix | None
    """None: the model itself, which was not trained."""
    suite: str
    metric: str
    unit: str
    first: str
    second: str
    scope: Scope
    language: str | None
    """Of scope 'language'."""
    left_out: tuple[str, ...]
    """Languages at their floor, which are not in a mean over languages."""
    estimate: float
    """first - second, harm negative."""
    first_score: float
    second_score: float
    """In the metric's own unit and direction, mean over seeds."""
    by_seed: tuple[float, ...]
    n_items: int
    """Of one seed."""
    n_units: int
    p_value: float | None
    p_adjusted: float | None
    interval: Interval | None
    """None with one seed, or where nothing varies."""
    at_floor: bool
    verdict: Verdict | None
    """None where none is given: it is no question of the lab."""
    primary: bool
    """Whether it is the declared claim."""

    @property
    def key(self) -> tuple[str | None, str, str, str, Scope, str | None]:
        """What it is about."""
        return (self.mix, self.suite, self.first, self.second, self.scope, self.language)


@dataclass(frozen=True, slots=True, kw_only=True)
class QatResults:
    """All that a lab's finished studies say."""

    design: QatDesign
    differences: tuple[QatDifference, ...]
    seeds: Mapping[Mix, tuple[int, ...]]
    """Seeds that are finished, by mix."""
    missing: tuple[str, ...]
    """Studies that are not finished."""

    def as_json(self) -> JSON:
        """For a file."""
        rows = [asdict(one) for one in self.differences]
        return {
            "design": asdict(self.design),
            "seeds": {mix: list(seeds) for mix, seeds in self.seeds.items()},
            "missing": list(self.missing),
            "differences": rows,
        }


def read_results(lab: Path) -> QatResults:
    """Analyse what is finished.

    Raises
    ------
    NothingThereError
        If the folder holds no lab, or no study of it is finished.
    """
    design = read_design(lab)
    if design is None:
        raise NothingThereError(
            "there is no QAT lab", where=str(lab), hint="begin one: babelbits lab qat --help"
        )
    sources: dict[str, int] = {}
    untrained = _cells(find_base_folder(lab), sources=sources, baseline=UNTRAINED)
    found: dict[Mix, dict[int, Cells]] = defaultdict(dict)
    missing = [] if untrained else [UNTRAINED]
    for mix in design.mixes:
        for seed in design.seeds:
            cells = _cells(find_folder(lab, mix, seed), sources=sources, baseline="control")
            if cells is None:
                missing.append(f"{mix}, seed {seed}")
            else:
                found[mix][seed] = {**cells, **_only(untrained, UNTRAINED)}
    if not found and untrained is None:
        raise NothingThereError(
            "no study of the lab is finished yet",
            where=str(lab),
            hint="go on with the command that began it",
        )
    rows = [
        row
        for mix, by_seed in found.items()
        for row in compare_arms(list(by_seed.values()), mix=mix, alpha=design.alpha)
    ]
    if untrained is not None:
        rows += compare_arms([untrained], mix=None, alpha=design.alpha)
    return QatResults(
        design=design,
        differences=with_verdicts(rows, alpha=design.alpha),
        seeds={mix: tuple(by_seed) for mix, by_seed in found.items()},
        missing=tuple(missing),
    )


def _only(cells: Cells | None, arm: str) -> Cells:
    return {} if cells is None else {arm: cells[arm]}


def _cells(folder: Path, *, sources: dict[str, int], baseline: str) -> Cells | None:
    """The finished study in a folder; None where it has cells that are missing."""
    root = folder / RESULTS
    if not root.is_dir():
        return None
    store = Store(root)
    try:
        planned, cells = store.planned(), load_cells(store)
    except (NothingThereError, StoreError):
        return None
    if len(cells) < len(planned):
        return None
    found: dict[str, dict[tuple[str, str], Columns]] = defaultdict(dict)
    for cell in cells:
        if cell.meta.replicate == 0:
            arm = baseline if cell.meta.variant == "baseline" else cell.meta.variant
            task = cell.meta.task
            found[arm][task.suite, task.language] = read_columns(cell, sources=sources)
    return found


# --- differences -------------------------------------------------------------------------------


def compare_arms(
    by_seed: Sequence[Cells], *, mix: Mix | None, alpha: float
) -> tuple[QatDifference, ...]:
    """Every difference of one mix, over its seeds; without adjusting, and without verdicts.

    Parameters
    ----------
    by_seed : sequence
        One a seed, each with the same arms, suites, languages and items.
    """
    check_same_items(by_seed)
    settings = AnalysisSettings(alpha=alpha)
    base = UNTRAINED if mix is None else "control"
    suites = list(dict.fromkeys(suite for suite, _ in by_seed[0][base]))
    arms = [arm for arm in QUANTIZED if all(arm in cells for cells in by_seed)]
    pairs: list[tuple[str, str]] = [*list_differences(arms)]
    if mix is None:
        pairs = [(arm, UNTRAINED) for arm in arms]
    elif all(UNTRAINED in cells for cells in by_seed):
        pairs.append(("control", UNTRAINED))
    return tuple(
        row
        for suite in suites
        for first, second in pairs
        for row in _differences(
            by_seed, suite, first, second, base=base, mix=mix, settings=settings
        )
    )


def _differences(
    by_seed: Sequence[Cells],
    suite: str,
    first: str,
    second: str,
    *,
    base: str,
    mix: Mix | None,
    settings: AnalysisSettings,
) -> Iterator[QatDifference]:
    """By language, over all, and over those that are not English."""
    tables = [_parts(cells, suite, first, second, settings) for cells in by_seed]
    floors = [_floors(cells, suite, base, settings) for cells in by_seed]
    codes = [code for code in tables[0] if all(code in one for one in tables)]
    low = frozenset(code for code in codes if any(code in one for one in floors))
    above = [code for code in codes if code not in low]
    scopes: list[tuple[Scope, str | None, list[str]]] = [
        ("language", code, [code]) for code in codes
    ]
    others = [code for code in above if code != ENGLISH]
    if len(above) > 1:
        scopes.append(("all", None, above))
    if len(others) > 1 and len(others) < len(above):
        scopes.append(("others", None, others))
    for scope, language, inside in scopes:
        samples = [_sample([one[code] for code in inside]) for one in tables]
        row = _row(samples, scope=scope, language=language, level=1 - settings.alpha)
        if row is not None and mix is not None and len(samples) == 1:
            row = replace(row, p_value=None, interval=None)  # nothing says how much seeds vary
        if row is not None:
            yield replace(
                row,
                mix=mix,
                suite=suite,
                first=first,
                second=second,
                left_out=()
                if scope == "language"
                else tuple(code for code in codes if code in low),
                at_floor=language in low,
                primary=(first, second) == PRIMARY and suite == HELD_OUT and scope == "all",
            )


def _parts(
    cells: Cells, suite: str, first: str, second: str, settings: AnalysisSettings
) -> dict[str, Part]:
    """The pairs of two arms by language."""
    found = {}
    for (name, language), variant in cells[first].items():
        baseline = cells[second].get((name, language))
        if name != suite or baseline is None:
            continue
        metric = variant.info.metric(variant.info.primary)
        one = select_part(pair(baseline, variant), metric, settings=settings)
        if one is not None:
            found[language] = one
    return found


def _floors(cells: Cells, suite: str, base: str, settings: AnalysisSettings) -> frozenset[str]:
    """Languages in which what everything is held against is at its floor."""
    parts = _parts(cells, suite, base, base, settings)
    return frozenset(code for code, one in parts.items() if one.at_floor)


def _sample(parts: Sequence[Part]) -> Sample:
    """One language, or the mean over several."""
    return pair_samples("", parts, groups={})[-1]


def _row(
    samples: Sequence[Sample], *, scope: Scope, language: str | None, level: float
) -> QatDifference | None:
    """None where the seeds have no score for the same units."""
    values = [one.scores.linearised for one in samples]
    if len({one.size for one in values}) > 1:
        return None
    test = _test(values, level=level)
    [first, *_] = samples
    return QatDifference(
        mix=None, suite="", first="", second="", left_out=(), at_floor=False, primary=False,
        verdict=None, p_adjusted=None,
        metric=first.metric.name,
        unit=first.metric.unit,
        scope=scope,
        language=language,
        estimate=float(np.mean([one.scores.estimate for one in samples])),
        first_score=_score(samples, "variant"),
        second_score=_score(samples, "baseline"),
        by_seed=tuple(float(one.scores.estimate) for one in samples),
        n_items=first.n_items,
        n_units=first.scores.n_clusters,
        p_value=None if test is None else test.p_value,
        interval=None if test is None else test.interval,
    )  # fmt: skip


def _test(values: Sequence[np.ndarray], *, level: float) -> MeanTest | None:
    """Over seeds and items; of the untrained model, of which there is one, over items alone."""
    if len(values) == 1:
        return t_of_changed(values[0], level=level)
    return crossed_mean(np.stack(values), level=level)


def _score(samples: Sequence[Sample], arm: Literal["baseline", "variant"]) -> float:
    """Mean over seeds and languages of an arm's score."""
    each = [float(np.mean(getattr(one, arm))) for sample in samples for one in sample.parts]
    return float(np.mean(each))


# --- verdicts ----------------------------------------------------------------------------------


def with_verdicts(rows: Sequence[QatDifference], *, alpha: float) -> tuple[QatDifference, ...]:
    """Adjust the questions of the lab within their families, and say what is shown.

    With fewer than `FEWEST_SEEDS` seeds of a mix nothing is: see `stats.crossed_mean`.
    """
    families: dict[tuple[str, ...], list[QatDifference]] = defaultdict(list)
    for row in rows:
        name = _family(row)
        if name is not None and row.p_value is not None and not row.at_floor:
            families[name].append(row)
    adjusted: dict[tuple[object, ...], float] = {}
    for family in families.values():
        p_values = holm([one.p_value for one in family if one.p_value is not None])
        adjusted.update(zip((one.key for one in family), p_values, strict=True))
    return tuple(
        row
        if _family(row) is None
        else replace(
            row,
            p_adjusted=adjusted.get(row.key),
            verdict=_verdict(row, adjusted.get(row.key), alpha=alpha),
        )
        for row in rows
    )


def _family(row: QatDifference) -> tuple[str, ...] | None:
    """The questions that a row is adjusted with; None if it is none."""
    if (row.first, row.second) != PRIMARY or row.mix is None:
        return None
    if row.primary:
        return ("the claim",)
    if row.scope == "language":
        return (row.mix, row.suite)
    return None


def _verdict(row: QatDifference, p_adjusted: float | None, *, alpha: float) -> Verdict:
    interval = row.interval
    if row.at_floor or interval is None or p_adjusted is None or len(row.by_seed) < FEWEST_SEEDS:
        return "undecided"
    if p_adjusted > alpha or interval.low <= 0 <= interval.high:
        return "undecided"
    return "worse" if interval.high < 0 else "better"


def check_same_items(by_seed: Sequence[Cells]) -> None:
    """Raise unless every seed was asked the same items in the same suites and languages.

    Raises
    ------
    UnpairedItemsError
        Names the first cell that differs.
    """
    [first, *rest] = by_seed
    for cells in rest:
        for arm, found in first.items():
            for place, one in found.items():
                other = cells.get(arm, {}).get(place)
                if other is None or other.item_ids != one.item_ids:
                    raise UnpairedItemsError(
                        f"'{arm}' was asked other items with another seed",
                        where=" · ".join(place),
                        hint="run the lab's studies as they were written",
                    )
