"""What decisions rest on: an analysis, and what it lacks.

A decision never looks at what happens to be there alone: a language whose cell is missing, damaged
or unpaired is a reason not to decide. Pure; harm is negative.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from babelbits.analysis.cells import BASELINE
from babelbits.analysis.results import Analysis
from babelbits.languages import group_languages
from babelbits.records import Effect, Metric
from babelbits.results.results import Results

CellKey = tuple[str, str, str]
"""Variant, suite, language."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionInput:
    """An analysis with what it should have held."""

    analysis: Analysis
    primary: Mapping[str, Metric]
    """Suite to the metric that verdicts are about."""
    languages: Mapping[str, tuple[str, ...]]
    """Suite to the languages the study asks it in, in order, whether they have a result or not."""
    variants: tuple[str, ...]
    """Labels, baselines apart, whether they have a result or not."""
    groups: Mapping[str, tuple[str, ...]]
    """Name of a group to its languages among those of the study."""
    alpha: float
    baselines: Mapping[str, str] = field(default_factory=dict)
    """Variant to the label of what it is compared with, where that is not the study's baseline."""
    gaps: Mapping[CellKey, str] = field(default_factory=dict)
    """Cells of the plan without a result, the baseline's too, and why."""

    @property
    def suites(self) -> tuple[str, ...]:
        """All suites, in the study's order."""
        return tuple(self.languages)

    @property
    def all_languages(self) -> tuple[str, ...]:
        """All languages of all suites, in order of first mention."""
        return tuple(dict.fromkeys(code for codes in self.languages.values() for code in codes))


def collect_decision_input(results: Results) -> DecisionInput:
    """The analysis, and the cells of the plan that it lacks."""
    tasks = {cell.meta.task.suite: cell.meta.task for cell in results.cells}
    places = [(cell.meta.task.suite, cell.meta.task.language) for cell in results.cells]
    places += [(one.suite, one.language) for one in results.open_cells]
    languages: dict[str, dict[str, None]] = {}
    for suite, language in places:
        languages.setdefault(suite, {})[language] = None
    references = results.reference_labels
    labels = [cell.meta.variant for cell in results.cells]
    labels += [*results.manifests, *(one.variant for one in results.open_cells)]
    codes = dict.fromkeys(code for here in languages.values() for code in here)
    # An A/A cell that is open says nothing against the baseline's own cell.
    tasks_of = [(one.meta.variant, one.meta.task) for one in results.cells]
    have = {(variant, task.suite, task.language) for variant, task in tasks_of}
    return DecisionInput(
        analysis=results.analysis,
        primary={suite: task.metric(task.primary) for suite, task in tasks.items()},
        languages={suite: tuple(here) for suite, here in languages.items()},
        variants=tuple(label for label in dict.fromkeys(labels) if label not in references),
        groups=group_languages(codes, user=results.study.groups, claimed=results.study.claimed),
        alpha=results.study.alpha,
        baselines={k: its for k, its in results.baselines.items() if its != BASELINE},
        gaps={
            (one.variant, one.suite, one.language): f"{one.state}, {one.reason}"
            for one in results.open_cells
            if (one.variant, one.suite, one.language) not in have
        },
    )


def select_primary_effects(findings: DecisionInput, variant: str) -> tuple[Effect, ...]:
    """A variant's effects on primary metrics, of every scope."""
    effects = findings.analysis.aa if variant == BASELINE else findings.analysis.effects
    return tuple(
        effect
        for effect in effects
        if effect.variant == variant
        and effect.task in findings.primary
        and effect.metric == findings.primary[effect.task].name
    )


def explain_missing(findings: DecisionInput, key: CellKey) -> str | None:
    """Why a cell, or its baseline, cannot be relied on; None if nothing stands against it."""
    variant, suite, language = key
    baseline = findings.baselines.get(variant, BASELINE)
    for name in (variant, baseline):
        if (name, suite, language) in findings.gaps:
            whose = "the baseline's cell" if name == baseline else "the cell"
            return f"{whose} has no result: {findings.gaps[name, suite, language]}"
    for problem in findings.analysis.problems:
        # Noise beyond the margin is judged by whoever knows which margin is asked for.
        if problem.severity == "error" and problem.kind != "aa_beyond_margin":
            about = (problem.variant, problem.suite, problem.language)
            if all(
                had is None or had in wanted
                for had, wanted in zip(
                    about, ((variant, baseline), (suite,), (language,)), strict=True
                )
            ):
                return problem.message
    return None
