"""How large the best of a study's comparisons would look if nothing differed.

One number for each suite, metric and scope, over all variants and languages: whoever reads a table
looks for its best entry.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from babelbits.compare.effects import Draft
from babelbits.compare.samples import Sample
from babelbits.stats.gains import expected_best


def with_luck(drafts: Sequence[Draft]) -> list[Draft]:
    """The drafts with `Effect.best_by_chance`, in their order."""
    tables: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for one in drafts:
        tables[_table(one)].append(_null_error(one.sample))
    best = {name: expected_best(errors) for name, errors in tables.items()}
    return [
        replace(one, effect=replace(one.effect, best_by_chance=best[_table(one)])) for one in drafts
    ]


def _table(draft: Draft) -> tuple[str, str, str]:
    effect = draft.effect
    return effect.task, effect.metric, effect.scope


def _null_error(sample: Sample) -> float:
    """Standard error of the difference if its sign were a coin toss in each cluster.

    Of right/wrong items that is sqrt(churn / n_items).
    """
    values = sample.scores.contributions
    return math.sqrt(float(np.sum(values**2))) / values.size
