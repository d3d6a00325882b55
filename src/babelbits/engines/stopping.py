"""When a continuation ends, and what its text is.

As lm-evaluation-harness's HF model does it (`MultiTokenEOSCriteria`, `postprocess_generated_text`)
for a batch of one: after every token the last few tokens are decoded and searched for the stop
strings; at the end the whole is decoded and cut at the first stop string. The end-of-sequence
token's text counts as a stop string.
"""

from collections.abc import Sequence
from typing import Any, Literal

FinishReason = Literal["stop", "eos", "length"]

_LOOK_BACK = 2
"""Tokens decoded beyond the stop string's own number: it may have been written differently."""


class Stopping:
    """The stop conditions of one model."""

    def __init__(self, tokenizer: Any, *, generation_config: Any) -> None:
        self._tokenizer = tokenizer
        configured = getattr(generation_config, "eos_token_id", None)
        listed = configured if isinstance(configured, list) else [configured]
        self._eos = {token for token in [*listed, tokenizer.eos_token_id] if token is not None}
        self._eos_text = tokenizer.eos_token
        self._lengths: dict[str, int] = {}

    def finished(
        self,
        tokens: Sequence[Sequence[int]],
        stops: Sequence[tuple[str, ...]],
        limits: Sequence[int],
    ) -> list[FinishReason | None]:
        """Why each continuation ends with its last token, or None if it goes on."""
        if not tokens:
            return []
        tails = [row[-self._look_back(stop) :] for row, stop in zip(tokens, stops, strict=True)]
        texts = self._tokenizer.batch_decode(tails)
        return [
            self._reason(row, text, stop, limit)
            for row, text, stop, limit in zip(tokens, texts, stops, limits, strict=True)
        ]

    def text(self, tokens: Sequence[int], stop: tuple[str, ...]) -> str:
        """The continuation's text before the first stop string."""
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        for term in self._terms(stop):
            text = text.split(term)[0]
        return text

    def _reason(
        self, tokens: Sequence[int], tail: str, stop: tuple[str, ...], limit: int
    ) -> FinishReason | None:
        if tokens[-1] in self._eos:
            return "eos"
        if any(term in tail for term in self._terms(stop)):
            return "stop"
        return "length" if len(tokens) >= limit else None

    def _terms(self, stop: tuple[str, ...]) -> list[str]:
        return [term for term in (*stop, self._eos_text) if term]

    def _look_back(self, stop: tuple[str, ...]) -> int:
        return max((self._length(term) for term in self._terms(stop)), default=0) + _LOOK_BACK

    def _length(self, term: str) -> int:
        if term not in self._lengths:
            ids = self._tokenizer.encode(term, add_special_tokens=False)
            self._lengths[term] = len(ids)
        return self._lengths[term]
