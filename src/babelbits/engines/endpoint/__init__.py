"""Chat models over any OpenAI-compatible endpoint: vLLM, llama-server, Ollama, hosted ones.

`connect` is all that callers need. The work is in one module an idea:

    settings     which model, how fast, for how much; checked before anything is sent
    pace         sliding windows, back-off with jitter, `Retry-After`
    faults       what went wrong with one attempt, and what follows
    completion   the body of a reply becomes an answer, or the fault that hides in it
    transport    one attempt over HTTP; the `openai` client lives here alone
    model        the `ChatModel`: threads, retries, the spend limit, Ctrl-C

Answers and spending are kept in `engines.chat_cache`. Importing this loads no HTTP library.
"""

from collections.abc import Callable

from babelbits.engines.chat_cache import AnswerFile
from babelbits.engines.endpoint.model import EndpointModel
from babelbits.engines.endpoint.settings import (
    EndpointSettings,
    Price,
    check_network,
    is_offline,
    read_key,
)
from babelbits.engines.endpoint.transport import Transport

__all__ = ["EndpointModel", "EndpointSettings", "Price", "connect"]


def connect(
    settings: EndpointSettings,
    *,
    allow_network: bool = False,
    on_interrupt: Callable[[], None] | None = None,
) -> EndpointModel:
    """A model behind an endpoint. Nothing is sent before it is asked.

    Parameters
    ----------
    settings : EndpointSettings
        Which model, how fast, for how much, and where answers are kept.
    allow_network : bool
        Leave this machine even though `HF_HUB_OFFLINE` is set. Loopback is always allowed.
    on_interrupt : callable, optional
        Called at the first Ctrl-C, when requests under way are awaited.

    Raises
    ------
    StudyError
        If offline and the endpoint is elsewhere, or the named API key is not set.
    MissingExtraError
        If `openai` is not installed.
    StoreError
        If the file of answers cannot be used.
    """
    check_network(settings, offline=is_offline(), allow=allow_network)
    transport = Transport(settings, key=read_key(settings))
    answers = AnswerFile(settings.cache)
    return EndpointModel(settings, transport=transport, answers=answers, on_interrupt=on_interrupt)
