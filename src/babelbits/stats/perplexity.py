"""Perplexity before and after: the change of its logarithm, with a paired error.

Texts are the same, so token losses are paired and their errors mostly cancel: the error of a ratio
is far smaller than that of either perplexity. The logarithm is the scale on which languages can be
averaged: nats a token.
Sign: ``-ln(variant / baseline)``, so harm is negative. Perplexities of different tokenizers are not
comparable, and per token a language with more tokens a sentence looks less harmed.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from babelbits.stats.paired_scores import FloatArray, paired_differences


def log_perplexity_change(baseline: ArrayLike, variant: ArrayLike) -> FloatArray:
    """-ln(variant / baseline), elementwise; times 100 it is nearly a change in percent.

    Parameters
    ----------
    baseline, variant : shape (...)
        Perplexities, positive.

    Raises
    ------
    ValueError
        If a perplexity is not positive and finite.
    """
    before, after = np.asarray(baseline, float), np.asarray(variant, float)
    for values in (before, after):
        if not (np.isfinite(values) & (values > 0)).all():
            raise ValueError("perplexities are positive and finite")
    return np.asarray(np.log(before) - np.log(after))


@dataclass(frozen=True, slots=True, kw_only=True)
class PerplexityChange:
    """Two perplexities over the same tokens."""

    n_tokens: int
    baseline: float
    variant: float
    log_change: float
    """-ln(variant / baseline), nats a token."""
    log_change_error: float
    """Its standard error, paired."""
    difference_error: float
    """Standard error of variant - baseline (delta method, paired)."""

    @property
    def ratio(self) -> float:
        """Variant over baseline; more than 1 is harm."""
        return self.variant / self.baseline


def perplexity_change(baseline_nll: ArrayLike, variant_nll: ArrayLike) -> PerplexityChange:
    """Perplexities and the error of their ratio and difference, from the losses of every token.

    Tokens are taken as independent, as llama.cpp does; for a text in few documents that is
    optimistic, and `cluster` by document is the remedy.

    Parameters
    ----------
    baseline_nll, variant_nll : shape (n_tokens,)
        Negative log-likelihoods in nats, of the same tokens in the same order; at least two.

    References
    ----------
    llama.cpp, tools/perplexity: "Mean PPL(Q)/PPL(base)" and "Mean PPL(Q)-PPL(base)".

    Raises
    ------
    UnpairedItemsError
        If the shapes differ or a loss is missing.
    """
    worse = paired_differences(baseline_nll, variant_nll)
    if worse.size < 2:
        raise ValueError("an error needs two tokens")
    before, after = np.asarray(baseline_nll, float), np.asarray(variant_nll, float)
    ppl_before, ppl_after = math.exp(before.mean()), math.exp(after.mean())
    linearised = ppl_after * after - ppl_before * before
    return PerplexityChange(
        n_tokens=worse.size,
        baseline=ppl_before,
        variant=ppl_after,
        log_change=-float(worse.mean()),
        log_change_error=_standard_error(worse),
        difference_error=_standard_error(linearised),
    )


def _standard_error(values: FloatArray) -> float:
    return float(values.std(ddof=1)) / math.sqrt(values.size)
