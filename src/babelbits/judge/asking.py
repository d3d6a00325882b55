"""Asks a chat model what is not yet known, and records every answer as it comes.

Requests go out in an order drawn by hash from their content: a run that stops at its spend limit
has then asked about a random part, and a model that changes behind its endpoint over the hours
does not change from one language to the next.
"""

from collections.abc import Callable, Sequence

from babelbits.engines.chat import ChatAnswer, ChatModel, ChatRequest
from babelbits.judge.ledger import Ledger, request_key

Progress = Callable[[int, int], None]
"""Told how many requests have an answer, of how many."""


def ask_all(
    requests: Sequence[ChatRequest],
    model: ChatModel,
    ledger: Ledger,
    *,
    progress: Progress | None = None,
) -> list[ChatAnswer]:
    """Answers in request order: recorded ones from the ledger, the others from the model.

    Equal requests are asked once. A failure is an answer of this run only.
    """
    keys = [request_key(request) for request in requests]
    by_key = dict(zip(keys, requests, strict=True))
    answers: dict[str, ChatAnswer] = {
        key: reply for key in by_key if (reply := ledger.reply(key)) is not None
    }
    todo = sorted(key for key in by_key if key not in answers)

    def note(place: int, answer: ChatAnswer) -> None:
        key = todo[place]
        if key not in answers:
            ledger.add(key, answer)
            answers[key] = answer
        if progress is not None:
            progress(len(answers), len(by_key))

    if todo:
        found = model.ask([by_key[key] for key in todo], on_answer=note)
        for place, answer in enumerate(found):
            note(place, answer)
    return [answers[key] for key in keys]
