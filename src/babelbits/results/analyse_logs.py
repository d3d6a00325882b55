"""From the results of other tools to a `Results`: what `babelbits compare` shows.

Sources are folders and files, `label=path` or a bare path. The page, the tables and the pictures
are those of a study; what a study has and runs of others lack (manifests, a study file, a folder
to look items up in) is left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path

from babelbits.analysis import Analysis, AnalysisSettings
from babelbits.analysis.cells import BASELINE
from babelbits.analysis.results import ProblemKind
from babelbits.errors import StudyError, UnpairedItemsError
from babelbits.interop.join import Joined, drop_items, join
from babelbits.interop.matching import (
    Difference,
    Match,
    find_other_circumstances,
    refuse_circumstances,
)
from babelbits.interop.readers import run_folder
from babelbits.interop.readers.detect import read_run
from babelbits.interop.readers.naming import LanguageMap, find_log_language
from babelbits.interop.readers.record import ForeignRun
from babelbits.languages import group_languages, resolve
from babelbits.records import Effect
from babelbits.results.results import Foreign, LabelledLog, Results, SourceLine, StudySummary
from babelbits.study.config.spec import AnalysisSpec
from babelbits.words import plural

_HINTS: Mapping[ProblemKind, str] = {
    "missing_cell": "evaluate it on this task too",
    "no_aa": "name a second run of the baseline with --aa",
    "failed_items": "they are left out of the pairs",
    "no_pairs": "see why its items have no score",
}
"""What to do, where an analysis advises something that only a study can do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSource:
    """One argument of the command: a label, if it gave one, and a path."""

    path: Path
    label: str | None = None
    variant: str | None = None
    """Of a run folder."""

    @property
    def name(self) -> str:
        """The label, else the variant, else the path's own name without a file's ending."""
        own = self.path.stem if self.path.is_file() else self.path.resolve().name
        return self.label or self.variant or own


def parse_source(text: str) -> LogSource:
    """`path`, `label=path`, `run_folder:variant` or `label=run_folder:variant`.

    Examples
    --------
    >>> parse_source("w4=out/w4").name, parse_source("out/w4").name
    ('w4', 'w4')
    """
    label, equals, rest = text.partition("=")
    if not equals or Path(text).exists():
        label, rest = "", text
    if Path(rest).exists():
        return LogSource(path=Path(rest), label=label or None)
    folder, colon, variant = rest.rpartition(":")
    if colon and run_folder.looks_like(Path(folder)):
        return LogSource(path=Path(folder), label=label or None, variant=variant)
    return LogSource(path=Path(rest), label=label or None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """What the caller declares before any score is looked at."""

    margins: Mapping[str, float] = field(default_factory=lambda: AnalysisSpec().margins)
    alpha: float = AnalysisSpec().alpha
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    mapped: LanguageMap = field(default_factory=dict)
    matched_only: bool = False
    strict: bool = False
    metric: str | None = None
    seed: int = 0
    named_margins: tuple[str, ...] = ()
    """Units and suites of `margins` that the caller named, and that must therefore be there."""
    chance: float | None = None
    """What a guess scores, for metrics whose source does not say."""


def load_foreign(
    baseline: LogSource,
    variants: Sequence[LogSource],
    *,
    aa: LogSource | None,
    wishes: CompareOptions,
) -> Results:
    """Read, join and analyse.

    Raises
    ------
    TaskError
        If a source cannot be read.
    UnpairedItemsError
        If the runs are not about the same items, asked in the same way.
    StudyError
        If two sources have the same name, or a task's language is unknown.
    """
    more = [one for one in variants if baseline.label is not None and one.label == baseline.label]
    if len(more) == len(variants):
        raise StudyError(
            f"no variant: every source has the baseline's name '{baseline.name}'",
            hint="name it: label=path; several sources with one label are one run",
        )
    ours, again = _baseline(baseline, aa)
    for one in more:
        ours = _merged(ours, _one(one))
    runs = _variants(baseline, [one for one in variants if one not in more])
    # `join` takes the items over: whoever else held them would hold a million twice.
    whole, many = [ours, again], [runs]
    ours, runs = drop_items(ours), {label: drop_items(run) for label, run in runs.items()}
    del again
    joined = join(
        _taken(whole),
        many.pop(),
        aa=whole.pop(),
        mapped=wishes.mapped,
        matched_only=wishes.matched_only,
        strict=wishes.strict,
        metric=wishes.metric,
    )
    _check_compared(ours, runs, joined)
    _check_margins(joined, wishes)
    codes = list(dict.fromkeys(cell.meta.task.language for cell in joined.cells))
    settings = AnalysisSettings(
        alpha=wishes.alpha,
        margins=wishes.margins,
        groups=group_languages(codes, user=wishes.groups),
        seed=wishes.seed,
        loss_caps=AnalysisSpec().loss_caps,
        chance=wishes.chance,
    )
    logs = _logs({baseline.name: ours, **runs}, wishes.mapped)
    otherwise = list(_log_differences(baseline.name, logs))
    if wishes.strict:
        refuse_circumstances(otherwise)
    spoken = {*codes, *(one.language for one in logs if one.language)}
    return Results(
        study=_summary(baseline.name, list(runs), settings, joined),
        analysis=_analysis(joined, settings),
        cells=joined.cells,
        manifests={},
        languages={code: resolve(code) for code in sorted(spoken)},
        foreign=Foreign(
            sources=tuple(
                SourceLine(label=label, path=str(run.path), tool=run.tool)
                for label, run in {baseline.name: ours, **runs}.items()
            ),
            matches=joined.matches,
            notes=(*joined.notes, *(one.line for one in otherwise)),
            logs=logs,
        ),
    )


def _taken(whole: list[ForeignRun | None]) -> ForeignRun:
    """The first of the list, which no longer has it."""
    first = whole.pop(0)
    assert first is not None  # noqa: S101  the baseline
    return first


# --- sources ---------------------------------------------------------------------------------


def _baseline(source: LogSource, aa: LogSource | None) -> tuple[ForeignRun, ForeignRun | None]:
    """The baseline and its second run; a run folder brings both."""
    again = None if aa is None else _one(aa)
    if not run_folder.looks_like(source.path):
        return read_run(source.path), again
    held = run_folder.read_variants(source.path)
    if source.variant is None and again is None:
        again = held.get(run_folder.AA)
    return run_folder.pick(source.path, source.variant or "baseline"), again


def _one(source: LogSource) -> ForeignRun:
    if run_folder.looks_like(source.path):
        return run_folder.pick(source.path, source.variant or "baseline")
    return read_run(source.path)


def _variants(baseline: LogSource, sources: Sequence[LogSource]) -> dict[str, ForeignRun]:
    """Label to run; sources of one label are one run, and a run folder brings all its variants."""
    found: dict[str, ForeignRun] = {}
    for source in sources:
        if source.variant is None and run_folder.looks_like(source.path):
            _add_all(found, source)
            continue
        _add(found, source.name, _one(source), declared=source.label is not None)
    if baseline.name in found or "baseline" in found:
        taken = baseline.name if baseline.name in found else "baseline"
        raise StudyError(f"a variant has the baseline's name '{taken}'", hint="name it: label=path")
    return found


def _add_all(found: dict[str, ForeignRun], source: LogSource) -> None:
    """All variants of a run folder."""
    held = run_folder.read_variants(source.path)
    others = ("baseline", run_folder.AA, *run_folder.list_engine_baselines(source.path))
    labels = [label for label in held if label not in others]
    if not labels:
        raise StudyError(
            "the run folder holds no variant but its baseline",
            where=str(source.path),
            hint=f"to compare that one: NAME={source.path}:baseline",
        )
    for label in labels:
        _add(found, source.label or label, held[label], declared=False)


def _add(found: dict[str, ForeignRun], label: str, run: ForeignRun, *, declared: bool) -> None:
    if label not in found:
        found[label] = run
        return
    if not declared:
        raise StudyError(
            f"two variants are called '{label}': {found[label].path} and {run.path}",
            hint="name them: label=path; the same label twice makes one variant of two folders",
        )
    found[label] = _merged(found[label], run)


def _merged(before: ForeignRun, run: ForeignRun) -> ForeignRun:
    """Two sources of one label as one run."""
    return replace(
        before,
        tool=" and ".join(dict.fromkeys([before.tool, run.tool])),
        tasks=(*before.tasks, *run.tasks),
        divergences=(*before.divergences, *run.divergences),
        notes=(*before.notes, *run.notes),
    )


def _check_compared(ours: ForeignRun, runs: Mapping[str, ForeignRun], joined: Joined) -> None:
    """Raise if nothing of any variant stands beside the baseline.

    Raises
    ------
    UnpairedItemsError
        Says what each of them holds instead.
    """
    pairs = any(cell.meta.variant != BASELINE for cell in joined.cells)
    logs = any(run.divergences for run in runs.values())
    if pairs or logs:
        return
    held = [f"    {label}: {_held(run)}" for label, run in {"the baseline": ours, **runs}.items()]
    raise UnpairedItemsError(
        "nothing can be compared:\n" + "\n".join(held),
        hint="name results of the same tasks, item by item, for the baseline and a variant",
    )


def _held(run: ForeignRun) -> str:
    """What a run has to compare."""
    if run.tasks:
        return plural(len(run.tasks), "task")
    return plural(len(run.divergences), "log") + " without items"


def _logs(runs: Mapping[str, ForeignRun], mapped: LanguageMap) -> tuple[LabelledLog, ...]:
    return tuple(
        LabelledLog(label=label, log=log, language=log.language or find_log_language(log, mapped))
        for label, run in runs.items()
        for log in run.divergences
    )


def _log_differences(baseline: str, logs: Sequence[LabelledLog]) -> Iterator[Difference]:
    """Logs of other windows of text than the baseline's of the language."""
    ours = {one.language: one.log for one in logs if one.label == baseline}
    return find_other_circumstances(
        (one.label, one.log.name, ours[one.language].circumstances, one.log.circumstances)
        for one in logs
        if one.label != baseline and one.language in ours
    )


# --- analysis --------------------------------------------------------------------------------


def _analysis(joined: Joined, settings: AnalysisSettings) -> Analysis:
    """The analysis, its advice in the words of runs that no study made."""
    from babelbits.analysis.analyse import analyse

    found = analyse(joined.cells, settings)
    problems = tuple(replace(one, hint=_HINTS.get(one.kind, one.hint)) for one in found.problems)
    effects = tuple(_noted(effect, joined.matches) for effect in found.effects)
    return replace(found, problems=problems, effects=effects)


def _noted(effect: Effect, matches: Sequence[Match]) -> Effect:
    """An effect over a part of the items says so wherever it is printed."""
    ours = [
        one
        for one in matches
        if one.label == effect.variant
        and one.suite == effect.task
        and one.language in effect.languages
        and one.used < one.baseline_items
    ]
    if not ours:
        return effect
    used, whole = sum(one.used for one in ours), sum(one.baseline_items for one in ours)
    note = f"matched items only: {used:,} of the baseline's {whole:,}"
    return replace(effect, notes=(*effect.notes, note))


def _check_margins(joined: Joined, wishes: CompareOptions) -> None:
    """A margin that no compared metric is measured in would be silently without effect."""
    tasks = [cell.meta.task for cell in joined.cells]
    units = dict.fromkeys(task.metric(task.primary).unit for task in tasks)
    known = (*units, *dict.fromkeys(task.suite for task in tasks))
    for name in wishes.named_margins:
        if name not in known:
            what = "points" if name == "fraction" else name
            raise StudyError(
                f"a margin in {what}, and what is compared is measured in {', '.join(units)}",
                hint=f"--margin {next(iter(units), 'score')}=SIZE, in that unit",
            )


def _summary(
    baseline: str, variants: Sequence[str], settings: AnalysisSettings, joined: Joined
) -> StudySummary:
    shown = ", ".join(variants[:3]) + (" …" if len(variants) > 3 else "")
    partial = any(one.used < one.baseline_items for one in joined.matches)
    return StudySummary(
        name=f"{shown} against {baseline}{' (matched items only)' if partial else ''}",
        model=baseline,
        study_file="",
        folder="",
        engine={},
        seed=settings.seed,
        margins=settings.margins,
        loss_caps=dict(settings.loss_caps),
        alpha=settings.alpha,
        smoke=False,
        bundled=False,
        versions={"babelbits": metadata.version("babelbits")},
    )
