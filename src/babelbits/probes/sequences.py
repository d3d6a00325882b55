"""The token sequences that both models read: an item's prompt and what the baseline answered.

Prompts are encoded as the engine encodes them. Of an item that is generated the recorded answer of
the baseline follows, tokenized anew from its text; of a choice the gold continuation. Where choices
are whole texts without a prompt, each is a sequence, and its last token stands for the prompt's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from babelbits.engines.encoding import Encoder
from babelbits.probes.token_classes import TokenClass, classify
from babelbits.records import (
    Failure,
    GenerateRequest,
    Item,
    ItemRow,
    ScoreRequest,
    TextRequest,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedSequence:
    """Tokens of one item, and what is known of them."""

    item_id: str
    unit: str
    """Items of one unit depend on each other: the cluster, else the source."""
    number: int
    """0, or which of an item's choices."""
    tokens: tuple[int, ...]
    n_prompt: int
    """Tokens up to the last of the prompt."""
    classes: tuple[TokenClass, ...]
    parting: int | None = None
    """Position of the first answer token at which the variant's answer is another; the length of
    the sequence where it never is; None where the two answers are not recorded."""


def make_sequences(
    item: Item,
    *,
    encoder: Encoder,
    baseline: ItemRow | None,
    variant: ItemRow | None,
) -> list[ProbedSequence] | Failure:
    """What is read of an item; a failure where it cannot be encoded.

    Parameters
    ----------
    encoder : Encoder
        Of the baseline's tokenizer.
    baseline, variant : ItemRow or None
        What is recorded of their answers.
    """
    first = item.requests[0]
    if isinstance(first, GenerateRequest):
        return _generated(item, first, encoder, baseline, variant)
    if isinstance(first, TextRequest):
        windows = encoder.windows([first])[0]
        if isinstance(windows, Failure):
            return windows
        tokens = (*windows[0].tokens, windows[0].targets[-1])
        return [_sequence(item, tokens, encoder, n_prompt=len(tokens))]
    return _chosen(item, encoder)


def _sequence(
    item: Item, tokens: Sequence[int], encoder: Encoder, *, n_prompt: int, number: int = 0
) -> ProbedSequence:
    return ProbedSequence(
        item_id=item.item_id,
        unit=item.unit,
        number=number,
        tokens=tuple(tokens),
        n_prompt=n_prompt,
        classes=classify(tokens, tokenizer=encoder.tokenizer, language=item.language),
    )


def _generated(
    item: Item,
    request: GenerateRequest,
    encoder: Encoder,
    baseline: ItemRow | None,
    variant: ItemRow | None,
) -> list[ProbedSequence] | Failure:
    prompt = encoder.prompts([request])[0]
    if isinstance(prompt, Failure):
        return prompt
    answer = [] if baseline is None else answer_tokens(request.prompt, answer_of(baseline), encoder)
    room = max(0, encoder.context_length - len(prompt.tokens))
    one = _sequence(item, [*prompt.tokens, *answer[:room]], encoder, n_prompt=len(prompt.tokens))
    if baseline is None or variant is None:
        return [one]
    other = answer_tokens(request.prompt, answer_of(variant), encoder)
    if other == answer:
        return [replace(one, parting=len(one.tokens))]
    same = next(
        (n for n, (old, new) in enumerate(zip(answer, other, strict=False)) if old != new),
        min(len(answer), len(other)),
    )
    return [replace(one, parting=min(one.n_prompt + same, len(one.tokens)))]


def answer_of(row: ItemRow) -> str:
    """What was written to an item's first request: of several samples or turns the first."""
    return row.answers[0].text if row.answers else row.output


def answer_tokens(prompt: str, answer: str, encoder: Encoder) -> list[int]:
    """Tokens of an answer as it continues its prompt, where the two do not share a token."""
    if not answer:
        return []
    alone, whole = (
        list(encoder.tokenizer(text, add_special_tokens=False)["input_ids"])
        for text in (prompt, prompt + answer)
    )
    if whole[: len(alone)] == alone:
        return whole[len(alone) :]
    return list(encoder.tokenizer(answer, add_special_tokens=False)["input_ids"])


def _chosen(item: Item, encoder: Encoder) -> list[ProbedSequence] | Failure:
    requests = [one for one in item.requests if isinstance(one, ScoreRequest)]
    alone = not requests[0].context.strip()
    if not alone:
        gold = [one for one in requests if one.continuation.strip() == item.target.strip()]
        requests = (gold or requests)[:1]
    found = []
    for number, query in enumerate(encoder.queries(requests)):
        if isinstance(query, Failure):
            return query
        tokens = [*query.tokens, query.targets[-1]]
        n_prompt = len(tokens) if alone else query.prompt_tokens
        found.append(_sequence(item, tokens, encoder, n_prompt=n_prompt, number=number))
    return found
