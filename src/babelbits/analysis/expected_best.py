"""How large the best of a study's comparisons would look if nothing differed.

One number for each suite, metric and scope, over all variants and languages: whoever reads a table
looks for its best entry.
"""

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from babelbits.analysis.effects import EffectDraft
from babelbits.analysis.paired_samples import Sample
from babelbits.records import Effect
from babelbits.stats.gains import expected_best


def with_luck(drafts: Sequence[EffectDraft], *, apart: Collection[str] = ()) -> list[EffectDraft]:
    """The drafts with `Effect.best_by_chance`, in their order.

    Luck is measured in standard errors: the best of k comparisons is expected that many of its own
    away from nothing. In points it would be that of the noisiest comparison for all.

    Parameters
    ----------
    apart : collection of str
        Labels of variants that have no verdict, and so no gain to be chosen.
    """
    errors = [_null_error(one.sample) for one in drafts]
    sizes: Counter[tuple[str, str, str]] = Counter()
    for one, error in zip(drafts, errors, strict=True):
        sizes[_table(one)] += error > 0 and one.effect.variant not in apart
    best = {table: expected_best([1.0] * size) for table, size in sizes.items() if size}
    return [
        replace(one, effect=_with_best(one.effect, best.get(_table(one), 0.0) * error))
        for one, error in zip(drafts, errors, strict=True)
    ]


def _with_best(effect: Effect, gain: float) -> Effect:
    return replace(effect, inference=replace(effect.inference, best_by_chance=gain))


def _table(draft: EffectDraft) -> tuple[str, str, str]:
    effect = draft.effect
    return effect.task, effect.metric, effect.scope


def _null_error(sample: Sample) -> float:
    """Standard error of the difference if its sign were a coin toss in each cluster.

    Of right/wrong items that is sqrt(churn / n_items).
    """
    values = sample.scores.contributions
    return math.sqrt(float(np.sum(values**2))) / values.size
