"""Which effects are adjusted together, and the adjustment.

Families hold effects of primary metrics. Languages, groups and the pooled effect are three
questions and so three families. By default each variant and suite has its own; a study that
declares confirmatory variants and suites has one family a question over all of these, and
everything else is exploratory: a map a question, adjusted by Benjamini and Hochberg's method, which
verdicts do not use. Cells that may stop early have a share of the error rate that was fixed before
they began (Bonferroni); all others are adjusted by Holm. Equivalence is no part of these families
(see `stats.equivalence`).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from babelbits.analysis.alpha_allocation import allocate_error_shares, name_family
from babelbits.analysis.effects import EffectDraft, conclude
from babelbits.analysis.results import TestFamily
from babelbits.analysis.settings import AnalysisSettings
from babelbits.records import Effect
from babelbits.stats.multiplicity import benjamini_hochberg, holm


def adjust(drafts: Sequence[EffectDraft], settings: AnalysisSettings) -> tuple[Effect, ...]:
    """Effects with adjusted p-values and verdicts, in the order of the drafts."""
    names = [name_family(one.sample, settings) for one in drafts]
    members: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(names):
        if name is not None:
            members[name].append(index)
    shares = allocate_error_shares([one.sample for one in drafts], settings)
    adjusted: dict[int, float] = {}
    scoped = _by_scope(drafts, names)
    mapped = _map(
        [
            one
            for one, name in zip(drafts, names, strict=True)
            if name is None and one.effect.variant not in settings.apart
        ]
    )
    for indices in members.values():
        p_values = [_p(drafts[index].effect) for index in indices]
        if any(drafts[index].sample.stops for index in indices):
            size = max(settings.alpha / shares[index] for index in indices)
            p_adjusted = _bonferroni(p_values, max(size, len(indices)))
        else:
            p_adjusted = holm(p_values)
        adjusted.update(zip(indices, p_adjusted, strict=True))
    return implied(
        [
            conclude(
                one,
                family=names[index],
                p_adjusted=adjusted.get(index),
                p_map=mapped.get(id(one)),
                p_scope=scoped.get(index),
                settings=settings,
            )
            for index, one in enumerate(drafts)
        ]
    )


def _by_scope(drafts: Sequence[EffectDraft], names: Sequence[str | None]) -> dict[int, float]:
    """Holm over all families of a scope, by position."""
    scopes: dict[str, list[int]] = defaultdict(list)
    for index, (one, name) in enumerate(zip(drafts, names, strict=True)):
        if name is not None:
            scopes[one.effect.scope].append(index)
    return {
        index: p
        for indices in scopes.values()
        for index, p in zip(
            indices, holm([_p(drafts[index].effect) for index in indices]), strict=True
        )
    }


def implied(effects: Sequence[Effect]) -> tuple[Effect, ...]:
    """The effects, with what follows from others: a mean of equivalent languages is equivalent.

    Each language is inside the margin at alpha, so all of them are, without a correction
    (intersection-union), and so is any mean of them. Its own interval can be wider than theirs.
    """
    inside: dict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
    for one in effects:
        if (
            one.scope == "language"
            and one.decision.verdict == "equivalent"
            and one.decision.margin is not None
        ):
            inside[one.variant, one.task, one.metric][str(one.language)] = one.decision.margin
    return tuple(
        _equivalent(one)
        if _all_inside(one, inside.get((one.variant, one.task, one.metric), {}))
        else one
        for one in effects
    )


def _all_inside(effect: Effect, inside: Mapping[str, float]) -> bool:
    """Whether an effect over several languages is of languages that are all equivalent."""
    if (
        effect.scope == "language"
        or effect.decision.verdict == "equivalent"
        or effect.decision.margin is None
    ):
        return False
    return all(inside.get(code) == effect.decision.margin for code in effect.languages)


def _equivalent(effect: Effect) -> Effect:
    """A loss or gain that was shown stays told: it is real, and negligible."""
    shown = {"worse": "loss", "better": "gain"}.get(effect.decision.verdict)
    note = () if shown is None else (f"a real but negligible {shown}",)
    return replace(
        effect,
        decision=replace(
            effect.decision,
            verdict="equivalent",
            reason="every language is inside the margin",
        ),
        notes=(*effect.notes, *note),
    )


def _bonferroni(p_values: Sequence[float], size: float) -> tuple[float, ...]:
    """For cells that may stop: each must know its share before the others' p-values exist."""
    return tuple(min(1.0, p * size) for p in p_values)


def _map(drafts: Sequence[EffectDraft]) -> dict[int, float]:
    """Benjamini-Hochberg over the exploratory effects of a scope, by the draft's identity."""
    scopes: dict[str, list[EffectDraft]] = defaultdict(list)
    for one in drafts:
        scopes[one.effect.scope].append(one)
    return {
        id(one): p
        for found in scopes.values()
        for one, p in zip(found, benjamini_hochberg([_p(one.effect) for one in found]), strict=True)
    }


def _p(effect: Effect) -> float:
    return 1.0 if effect.inference.p_value is None else effect.inference.p_value


def summarise_families(
    effects: Sequence[Effect], settings: AnalysisSettings
) -> tuple[TestFamily, ...]:
    """What each family showed."""
    members: dict[str, list[Effect]] = defaultdict(list)
    for effect in effects:
        if effect.inference.family is not None:
            members[effect.inference.family].append(effect)
    return tuple(
        TestFamily(
            name=name,
            members=tuple(_label(effect) for effect in family_effects),
            alpha=settings.alpha,
            shown=sum(
                effect.inference.p_adjusted is not None
                and effect.inference.p_adjusted <= settings.alpha
                for effect in family_effects
            ),
            all_equivalent=all(
                effect.decision.verdict == "equivalent" for effect in family_effects
            ),
            method="Bonferroni, fixed beforehand"
            if family_effects[0].counts.n_planned is not None
            else "Holm",
        )
        for name, family_effects in members.items()
    )


def _label(effect: Effect) -> str:
    return f"{effect.variant} · {effect.task} · {effect.language or effect.group or 'all'}"
