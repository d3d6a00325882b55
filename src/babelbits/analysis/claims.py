"""What is claimed about a variant on a whole suite: unharmed in all languages, harmed in some.

The first is an intersection-union claim: every language at alpha, no correction. The second is
picked from many languages and rests on p-values adjusted over them (see `stats.claims`).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from babelbits.analysis.results import SuiteClaim
from babelbits.records import Effect
from babelbits.stats.claims import in_at_least_one


def claims(
    effects: Sequence[Effect], *, primary: Mapping[str, str], alpha: float
) -> tuple[SuiteClaim, ...]:
    """One for each variant and suite that has effects of single languages.

    Parameters
    ----------
    effects : sequence of Effect
        With their verdicts; those of single languages and primary metrics are used.
    primary : mapping
        Suite to its primary metric.
    alpha : float
        Level of each equivalence.
    """
    cells: dict[tuple[str, str], list[Effect]] = defaultdict(list)
    for effect in effects:
        if effect.scope == "language" and primary[effect.task] == effect.metric:
            cells[effect.variant, effect.task].append(effect)
    return tuple(_claim(found, alpha=alpha) for found in cells.values())


def _claim(effects: Sequence[Effect], *, alpha: float) -> SuiteClaim:
    """`equivalent` respects what withholds a verdict: floors, and items the variant failed."""
    first = effects[0]
    margins = {effect.margin for effect in effects}
    return SuiteClaim(
        variant=first.variant,
        suite=first.task,
        languages=tuple(str(effect.language) for effect in effects),
        margin=first.margin if len(margins) == 1 else None,
        equivalent_in_all=all(effect.verdict == "equivalent" for effect in effects),
        not_equivalent=tuple(str(e.language) for e in effects if e.verdict != "equivalent"),
        worse_in=tuple(str(e.language) for e in effects if e.verdict == "worse"),
        worse_in_some_p=in_at_least_one([_p_of_loss(effect) for effect in effects]),
        confirmed_in=tuple(str(e.language) for e in effects if e.level == "confirmed"),
        equivalent_by_chance=alpha * sum(e.margin is not None for e in effects) or None,
    )


def _p_of_loss(effect: Effect) -> float:
    """Two-sided p of a difference that is a loss; gains and undefined ones claim nothing."""
    return 1.0 if effect.p_value is None or effect.delta >= 0 else effect.p_value
