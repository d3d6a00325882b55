"""One sample and its inference to one `Effect`, still without family and verdict; then with them.

Macro means over languages throughout: each language counts the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from babelbits.analysis import format as shown
from babelbits.analysis.inference import Inference, make_signature
from babelbits.analysis.paired_samples import Part, Sample
from babelbits.analysis.relative import estimate_baseline_interval, estimate_relative_change
from babelbits.analysis.settings import AnalysisSettings
from babelbits.analysis.verdicts import Conclusion, Evidence, decide
from babelbits.records import (
    Arms,
    Effect,
    EffectCounts,
    EffectDecision,
    EffectInference,
    Interval,
    Metric,
    RelativeEffect,
)
from babelbits.stats.binary import churn
from babelbits.stats.gains import stands_out
from babelbits.stats.mean_tests import fewest_units
from babelbits.stats.scales import Scaled, above_chance_lost, signs_conflict
from babelbits.words import plural

_NO_LUCK = 1e-12
"""The best of one comparison: nobody picked it."""

EffectKey = tuple[str, str, str, str | None, str | None]
"""Suite, metric, scope, language, group: what an effect is about, variant apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectDraft:
    """An effect whose verdict waits for its family, with what the verdict needs."""

    effect: Effect
    sample: Sample


def make_key(effect: Effect) -> EffectKey:
    """What an effect is about, variant apart."""
    return effect.task, effect.metric, effect.scope, effect.language, effect.group


def draft(
    sample: Sample,
    inference: Inference,
    *,
    settings: AnalysisSettings,
    noise: Mapping[EffectKey, Effect],
) -> EffectDraft:
    """The effect of a sample; `noise` holds the A/A run's effects by what they are about."""
    metric, info, parts = sample.metric, sample.info, sample.parts
    inference = replace(
        inference,
        interval=_possible(inference.interval, metric),
        equivalence_interval=_possible(inference.equivalence_interval, metric),
    )
    baseline, variant = _macro(parts, "baseline"), _macro(parts, "variant")
    floor = all(one.at_floor for one in parts)
    broke, fixed, share = _churn(sample)
    change = estimate_relative_change(
        sample,
        baseline=baseline,
        variant=variant,
        interval=inference.interval,
        level=1 - settings.alpha,
    )
    effect = Effect(
        variant=sample.variant,
        task=info.suite,
        metric=metric.name,
        kind=sample.kind,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        scope=sample.scope,
        language=info.language if sample.scope == "language" else None,
        group=sample.group,
        languages=sample.languages,
        delta=sample.scores.estimate,
        arms=Arms(
            baseline_score=baseline,
            variant_score=variant,
            baseline_interval=estimate_baseline_interval(sample, level=1 - settings.alpha),
            at_floor=floor,
        ),
        counts=EffectCounts(
            n_items=sample.n_items,
            n_source_items=sample.scores.n_clusters,
            n_failed=sum(one.n_failed for one in parts),
            n_lost=sum(one.n_lost for one in parts),
            n_truncated=sum(one.n_truncated for one in parts),
            n_over_long=sum(one.n_over_long for one in parts),
            broke=broke if sample.kind == "binary" else None,
            fixed=fixed if sample.kind == "binary" else None,
            churn=share,
            n_cut_baseline=sum(one.n_cut_baseline for one in parts),
            n_cut_variant=sum(one.n_cut_variant for one in parts),
            n_planned=sum(one.n_planned or 0 for one in parts) if sample.stops else None,
        ),
        inference=EffectInference(
            interval=inference.interval,
            equivalence_interval=inference.equivalence_interval,
            p_value=inference.p_value,
            test=inference.test,
            minimal_detectable_effect=inference.minimal_effect,
            minimal_detectable_confirmed=inference.confirmed_effect,
        ),
        decision=EffectDecision(
            margin=settings.margin(info, metric), verdict="undecided", reason=""
        ),
        relative=RelativeEffect(
            relative_change=change.ratio_of_means,
            relative_interval=change.interval,
            mean_relative_change=change.mean_of_ratios,
            mean_relative_interval=change.mean_interval,
            mean_relative_p=change.mean_p,
            above_chance_lost=_above_chance(sample, baseline, variant, floor=floor).value,
        ),
        recipe=_recipe(inference, settings, metric),
    )
    effect = _with_caution(effect, sample, settings)
    again = noise.get(make_key(effect))
    if again is not None:
        arms = replace(effect.arms, aa_churn=again.counts.churn, aa_delta=again.delta)
        effect = replace(effect, arms=arms)
    effect = replace(effect, notes=_notes(sample, effect))
    return EffectDraft(effect=effect, sample=sample)


def _with_caution(effect: Effect, sample: Sample, settings: AnalysisSettings) -> Effect:
    """What an equivalence rests on: the cap on the loss of one item, and a known chance level."""
    unknown = [one.language for one in sample.parts if one.chance_unknown]
    why = None
    if unknown:
        where = "" if sample.scope == "language" else f" in {', '.join(unknown)}"
        why = f"what a guess scores is not known{where}: --chance says it"
    if sample.is_paired_table or sample.stops:
        return _withheld(effect, why)
    cap, scores = settings.loss_cap(sample.metric), sample.scores
    if cap is None:
        missing = f"no cap on the loss of one item is declared for {effect.unit}"
        return _withheld(effect, why or missing)
    worst = max(0.0, -min(float(one.item_differences.min()) for one in sample.parts))
    if worst > cap:
        lost = shown.size(worst, effect.unit)
        why = why or f"one item lost {lost}, more than the cap of {shown.size(cap, effect.unit)}"
    fewest = None
    if effect.decision.margin is not None:
        fewest = fewest_units(effect.decision.margin, cap=cap * scores.limit, alpha=settings.alpha)
    effect = replace(
        effect,
        counts=replace(effect.counts, fewest_units=fewest),
        inference=replace(effect.inference, loss_cap=cap, largest_loss=worst),
    )
    return _withheld(effect, why)


def _withheld(effect: Effect, why: str | None) -> Effect:
    """The effect with the reason why nothing good is said of it, if there is one."""
    return replace(effect, decision=replace(effect.decision, withheld=why))


def _possible(found: Interval | None, metric: Metric) -> Interval | None:
    """What differences can be: of fractions at most 1, whatever a bootstrap of few items says."""
    if found is None or metric.unit != "fraction":
        return found
    return replace(found, low=max(found.low, -1.0), high=min(found.high, 1.0))


def conclude(
    draft: EffectDraft,
    *,
    family: str | None,
    p_adjusted: float | None,
    settings: AnalysisSettings,
    p_map: float | None = None,
    p_scope: float | None = None,
) -> Effect:
    """The effect with its family's p-value and its verdict; without a family it is exploratory.

    `p_map` is the p-value adjusted over the exploratory map; verdicts do not use it. `p_scope` is
    Holm's over all families of this scope: what "real but negligible" needs, because a family of
    one mean is no protection in a report of many.
    """
    effect, parts = draft.effect, draft.sample.parts
    p = effect.inference.p_value if p_adjusted is None else p_adjusted
    decision = decide(
        Evidence(
            p_value=1.0 if p is None else p,
            interval=effect.inference.interval,
            equivalence_interval=effect.inference.equivalence_interval,
            margin=effect.decision.margin,
            alpha=settings.alpha,
            at_floor=effect.arms.at_floor,
            floor_languages=[one.language for one in parts if one.at_floor],
            lost_share=float(np.mean([one.lost_share for one in parts])),
            has_range=effect.kind != "real",
            withheld=effect.decision.withheld,
            fewest_units=effect.counts.fewest_units,
            units=effect.counts.n_source_items,
            may_stop=effect.counts.n_planned is not None,
        )
    )
    decision = _with_margin(decision, effect, family)
    if effect.variant in settings.apart:
        decision = Conclusion(verdict="undecided", reason=settings.apart[effect.variant])
    real = p_scope is not None and p_scope <= settings.alpha
    exploratory = () if family else ("exploratory: p is not adjusted",)
    luck = effect.inference.best_by_chance
    gain = () if decision.verdict != "better" or luck is None else _gain_notes(effect, luck)
    return replace(
        effect,
        inference=replace(effect.inference, family=family, p_adjusted=p_adjusted, p_map=p_map),
        decision=replace(effect.decision, verdict=decision.verdict, reason=decision.reason),
        notes=(*effect.notes, *(decision.notes if real else ()), *gain, *exploratory),
    )


def _with_margin(decision: Conclusion, effect: Effect, family: str | None) -> Conclusion:
    """A secondary measure without a margin has an interval and no verdict.

    It could only ever be "worse" or "undecided", and would contradict an "equivalent" of the
    measure that the study declared.
    """
    if family is not None or effect.decision.margin is not None or decision.verdict == "undecided":
        return decision
    return Conclusion(verdict="undecided", reason="a secondary measure without a margin")


def _gain_notes(effect: Effect, luck: float) -> tuple[str, ...]:
    """What a gain is to be held against: the luck of the best, and the baseline run twice."""
    notes = []
    if luck > _NO_LUCK:
        chance = shown.amount(luck, effect.unit)
        notes.append(
            f"if nothing differed, the best of these comparisons would show {chance} "
            "at the precision of this one"
        )
    if effect.arms.aa_delta is None:
        notes.append("no A/A run to hold the gain against")
    else:
        notes.append(
            f"the baseline run twice shows {shown.amount(effect.arms.aa_delta, effect.unit)}"
        )
    if not stands_out(effect.delta, best_by_chance=luck, aa=effect.arms.aa_delta):
        notes.append("no more than chance or noise gives: expect the gain to shrink")
    return tuple(notes)


def _macro(parts: tuple[Part, ...], arm: str) -> float:
    return float(np.mean([np.mean(getattr(one, arm)) for one in parts]))


def _churn(sample: Sample) -> tuple[int, int, float]:
    """Items that broke, items fixed, and the macro mean of the share that changed."""
    found = [churn(one.changes) for one in sample.parts]
    share = float(np.mean([one.share for one in found]))
    return sum(one.broke for one in found), sum(one.fixed for one in found), share


def _above_chance(sample: Sample, baseline: float, variant: float, *, floor: bool) -> Scaled:
    """Of macro means, against the macro mean of the chance levels."""
    chances = [one.metric.chance for one in sample.parts]
    known = [chance for chance in chances if chance is not None]
    chance = float(np.mean(known)) if len(known) == len(chances) else None
    if not sample.metric.higher_is_better:
        return Scaled(value=None, reason="the metric counts errors")
    return above_chance_lost(baseline, variant, chance=chance, at_floor=floor)


def _notes(sample: Sample, effect: Effect) -> tuple[str, ...]:
    notes = []
    if effect.counts.n_planned is not None:
        notes.append(
            f"{sample.n_items} of {plural(effect.counts.n_planned, 'item')}: stops when "
            "the verdict is known; "
            "the interval is a confidence sequence"
        )
    if sample.unit_name == "clusters":
        notes.append(
            f"{plural(sample.scores.n_clusters, 'unit')}, not {sample.n_items:,}: items of one "
            "passage, document, template or subject count as one"
        )
    lost = sum(one.n_lost for one in sample.parts)
    if lost:
        failed = plural(effect.counts.n_failed, "failed item")
        notes.append(f"{lost} of {failed} failed under the variant alone")
    floor = [one.language for one in sample.parts if one.at_floor]
    if floor and sample.scope != "language":
        notes.append(f"at floor: {', '.join(floor)}")
    fewest, cap = effect.counts.fewest_units, effect.inference.loss_cap
    if fewest is not None and cap is not None and sample.kind == "real":
        notes.append(
            f"one item is taken to lose at most {shown.size(cap, effect.unit)}: below "
            f"{plural(fewest, 'unit')} the margin cannot be shown"
        )
    if signs_conflict([effect.delta, effect.relative.mean_relative_change]):
        notes.append("points and mean relative change disagree on the direction")
    if sample.kind != sample.metric.kind:
        notes.append(f"declared {sample.metric.kind}, analysed as {sample.kind}")
    return tuple(notes)


def _recipe(inference: Inference, settings: AnalysisSettings, metric: Metric) -> str:
    """Signature of the computation: test, interval, units, draws, version."""
    interval = inference.interval
    pieces = [
        inference.test,
        "no interval" if interval is None else f"{interval.method} {interval.level:.0%}",
        f"units={inference.units}",
    ]
    if inference.resampled:
        pieces.append(f"resamples={settings.resamples}|seed={settings.seed}")
    if metric.signature is not None:
        pieces.append(f"{metric.name}: {metric.signature}")
    return make_signature(*pieces)
