"""How much the answers of some items thought first, counted. Counts add up."""

from collections.abc import Iterable
from dataclasses import dataclass

from babelbits.records import Answer
from babelbits.words import plural


@dataclass(frozen=True, slots=True, kw_only=True)
class Thoughts:
    """Generations by what they thought."""

    generations: int = 0
    """Texts among which thinking was looked for."""
    thinking: int = 0
    """Those that thought."""
    unfinished: int = 0
    """Those whose thinking never ended: they have no answer, and count as cut short."""
    tokens: int = 0
    """Of thinking, over all of them."""

    def __add__(self, other: "Thoughts") -> "Thoughts":
        return Thoughts(
            generations=self.generations + other.generations,
            thinking=self.thinking + other.thinking,
            unfinished=self.unfinished + other.unfinished,
            tokens=self.tokens + other.tokens,
        )

    def in_words(self) -> str:
        """One sentence; only for counts that hold some thinking."""
        text = (
            f"{self.thinking:,} of {plural(self.generations, 'generation')} thought first, "
            f"{plural(round(self.tokens / self.thinking), 'token')} on average"
        )
        if not self.unfinished:
            return text
        return f"{text}; {self.unfinished:,} never stopped thinking and were scored as empty"


def count_thoughts(answers: Iterable[Answer]) -> Thoughts:
    """Of the texts of some items."""
    found = list(answers)
    thought = [one for one in found if one.thinking is not None]
    return Thoughts(
        generations=len(found),
        thinking=len(thought),
        unfinished=sum(not one.thinking_finished for one in thought),
        tokens=sum(one.thinking_tokens for one in thought),
    )
