"""Looking at the data before they are complete: e-values and confidence sequences in closed form.

A test or interval for a fixed number of items is wrong if somebody looks early: twenty looks turn
5 % of false alarms into 25 %. What is computed here holds at every number of items at once, so
that anyone may look, and stop, whenever they like. It never decides anything; see `stopping`.
The items must come in a random order fixed beforehand (benchmarks are sorted by topic).
Sign: ``delta = variant - baseline``, so harm is negative. E-values are kept as logarithms.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from babelbits.records import Interval
from babelbits.stats.paired_scores import FloatArray, checked_columns

# --- changed answers: is breaking as likely as fixing? ---------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class EProcess:
    """Evidence against "a changed answer is as likely to be fixed as broken", at any time."""

    broke: int
    fixed: int
    log_e: float
    """Now."""
    log_e_max: float
    """The largest so far, after every single item; at least 0, the value before the first."""

    @property
    def n_changed(self) -> int:
        """Changed answers seen."""
        return self.broke + self.fixed

    @property
    def p_value(self) -> float:
        """Anytime-valid, two-sided: min(1, 1 / the largest e-value so far)."""
        return math.exp(-self.log_e_max)

    def crossed(self, alpha: float) -> bool:
        """Whether the e-value ever reached 1 / alpha: the stopping rule of level `alpha`."""
        return self.log_e_max >= -math.log(alpha)


def log_e_value(broke: ArrayLike, fixed: ArrayLike) -> FloatArray:
    """Log of E = 2^n / ((n + 1) C(n, broke)), n = broke + fixed, elementwise.

    The likelihood of the order seen under a uniform prior on P(broke | changed), over its
    likelihood under a fair coin: a martingale that starts at 1 if the coin is fair.

    References
    ----------
    Ville (1939); Ramdas, Grünwald, Vovk, Shafer (2023), Statistical Science 38:576, section 2.
    """
    b, f = np.asarray(broke, float), np.asarray(fixed, float)
    return np.asarray((b + f) * math.log(2) + special.betaln(b + 1, f + 1))


def e_process(differences: ArrayLike, *, before: EProcess | None = None) -> EProcess:
    """Run over one more batch of right/wrong differences, in their order.

    Parameters
    ----------
    differences : shape (n_items,)
        ``variant - baseline`` per item; only the sign counts, and zeros change nothing.
    before : EProcess, optional
        What the earlier batches gave.
    """
    start = before or EProcess(broke=0, fixed=0, log_e=0.0, log_e_max=0.0)
    values = np.ravel(np.asarray(differences, float))
    if values.size == 0:
        return start
    signs = np.sign(checked_columns(values)[:, 0])
    broke = start.broke + np.cumsum(signs < 0)
    fixed = start.fixed + np.cumsum(signs > 0)
    path = log_e_value(broke, fixed)
    return EProcess(
        broke=int(broke[-1]),
        fixed=int(fixed[-1]),
        log_e=float(path[-1]),
        log_e_max=max(start.log_e_max, float(path.max())),
    )


# --- means: mixtures of Howard, Ramdas, McAuliffe, Sekhon (2021) -----------------------------


def normal_mixture_rho(variance: float, *, alpha: float = 0.05) -> float:
    """The mixture's parameter that makes the sequence tight when `variance` has been summed.

    References
    ----------
    Howard et al. (2021), Annals of Statistics 49:1055, on tuning a mixture (approximation).
    """
    log_bound = 2 * math.log(1 / alpha)
    return variance / (log_bound + math.log1p(log_bound))


def normal_mixture_log(total: ArrayLike, variance: ArrayLike, *, rho: float) -> FloatArray:
    """Log of the two-sided normal mixture at a centred sum and its summed variance proxy.

    ln sqrt(rho / (v + rho)) + s² / (2 (v + rho)); a supermartingale if every summand, given the
    past, is sub-Gaussian with its share of `variance`.
    """
    v = np.asarray(variance, float) + rho
    return np.asarray(0.5 * np.log(rho / v) + np.asarray(total, float) ** 2 / (2 * v))


def normal_mixture_radius(variance: ArrayLike, *, rho: float, alpha: float = 0.05) -> FloatArray:
    """How far a centred sum may ever be from 0 (probability at least 1 - alpha, two-sided)."""
    v = np.asarray(variance, float) + rho
    return np.asarray(np.sqrt(v * (np.log(v / rho) + 2 * math.log(1 / alpha))))


def bounded_mean_sequence(
    total: float, n_items: int, *, best_at: int, limit: float = 1.0, alpha: float = 0.05
) -> Interval:
    """Confidence sequence of a mean of values in [-limit, +limit], from their sum alone.

    A value in a range of width 2 limit is sub-Gaussian with variance proxy limit² (Hoeffding's
    lemma), whatever its distribution and whatever came before. Valid and simple, but blind to how
    little most differences vary: `stopping.mean_sequence` is far shorter for quantized variants.

    Parameters
    ----------
    total : float
        Sum of the values so far.
    best_at : int
        Number of items, chosen before looking, at which the sequence shall be shortest.

    References
    ----------
    Howard et al. (2021), Annals of Statistics 49:1055: two-sided normal mixture.
    """
    if n_items < 1 or best_at < 1:
        raise ValueError(f"needs items; got n_items={n_items}, best_at={best_at}")
    rho = normal_mixture_rho(best_at * limit**2, alpha=alpha)
    half = float(normal_mixture_radius(n_items * limit**2, rho=rho, alpha=alpha)) / n_items
    mean = total / n_items
    return Interval(
        low=max(-limit, mean - half),
        high=min(limit, mean + half),
        level=1 - alpha,
        method="normal-mixture confidence sequence",
    )


def share_sequence(successes: int, n_items: int, *, best_at: int, alpha: float = 0.05) -> Interval:
    """Confidence sequence of a share: two-sided beta-binomial mixture.

    Parameters
    ----------
    successes : int
        In [0, n_items].
    best_at : int
        Number of items, chosen before looking, at which the sequence shall be shortest.

    References
    ----------
    Howard et al. (2021), Annals of Statistics 49:1055: two-sided beta-binomial mixture, as
    `bernoulli_confidence_interval` of their package confseq computes it.
    """
    if not 0 <= successes <= n_items or n_items < 1 or best_at < 1:
        raise ValueError(
            f"needs 0 <= successes <= n_items and items; got {successes} of {n_items}, "
            f"best_at={best_at}"
        )
    unit_rho = normal_mixture_rho(best_at, alpha=alpha)
    prior = max(unit_rho - 1, 1e-3)

    def excess(p: float) -> float:
        mixture = _log_beta_mixture(p, successes, n_items - successes, prior=prior)
        return mixture - math.log(1 / alpha)

    share, tiny = successes / n_items, 1e-12
    middle = min(max(share, 2 * tiny), 1 - 2 * tiny)
    low = 0.0 if excess(tiny) <= 0 else float(optimize.brentq(excess, tiny, middle))
    high = 1.0 if excess(1 - tiny) <= 0 else float(optimize.brentq(excess, middle, 1 - tiny))
    return Interval(low=low, high=high, level=1 - alpha, method="beta-binomial confidence sequence")


def _log_beta_mixture(p: float, successes: int, failures: int, *, prior: float) -> float:
    """Log of the Bernoulli likelihood averaged over a beta prior of mean p, over that of p."""
    a, b = prior * p, prior * (1 - p)
    averaged = special.betaln(a + successes, b + failures) - special.betaln(a, b)
    return float(averaged - successes * math.log(p) - failures * math.log1p(-p))
