"""A task asked in a study's manner: as a chat, with thinking taken out, sampled.

A wrapper around any task. The items keep their source ids, targets and documents; their requests,
and so their ids, are those of the manner. The wrapped task scores as ever: it sees one sample at a
time, without thinking. A sampled item's scores are means over its samples, so that its metrics are
bounded, never right or wrong, and no test takes samples for items.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from babelbits.engines.templates import ChatTemplate, Message, load_template
from babelbits.errors import TaskError
from babelbits.records import (
    Failure,
    GenerateRequest,
    Generation,
    Item,
    Metric,
    Outcome,
    Reply,
    Request,
    ScoreRequest,
    TaskInfo,
)
from babelbits.tasks.base import Conversation, Task, TaskOptions
from babelbits.tasks.identity import with_requests
from babelbits.tasks.prompting import ChatOptions, Sampling


class TurnsAlone:
    """In place of a chat template that only a server has: turns, each begun by who speaks.

    What the server is asked are the turns themselves (`GenerateRequest.messages`).
    """

    drops_system = False

    def render(self, turns: Sequence[Message]) -> str:
        """The conversation for people, and for items' ids."""
        return "\n\n".join(f"[{turn['role']}] {turn['content']}" for turn in turns)


def find_template(options: TaskOptions) -> ChatTemplate | TurnsAlone | None:
    """The chat template of a study's model; None where prompts are plain text.

    Where no model is named only a server has the template.

    Raises
    ------
    ModelError
        If the model has none, or its tokenizer cannot be loaded.
    """
    chat = options.chat
    if chat.template != "on":
        return None
    if options.model is None:
        return TurnsAlone()
    passed = {} if chat.enable_thinking is None else {"enable_thinking": chat.enable_thinking}
    return load_template(options.model, options=passed)


def wrap_task(task: Task, options: TaskOptions, *, renders: bool) -> Task:
    """The task in the manner of a study; the task itself where that is plain and greedy.

    Parameters
    ----------
    renders : bool
        Whether the task applies the chat template itself.
    """
    chat, plain = options.chat, options.chat.template != "on" and not options.chat.tags
    if plain and options.sampling is None:
        return task
    template = None if renders else find_template(options)
    return AskedTask(task, chat=chat, template=template, sampling=options.sampling)


@dataclass(frozen=True, slots=True)
class _Pair:
    """An item as it is asked, and as the wrapped task knows it."""

    asked: Item
    inner: Item


class AskedTask:
    """See the module.

    Parameters
    ----------
    chat : ChatOptions
        Settled.
    template : ChatTemplate or None
        None: the prompts stay as they are.
    sampling : Sampling or None
        None: as the task says.
    """

    def __init__(
        self,
        task: Task,
        *,
        chat: ChatOptions,
        template: ChatTemplate | TurnsAlone | None,
        sampling: Sampling | None,
    ) -> None:
        self.task = task
        self._chat = chat
        self._template = template
        self._sampling = sampling

    @property
    def info(self) -> TaskInfo:
        """The task's, with what the manner makes of its metrics."""
        info = self.task.info
        notes = [*info.notes, *note_template(self._template)]
        if self._sampling is None:
            return replace(info, notes=tuple(notes))
        how = f"mean of {self._sampling.samples} samples"
        return replace(
            info,
            metrics=tuple(_averaged(metric) for metric in info.metrics),
            scorer_version=f"{info.scorer_version}; {how}",
            notes=(*notes, f"every score is the {how} of the item"),
        )

    def items(self) -> tuple[Item, ...]:
        """The task's items with the manner's requests."""
        return tuple(pair.asked for pair in self._pairs.values())

    def score(self, item: Item, replies: Sequence[Reply]) -> Outcome:
        """As the task does; of samples, the mean."""
        inner = self._pairs[item.item_id].inner
        failed = any(isinstance(reply, Failure) for reply in replies)
        if self._sampling is None or failed:
            return self.task.score(inner, replies)
        samples = [
            self.task.score(inner, [_sample(reply, number) for reply in replies])
            for number in range(self._sampling.samples)
        ]
        return _mean(samples)

    def follow(self, item: Item, replies: Sequence[Reply]) -> Request | None:
        """What the task asks on, if it does."""
        if not isinstance(self.task, Conversation):
            return None
        request = self.task.follow(self._pairs[item.item_id].inner, replies)
        return None if request is None else self._dressed(request)

    @cached_property
    def _pairs(self) -> Mapping[str, _Pair]:
        inner = self.task.items()
        self._check(inner)
        pairs = [_Pair(self._asked(item), item) for item in inner]
        return {pair.asked.item_id: pair for pair in pairs}

    def _asked(self, item: Item) -> Item:
        asked = [self._dressed(self._rendered(request)) for request in item.requests]
        return with_requests(item, asked)

    def _rendered(self, request: Request) -> Request:
        """The request as the user's turn of a chat; a text without a prompt is no turn."""
        if self._template is None:
            return request
        match request:
            case GenerateRequest(prompt=prompt):
                turns = self._turns(prompt)
                said = tuple((turn["role"], turn["content"]) for turn in turns)
                return replace(request, prompt=self._template.render(turns), messages=said)
            case ScoreRequest(context=context, continuation=continuation) if context:
                # The turn's header already parts the two: as lm-eval, no delimiter before a choice.
                bare = continuation.removeprefix(" ")
                turn = self._turn(self._template, context)
                return replace(request, context=turn, continuation=bare)
        return request

    def _turn(self, template: ChatTemplate | TurnsAlone, text: str) -> str:
        return template.render(self._turns(text))

    def _turns(self, text: str) -> list[Message]:
        return [*make_system_message(self._chat), {"role": "user", "content": text}]

    def _dressed(self, request: Request) -> Request:
        """With the tags to look for, and the draws."""
        if not isinstance(request, GenerateRequest):
            return request
        drawn = replace(request, thinking=self._chat.tags)
        if self._sampling is None:
            return drawn
        return replace(
            drawn,
            samples=self._sampling.samples,
            temperature=self._sampling.temperature,
            top_p=self._sampling.top_p,
        )

    def _check(self, items: Sequence[Item]) -> None:
        requests = [request for item in items for request in item.requests]
        writes = any(isinstance(request, GenerateRequest) for request in requests)
        if self._sampling is not None and not writes:
            raise TaskError(
                "nothing is generated here, so nothing can be sampled",
                where=items[0].task,
                hint="leave out 'samples'",
            )
        if self._chat.enable_thinking and any(isinstance(one, ScoreRequest) for one in requests):
            raise TaskError(
                "a model cannot think before a choice that is given to it",
                where=items[0].task,
                hint="write: chat = { enable_thinking = false } under this task",
            )


def make_system_message(chat: ChatOptions) -> list[Message]:
    """The system's turn, if there is one."""
    said = chat.system_prompt
    return [] if said is None else [{"role": "system", "content": said}]


def note_template(template: ChatTemplate | TurnsAlone | None) -> tuple[str, ...]:
    """What a template did that the study did not ask for."""
    if template is None or not template.drops_system:
        return ()
    return ("the chat template takes no system message: it was left out, as lm-eval does",)


def _averaged(metric: Metric) -> Metric:
    return replace(metric, kind="bounded") if metric.kind == "binary" else metric


def _sample(reply: Reply, number: int) -> Reply:
    """One sample of a generation, as if it were alone."""
    if not isinstance(reply, Generation):
        return reply
    return replace(
        reply,
        texts=(reply.texts[number],),
        finish_reasons=(reply.finish_reasons[number],),
        output_tokens=(reply.output_tokens[number],),
        thinking=reply.thinking[number : number + 1],
    )


def _mean(samples: Sequence[Outcome]) -> Outcome:
    """The mean outcome; undefined where a sample's is, for the others are no fair selection.

    A sample that has nothing to score is none, as for the tasks that know such answers.
    """
    first = samples[0]
    judged = [one for one in samples if not _is_nothing(one)] or samples
    failure = next((one.failure for one in judged if one.failure is not None), None)
    scores: dict[str, float | None] = {}
    for name in first.scores:
        values = [one.scores.get(name) for one in judged]
        known = [value for value in values if value is not None]
        scores[name] = float(np.mean(known)) if len(known) == len(values) else None
    cut = any(one.finish_reason == "length" for one in samples)
    return Outcome(
        output=first.output,
        scores=scores,
        finish_reason="length" if cut else first.finish_reason,
        failure=failure,
        samples=tuple(samples),
        remark=next((one.remark for one in samples if one.remark), ""),
        golds=first.golds,
    )


def _is_nothing(outcome: Outcome) -> bool:
    return outcome.failure is not None and outcome.failure.kind == "nothing_to_score"
