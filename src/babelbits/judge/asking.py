"""Asks a chat model what is not yet known, and records every answer as it comes.

Requests go out in an order drawn by hash from their content: a run that stops at its spend limit
has then asked about a random part, and a model that changes behind its endpoint over the hours
does not change from one language to the next.
"""

from collections.abc import Callable, Sequence

from babelbits.engines.chat import ChatAnswer, ChatModel, ChatRequest
from babelbits.judge.ledger import Ledger, hash_request

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
    identity = model.identity
    distinct = list(dict.fromkeys(requests))
    answers: dict[ChatRequest, ChatAnswer] = {**ledger.replies(distinct, identity=identity)}
    todo = sorted((one for one in distinct if one not in answers), key=hash_request)

    def note(place: int, answer: ChatAnswer) -> None:
        request = todo[place]
        if request not in answers:
            ledger.add(request, answer, identity=identity)
            answers[request] = answer
        if progress is not None:
            progress(len(answers), len(distinct))

    if todo:
        found = model.ask(todo, on_answer=note)
        for place, answer in enumerate(found):
            note(place, answer)
    return [answers[request] for request in requests]
