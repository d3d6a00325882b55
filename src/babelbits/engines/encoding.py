"""Text to tokens, exactly as lm-evaluation-harness 0.4.13 does it for causal models.

Source: `lm_eval.api.model.TemplateLM._encode_pair`, `loglikelihood`; `lm_eval.models.huggingface`
(`tok_encode`, `tok_batch_encode`, the truncation in `_loglikelihood_tokens` and `generate_until`);
`lm_eval.utils.get_rolling_token_windows`. The tests compare with these.

One thing is otherwise: what a tokenizer appends to every text, as a rule an end-of-text token, is
taken off. lm-eval keeps it, so that a continuation is scored, and a prompt continued, after a text
that has ended; scores are off by several nats a token.

Nothing here runs a model. Lengths and positions are in tokens.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from babelbits.engines.base import LongPrompts
from babelbits.records import Failure, GenerateRequest, ScoreRequest, TextRequest
from babelbits.words import agreeing, plural


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A model input, and the tokens whose log-probability is asked.

    The logits at the last `len(targets)` positions of `tokens` predict `targets`.
    """

    tokens: list[int]
    targets: list[int]
    prompt_tokens: int
    truncated: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A model input to be continued."""

    tokens: list[int]
    max_new_tokens: int
    truncated: int = 0


class Encoder:
    """Encodes requests for one tokenizer and one context length.

    `rows` is the number of tokens that the model knows; None where the tokenizer has no more.
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        context_length: int,
        long_prompts: LongPrompts,
        rows: int | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self._rows = rows
        self.context_length = context_length
        self.long_prompts = long_prompts
        bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
        self.prefix_token: int | None = bos if bos is not None else eos
        self._prefix_text = (
            None if self.prefix_token is None else tokenizer.decode(self.prefix_token)
        )
        self._appended = find_appended_tokens(tokenizer)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is done to texts that a user should know, one sentence each."""
        if not self._appended:
            return ()
        text = self.tokenizer.decode(self._appended)
        return (f"the tokenizer appends {text!r} to every text, which is taken off before scoring",)

    def count(self, text: str) -> int:
        """Tokens of `text`, special tokens that the tokenizer adds included."""
        return len(self._encode([text], prefix=self._prefix_text)[text])

    def queries(self, requests: Sequence[ScoreRequest]) -> list[Query | Failure]:
        """Encode (context, continuation) pairs."""
        pairs = [_move_spaces(r.context, r.continuation) for r in requests]
        whole = [c for c, _ in pairs if c] + [c + t for c, t in pairs if c]
        plain = self._encode(whole, prefix=self._prefix_text)
        bare = self._encode([t for c, t in pairs if not c], special=False)
        return [
            self._after_context(plain[c], plain[c + t][len(plain[c]) :])
            if c
            else self._after_nothing(bare[t])
            for c, t in pairs
        ]

    def prompts(self, requests: Sequence[GenerateRequest]) -> list[Prompt | Failure]:
        """Encode prompts, leaving room in the context for what is to be generated."""
        encoded = self._encode([r.prompt for r in requests], prefix=self.tokenizer.bos_token)
        return [self._prompt(encoded[r.prompt], r.max_new_tokens) for r in requests]

    def windows(self, requests: Sequence[TextRequest]) -> list[list[Query] | Failure]:
        """Encode whole texts as windows in which every token is predicted exactly once."""
        encoded = self._encode([r.text for r in requests], prefix=self._prefix_text)
        return [self._windows(r.text, encoded[r.text]) for r in requests]

    def _encode(
        self, texts: Sequence[str], *, prefix: str | None = None, special: bool | None = None
    ) -> dict[str, list[int]]:
        """Token ids of every distinct text, in one call of the tokenizer for each setting.

        Special tokens are added as `special` says; if it is None, as the tokenizer does by
        default, save to texts that start with `prefix` already.
        """
        ids: dict[str, list[int]] = {}
        begun: dict[bool, list[str]] = {True: [], False: []}
        for text in dict.fromkeys(texts):
            has_prefix = special is None and prefix is not None and text.startswith(prefix)
            begun[has_prefix].append(text)
        for has_prefix, group in begun.items():
            add = False if has_prefix else special
            options = {} if add is None else {"add_special_tokens": add}
            if group:
                encoded = self.tokenizer(group, verbose=False, **options)["input_ids"]
                whole = map(self._ended, encoded) if add is None else encoded
                ids.update(zip(group, whole, strict=True))
        return ids

    def _ended(self, tokens: list[int]) -> list[int]:
        """The tokens of a text without what the tokenizer appends to every text."""
        n = len(self._appended)
        return tokens[:-n] if n and tuple(tokens[-n:]) == self._appended else tokens

    def _after_nothing(self, continuation: list[int]) -> Query | Failure:
        if self.prefix_token is None:
            return Failure(
                kind="scoring_failed",
                message="empty context, and the tokenizer has neither a BOS nor an EOS token",
            )
        if continuation[:1] == [self.prefix_token]:
            return self._after_context(continuation[:1], continuation[1:])
        return self._after_context([self.prefix_token], continuation)

    def _after_context(self, context: list[int], continuation: list[int]) -> Query | Failure:
        if not continuation:
            return Failure(kind="scoring_failed", message="the continuation has no tokens")
        if not context:
            return Failure(kind="scoring_failed", message="the context has no tokens")
        whole = context + continuation
        if unknown := self._unknown(whole):
            return Failure(kind="scoring_failed", message=unknown)
        excess = max(0, len(whole) - (self.context_length + 1))
        if len(continuation) > self.context_length or (excess and self.long_prompts == "fail"):
            return _too_long(len(whole), self.context_length + 1)
        return Query(
            tokens=whole[excess:-1],
            targets=continuation,
            prompt_tokens=len(context) - excess,
            truncated=excess,
        )

    def _prompt(self, tokens: list[int], max_new_tokens: int) -> Prompt | Failure:
        """Cut the prompt from the left to `context - max_new_tokens`.

        Where that would leave nothing (lm-eval stops there), half of the context goes to each.
        """
        context = self.context_length
        if unknown := self._unknown(tokens):
            return Failure(kind="generation_failed", message=unknown)
        if max_new_tokens < 1:
            return Failure(kind="generation_failed", message="max_new_tokens is less than 1")
        if max_new_tokens >= context:
            max_new_tokens = max(1, context - min(len(tokens), context // 2))
        excess = max(0, len(tokens) - (context - max_new_tokens))
        if excess and self.long_prompts == "fail":
            return _too_long(len(tokens), context - max_new_tokens)
        if not tokens and self.prefix_token is None:
            return Failure(kind="generation_failed", message="the prompt has no tokens")
        kept = tokens[excess:] if tokens else [self.prefix_token or 0]
        return Prompt(tokens=kept, max_new_tokens=max_new_tokens, truncated=excess)

    def _unknown(self, tokens: list[int]) -> str | None:
        """What to say of a token without a row, e.g. the place of an image; else None."""
        if self._rows is None or not tokens or max(tokens) < self._rows:
            return None
        text = self.tokenizer.decode([max(tokens)])
        return f"the text holds the token {text!r}, which the model has no row for"

    def _windows(self, text: str, tokens: list[int]) -> list[Query] | Failure:
        if not text or not tokens:
            return Failure(kind="empty_text", message="the text has no tokens")
        if unknown := self._unknown(tokens):
            return Failure(kind="scoring_failed", message=unknown)
        if self.prefix_token is None:
            return Failure(
                kind="scoring_failed", message="the tokenizer has neither a BOS nor an EOS token"
            )
        return list(_rolling(tokens, self.prefix_token, self.context_length))


def find_appended_tokens(tokenizer: Any) -> tuple[int, ...]:
    """The special tokens that a tokenizer puts behind every text; none for most."""
    probe = "a"
    plain = list(tokenizer(probe, add_special_tokens=False)["input_ids"])
    full = list(tokenizer(probe, add_special_tokens=True)["input_ids"])
    for end in range(len(full), len(plain) - 1, -1):
        if plain and full[end - len(plain) : end] == plain:
            return tuple(full[end:])
    return ()


def _move_spaces(context: str, continuation: str) -> tuple[str, str]:
    """Trailing spaces of the context belong to the continuation's first word.

    A context of nothing but spaces becomes empty here and is treated as such; lm-eval would
    encode '' and fail.
    """
    kept = context.rstrip()
    return kept, context[len(kept) :] + continuation


def _rolling(tokens: list[int], prefix: int, length: int) -> Iterator[Query]:
    """Windows of `length` inputs: together they predict every token once.

    A full window sees one token before its first target; the last one reaches further back.
    """
    inputs = [prefix, *tokens]  # inputs[i] predicts tokens[i]
    for start in range(0, len(tokens), length):
        end = min(start + length, len(tokens))
        seen = inputs[max(0, end - length) : end]
        targets = tokens[start:end]
        yield Query(tokens=seen, targets=targets, prompt_tokens=len(seen) - len(targets) + 1)


def _too_long(length: int, room: int) -> Failure:
    return Failure(
        kind="prompt_too_long",
        message=f"{plural(length, 'token')} {agreeing(length, 'does', 'do')} not fit into "
        f"{room} of context",
    )
