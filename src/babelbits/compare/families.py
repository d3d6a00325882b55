"""Which effects are adjusted together, and the adjustment.

Families hold effects of primary metrics. Languages, groups and the pooled effect are three
questions and so three families. By default each variant and suite has its own; a study that
declares confirmatory variants and suites has one family a question over all of these, and
everything else is exploratory: a map a question, adjusted by Benjamini and Hochberg's method, which
verdicts do not use. Equivalence is no part of these families (see `stats.equivalence`).
"""

from collections import defaultdict
from collections.abc import Sequence

from babelbits.compare.effects import Draft, conclude
from babelbits.compare.results import Family
from babelbits.compare.settings import AnalysisSettings
from babelbits.records import Effect
from babelbits.stats.multiplicity import benjamini_hochberg, holm

_QUESTIONS = {"language": "languages", "group": "groups", "all": "all languages"}


def family_of(draft: Draft, settings: AnalysisSettings) -> str | None:
    """Name of the family an effect belongs to; None: exploratory."""
    effect, declared = draft.effect, settings.confirmatory
    if effect.metric != draft.sample.info.primary:
        return None
    question = _QUESTIONS[effect.scope]
    if declared is None:
        return f"{effect.variant} · {effect.task} · {question}"
    return f"confirmatory · {question}" if declared.covers(effect.variant, effect.task) else None


def adjust(drafts: Sequence[Draft], settings: AnalysisSettings) -> tuple[Effect, ...]:
    """Effects with adjusted p-values and verdicts, in the order of the drafts."""
    names = [family_of(one, settings) for one in drafts]
    members: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(names):
        if name is not None:
            members[name].append(index)
    adjusted: dict[int, float] = {}
    mapped = _map([one for one, name in zip(drafts, names, strict=True) if name is None])
    for indices in members.values():
        found = holm([_p(drafts[index].effect) for index in indices])
        adjusted.update(zip(indices, found, strict=True))
    return tuple(
        conclude(
            one,
            family=names[index],
            p_adjusted=adjusted.get(index),
            p_map=mapped.get(id(one)),
            settings=settings,
        )
        for index, one in enumerate(drafts)
    )


def _map(drafts: Sequence[Draft]) -> dict[int, float]:
    """Benjamini-Hochberg over the exploratory effects of a scope, by the draft's identity."""
    scopes: dict[str, list[Draft]] = defaultdict(list)
    for one in drafts:
        scopes[one.effect.scope].append(one)
    return {
        id(one): p
        for found in scopes.values()
        for one, p in zip(found, benjamini_hochberg([_p(one.effect) for one in found]), strict=True)
    }


def _p(effect: Effect) -> float:
    return 1.0 if effect.p_value is None else effect.p_value


def families(effects: Sequence[Effect], settings: AnalysisSettings) -> tuple[Family, ...]:
    """What each family showed."""
    members: dict[str, list[Effect]] = defaultdict(list)
    for effect in effects:
        if effect.family is not None:
            members[effect.family].append(effect)
    return tuple(
        Family(
            name=name,
            members=tuple(_label(effect) for effect in found),
            alpha=settings.alpha,
            shown=sum(
                effect.p_adjusted is not None and effect.p_adjusted <= settings.alpha
                for effect in found
            ),
            all_equivalent=all(effect.verdict == "equivalent" for effect in found),
        )
        for name, found in members.items()
    )


def _label(effect: Effect) -> str:
    return f"{effect.variant} · {effect.task} · {effect.language or effect.group or 'all'}"
