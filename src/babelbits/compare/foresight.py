"""What a comparison will be able to see, and how many items a question takes.

All of it follows from the spread of one item's paired difference: for right/wrong items the churn,
the share of items whose correctness changes; for other scores their variance. Effects are sizes
without a sign, in the metric's unit; numbers of items are rounded up. The truth is taken to be "no
difference" where a margin is to be shown: a real loss takes more items, and one beyond the margin
can never be shown to be within it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from babelbits.compare.asked import Claim
from babelbits.records import Effect, Interval
from babelbits.stats.binary import wilson, z_value
from babelbits.stats.bounded import SPARSE_LIMIT
from babelbits.stats.power import (
    ALPHA,
    POWER,
    equivalence_sample_size,
    mcnemar_minimal_effect,
    mcnemar_sample_size,
    mean_minimal_effect,
)

RESAMPLES = 10_000
"""Random splits of languages where there are too many to visit all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How much one item's score changes between baseline and variant."""

    variance: float
    """Of the paired difference when nothing changes on average; the churn for right/wrong items."""
    binary: bool
    churn: float | None = None
    """Share of items that change; None where it was not told."""
    interval: Interval | None = None
    """Wilson interval of a measured churn."""


def assumed(churn: float) -> Spread:
    """Right/wrong items of which a share `churn` will change."""
    return Spread(variance=churn, binary=True, churn=churn)


def measured(effect: Effect) -> Spread | None:
    """The spread that an effect shows; None where its interval cannot tell one.

    Right/wrong items of one language that are each their own source: the churn, with its interval.
    Anything else: the variance that the width of the 1 - 2 alpha interval implies, of one item of a
    language, or of one source item of several languages; None where so few items changed that the
    interval bounds what was not seen instead. Never too small: with few changes the interval is
    wider than a normal one.
    """
    alone, share = effect.scope == "language", effect.churn
    if share is None:
        return None
    if effect.kind == "binary" and alone and effect.n_source_items == effect.n_items:
        found = wilson(share * effect.n_items, effect.n_items)
        return Spread(variance=share, binary=True, churn=share, interval=found)
    narrow = effect.equivalence_interval
    if narrow is None or share * effect.n_items < SPARSE_LIMIT:
        return None
    standard_error = (narrow.high - narrow.low) / 2 / z_value(narrow.level)
    return Spread(
        variance=standard_error**2 * units(effect),
        binary=False,
        churn=None if effect.kind == "real" else share,
    )


def units(effect: Effect) -> int:
    """What items are counted in: items of a language, source items of several."""
    return effect.n_items if effect.scope == "language" else effect.n_source_items


# --- the smallest effect -----------------------------------------------------------------------


def smallest_effect(
    n_items: int, spread: Spread, *, alpha: float = ALPHA, tests: int = 1
) -> float | None:
    """The smallest loss that is shown with probability 0.8; None if no loss is.

    Parameters
    ----------
    n_items : int
        Independent units.
    tests : int
        Size of the Holm family: alpha / tests is the level of its strictest step.
    """
    if spread.binary:
        return mcnemar_minimal_effect(n_items, churn=spread.variance, alpha=alpha / tests)
    return mean_minimal_effect(n_items, sd=math.sqrt(spread.variance), alpha=alpha / tests)


def pooled_range(
    n_items: int, n_languages: int, spread: Spread, *, alpha: float = ALPHA
) -> tuple[float | None, float | None]:
    """The smallest loss of the mean over languages that is shown: at best, and at worst.

    At best the translations of a question change independently of each other, at worst all
    together: then more languages add nothing.
    """
    best = smallest_effect(n_items * n_languages, spread, alpha=alpha)
    return best, smallest_effect(n_items, spread, alpha=alpha)


# --- how many items ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Items that a claim takes."""

    items: int
    at_least: bool
    """True where the normal approximation is too hopeful: with a churn below twice the margin."""

    def met_by(self, n_items: int) -> bool | None:
        """Whether so many items are enough; None where the approximation cannot say."""
        if n_items < self.items:
            return False
        return None if self.at_least else True


def items_needed(
    claim: Claim, spread: Spread, *, margin: float, alpha: float = ALPHA, power: float = POWER
) -> Need:
    """Items that show, with probability `power`, that nothing of the size of `margin` happened.

    At least as many as an interval needs to fit into the margin when not one item changes: that of
    Tango is z² / (n + z²) wide on each side. Other scores take at least as many items as their
    intervals need to be resampled.
    """
    # A one-sided claim misses on one side where TOST can miss on two: a power of 1 - b for the one
    # is the sample size of 1 - 2b for the other.
    two_sided = power if claim == "equivalent" else 2 * power - 1
    n = equivalence_sample_size(margin, churn=spread.variance, alpha=alpha, power=two_sided)
    if not spread.binary:
        return Need(items=max(math.ceil(n), SPARSE_LIMIT), at_least=False)
    unchanged = z_value(1 - 2 * alpha) ** 2 * (1 / margin - 1)
    return Need(items=math.ceil(max(n, unchanged)), at_least=spread.variance < 2 * margin)


def items_to_see(loss: float, spread: Spread, *, alpha: float = ALPHA, tests: int = 1) -> int:
    """Items that show a true loss of this size with probability 0.8, among `tests` by Holm."""
    level = alpha / tests
    if spread.binary:
        return math.ceil(mcnemar_sample_size(loss, churn=spread.variance, alpha=level))
    z = z_value(1 - level) + z_value(2 * POWER - 1)
    return max(math.ceil(z**2 * spread.variance / loss**2), SPARSE_LIMIT)


# --- one row of a plan -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What one comparison of a variant with the baseline, in one language, can see."""

    n_items: int | None
    """None: unknown before the task is built."""
    spread: Spread
    tests: int
    """Size of its Holm family."""
    margin: float | None
    sees: float | None
    """Smallest loss shown with probability 0.8 at two-sided alpha; None: none, or unknown."""
    sees_in_family: float | None
    """The same at the strictest step of Holm."""
    equivalent: Need | None
    not_worse: Need | None

    def times(self, need: Need) -> float | None:
        """How many times the items at hand a claim takes."""
        return None if self.n_items is None else need.items / self.n_items


def prospect(
    n_items: int | None,
    spread: Spread,
    *,
    margin: float | None,
    tests: int = 1,
    alpha: float = ALPHA,
) -> Prospect:
    """Everything that can be told before the items are asked."""
    sees = in_family = None
    if n_items is not None:
        sees = smallest_effect(n_items, spread, alpha=alpha)
        in_family = smallest_effect(n_items, spread, alpha=alpha, tests=tests)
    equivalent = not_worse = None
    if margin is not None:
        equivalent = items_needed("equivalent", spread, margin=margin, alpha=alpha)
        not_worse = items_needed("not-worse", spread, margin=margin, alpha=alpha)
    return Prospect(
        n_items=n_items,
        spread=spread,
        tests=tests,
        margin=margin,
        sees=sees,
        sees_in_family=in_family,
        equivalent=equivalent,
        not_worse=not_worse,
    )


# --- claims about groups -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLimit:
    """Whether "this group is hit harder" can be tested: languages are its units, three at least."""

    group: str
    inside: tuple[str, ...]
    outside: tuple[str, ...]
    smallest_p: float
    tests: int
    """Group contrasts that are adjusted together."""

    def reaches(self, alpha: float) -> bool:
        """Whether any data could show the claim at `alpha`, alone among the suite's contrasts."""
        return self.smallest_p <= alpha

    def reaches_in_family(self, alpha: float) -> bool:
        """The same at the strictest step of Holm."""
        return self.smallest_p * self.tests <= alpha


def group_limits(
    languages: Sequence[str], groups: Mapping[str, Sequence[str]]
) -> tuple[GroupLimit, ...]:
    """Groups with languages on both sides; a split and its mirror image once."""
    here = frozenset(languages)
    splits: dict[str, frozenset[str]] = {}
    for name, members in groups.items():
        inside = here.intersection(members)
        if inside and inside != here and not {inside, here - inside} & set(splits.values()):
            splits[name] = inside
    return tuple(
        GroupLimit(
            group=name,
            inside=tuple(code for code in languages if code in inside),
            outside=tuple(code for code in languages if code not in inside),
            smallest_p=_smallest_p(len(inside), len(here) - len(inside)),
            tests=len(splits),
        )
        for name, inside in splits.items()
    )


def _smallest_p(n_in: int, n_out: int) -> float:
    """1 where there are too few languages for a test, else 0: the model sets no limit."""
    return 1.0 if n_in + n_out < 3 else 0.0
