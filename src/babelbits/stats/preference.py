"""Do people, or a judge, prefer the variant? Wins, ties and losses of blinded pairs.

A vote is +1 if the variant was preferred, -1 if the baseline was, 0 for a tie, or anything between
(a judge's probability; two orders averaged). Votes on one prompt are dependent: they are averaged
first, and the prompt is the unit of every test and interval. Strong verdicts are never repeated
rows. Ties are data: net preference keeps their share apart, the win rate counts them half.
Sign: ``net = wins - losses`` of the variant, so harm is negative. Fractions, not points.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from babelbits.errors import UnpairedItemsError
from babelbits.records import Interval
from babelbits.stats.binary import PairedTable, mcnemar_midp, tango
from babelbits.stats.cluster import cluster_scores, cluster_sign_flip, cluster_standard_error
from babelbits.stats.mean_tests import bootstrap_t_columns, change_bound, mean_interval, sign_flip
from babelbits.stats.paired_scores import FloatArray, checked_columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """Votes for and against the variant, and what they show."""

    n_votes: int
    n_prompts: int
    """Independent units."""
    wins: int
    """Votes for the variant."""
    ties: int
    losses: int
    net: float
    """Mean over prompts of their mean vote; (wins - losses) / n_votes if prompts have equally many
    votes."""
    standard_error: float | None
    """Of `net`; None with one prompt."""
    interval: Interval
    """Of `net`."""
    p_value: float
    """Two-sided, of "neither is preferred"; 1.0 if all prompts are tied."""
    method: str
    """The test: sign test (mid-p) with one vote a prompt, else sign flips of prompts."""

    @property
    def win_rate(self) -> float:
        """Ties half: (1 + net) / 2."""
        return (1 + self.net) / 2


def prompt_values(votes: ArrayLike, prompts: ArrayLike | None = None) -> FloatArray:
    """Mean vote of each prompt, in the order of the sorted prompt labels.

    Parameters
    ----------
    votes : shape (n_votes,)
        In [-1, 1].
    prompts : shape (n_votes,), optional
        Which prompt a vote is about; every vote its own prompt if left out.

    Raises
    ------
    UnpairedItemsError
        If there are no votes, one is missing (NaN), or the shapes differ.
    ValueError
        If a vote is beyond ±1.
    """
    values = checked_columns(np.ravel(np.asarray(votes, float)))[:, 0]
    if np.abs(values).max() > 1:
        raise ValueError(f"votes lie in [-1, 1]; got one of {np.abs(values).max():g}")
    if prompts is None:
        return values
    labels = np.asarray(prompts)
    if labels.shape != values.shape:
        raise UnpairedItemsError(
            f"{values.size} votes, {labels.size} prompt labels", hint="give every vote its prompt"
        )
    codes = np.unique(labels, return_inverse=True)[1]
    return np.asarray(np.bincount(codes, weights=values) / np.bincount(codes))


def net_preference(
    votes: ArrayLike,
    *,
    prompts: ArrayLike | None = None,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 10_000,
) -> Preference:
    """Net preference for the variant, with a test and an interval whose unit is the prompt.

    One whole vote a prompt: mid-p sign test on the prompts that are not tied, and Tango's score
    interval, which keeps a width when nobody disagrees. Otherwise: sign flips of prompt means, and
    bootstrap-t (its fallbacks as in `bounded.mean_interval`).

    Parameters
    ----------
    votes, prompts
        See `prompt_values`.

    References
    ----------
    Miller (2024), arXiv 2411.00640, section 3 (average within a question first).
    """
    raw = checked_columns(np.ravel(np.asarray(votes, float)))[:, 0]
    values = prompt_values(raw, prompts)
    p_value, interval, method = _inference(values, rng=rng, level=level, resamples=resamples)
    return Preference(
        n_votes=raw.size,
        n_prompts=values.size,
        wins=int(np.sum(raw > 0)),
        ties=int(np.sum(raw == 0)),
        losses=int(np.sum(raw < 0)),
        net=float(values.mean()),
        standard_error=cluster_standard_error(
            cluster_scores(values, clusters=np.arange(values.size))
        ),
        interval=interval,
        p_value=p_value,
        method=method,
    )


def _inference(
    values: FloatArray, *, rng: np.random.Generator, level: float, resamples: int
) -> tuple[float, Interval, str]:
    if np.isin(values, (-1, 0, 1)).all():
        table = vote_table(
            wins=int(np.sum(values == 1)),
            ties=int(np.sum(values == 0)),
            losses=int(np.sum(values == -1)),
        )
        return mcnemar_midp(table).p_value, tango(table, level=level), "sign test, mid-p"
    flipped = sign_flip(values, rng=rng, resamples=resamples)
    boot = bootstrap_t_columns(values, levels=(level,), rng=rng, resamples=resamples)[0][0]
    interval = mean_interval(values, boot, level=level, limit=1.0)
    bound = change_bound(values, level=level)  # what is left where no spread was seen
    return flipped.p_value, interval or bound, "sign flips of prompts"


def macro_preference(
    votes: ArrayLike,
    *,
    prompts: ArrayLike,
    languages: ArrayLike,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 10_000,
) -> Preference:
    """Mean over languages of each language's net preference; translations share a prompt.

    Votes on one prompt in one language are averaged first; then the prompt with all its
    translations is the unit, because they are dependent: sign flips and bootstrap-t of clusters.

    Parameters
    ----------
    votes, prompts, languages : shape (n_votes,)
        Prompts that are translations of each other have the same label.

    References
    ----------
    Miller (2024), arXiv 2411.00640, sections 2.2 and 3.
    """
    raw = checked_columns(np.ravel(np.asarray(votes, float)))[:, 0]
    labels = [np.unique(np.asarray(one), return_inverse=True)[1] for one in (prompts, languages)]
    units, unit = np.unique(np.column_stack(labels), axis=0, return_inverse=True)
    scores = cluster_scores(
        prompt_values(raw, np.ravel(unit)), clusters=units[:, 0], strata=units[:, 1]
    )
    boot = bootstrap_t_columns(scores.linearised, levels=(level,), rng=rng, resamples=resamples)
    interval = mean_interval(scores.contributions, boot[0][0], level=level, limit=scores.limit)
    bounds = interval or change_bound(scores.contributions, level=level, limit=scores.limit)
    return Preference(
        n_votes=raw.size,
        n_prompts=scores.n_clusters,
        wins=int(np.sum(raw > 0)),
        ties=int(np.sum(raw == 0)),
        losses=int(np.sum(raw < 0)),
        net=scores.estimate,
        standard_error=cluster_standard_error(scores),
        # No mean of votes leaves [-1, 1], whatever one prompt can weigh.
        interval=replace(bounds, low=max(-1.0, bounds.low), high=min(1.0, bounds.high)),
        p_value=cluster_sign_flip(scores, rng=rng, resamples=resamples).p_value,
        method="sign flips of prompts, mean over languages",
    )


def vote_table(*, wins: int, ties: int, losses: int) -> PairedTable:
    """One vote a prompt as the table of `binary`: a loss broke, a win fixed, a tie did neither."""
    return PairedTable(both_right=ties, broke=losses, fixed=wins, both_wrong=0)
