"""Items to rows: everything an item needs is asked of the engine in bulk, and its replies scored.

Knows no store and no plan; a row is what the store will hold of an item.
"""

from collections.abc import Sequence
from dataclasses import replace

from babelbits.engines.base import Engine
from babelbits.records import (
    GenerateRequest,
    Item,
    ItemRow,
    Reply,
    Request,
    ScoreRequest,
    TextRequest,
    TextScore,
    digest,
)
from babelbits.study.execution.answer_records import list_answers
from babelbits.tasks.base import Conversation, Task, find_prompt, hash_prompt


def answer(
    task: Task, items: Sequence[Item], engine: Engine, *, variant: str, replicate: int = 0
) -> list[ItemRow]:
    """Ask the engine everything the items need, in bulk, and score its replies.

    Parameters
    ----------
    replicate : int
        Of the cell. Samples of the A/A cell are other draws: its noise is that of drawing again.
        All variants share the draws of replicate 0 (common random numbers).
    """
    talks: list[list[Reply]] = [[] for _ in items]
    asked = [(n, request) for n, item in enumerate(items) for request in item.requests]
    while asked:
        drawn = [_redrawn(request, replicate) for _, request in asked]
        for (number, _), reply in zip(asked, _replies(drawn, engine), strict=True):
            talks[number].append(reply)
        asked = [
            (number, request)
            for number in dict.fromkeys(number for number, _ in asked)
            if (request := _next(task, items[number], talks[number])) is not None
        ]
    return [_row(task, *pair, variant) for pair in zip(items, talks, strict=True)]


def _next(task: Task, item: Item, replies: Sequence[Reply]) -> Request | None:
    return task.follow(item, replies) if isinstance(task, Conversation) else None


def _redrawn(request: Request, replicate: int) -> Request:
    """The request with draws of its own for each replicate."""
    if not replicate or not isinstance(request, GenerateRequest) or request.temperature == 0:
        return request
    return replace(request, seed=int(digest([request.seed, replicate], length=8), 16))


def _replies(requests: Sequence[Request], engine: Engine) -> list[Reply]:
    """Replies in request order, each kind of request handed over in one call."""
    replies: dict[int, Reply] = {}
    scores = [(n, r) for n, r in enumerate(requests) if isinstance(r, ScoreRequest)]
    texts = [(n, r) for n, r in enumerate(requests) if isinstance(r, TextRequest)]
    prompts = [(n, r) for n, r in enumerate(requests) if isinstance(r, GenerateRequest)]
    if scores:
        scored = engine.score([request for _, request in scores])
        replies.update(zip((n for n, _ in scores), scored, strict=True))
    if texts:
        measured = engine.score_text([request for _, request in texts])
        replies.update(zip((n for n, _ in texts), measured, strict=True))
    if prompts:
        written = engine.generate([request for _, request in prompts])
        replies.update(zip((n for n, _ in prompts), written, strict=True))
    return [replies[number] for number in range(len(requests))]


def _row(task: Task, item: Item, replies: Sequence[Reply], variant: str) -> ItemRow:
    outcome = task.score(item, replies)
    return ItemRow(
        item_id=item.item_id,
        source_id=item.source_id,
        task=item.task,
        language=item.language,
        variant=variant,
        target=item.target,
        output=outcome.output,
        scores=outcome.scores,
        choice_logprobs=outcome.choice_logprobs,
        prompt_hash=hash_prompt(item),
        prompt=find_prompt(item),
        prompt_tokens=max((getattr(reply, "prompt_tokens", 0) for reply in replies), default=0),
        output_tokens=sum(_output_tokens(reply) for reply in replies),
        finish_reason=outcome.finish_reason,
        truncated_tokens=max(
            (getattr(reply, "truncated_tokens", 0) for reply in replies), default=0
        ),
        failure=outcome.failure,
        statistics=outcome.statistics,
        answers=list_answers(outcome, replies),
        remark=outcome.remark,
        golds=outcome.golds,
        cluster_id=item.cluster_id,
    )


def _output_tokens(reply: Reply) -> int:
    """Tokens that were generated or scored for a reply."""
    if isinstance(reply, TextScore):
        return len(reply.logprobs)
    tokens = getattr(reply, "output_tokens", getattr(reply, "continuation_tokens", 0))
    return sum(tokens) if isinstance(tokens, tuple) else int(tokens)
