"""Every text that a model wrote for an item, for the item's row: samples, turns, thinking.

A single greedy text without thinking is the row's output, and is not kept twice.
"""

from collections.abc import Iterator, Sequence

from babelbits.records import Answer, Generation, Outcome, Reply


def list_answers(outcome: Outcome, replies: Sequence[Reply]) -> tuple[Answer, ...]:
    """The texts of an item's replies in order; empty where the row's output says it all."""
    written = [reply for reply in replies if isinstance(reply, Generation)]
    several = sum(len(reply.texts) for reply in written) > 1
    if not several and not any(reply.thinking for reply in written):
        return ()
    return tuple(answer for reply in written for answer in _texts(reply, outcome.samples))


def _texts(reply: Generation, samples: Sequence[Outcome]) -> Iterator[Answer]:
    for number, text in enumerate(reply.texts):
        thought = reply.thinking[number] if reply.thinking else None
        yield Answer(
            text=text,
            finish_reason=reply.finish_reasons[number],
            output_tokens=reply.output_tokens[number],
            thinking=None if thought is None else thought.text,
            thinking_tokens=0 if thought is None else thought.tokens,
            thinking_finished=thought is None or thought.finished,
            scores=samples[number].scores if number < len(samples) else {},
        )
