"""Claims about groups of languages ("non-Latin scripts are hit harder"): the language is the unit.

More items per language do not help such a claim, more languages do; an item-level test of it gives
false alarms that grow with the number of items. Input is one delta per language, oriented: harm is
negative, so a negative difference says that the group is hit harder than the others.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from babelbits.records import Interval
from babelbits.stats.mean_tests import t_interval
from babelbits.stats.paired_scores import BoolArray, FloatArray, checked_columns

EXACT_SPLITS = 200_000
"""All ways to pick the group are visited up to this many; 10 of 20 languages are 184,756."""
_TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelPermutationResult:
    """Outcome of permuting which languages belong to the group."""

    n_in: int
    n_out: int
    difference: float
    """Mean delta in the group less mean delta outside; negative: the group is hit harder."""
    p_value: float
    """Two-sided."""
    smallest_p: float
    """The smallest p that this many languages could give, whatever the data."""
    exact: bool
    splits: int
    """Ways to pick the group, or random picks if not exact."""


def label_permutation(
    deltas: ArrayLike,
    in_group: ArrayLike,
    *,
    rng: np.random.Generator,
    resamples: int = 10_000,
) -> LabelPermutationResult:
    """Permutation test of "membership in the group has nothing to do with the delta".

    Parameters
    ----------
    deltas : shape (n_languages,)
    in_group : bool, shape (n_languages,)
        At least one language inside and one outside.

    Raises
    ------
    ValueError
        If a side is empty or the shapes differ.
    """
    values, inside = _checked(deltas, in_group)
    n, k = values.size, int(inside.sum())
    exact = math.comb(n, k) <= EXACT_SPLITS
    splits = math.comb(n, k) if exact else resamples
    means = _split_means(values, k) if exact else _drawn_means(values, k, rng, resamples)
    observed = float(values[inside].mean() - values[~inside].mean())
    differences = means - (values.sum() - k * means) / (n - k)
    hits = int(np.sum(np.abs(differences) >= abs(observed) - _TOLERANCE * np.abs(values).sum()))
    return LabelPermutationResult(
        n_in=k,
        n_out=n - k,
        difference=observed,
        p_value=hits / splits if exact else (hits + 1) / (splits + 1),
        smallest_p=smallest_p(k, n - k) if exact else 1 / (splits + 1),
        exact=exact,
        splits=splits,
    )


def smallest_p(n_in: int, n_out: int) -> float:
    """Smallest two-sided p of an exact label permutation: know it before collecting data.

    With equal sides every split has a mirror image that is equally far from zero.
    """
    return (2 if n_in == n_out else 1) / math.comb(n_in + n_out, n_in)


def _checked(deltas: ArrayLike, in_group: ArrayLike) -> tuple[FloatArray, BoolArray]:
    values = checked_columns(np.ravel(deltas))[:, 0]
    inside = np.asarray(in_group, bool)
    if inside.shape != values.shape or inside.all() or not inside.any():
        raise ValueError(
            f"{values.size} deltas, group flags {inside.tolist()}: "
            "one flag a language, some inside the group and some outside"
        )
    return values, inside


@lru_cache(maxsize=8)
def _picks(n: int, k: int) -> NDArray[np.intp]:
    """Every way to pick k of n, shape (n choose k, k)."""
    flat = chain.from_iterable(combinations(range(n), k))
    return np.fromiter(flat, dtype=np.intp, count=math.comb(n, k) * k).reshape(-1, k)


def _split_means(values: FloatArray, k: int) -> FloatArray:
    return np.asarray(values[_picks(values.size, k)].mean(axis=1))


def _drawn_means(
    values: FloatArray, k: int, rng: np.random.Generator, resamples: int
) -> FloatArray:
    picks = np.argpartition(rng.random((resamples, values.size)), k, axis=1)[:, :k]
    return np.asarray(values[picks].mean(axis=1))


# --- intervals with the language as unit -----------------------------------------------------


def language_interval(deltas: ArrayLike, *, level: float = 0.95) -> Interval | None:
    """Student's t interval of languages like these; None below two languages or without spread.

    Wider than a pooled interval, because it also speaks about languages that were not tested.
    """
    values = np.ravel(deltas)
    return t_interval(values, level=level, df=values.size - 1)


def contrast_interval(
    deltas: ArrayLike, in_group: ArrayLike, *, level: float = 0.95
) -> Interval | None:
    """Welch interval of the difference of two groups' mean deltas; None below two a side.

    References
    ----------
    Welch (1947), Biometrika 34:28; the same as `scipy.stats.ttest_ind(equal_var=False)`, which
    warns about precision where one side does not vary.
    """
    values, inside = _checked(deltas, in_group)
    first, second = values[inside], values[~inside]
    if min(first.size, second.size) < 2 or np.ptp(first) + np.ptp(second) == 0:
        return None
    parts = np.array([first.var(ddof=1) / first.size, second.var(ddof=1) / second.size])
    df = parts.sum() ** 2 / np.sum(parts**2 / [first.size - 1, second.size - 1])
    half = float(special.stdtrit(df, (1 + level) / 2)) * math.sqrt(parts.sum())
    middle = float(first.mean() - second.mean())
    return Interval(low=middle - half, high=middle + half, level=level, method="Welch t")
