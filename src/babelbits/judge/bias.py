"""A judge's biases: towards the first place, and towards the longer answer.

Of pairs that were shown, never of identical ones. Lengths are in characters. Sign: positive
prefers the variant. These describe the judge in one language; they are no effect of quantization.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from babelbits.judge.pairwise import TwoOrders
from babelbits.preferences.answer_pairs import AnswerPair
from babelbits.preferences.votes import Vote
from babelbits.records import Interval
from babelbits.stats.binary import wilson
from babelbits.stats.length import LengthAdjusted, LongerWins, length_adjusted, longer_wins


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstPlace:
    """How often the answer that is shown first is called better."""

    n_pairs: int
    """Pairs of which at least one order prefers an answer."""
    share: float
    """Mean over pairs of the share of their preferences that is for the first; 0.5 without a
    leaning, as each pair is shown both ways round."""
    interval: Interval
    """Wilson, over pairs; conservative, as most pairs have one preference for each place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeBias:
    """Of one judge, in one language, on one variant."""

    variant: str
    language: str
    first_place: FirstPlace | None
    """None where no reply prefers an answer, or each pair is shown once."""
    longer: LongerWins | None
    raw_win_rate: float | None
    """Ties half; identical pairs are ties. None without a vote."""
    at_equal_length: LengthAdjusted | None
    """None where the lengths say too little."""


def measure_bias(
    pairs: Iterable[AnswerPair],
    votes: Iterable[Vote],
    orders: Mapping[str, TwoOrders] | None = None,
) -> tuple[JudgeBias, ...]:
    """A row a variant and language, in the order of the pairs.

    Parameters
    ----------
    pairs, votes : iterable
        In the same order, as `casting.cast_votes` makes them.
    orders : mapping, optional
        By `pair_id`: what was said in either order.
    """
    grouped: dict[tuple[str, str], list[tuple[AnswerPair, Vote]]] = defaultdict(list)
    for pair, vote in zip(pairs, votes, strict=True):
        grouped[pair.variant, pair.language].append((pair, vote))
    return tuple(
        _leanings(variant, language, some, orders or {})
        for (variant, language), some in grouped.items()
    )


def _leanings(
    variant: str,
    language: str,
    some: Sequence[tuple[AnswerPair, Vote]],
    orders: Mapping[str, TwoOrders],
) -> JudgeBias:
    judged = [(pair, vote.value) for pair, vote in some if vote.value is not None]
    values = [value for _, value in judged]
    lengths = [_longer_by(pair) for pair, _ in judged]
    said = [orders[pair.pair_id] for pair, _ in judged if pair.pair_id in orders]
    return JudgeBias(
        variant=variant,
        language=language,
        first_place=measure_first_place(said),
        longer=longer_wins(values, lengths) if values else None,
        raw_win_rate=(1 + sum(values) / len(values)) / 2 if values else None,
        at_equal_length=length_adjusted(values, lengths) if values else None,
    )


def _longer_by(pair: AnswerPair) -> float:
    """Characters that the variant wrote more than the baseline."""
    return float(len(pair.variant_answer.strip()) - len(pair.baseline_answer.strip()))


def measure_first_place(said: Iterable[TwoOrders]) -> FirstPlace | None:
    """How often the first answer is preferred; None where no answer ever is."""
    shares = []
    for one in said:
        outcomes = [one.baseline_first.outcome, one.variant_first.outcome]
        first, second = outcomes.count("A"), outcomes.count("B")
        if first + second:
            shares.append(first / (first + second))
    if not shares:
        return None
    return FirstPlace(
        n_pairs=len(shares),
        share=sum(shares) / len(shares),
        interval=wilson(sum(shares), len(shares)),
    )
