"""What is wrong with answers and with a judge's replies, counted and in few lines.

Nothing is printed here, and no reply is asked for again.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from babelbits.preferences.answer_pairs import AnswerPair
from babelbits.tasks.collapse import signs

_NUMBER = re.compile(r"\d+")
_TOO_LONG = re.compile(
    r"do(es)? not fit into|context[ _-]?(length|window|size)|exceed_context|prompt is too long"
    r"|input is too long|too many (input )?tokens|longer than the (model's )?(maximum|context)",
    re.IGNORECASE,
)
"""How this package, OpenAI, vLLM, llama.cpp, Anthropic and TGI say that a request is too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedReplies:
    """Why there are no replies: too long for the judge's context, or anything else."""

    n_too_long: int
    """Requests that do not fit; asking again does not change that."""
    example: str | None
    """What was said of one of them; None where all fit."""
    others: tuple[tuple[str, int], ...]
    """Other reasons and how often, the commonest first."""


def sort_reasons(reasons: Mapping[str, int]) -> FailedReplies:
    """Part what is too long from the rest: each request says it with its own numbers and ids.

    Parameters
    ----------
    reasons : mapping
        Reason to how often it was given.
    """
    long = {reason: count for reason, count in reasons.items() if _TOO_LONG.search(reason)}
    rest = {reason: count for reason, count in reasons.items() if reason not in long}
    return FailedReplies(
        n_too_long=sum(long.values()),
        example=next(iter(long), None),
        others=tuple(fold_reasons(rest)),
    )


def fold_reasons(reasons: Mapping[str, int]) -> list[tuple[str, int]]:
    """Reasons that differ in numbers only as one, told by its first; the commonest first.

    A reason holds one part an order of the answers, between semicolons.
    """
    counts: Counter[tuple[str, ...]] = Counter()
    first: dict[tuple[str, ...], str] = {}
    for reason, count in reasons.items():
        parts = {_NUMBER.sub("", part): part for part in reversed(reason.split("; "))}
        kind = tuple(sorted(parts))
        counts[kind] += count
        first.setdefault(kind, "; ".join(reversed(parts.values())))
    return [(first[kind], count) for kind, count in counts.most_common()]


def count_degenerate(pairs: Sequence[AnswerPair]) -> tuple[int, int]:
    """How many answers are empty or a repetition loop: of the baseline, and of the variants."""

    def count(texts: Iterable[str]) -> int:
        return sum(signs.is_empty(text) or signs.is_loop(text) for text in texts)

    before = count(pair.baseline_answer for pair in pairs)
    return before, count(pair.variant_answer for pair in pairs)
