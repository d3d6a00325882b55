"""The engine change in words: what another engine does to the same weights.

Neither a verdict nor a question: it says how much of a plain difference to the baseline would have
been the engine's. Pure; sign: the other engine less the study's own, a loss is negative.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from babelbits.analysis import format as numbers
from babelbits.analysis.format import amount
from babelbits.analysis.results import EngineChange
from babelbits.records import Effect
from babelbits.results.results import Results
from babelbits.words import agreeing, listed, plural

HEADS = ("language", "n", "score", "Δ", "interval", "churn")
_NAMED = 3
"""Suites, and variants, that the line on the first screen names."""


def describe_changes(report: Results) -> tuple[str, ...]:
    """A line for each further engine: the change, and what it means for the variants."""
    if report.study.smoke or report.analysis.smoke:
        return ()
    return tuple(_sentence(one, report) for one in report.analysis.engine_changes if one.effects)


def _sentence(change: EngineChange, report: Results) -> str:
    means = _means(change, _primary(report))
    ordered = sorted(means, key=lambda one: -abs(one.delta) / (one.decision.margin or 1.0))
    parts = [f"{_told(one)} on {one.task}" for one in ordered[:_NAMED]]
    more = len(ordered) - _NAMED
    parts += [f"{plural(more, 'more task')} below"] if more > 0 else []
    lead = f"Engine change: {change.engine} against {change.reference} on the baseline: "
    where = ", in the mean over languages" if any(one.scope == "all" for one in means) else ""
    said = f"{lead}{listed(parts) or 'no task has a result in both'}{where}."
    if not change.variants:
        return said
    few = len(change.variants) <= _NAMED
    who = listed(change.variants) if few else f"What runs in {change.engine}"
    one = 1 if not few else len(change.variants)
    return (
        f"{said} {who} {agreeing(one, 'is', 'are')} compared with the baseline as run by "
        f"{change.engine}, so this is no part of {agreeing(one, 'its', 'their')} differences."
    )


def _told(effect: Effect) -> str:
    """'+0.1 points (−0.3 to +0.5)'."""
    change, interval = amount(effect.delta, effect.unit), effect.inference.interval
    inside = None if interval is None else numbers.interval(interval, effect.unit)
    return change if inside is None else f"{change} ({inside})"


def _primary(report: Results) -> Mapping[str, str]:
    return {cell.meta.task.suite: cell.meta.task.primary for cell in report.cells}


def _means(change: EngineChange, primary: Mapping[str, str]) -> list[Effect]:
    """One a suite: over all languages, or of its one language."""
    ours = [one for one in change.effects if primary.get(one.task) == one.metric]
    found = {one.task: one for one in ours if one.scope == "language"}
    found |= {one.task: one for one in ours if one.scope == "all"}
    return list(found.values())


# --- the details ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineChangeTable:
    """The engine change on a suite, language by language, the mean first."""

    engine: str
    reference: str
    suite: str
    rows: tuple[tuple[str, ...], ...]
    """As in `HEADS`."""


def make_tables(report: Results) -> tuple[EngineChangeTable, ...]:
    """One for each further engine and suite."""
    primary = _primary(report)
    return tuple(
        EngineChangeTable(
            engine=change.engine,
            reference=change.reference,
            suite=suite,
            rows=tuple(_rows(change.effects, suite, primary[suite], report)),
        )
        for change in report.analysis.engine_changes
        for suite in dict.fromkeys(one.task for one in change.effects)
    )


def _rows(
    effects: Sequence[Effect], suite: str, metric: str, report: Results
) -> Iterator[tuple[str, ...]]:
    ours = [one for one in effects if (one.task, one.metric) == (suite, metric)]
    order = {"all": 0, "language": 1}
    for one in sorted((e for e in ours if e.scope in order), key=lambda e: order[e.scope]):
        interval, unit = one.inference.interval, one.unit
        before, after = (
            numbers.score(value, unit)
            for value in (one.arms.baseline_score, one.arms.variant_score)
        )
        where = report.languages[one.language].name if one.language else "mean of all"
        yield (
            where,
            f"{one.counts.n_items:,}",
            f"{before} → {after}",
            numbers.signed(one.delta, unit),
            numbers.NOTHING if interval is None else numbers.interval(interval, unit),
            numbers.NOTHING if one.kind == "real" else numbers.percent(one.counts.churn),
        )
