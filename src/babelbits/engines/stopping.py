"""When a continuation ends, and what its text is.

As lm-evaluation-harness's HF model does it (`MultiTokenEOSCriteria`, `postprocess_generated_text`)
for a batch of one: after every token the last few tokens are decoded and searched for the stop
strings; at the end the whole is decoded and cut at the first stop string. The end-of-sequence
token's text counts as a stop string.

Where thinking is looked for, stop strings count in the answer alone: lm-eval's would end a model
at the first blank line of its thoughts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from babelbits.engines.thinking import Split, Tags, split
from babelbits.records import Thinking

FinishReason = Literal["stop", "eos", "length"]

_LOOK_BACK = 2
"""Tokens decoded beyond the stop string's own number: it may have been written differently."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What ends one continuation, and how it may think."""

    stop: tuple[str, ...]
    thinking: tuple[Tags, ...] = ()
    opened: Tags | None = None
    """The block of thinking in which the prompt ends."""


class Stopping:
    """The stop conditions of one model."""

    def __init__(self, tokenizer: Any, *, generation_config: Any) -> None:
        self._tokenizer = tokenizer
        configured = getattr(generation_config, "eos_token_id", None)
        listed = configured if isinstance(configured, list) else [configured]
        self._eos = {token for token in [*listed, tokenizer.eos_token_id] if token is not None}
        self._eos_text = tokenizer.eos_token
        self._special = tuple(getattr(tokenizer, "all_special_tokens", ()))
        self._lengths: dict[str, int] = {}

    def finished(
        self,
        tokens: Sequence[Sequence[int]],
        endings: Sequence[Ending],
        limits: Sequence[int],
    ) -> list[FinishReason | None]:
        """Why each continuation ends with its last token, or None if it goes on."""
        if not tokens:
            return []
        tails = [
            row[-self._look_back(one.stop) :] for row, one in zip(tokens, endings, strict=True)
        ]
        texts = self._tokenizer.batch_decode(tails)
        return [
            self._reason(row, text, one, limit)
            for row, text, one, limit in zip(tokens, texts, endings, limits, strict=True)
        ]

    def text(self, tokens: Sequence[int], ending: Ending) -> str:
        """The continuation's text before the first stop string, without thinking."""
        found: str
        if ending.thinking:
            found = self._split(tokens, ending).answer
        else:
            found = self._tokenizer.decode(tokens, skip_special_tokens=True)
        for term in self._terms(ending.stop):
            found = found.split(term)[0]
        for name in self._special if ending.thinking else ():
            found = found.replace(name, "")
        return found

    def thinking(self, tokens: Sequence[int], ending: Ending) -> Thinking | None:
        """What the model thought; None where it did not, or nobody looks for it."""
        if not ending.thinking:
            return None
        found = self._split(tokens, ending)
        text = "\n\n".join(thought.strip() for thought in found.thoughts).strip()
        if not text and found.finished:
            return None
        return Thinking(
            text=text, tokens=self._thinking_tokens(tokens, ending), finished=found.finished
        )

    def _split(self, tokens: Sequence[int], ending: Ending) -> Split:
        """The continuation taken apart; special tokens are text here, for some are tags."""
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=False)
        return split(text, ending.thinking, opened=ending.opened)

    def _thinking_tokens(self, tokens: Sequence[int], ending: Ending) -> int:
        """Tokens up to the one that completes the last block of thinking, tags included."""
        whole = self._split(tokens, ending)
        if not whole.finished:
            return len(tokens)
        low, high = 1, len(tokens)
        while low < high:
            middle = (low + high) // 2
            part = self._split(tokens[:middle], ending)
            if part.finished and len(part.thoughts) == len(whole.thoughts):
                high = middle
            else:
                low = middle + 1
        return low

    def _reason(
        self, tokens: Sequence[int], tail: str, ending: Ending, limit: int
    ) -> FinishReason | None:
        if tokens[-1] in self._eos:
            return "eos"
        if any(term in tail for term in self._terms(ending.stop)) and self._counts(tokens, ending):
            return "stop"
        return "length" if len(tokens) >= limit else None

    def _counts(self, tokens: Sequence[int], ending: Ending) -> bool:
        """Whether a stop string stands in the answer, not in the thinking before it."""
        if not ending.thinking:
            return True
        answer = self._split(tokens, ending).answer
        return any(term in answer for term in self._terms(ending.stop))

    def _terms(self, stop: tuple[str, ...]) -> list[str]:
        return [term for term in (*stop, self._eos_text) if term]

    def _look_back(self, stop: tuple[str, ...]) -> int:
        return max((self._length(term) for term in self._terms(stop)), default=0) + _LOOK_BACK

    def _length(self, term: str) -> int:
        if term not in self._lengths:
            ids = self._tokenizer.encode(term, add_special_tokens=False)
            self._lengths[term] = len(ids)
        return self._lengths[term]
