"""From a study, suites or a pilot to what can be seen: a `PowerAnalysis`.

Prints nothing and runs nothing; loads neither torch nor lm-eval.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from babelbits.decide.power_planning import (
    ComparisonPower,
    GroupLimit,
    Spread,
    assume_spread,
    compute_power,
    estimate_correlation,
    find_pooled_range,
    find_smallest_effect,
    group_limits,
    measure_spread,
)
from babelbits.errors import BabelbitsError, StudyError, UnknownNameError
from babelbits.languages import group_languages, resolve
from babelbits.records import Effect
from babelbits.results.results import Results
from babelbits.study import Study
from babelbits.study.config.spec import AnalysisSpec
from babelbits.study.planning.planned_comparisons import PlannedTask
from babelbits.study.planning.planned_comparisons import list_planned_comparisons as outline_of
from babelbits.study.planning.planned_comparisons import plan_comparison as planned_task
from babelbits.tasks import catalogue
from babelbits.tasks.base import TaskOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerLine:
    """One comparison ahead: a variant (if known) on a suite in a language, at one spread."""

    suite: str | None
    language: str | None
    unit: str
    prospect: ComparisonPower | None
    """None: its spread is unknown without a pilot."""
    n_items: int | None
    variant: str | None = None
    margin: float | None = None
    why_unknown: str = ""
    """Why there is no prospect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledPowerLine:
    """The mean over a suite's languages, at one spread."""

    suite: str
    languages: tuple[str, ...]
    unit: str
    churn: float | None
    best: float | None
    worst: float | None
    variant: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerAnalysis:
    """Everything that `babelbits power` says."""

    alpha: float
    lines: tuple[PowerLine, ...]
    pooled: tuple[PooledPowerLine, ...]
    groups: tuple[tuple[str, GroupLimit], ...]
    """Suite and limit."""


def analyse_power(
    study: Study | None,
    *,
    items: int | None,
    suites: Sequence[str],
    languages: Sequence[str],
    churns: Sequence[float],
    pilot: Results | None,
    cautious: bool,
    margin: float | None,
    alpha: float | None,
) -> PowerAnalysis:
    """What can be seen of the tasks of a study, of suites, of a pilot, or with so many items.

    Parameters
    ----------
    study : Study, optional
        What is planned.
    items : int, optional
        Items a language, instead of those the tasks have.
    churns : sequence of float
        Assumed; of no account with a pilot.
    cautious : bool
        Take the upper end of the interval of the pilot's churn.
    margin : float, optional
        In points; replaces those of the study for scores that are fractions.

    Raises
    ------
    StudyError
        If the study is wrong, or the pilot has nothing that it asks.
    """
    level = alpha or (study.analysis.alpha if study else pilot.study.alpha if pilot else 0.05)
    planned = _planned(study, suites, languages, pilot)
    if margin and planned and not any(one.unit == "fraction" for one in planned):
        raise StudyError(
            f"--margin {margin:g} is in points, and nothing planned is measured in points",
            hint="the study's margins are by unit: [analysis] margins",
        )
    planned = [
        replace(
            one,
            n_items=items or one.n_items,
            margin=margin / 100 if margin and one.unit == "fraction" else one.margin,
        )
        for one in planned
    ]
    if not planned:
        plain_lines = _plain(items, churns, margin=margin, alpha=level)
        return PowerAnalysis(alpha=level, lines=plain_lines, pooled=(), groups=())
    if pilot is None:
        lines = [
            line
            for one in planned
            for line in _assumed(one, churns, alpha=level, questions=len(planned))
        ]
        pooled = [line for suite in _by_suite(planned) for line in _pooled(suite, churns, level)]
    else:
        effects = _primary(pilot)
        lines = list(
            _measured(planned, effects, cautious=cautious, alpha=level, questions=len(planned))
        )
        pooled = list(_pooled_measured(planned, effects, alpha=level))
        if not lines:
            raise StudyError(
                "the pilot has no variant on any of these tasks and languages",
                hint="run a pilot of this study: babelbits run study.toml --limit 50",
            )
    return PowerAnalysis(
        alpha=level,
        lines=tuple(lines),
        pooled=tuple(pooled),
        groups=tuple(_groups(planned, study)),
    )


def _planned(
    study: Study | None,
    suites: Sequence[str],
    languages: Sequence[str],
    pilot: Results | None,
) -> list[PlannedTask]:
    """The tasks ahead; none where a number of items is all that is known.

    A pilot without a study is asked again.
    """
    if study is not None:
        return list(outline_of(study))
    if suites or languages:
        return _of_suites(suites, languages)
    return [] if pilot is None else _of_pilot(pilot)


def _of_suites(suites: Sequence[str], languages: Sequence[str]) -> list[PlannedTask]:
    """Suites of the catalogue, in all their languages or in those named."""
    if not suites:
        raise StudyError("languages of which suite?", hint="e.g. --suite mgsm --languages ja,sw")
    tasks = []
    for suite in suites:
        info = catalogue.find_info(suite)
        codes = [resolve(code).code for code in languages] or list(info.languages)
        for code in codes:
            if code not in info.languages and not info.any_language:
                raise UnknownNameError(
                    f"suite '{suite}' is not in language '{code}'",
                    hint=f"it is in {', '.join(info.languages)}",
                )
            tasks.append(
                planned_task(suite, code, options=TaskOptions(), tests=len(codes),
                        margins=AnalysisSpec().margins)
            )  # fmt: skip
    return tasks


def _of_pilot(pilot: Results) -> list[PlannedTask]:
    """What the pilot asked, at the size of the whole benchmark where that is known."""
    tasks: dict[tuple[str, str], PlannedTask] = {}
    for effect in _primary(pilot):
        if effect.scope != "language" or effect.language is None:
            continue
        key = effect.task, effect.language
        n_items = _whole_size(*key) if pilot.analysis.smoke else effect.counts.n_items
        tasks.setdefault(
            key,
            PlannedTask(
                suite=effect.task, language=effect.language, n_items=n_items, unit=effect.unit,
                binary=effect.kind == "binary", parallel=True, tests=1,
                margin=effect.decision.margin,
            ),
        )  # fmt: skip
    sizes = {suite: sum(key[0] == suite for key in tasks) for suite, _ in tasks}
    return [replace(one, tests=sizes[one.suite]) for one in tasks.values()]


def _whole_size(suite: str, language: str) -> int | None:
    """Items of a suite of the catalogue; None where it is not there, or its data are elsewhere."""
    with suppress(BabelbitsError):
        return planned_task(suite, language, options=TaskOptions(), tests=1, margins={}).n_items
    return None


def _primary(pilot: Results) -> list[Effect]:
    primary = {cell.meta.task.suite: cell.meta.task.primary for cell in pilot.cells}
    return [one for one in pilot.analysis.effects if primary.get(one.task) == one.metric]


def _plain(
    items: int | None, churns: Sequence[float], *, margin: float | None, alpha: float
) -> tuple[PowerLine, ...]:
    size = margin / 100 if margin else AnalysisSpec().margins["fraction"]
    return tuple(
        PowerLine(
            suite=None, language=None, unit="fraction", n_items=items, margin=size,
            prospect=compute_power(items, assume_spread(churn), margin=size, alpha=alpha),
        )
        for churn in churns
    )  # fmt: skip


def _assumed(
    one: PlannedTask, churns: Sequence[float], *, alpha: float, questions: int
) -> Iterator[PowerLine]:
    """A line a churn; scores that are not right or wrong have none to assume."""
    for churn in churns if one.binary else (None,):
        spread = None if churn is None else assume_spread(churn)
        yield _line(one, spread, alpha=alpha, questions=questions)


def _line(
    one: PlannedTask,
    spread: Spread | None,
    *,
    alpha: float,
    questions: int,
    correlation: float = 0.0,
    variant: str | None = None,
    why_unknown: str = "unknown: needs a --pilot",
) -> PowerLine:
    seen = None
    if spread is not None:
        seen = compute_power(
            one.n_items, spread, margin=one.margin, tests=one.tests, alpha=alpha,
            questions=questions, correlation=correlation,
        )  # fmt: skip
    return PowerLine(
        suite=one.suite, language=one.language, unit=one.unit, n_items=one.n_items,
        margin=one.margin, prospect=seen, variant=variant,
        why_unknown=why_unknown,
    )  # fmt: skip


def _measured(
    planned: Sequence[PlannedTask],
    effects: Sequence[Effect],
    *,
    cautious: bool,
    alpha: float,
    questions: int,
) -> Iterator[PowerLine]:
    """A line for each of the pilot's comparisons that is planned again."""
    suites = {one.suite for one in planned}
    tasks = {(one.suite, one.language): one for one in planned}
    for effect in effects:
        one = tasks.get((effect.task, effect.language or ""))
        if effect.scope == "language" and one is not None:
            spread = None if effect.arms.at_floor else measure_spread(effect)
            why = (
                "none: its baseline is at floor"
                if effect.arms.at_floor
                else "unknown: too few changed"
            )
            if cautious and spread is not None and spread.interval is not None:
                spread = replace(spread, variance=spread.interval.high)
            together = 0.0
            if len(suites) == 1:
                together = _correlation(effects, effect.variant, effect.task)
            yield _line(
                one, spread, alpha=alpha, variant=effect.variant, why_unknown=why,
                questions=questions, correlation=together,
            )  # fmt: skip


def _correlation(effects: Sequence[Effect], variant: str, suite: str) -> float:
    """Between the estimates of a suite's languages, from the pilot's own paired data."""
    ours = [one for one in effects if (one.variant, one.task) == (variant, suite)]
    pooled = next((one for one in ours if one.scope == "all"), None)
    return estimate_correlation([one for one in ours if one.scope == "language"], pooled)


def _by_suite(planned: Sequence[PlannedTask]) -> list[list[PlannedTask]]:
    found: dict[str, list[PlannedTask]] = {}
    for one in planned:
        found.setdefault(one.suite, []).append(one)
    return list(found.values())


def _items_a_language(tasks: Sequence[PlannedTask]) -> int | None:
    """Harmonic mean, which is what the variance of a mean over languages goes by."""
    sizes = [one.n_items for one in tasks if one.n_items is not None]
    if len(sizes) < len(tasks):
        return None
    return int(len(sizes) / sum(1 / size for size in sizes))


def _pooled(
    tasks: Sequence[PlannedTask], churns: Sequence[float], alpha: float
) -> Iterator[PooledPowerLine]:
    first, n_items = tasks[0], _items_a_language(tasks)
    if len(tasks) < 2 or n_items is None or not first.binary:
        return
    for churn in churns:
        best, worst = find_pooled_range(n_items, len(tasks), assume_spread(churn), alpha=alpha)
        yield PooledPowerLine(
            suite=first.suite, languages=tuple(one.language for one in tasks), unit=first.unit,
            churn=churn, best=best, worst=worst if first.parallel else best,
        )  # fmt: skip


def _pooled_measured(
    planned: Sequence[PlannedTask], effects: Sequence[Effect], *, alpha: float
) -> Iterator[PooledPowerLine]:
    """From the pilot's pooled effects, which know how translations move together."""
    for tasks in _by_suite(planned):
        n_items, codes = _items_a_language(tasks), tuple(one.language for one in tasks)
        for effect in effects:
            if effect.task != tasks[0].suite or effect.scope != "all" or n_items is None:
                continue
            spread = measure_spread(effect)
            if spread is None or set(effect.languages) != set(codes):
                continue
            units = round(
                n_items * effect.counts.n_source_items * len(codes) / effect.counts.n_items
            )
            detectable_loss = find_smallest_effect(units, spread, alpha=alpha)
            yield PooledPowerLine(
                suite=effect.task, languages=codes, unit=effect.unit, churn=effect.counts.churn,
                best=detectable_loss, worst=detectable_loss, variant=effect.variant,
            )  # fmt: skip


def _groups(
    planned: Sequence[PlannedTask], study: Study | None
) -> Iterator[tuple[str, GroupLimit]]:
    user: Mapping[str, tuple[str, ...]] = {} if study is None else study.groups
    claimed = None if study is None else study.claimed
    for tasks in _by_suite(planned):
        codes = [one.language for one in tasks]
        for limit in group_limits(codes, group_languages(codes, user=user, claimed=claimed)):
            yield tasks[0].suite, limit
