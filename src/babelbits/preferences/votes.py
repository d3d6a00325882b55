"""One judgment on one pair, by whomever it was made: an LLM, a reward model or a person.

What a vote means is the same for all three, so that they can be held against each other; whether
they can be pooled is another matter, and they are not. Sign: positive prefers the variant, so harm
is negative.
"""

from dataclasses import dataclass
from typing import Literal

JudgeKind = Literal["llm", "reward", "human", "metric"]
Verdict = Literal["variant", "baseline", "tie", "inconsistent", "refused", "unparsed", "error"]
"""inconsistent: the two orders disagree, which is no tie. The last three are no verdict: the pair
is dropped from both arms, and counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What one judge says of one pair."""

    pair_id: str
    source_id: str
    language: str
    variant: str
    judge: str
    """A rater's pseudonym, or the name of a model with its template."""
    kind: JudgeKind
    verdict: Verdict
    value: float | None
    """In [-1, 1]; +1 prefers the variant; 0 is a tie; the mean of two orders; None: no verdict."""
    strength: int | None = None
    """-2 to 2 on a five-step scale; secondary, never a weight. None where it was not asked."""
    both_unusable: bool = False
    reasons: tuple[str, ...] = ()
    seconds: float | None = None
    """Time on the pair; None where it was not measured."""
