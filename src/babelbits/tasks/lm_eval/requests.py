"""lm-eval's instances to our requests, and our replies back to what lm-eval's scoring expects."""

from collections.abc import Mapping
from typing import Any

from babelbits.errors import TaskError
from babelbits.records import (
    GenerateRequest,
    Generation,
    Reply,
    Request,
    Score,
    ScoreRequest,
    TextRequest,
    TextScore,
)
from babelbits.words import plural

DEFAULT_MAX_NEW_TOKENS = 256
"""lm-eval's default."""
_LENGTH_NAMES = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
"""Synonyms, in lm-eval's order of precedence."""


def to_request(instance: Any, *, seed: int) -> Request:
    """The request of an `lm_eval.api.instance.Instance`.

    Raises
    ------
    TaskError
        If it asks for something that is not text.
    """
    kind, arguments = instance.request_type, instance.args
    if kind == "loglikelihood" and len(arguments) == 2:
        context, continuation = arguments
        return ScoreRequest(context=context, continuation=continuation)
    if kind == "loglikelihood_rolling" and len(arguments) == 1:
        return TextRequest(text=arguments[0])
    if kind == "generate_until" and len(arguments) == 2:
        return _generate_request(*arguments, repeats=instance.repeats or 1, seed=seed)
    raise TaskError(
        f"lm-eval task '{instance.task_name}' asks for {kind} with "
        f"{plural(len(arguments), 'argument')}",
        hint="only tasks on text alone can run",
    )


def to_responses(instance: Any, reply: Reply) -> list[Any]:
    """What lm-eval's own model would have put into `instance.resps`."""
    if isinstance(reply, Score):
        return [(reply.logprob, reply.is_greedy)]
    if isinstance(reply, TextScore):
        return [sum(reply.logprobs)]
    if isinstance(reply, Generation):
        repeats = instance.repeats or 1
        # Greedy repeats are all the same: one text was asked for and stands for them.
        return list(reply.texts) if len(reply.texts) > 1 else [reply.texts[0]] * repeats
    raise TypeError(type(reply).__name__)


def _generate_request(
    prompt: str, settings: Mapping[str, Any], *, repeats: int, seed: int
) -> GenerateRequest:
    until = settings.get("until") or ()
    stop = (until,) if isinstance(until, str) else tuple(until)
    temperature = _temperature(settings)
    lengths = (settings[name] for name in _LENGTH_NAMES if settings.get(name) is not None)
    return GenerateRequest(
        prompt=prompt,
        max_new_tokens=int(next(lengths, DEFAULT_MAX_NEW_TOKENS)),
        stop=tuple(text for text in stop if text),
        temperature=temperature,
        top_p=float(settings.get("top_p", 1.0)),
        samples=repeats if temperature > 0 else 1,
        seed=seed,
    )


def _temperature(settings: Mapping[str, Any]) -> float:
    """0 unless the task samples; a task that says only `do_sample: true` samples at 1."""
    given = settings.get("temperature")
    match settings.get("do_sample"):
        case False:
            return 0.0
        case True:
            return 1.0 if given is None else float(given)
        case _:
            return 0.0 if given is None else float(given)
