"""Which harms are shown at the error rate of the whole report, and which in their family alone.

A family is one variant on one suite; a report has many families, and in many reports of unharmed
variants some family cries wolf. So harm is tested once more, one-sided, over everything that the
report asks (`stats.graph.harm_adjusted`). A "worse" is *confirmed* if that test agrees, and else
*worse in its family*: the first is what a headline may say, the second is independent of what else
the study holds. Both rest on the same effects; none is confirmed that is not worse in its family.

A cell that is asked and has no result counts among the questions with p = 1, so that what is
missing neither helps nor harms the rest. Groups, secondary metrics and exploratory effects are not
asked here, and never confirmed. Harm is negative.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from scipy import special

from babelbits.analysis.settings import AnalysisSettings
from babelbits.records import Effect, Level
from babelbits.stats.graph import Block, harm_adjusted

Asked = Mapping[tuple[str, str], Sequence[str]]
"""Variant and suite to the languages that the report asks, with a result or without."""


def compute_one_sided_p(effect: Effect) -> float:
    """One-sided p of "this is no harm" against harm; 1 where there is no test or nothing to lose.

    Half of the two-sided p on the side of harm: every two-sided p here is twice the smaller of its
    sides, that of betting on cells that could stop early too. Gains have 1: more than they need.
    Right/wrong items have the exact binomial p instead of half the mid-p, which can be twice too
    small at the levels of a large report; the graph's guarantee needs a p that is valid at them.
    """
    if effect.inference.p_value is None or effect.arms.at_floor or effect.delta >= 0:
        return 1.0
    if (
        effect.inference.test.startswith("mid-p")
        and effect.counts.broke is not None
        and effect.counts.fixed is not None
    ):
        return float(
            special.bdtr(effect.counts.fixed, effect.counts.broke + effect.counts.fixed, 0.5)
        )
    return effect.inference.p_value / 2


def confirm(
    effects: Sequence[Effect],
    asked: Asked,
    *,
    primary: Mapping[str, str],
    settings: AnalysisSettings,
) -> tuple[Effect, ...]:
    """The effects with `level` and `p_report`, in their order.

    Parameters
    ----------
    effects : sequence of Effect
        With their verdicts.
    asked : mapping
        See `Asked`; what the study's `confirmatory` leaves out is not asked.
    primary : mapping
        Suite to its primary metric.
    """
    places = [place for place in asked if asked[place] and _declared(place, settings)]
    p_values = {
        _question(effect): compute_one_sided_p(effect)
        for effect in effects
        if primary.get(effect.task) == effect.metric and effect.scope != "group"
    }
    blocks = harm_adjusted([_block(place, asked[place], p_values) for place in places])
    adjusted: dict[tuple[str, str, str | None], float] = {}
    for (variant, suite), block in zip(places, blocks, strict=True):
        for language, p in zip(asked[variant, suite], block.languages, strict=True):
            adjusted[variant, suite, language] = p
        pooled = block.languages[0] if block.pooled is None else block.pooled
        adjusted[variant, suite, None] = pooled
    return tuple(_marked(one, adjusted, primary=primary, settings=settings) for one in effects)


def _declared(place: tuple[str, str], settings: AnalysisSettings) -> bool:
    declared = settings.confirmatory
    return declared is None or declared.covers(*place)


def _question(effect: Effect) -> tuple[str, str, str | None]:
    """Variant, suite, language; None: the mean over all languages."""
    return effect.variant, effect.task, effect.language if effect.scope == "language" else None


def _block(
    place: tuple[str, str],
    languages: Sequence[str],
    found: Mapping[tuple[str, str, str | None], float],
) -> Block:
    pooled = found.get((*place, None), 1.0)
    return Block(
        variant=place[0],
        pooled=None if len(languages) == 1 else pooled,
        languages=tuple(found.get((*place, language), 1.0) for language in languages),
    )


def _marked(
    effect: Effect,
    adjusted: Mapping[tuple[str, str, str | None], float],
    *,
    primary: Mapping[str, str],
    settings: AnalysisSettings,
) -> Effect:
    asked = effect.scope != "group" and primary.get(effect.task) == effect.metric
    p = adjusted.get(_question(effect)) if asked else None
    level: Level | None = None
    if effect.decision.verdict == "worse" and effect.inference.family is not None:
        level = "confirmed" if p is not None and p <= settings.alpha else "family"
    return replace(
        effect,
        inference=replace(effect.inference, p_report=p),
        decision=replace(effect.decision, level=level),
    )
