"""From runs of other tools to the cells that `analysis.analyse` compares.

Tasks are placed (benchmark, language), items joined on content, prompts and gold answers checked,
and only then are scores looked at. The join is loud: whatever has no partner is an error that names
counts and examples; with `matched_only` it is left out of *all* runs, so that every variant is
compared on the same items, and every output says so.

Sign: scores stay in the metric's own direction; `analyse` orients them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from babelbits.analysis.cells import BASELINE, CellResult
from babelbits.errors import StudyError, UnpairedItemsError
from babelbits.interop.joined_rows import JoinedRows
from babelbits.interop.matching import (
    Difference,
    Match,
    describe_other_circumstances,
    list_differences,
    match,
    refuse_circumstances,
    refuse_differences,
    refuse_empty,
    refuse_unmatched,
)
from babelbits.interop.metric_inference import infer_chance, infer_metrics
from babelbits.interop.readers.naming import LanguageMap, TaskPlace, place_tasks
from babelbits.interop.readers.record import ENGINE, ForeignRun
from babelbits.interop.run_index import CellKey, RunIndex, index_run, without_items
from babelbits.records import CellMeta, ItemRow, Metric, TaskInfo, digest
from babelbits.words import agreeing, every, plural

AA_LABEL = "baseline again"
_ONLY_TABLE = "table"
"""What the benchmark of a table without a column `task` is called, if its files disagree."""
_FEWEST_FOR_DOUBT = 20
"""So many answers that are equal to the last digit are no coincidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """Cells that pair item by item, and how that came about."""

    cells: tuple[CellResult, ...]
    """The baseline's first, then its second run, then the variants'."""
    matches: tuple[Match, ...]
    notes: tuple[str, ...]
    """What a reader must know; also in the report's 'not shown'."""


def join(
    baseline: ForeignRun,
    variants: Mapping[str, ForeignRun],
    *,
    aa: ForeignRun | None = None,
    mapped: LanguageMap | None = None,
    matched_only: bool = False,
    strict: bool = False,
    metric: str | None = None,
) -> Joined:
    """Pair every variant with the baseline, item by item.

    Parameters
    ----------
    aa : ForeignRun, optional
        The baseline evaluated a second time: the noise floor.
    mapped : mapping, optional
        The user's own places for tasks; they win.
    matched_only : bool
        Compare the items that all runs have, instead of raising.
    strict : bool
        Refuse runs that differ in more than the weights, instead of saying so.
    metric : str, optional
        What verdicts shall be about, in the benchmarks that have it.

    Raises
    ------
    UnpairedItemsError
        If items are missing, prompts, settings or gold answers differ, nothing is shared, or with
        `strict` anything but the weights differs.
    StudyError
        If the language of a task is unknown, or no benchmark has `metric`.
    """
    others = {**({} if aa is None else {AA_LABEL: aa}), **variants}
    runs = _named_alike({BASELINE: baseline, **others})
    tasks = [task for run in runs.values() for task in run.tasks]
    places = place_tasks(tasks, {} if mapped is None else mapped)
    shelves = {label: index_run(run.tasks, places) for label, run in runs.items()}
    # From here on the books alone hold items.
    del baseline, variants, aa, others, tasks
    runs = {label: drop_items(run) for label, run in runs.items()}
    ours = shelves[BASELINE]
    pairs = [
        (label, ours[key], shelf[key])
        for label, shelf in shelves.items()
        if label != BASELINE
        for key in ours
        if key in shelf
    ]
    if ours and not pairs:
        raise UnpairedItemsError(_nothing_shared(shelves), hint="compare runs of the same tasks")
    matches = [match(label, one, other) for label, one, other in pairs]
    if not matched_only:
        refuse_unmatched(matches)
    differences_found = [
        difference
        for one, (_, book, other) in zip(matches, pairs, strict=True)
        for difference in list_differences(one, book, other)
    ]
    refuse_differences(differences_found)
    otherwise = list(describe_other_circumstances(pairs))
    if strict:
        refuse_circumstances(otherwise)
    differences_found += otherwise
    shared = {key: _shared(key, shelves) for key in ours}
    matches = [replace(one, used=len(shared[one.suite, one.language])) for one in matches]
    refuse_empty(matches)
    cells = _cells(shelves, shared, metric)
    return Joined(
        cells=tuple(cells),
        matches=tuple(matches),
        notes=tuple(_notes(runs, shelves, places, matches, differences_found, cells)),
    )


def drop_items(run: ForeignRun) -> ForeignRun:
    """The run without its items, which take most of the memory."""
    return replace(run, tasks=tuple(map(without_items, run.tasks)))


def _named_alike(runs: Mapping[str, ForeignRun]) -> dict[str, ForeignRun]:
    """Runs whose one benchmark is named by its file, with one name for it where names differ.

    `fp16.csv` and `w4.csv` are the same questions, although their names are not.
    """
    names = {
        label: {task.suite for task in run.tasks if task.suite_is_file}
        for label, run in runs.items()
        if run.tasks
    }
    several = any(len(found) > 1 for found in names.values())
    if several or not names.get(BASELINE) or len(set().union(*names.values())) < 2:
        return dict(runs)
    return {label: _renamed(run) for label, run in runs.items()}


def _renamed(run: ForeignRun) -> ForeignRun:
    tasks = tuple(
        replace(task, suite=_ONLY_TABLE, name=f"{_ONLY_TABLE}_{task.language}")
        if task.suite_is_file
        else task
        for task in run.tasks
    )
    return replace(run, tasks=tasks)


def _nothing_shared(shelves: Mapping[str, Mapping[CellKey, RunIndex]]) -> str:
    lines = [
        f"    {label}: {', '.join(book.names for book in list(shelf.values())[:4]) or 'no items'}"
        for label, shelf in shelves.items()
    ]
    return "no task of the baseline is in another run:\n" + "\n".join(lines)


def _shared(key: CellKey, shelves: Mapping[str, Mapping[CellKey, RunIndex]]) -> list[str]:
    """Keys that every run with this cell has, in the baseline's order."""
    others = [s[key].items for label, s in shelves.items() if label != BASELINE and key in s]
    return [one for one in shelves[BASELINE][key].items if all(one in other for other in others)]


# --- cells -----------------------------------------------------------------------------------


def _cells(
    shelves: Mapping[str, Mapping[CellKey, RunIndex]],
    shared: Mapping[CellKey, Sequence[str]],
    metric: str | None,
) -> list[CellResult]:
    """A cell result for every run's cell that the baseline has too."""
    ours = shelves[BASELINE]
    scales = {
        suite: infer_metrics(
            [s[key] for s in shelves.values() for key in ours if key[0] == suite and key in s],
            metric,
        )
        for suite in dict.fromkeys(suite for suite, _ in ours)
    }
    _check_metrics(scales, ours, metric)
    infos = {
        key: _info(book, scales[key[0]], [s[key] for s in shelves.values() if key in s])
        for key, book in ours.items()
    }
    cells: list[CellResult] = []
    first: dict[CellKey, JoinedRows] = {}
    for label, shelf in shelves.items():
        for key in ours:
            if key in shelf:
                rows = _rows(label, shelf[key], infos[key], shared[key], like=first.get(key))
                first.setdefault(key, rows)
                engine = shelf[key].circumstances.get(ENGINE)
                cells.append(_cell(label, rows, shared[key], engine=engine))
    return cells


def _check_metrics(
    scales: Mapping[str, Mapping[str, Metric]],
    ours: Mapping[CellKey, RunIndex],
    metric: str | None,
) -> None:
    for (suite, _), book in ours.items():
        if not scales[suite]:
            raise UnpairedItemsError(
                f"{suite}: the runs have no metric of single items in common "
                f"(the baseline has {', '.join(book.metrics) or 'none'})",
                hint="evaluate both with the same task; corpus metrics cannot be paired",
            )
    known = sorted({name for found in scales.values() for name in found})
    if metric is not None and metric not in known:
        raise StudyError(f"no task has a metric '{metric}'", hint=f"available: {', '.join(known)}")


def _info(book: RunIndex, scales: Mapping[str, Metric], runs: Sequence[RunIndex]) -> TaskInfo:
    """What the cell's task is, the same for all runs."""
    metrics = [
        replace(metric, chance=infer_chance(name, metric, runs)) for name, metric in scales.items()
    ]
    first = book.tasks[0]
    parallel = first.parallel is not False and all(
        item.source_id is not None for run in runs for item in run.items.values()
    )
    return TaskInfo(
        name=f"{book.suite}_{book.language}",
        suite=book.suite,
        language=book.language,
        metrics=tuple(metrics),
        primary=metrics[0].name,
        output_type=first.output_type,
        parallel=parallel,
        scorer_version="as logged",
        origin=first.origin,
        notes=tuple(note for task in book.tasks for note in task.notes),
    )


def _rows(
    label: str, book: RunIndex, info: TaskInfo, keys: Sequence[str], *, like: JoinedRows | None
) -> JoinedRows:
    """`like` are the baseline's rows of the same keys, whose names are not made anew."""
    ids = [digest([info.suite, info.language, key]) for key in keys] if like is None else like.ids
    sources: Sequence[str] | None = None
    if not info.parallel:
        sources = [digest([info.language, k]) for k in keys] if like is None else like.sources
    return JoinedRows(
        items=book.picked(keys),
        ids=ids,
        sources=sources,
        info=info,
        variant=BASELINE if label == AA_LABEL else label,
    )


def _cell(label: str, rows: JoinedRows, keys: Sequence[str], *, engine: str | None) -> CellResult:
    meta = CellMeta(
        cell_id=digest([label, rows.info.name, keys]),
        identity={} if engine is None else {"engine": {"name": engine}},
        variant=rows.variant,
        variant_id=label,
        replicate=int(label == AA_LABEL),
        task=rows.info,
        n_items=len(rows),
        chunk=1,
        smoke=False,
    )
    return CellResult(meta=meta, rows=rows)


# --- what a reader must know -----------------------------------------------------------------


def _notes(
    runs: Mapping[str, ForeignRun],
    shelves: Mapping[str, Mapping[CellKey, RunIndex]],
    places: Mapping[str, TaskPlace],
    matches: Sequence[Match],
    differences_found: Sequence[Difference],
    cells: Sequence[CellResult],
) -> Iterator[str]:
    yield from (f"{label}: {note}" for label, run in runs.items() for note in run.notes)
    for label, run in runs.items():
        if run.tool != runs[BASELINE].tool and run.tasks:
            yield f"{label}: made with {run.tool}, the baseline with {runs[BASELINE].tool}"
    partial = [one for one in matches if one.used < max(one.baseline_items, one.run_items)]
    for one in partial:
        yield (
            f"matched items only: {one.place}: {plural(one.used, 'item')} "
            "compared, of the baseline's "
            f"{one.baseline_items:,} and this run's {one.run_items:,}"
        )
    yield from (one.line for one in differences_found if one.harmless)
    ours = shelves[BASELINE]
    yield from dict.fromkeys(
        note for book in ours.values() for task in book.tasks for note in task.notes
    )
    yield from dict.fromkeys(places[t.name].how for t in runs[BASELINE].tasks if places[t.name].how)
    repeated = sum(book.repeated for book in ours.values())
    if repeated:
        yield (
            f"{plural(repeated, 'item')} {agreeing(repeated, 'asks', 'ask')} what "
            "another item of the same task asks; they pair in order"
        )
    yield from _surplus(shelves)
    yield from _without_sources(cells)
    yield from _suspiciously_equal(cells)


def _surplus(shelves: Mapping[str, Mapping[CellKey, RunIndex]]) -> Iterator[str]:
    ours = shelves[BASELINE]
    for label, shelf in shelves.items():
        names = [book.names for key, book in shelf.items() if key not in ours]
        if names:
            more = " …" if len(names) > 4 else ""
            yield f"{label}: left out, the baseline has no {', '.join(names[:4])}{more}"


def _without_sources(cells: Sequence[CellResult]) -> Iterator[str]:
    """Benchmarks in several languages whose translations cannot be told."""
    languages: dict[str, int] = {}
    for cell in cells:
        if (
            cell.meta.variant == BASELINE
            and not cell.meta.replicate
            and not cell.meta.task.parallel
        ):
            languages[cell.meta.task.suite] = languages.get(cell.meta.task.suite, 0) + 1
    for suite, count in languages.items():
        if count > 1:
            yield (
                f"{suite}: which items are translations of each other is not known; "
                "languages count as independent"
            )


def _suspiciously_equal(cells: Sequence[CellResult]) -> Iterator[str]:
    """Variants that gave the baseline's answers to the last digit."""
    ours = {
        c.meta.task.name: c.rows
        for c in cells
        if c.meta.variant == BASELINE and not c.meta.replicate
    }
    same: dict[str, bool] = {}
    counts: dict[str, int] = {}
    for cell in cells:
        label = cell.meta.variant
        if label == BASELINE:
            continue
        pairs = zip(ours[cell.meta.task.name], cell.rows, strict=True)
        counts[label] = counts.get(label, 0) + len(cell.rows)
        same[label] = same.get(label, True) and all(
            _answer(a) == _answer(b) and any(_answer(a)[:2]) for a, b in pairs
        )
    for label, is_same in same.items():
        if is_same and counts[label] >= _FEWEST_FOR_DOUBT:
            yield (
                f"{label}: {every(counts[label], 'answer')} "
                f"{agreeing(counts[label], 'equals', 'equal')} the baseline's to the last digit: "
                "the same model twice, or a response cache shared by two models?"
            )


def _answer(row: ItemRow) -> tuple[object, ...]:
    return row.output, row.choice_logprobs, tuple(row.scores.values())
