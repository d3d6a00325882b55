"""What a comparison will be able to see, and how many items a question takes.

All of it follows from the spread of one item's paired difference: for right/wrong items the churn,
the share of items whose correctness changes; for other scores their variance. Effects are sizes
without a sign, in the metric's unit; numbers of items are rounded up. The truth is taken to be "no
difference" where a margin is to be shown: a real loss takes more items, and one beyond the margin
can never be shown to be within it.

Right/wrong items are counted out exactly, by the rules that give the verdicts; other scores by a
normal approximation, with the rare losses that the data may not show (see `tails.gaffke_lower`).
A gate asks several questions: items for all of them together take a chance of each that is higher
than the 80 % of all.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

from babelbits.decide.decision_query import Claim
from babelbits.records import Effect, Interval
from babelbits.stats.binary import wilson, z_value
from babelbits.stats.detectable import (
    ALPHA,
    POWER,
    detectable_mean,
    detectable_share,
    equivalence_sample_size,
    single_power,
    within_power,
    worse_power,
)
from babelbits.stats.mean_tests import SPARSE_LIMIT
from babelbits.stats.tails import gaffke_lower


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
    limit: float | None = None
    """The most that one unit can lose; None for right/wrong items, or where nobody says."""


def assume_spread(churn: float) -> Spread:
    """Right/wrong items of which a share `churn` will change."""
    return Spread(variance=churn, binary=True, churn=churn)


def measure_spread(effect: Effect) -> Spread | None:
    """The spread that an effect shows; None where its interval cannot tell one.

    Right/wrong items of one language that are each their own source: the churn, with its interval.
    Anything else: the variance that the width of the 1 - alpha interval implies, of one item of a
    language, or of one source item of several languages; None where so few items changed that the
    interval bounds what was not seen instead. Never too small: with few changes the interval is
    wider than a normal one.
    """
    alone, share = effect.scope == "language", effect.counts.churn
    if share is None:
        return None
    if effect.kind == "binary" and alone and effect.counts.n_source_items == effect.counts.n_items:
        interval = wilson(share * effect.counts.n_items, effect.counts.n_items)
        return Spread(variance=share, binary=True, churn=share, interval=interval)
    around = effect.inference.interval
    if around is None or share * effect.counts.n_items < SPARSE_LIMIT:
        return None
    standard_error = (around.high - around.low) / 2 / z_value(around.level)
    return Spread(
        variance=standard_error**2 * count_units(effect),
        binary=False,
        churn=None if effect.kind == "real" else share,
        limit=_limit(effect),
    )


def _limit(effect: Effect) -> float | None:
    """The cap on the loss of a unit, from the units that the margin takes at least."""
    found, narrow = effect.counts.fewest_units, effect.inference.equivalence_interval
    if found is None or effect.decision.margin is None or narrow is None or found < 2:
        return effect.inference.loss_cap
    return effect.decision.margin / -math.expm1(math.log((1 - narrow.level) / 2) / (found - 1))


def estimate_correlation(languages: Sequence[Effect], pooled: Effect | None) -> float:
    """Correlation of the languages' estimates that the variance of their mean implies.

    Parameters
    ----------
    languages : sequence of Effect
        Of one variant and suite.

    Returns
    -------
    float
        In [0, 0.99]; 0, which promises least, where an interval is missing.
    """
    if pooled is None or pooled.inference.interval is None or len(languages) < 2:
        return 0.0
    errors = [
        _error(one.inference.interval) for one in languages if one.inference.interval is not None
    ]
    if len(errors) < len(languages):
        return 0.0
    alone = math.fsum(error**2 for error in errors)
    shared = math.fsum(errors) ** 2 - alone
    total = (len(errors) * _error(pooled.inference.interval)) ** 2
    return min(0.99, max(0.0, (total - alone) / shared)) if shared > 0 else 0.0


def _error(interval: Interval) -> float:
    return (interval.high - interval.low) / 2 / z_value(interval.level)


def count_units(effect: Effect) -> int:
    """What items are counted in: items of a language, source items of several."""
    return effect.counts.n_items if effect.scope == "language" else effect.counts.n_source_items


# --- the smallest effect -----------------------------------------------------------------------


def find_smallest_effect(
    n_items: int, spread: Spread, *, alpha: float = ALPHA, tests: int = 1
) -> float | None:
    """The smallest loss that the verdict calls worse with probability 0.8; None if no loss is.

    Parameters
    ----------
    n_items : int
        Independent units.
    tests : int
        Size of the Holm family: alpha / tests is the level of its strictest step.
    """
    if spread.binary:
        return detectable_share(n_items, churn=spread.variance, level=alpha / tests, alpha=alpha)
    sd = math.sqrt(spread.variance)
    if n_items < 2:
        return None
    arm = float(special.stdtrit(n_items - 1, 1 - alpha / 2)) * sd / math.sqrt(n_items)
    return detectable_mean(n_items, sd=sd, level=alpha / tests, arm=arm)


def find_pooled_range(
    n_items: int, n_languages: int, spread: Spread, *, alpha: float = ALPHA
) -> tuple[float | None, float | None]:
    """The smallest loss of the mean over languages that is shown: at best, and at worst.

    At best the translations of a question change independently of each other, at worst all
    together: then more languages add nothing.
    """
    best = find_smallest_effect(n_items * n_languages, spread, alpha=alpha)
    return best, find_smallest_effect(n_items, spread, alpha=alpha)


# --- how many items ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsNeeded:
    """Items that a claim takes."""

    items: int
    at_least: bool
    """True where the items are a lower bound: nothing is known to change, or the scale has no
    declared cap on a loss."""

    def met_by(self, n_items: int) -> bool | None:
        """Whether so many items are enough; None where only a lower bound is known."""
        if n_items < self.items:
            return False
        return None if self.at_least else True


@lru_cache(maxsize=4096)
def count_items_needed(
    claim: Claim,
    spread: Spread,
    *,
    margin: float,
    alpha: float = ALPHA,
    power: float = POWER,
    questions: int = 1,
    correlation: float = 0.0,
) -> ItemsNeeded:
    """Items that show, with probability `power`, that nothing of the size of `margin` happened.

    Parameters
    ----------
    questions : int
        So many questions of this kind are asked, and all of them have to be shown.
    correlation : float
        Between their estimates, in [0, 1): 0 promises least.
    """
    one = single_power(power, questions=questions, correlation=correlation)
    both = claim == "equivalent"
    # A one-sided claim misses on one side where TOST can miss on two: a power of 1 - b for the one
    # is the sample size of 1 - 2b for the other.
    about = equivalence_sample_size(
        margin, churn=spread.variance, alpha=alpha, power=one if both else 2 * one - 1
    )
    if not spread.binary:
        cap = spread.limit
        if cap is None:
            return ItemsNeeded(items=max(math.ceil(about), SPARSE_LIMIT), at_least=True)
        sd = math.sqrt(spread.variance)
        fewest = _fewest(
            lambda n: _mean_within(n, sd, cap, margin=margin, alpha=alpha, both=both) >= one,
            start=max(math.ceil(about), SPARSE_LIMIT),
        )
        return ItemsNeeded(items=fewest, at_least=False)
    unchanged = z_value(1 - 2 * alpha) ** 2 * (1 / margin - 1)
    churn = min(1.0, spread.variance)
    fewest = _fewest(
        lambda n: within_power(n, margin=margin, churn=churn, alpha=alpha, both=both) >= one,
        start=math.ceil(max(about, unchanged)),
    )
    return ItemsNeeded(items=max(fewest, math.ceil(unchanged)), at_least=churn == 0)


def _fewest(enough: Callable[[int], bool], *, start: int) -> int:
    """The fewest items that are enough, near `start`, to within a fifth of a per cent."""
    low, high = 0, max(1, start)
    while not enough(high):
        low, high = high, math.ceil(high * 1.3) + 1
    if low == 0:
        low = high // 2
        while low > 0 and enough(low):
            high, low = low, low // 2
    while high - low > max(1, high // 500):
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


_GRID = 2000
"""Units for which a bound is computed; beyond them the one more at the worst hardly counts."""


def _mean_within(
    n: int, sd: float, cap: float, *, margin: float, alpha: float, both: bool
) -> float:
    """Chance that a mean of n units with nothing lost is shown to be within the margin."""
    error = sd / math.sqrt(n)
    arm = z_value(1 - 2 * alpha) * error
    if n <= _GRID:
        values = sd * special.ndtri((np.arange(n) + 0.5) / n)
        arm = max(arm, -gaffke_lower(values, worst=min(-cap, float(values[0])), alpha=alpha))
    else:
        arm += cap / n
    if error == 0:
        return float(arm < margin)
    reach = float(special.ndtr((margin - arm) / error))
    return max(0.0, 2 * reach - 1) if both else reach


@lru_cache(maxsize=4096)
def count_items_to_see(loss: float, spread: Spread, *, alpha: float = ALPHA, tests: int = 1) -> int:
    """Items with which a true loss of this size is called worse with probability 0.8.

    Parameters
    ----------
    tests : int
        Size of the Holm family, all others in it harmless.
    """
    level = alpha / tests
    if spread.binary:
        whole = min(1.0, max(spread.variance, loss))
        broke, fixed = (whole + loss) / 2, max(0.0, (whole - loss) / 2)
        return _fewest(
            lambda n: worse_power(n, broke=broke, fixed=fixed, level=level, alpha=alpha) >= POWER,
            start=math.ceil((3 / loss) ** 2 * whole),
        )
    z = z_value(1 - level) + z_value(2 * POWER - 1)
    return max(math.ceil(z**2 * spread.variance / loss**2), SPARSE_LIMIT)


# --- one row of a plan -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonPower:
    """What one comparison of a variant with the baseline, in one language, can see."""

    n_items: int | None
    """None: unknown before the task is built."""
    spread: Spread
    tests: int
    """Size of its Holm family."""
    margin: float | None
    detectable_loss: float | None
    """Smallest loss shown with probability 0.8 at two-sided alpha; None: none, or unknown."""
    detectable_loss_in_family: float | None
    """The same at the strictest step of Holm."""
    equivalent: ItemsNeeded | None
    not_worse: ItemsNeeded | None
    questions: int = 1
    """Questions that a gate over everything planned asks of one variant."""
    equivalent_in_all: ItemsNeeded | None = None
    """Items a question for all questions together; None where there is one."""
    not_worse_in_all: ItemsNeeded | None = None

    def times(self, need: ItemsNeeded) -> float | None:
        """How many times the items at hand a claim takes."""
        return None if self.n_items is None else need.items / self.n_items


def compute_power(
    n_items: int | None,
    spread: Spread,
    *,
    margin: float | None,
    tests: int = 1,
    alpha: float = ALPHA,
    questions: int = 1,
    correlation: float = 0.0,
) -> ComparisonPower:
    """Everything that can be told before the items are asked.

    Parameters
    ----------
    questions, correlation : int, float
        See `count_items_needed`.
    """
    detectable_loss = in_family = None
    if n_items is not None:
        detectable_loss = find_smallest_effect(n_items, spread, alpha=alpha)
        in_family = find_smallest_effect(n_items, spread, alpha=alpha, tests=tests)
    equivalent = not_worse = both_in_all = one_in_all = None
    if margin is not None:
        equivalent = count_items_needed("equivalent", spread, margin=margin, alpha=alpha)
        not_worse = count_items_needed("not-worse", spread, margin=margin, alpha=alpha)
        if questions > 1:
            both_in_all, one_in_all = (
                count_items_needed(
                    claim, spread, margin=margin, alpha=alpha, questions=questions,
                    correlation=correlation,
                )
                for claim in ("equivalent", "not-worse")
            )  # fmt: skip
    return ComparisonPower(
        n_items=n_items,
        spread=spread,
        tests=tests,
        margin=margin,
        detectable_loss=detectable_loss,
        detectable_loss_in_family=in_family,
        equivalent=equivalent,
        not_worse=not_worse,
        questions=questions,
        equivalent_in_all=both_in_all,
        not_worse_in_all=one_in_all,
    )


# --- claims about groups -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLimit:
    """Whether "this group is harmed more" can be tested: its units are at least three languages."""

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
