"""Paired effects of graded answers, with the missing grades taken either way.

The estimate is over items with a grade in both arms. Beside it stands what it would be with every
missing grade at its worst for the variant, and at its best. "Equivalent" is said only if it holds
either way. Sign: ``delta = variant - baseline``, so harm is negative. Fractions, not points.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from babelbits.analysis import BASELINE, Analysis, AnalysisSettings, CellResult, Problem
from babelbits.analysis.analyse import analyse
from babelbits.analysis.effects import EffectKey, make_key
from babelbits.judge.grading.answers import AskedItem, make_label
from babelbits.judge.grading.graded import fill_missing_grades, find_ungraded, graded
from babelbits.judge.grading.grader import Grade
from babelbits.preferences.collect import CONTROL
from babelbits.records import Effect
from babelbits.stats.equivalence import inside_margin
from babelbits.words import plural


@dataclass(frozen=True, slots=True, kw_only=True)
class GradedEffect:
    """An effect on grades, and how much of it rests on answers without one."""

    effect: Effect
    """Of the items with a grade in both arms; its verdict holds with the others either way."""
    n_ungraded: int
    """Items with an answer in both arms and no grade in one of them: left out of the effect."""
    bounds: tuple[float, float] | None
    """The delta with every missing grade at its worst for the variant, and at its best; None
    where none is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GradedAnalysis:
    """What the grades show."""

    effects: tuple[GradedEffect, ...]
    """Of the baseline's second run first, then of the variants."""
    problems: tuple[Problem, ...]


def compute_graded_effects(
    cells: Sequence[CellResult], grades: Mapping[AskedItem, Grade], settings: AnalysisSettings
) -> GradedAnalysis:
    """Compare graded cells with the baseline's.

    Parameters
    ----------
    cells : sequence of CellResult
        As recorded, not yet graded.
    settings : AnalysisSettings
        What it declares confirmatory was declared of other metrics, and is left aside: each
        variant and suite is a family of its own.
    """
    settings = replace(settings, confirmatory=None)
    analysis = analyse(graded(cells, grades), settings)
    problems = tuple(_told(one) for one in analysis.problems if one.kind != "failed_items")
    missing = find_ungraded(cells, grades)
    if not any(missing.values()):
        whole = [GradedEffect(effect=one, n_ungraded=0, bounds=None) for one in _all(analysis)]
        return GradedAnalysis(effects=tuple(whole), problems=problems)
    worst, best = (
        _by_key(analyse(fill_missing_grades(cells, grades, side=side), settings))
        for side in ("worst", "best")
    )
    effects = [
        _bounded(
            one, worst.get(_key(one)), best.get(_key(one)), n_ungraded=_count(one, cells, missing)
        )
        for one in _all(analysis)
    ]
    return GradedAnalysis(effects=tuple(effects), problems=problems)


def _told(problem: Problem) -> Problem:
    """What is missing here is grades; how many is in the coverage of each language."""
    if problem.kind != "no_pairs":
        return problem
    return replace(problem, hint="no item has a grade in both arms; see why below")


def _all(found: Analysis) -> list[Effect]:
    """Effects, those of the baseline's second run under their own label."""
    return [*(replace(one, variant=CONTROL) for one in found.aa), *found.effects]


def _key(effect: Effect) -> tuple[str, EffectKey]:
    return effect.variant, make_key(effect)


def _by_key(found: Analysis) -> dict[tuple[str, EffectKey], Effect]:
    return {_key(one): one for one in _all(found)}


def _count(
    effect: Effect,
    cells: Sequence[CellResult],
    missing: Mapping[tuple[str, str], set[str]],
) -> int:
    """Items of the effect's languages without a grade in one arm, though both have an answer."""
    tasks = {
        cell.meta.task.name
        for cell in cells
        if cell.meta.task.suite == effect.task and cell.meta.task.language in effect.languages
    }
    baselines = {make_label(cell.meta): cell.meta.baseline for cell in cells}
    arms = (baselines.get(effect.variant, BASELINE), effect.variant)
    failed = {
        (cell.meta.task.name, row.item_id)
        for cell in cells
        if cell.meta.task.name in tasks and make_label(cell.meta) in arms
        for row in cell.rows
        if row.failure is not None
    }
    return sum(
        (task, item) not in failed
        for task in tasks
        for item in set().union(*(missing.get((arm, task), set()) for arm in arms))
    )


def _bounded(
    effect: Effect, worst: Effect | None, best: Effect | None, *, n_ungraded: int
) -> GradedEffect:
    if not n_ungraded or worst is None or best is None:
        return GradedEffect(effect=effect, n_ungraded=n_ungraded, bounds=None)
    verdict, reason = effect.decision.verdict, effect.decision.reason
    if verdict == "equivalent" and not (_is_inside(worst) and _is_inside(best)):
        verdict = "undecided"
        reason = (
            f"inside the margin, but not with the {plural(n_ungraded, 'ungraded item')} either way"
        )
    elif verdict in ("worse", "better") and worst.delta * best.delta <= 0:
        reason = f"{reason}; the {plural(n_ungraded, 'ungraded item')} could undo it"
    return GradedEffect(
        effect=replace(effect, decision=replace(effect.decision, verdict=verdict, reason=reason)),
        n_ungraded=n_ungraded,
        bounds=(worst.delta, best.delta),
    )


def _is_inside(effect: Effect) -> bool:
    interval, margin = effect.inference.equivalence_interval, effect.decision.margin
    return interval is not None and margin is not None and inside_margin(interval, margin)
