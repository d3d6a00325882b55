"""Answers of two variants paired item by item: by how many tokens the first stays longer.

Each answer counts by the pseudo-value of its restricted mean (`stats.survival`), so that answers
that end in their language are no switches. Sign: first less second; negative: the first leaves
earlier. Units: tokens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from babelbits.probes.language_loss import Answers
from babelbits.stats.cluster import ClusterScores, cluster_scores
from babelbits.stats.survival import pseudo_means


def pair_answers(first: Answers, second: Answers) -> tuple[Answers, Answers]:
    """The items that both answered, in one order."""
    places = {item: number for number, item in enumerate(second.items)}
    kept = [number for number, item in enumerate(first.items) if item in places]
    return _chosen(first, kept), _chosen(second, [places[first.items[number]] for number in kept])


def _chosen(one: Answers, kept: Sequence[int]) -> Answers:
    return replace(
        one,
        items=tuple(one.items[number] for number in kept),
        units=tuple(one.units[number] for number in kept),
        lasted=tuple(one.lasted[number] for number in kept),
        switched=tuple(one.switched[number] for number in kept),
        switched_to=tuple(one.switched_to[number] for number in kept),
    )


def score_tokens(
    pairs: Mapping[str, tuple[Answers, Answers]], *, horizon: int, parallel: bool
) -> ClusterScores:
    """Tokens in the language, first less second: one value a source, mean over languages.

    Parameters
    ----------
    pairs : mapping
        Language to the two variants' answers, as `pair_answers` gives them; two or more each.
    horizon : int
        Tokens that count.
    parallel : bool
        Whether units of one name in two languages are translations of each other.
    """
    differences, units, strata = [], [], []
    for number, (code, (first, second)) in enumerate(pairs.items()):
        ours, theirs = (
            pseudo_means(one.lasted, one.switched, horizon=horizon) for one in (first, second)
        )
        differences.append(ours - theirs)
        units += [unit if parallel else f"{code}\x00{unit}" for unit in first.units]
        strata.append(np.full(ours.size, number))
    _, clusters = np.unique(np.array(units, object).astype(str), return_inverse=True)
    return cluster_scores(
        np.concatenate(differences), clusters=clusters, strata=np.concatenate(strata)
    )
