"""A model behind an endpoint, asked many things at once.

Each request is tried until it is answered, cannot be, or costs too much; whatever happens to one
becomes its `ChatFailure` and stops no other. Answers are kept in the file of answers by the thread
that received them, before anybody hears of them: what is paid is not lost. Only what is under way
when the process is killed (`concurrency` requests at most) is asked again.
"""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from babelbits.engines.chat import (
    ChatAnswer,
    ChatFailure,
    ChatFailureKind,
    ChatReply,
    ChatRequest,
    OnAnswer,
)
from babelbits.engines.chat_cache import AnswerFile, Spending, answer_key
from babelbits.engines.endpoint.completion import Completion
from babelbits.engines.endpoint.faults import EndpointFault, Usage
from babelbits.engines.endpoint.pace import Pace, compute_backoff
from babelbits.engines.endpoint.served_request import ServedRequest
from babelbits.engines.endpoint.settings import EndpointSettings
from babelbits.engines.endpoint.transport import Transport
from babelbits.words import plural

_TOKENS_PER_MESSAGE, _TOKENS_PER_PROMPT = 64, 256
"""Allowance for chat templates and default system prompts."""
_PATIENCE = 10.0
"""A `Retry-After` longer than so many times the longest wait is a no."""
_HOPELESS = 8
"""So many requests that fail in a row, all their tries used up, mean that nobody is there."""


def bound_prompt_tokens(request: ChatRequest) -> int:
    """An upper bound on a prompt's tokens for any tokenizer: no token is less than a byte."""
    n_bytes = sum(len(turn.content.encode("utf-8", "replace")) for turn in request.messages)
    if isinstance(request, ServedRequest):
        prompt = request.prompt or ""
        n_bytes += len(prompt.encode("utf-8", "replace") if isinstance(prompt, str) else prompt)
    return n_bytes + _TOKENS_PER_MESSAGE * len(request.messages) + _TOKENS_PER_PROMPT


@dataclass(slots=True)
class _Run:
    """What the threads of one call of `ask` share."""

    todo: queue.SimpleQueue[tuple[str, ChatRequest]]
    done: queue.SimpleQueue[tuple[str, ChatAnswer | Exception]]
    stopping: threading.Event = field(default_factory=threading.Event)
    lost: str | None = None
    """Why the rest need not be asked."""
    failed_in_row: int = 0


class EndpointModel:
    """A `ChatModel` over an OpenAI-compatible endpoint; make one with `connect`.

    Parameters
    ----------
    settings : EndpointSettings
        Which model, how fast, for how much.
    answers : AnswerFile
        Where answers and spending are kept; closed with the model.
    on_interrupt : callable, optional
        Called at the first Ctrl-C: requests under way are awaited, no other is sent. A second
        Ctrl-C leaves at once.
    """

    def __init__(
        self,
        settings: EndpointSettings,
        *,
        transport: Transport,
        answers: AnswerFile,
        on_interrupt: Callable[[], None] | None = None,
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._answers = answers
        self._on_interrupt = on_interrupt
        self._pace = Pace(
            requests_per_minute=settings.requests_per_minute,
            tokens_per_minute=settings.tokens_per_minute,
        )
        self._budget = threading.Condition()
        self._under_way = 0

    @property
    def identity(self) -> Mapping[str, Any]:
        """What may change an answer."""
        return self._settings.identity

    @property
    def spending(self) -> Spending:
        """What the file of answers has cost, earlier runs included; in the price's currency."""
        return self._answers.spending()

    def cost_of(self, prompt_tokens: int, output_tokens: int) -> float | None:
        """What such a request costs; None where no price is known."""
        price = self._settings.price
        return None if price is None else price.of(prompt_tokens, output_tokens)

    def is_known(self, request: ChatRequest) -> bool:
        """Whether a request is answered already, and would cost nothing."""
        return self._answers.find(answer_key(self.identity, request)) is not None

    def ask(
        self, requests: Sequence[ChatRequest], *, on_answer: OnAnswer | None = None
    ) -> list[ChatAnswer]:
        """Answers in request order; equal requests are asked once.

        Raises
        ------
        StoreError
            If an answer cannot be kept; nothing more is sent then.
        KeyboardInterrupt
            After Ctrl-C, when what was under way is kept. An exception of `on_answer` ends the
            same way.
        """
        answers: list[ChatAnswer | None] = [None] * len(requests)
        waiting: dict[str, list[int]] = {}
        run = _Run(todo=queue.SimpleQueue(), done=queue.SimpleQueue())

        def tell(place: int, answer: ChatAnswer) -> None:
            answers[place] = answer
            if on_answer is not None:
                on_answer(place, answer)

        for place, request in enumerate(requests):
            if not _is_unicode(request):
                tell(place, _rejected("the request holds half a surrogate pair"))
                continue
            key = answer_key(self.identity, request)
            known = None if key in waiting else self._answers.find(key)
            if known is not None:
                tell(place, known)
            elif key in waiting:
                waiting[key].append(place)
            else:
                waiting[key] = [place]
                run.todo.put((key, request))
        self._collect(run, waiting, tell)
        return [answer for answer in answers if answer is not None]

    def close(self) -> None:
        """Close connections and the file of answers."""
        self._transport.close()
        self._answers.close()

    # --- the calling thread ---

    def _collect(
        self,
        run: _Run,
        waiting: Mapping[str, list[int]],
        tell: Callable[[int, ChatAnswer], None],
    ) -> None:
        """Start threads, and tell each answer as it comes."""
        threads = [
            threading.Thread(target=self._work, args=(run,), daemon=True)
            for _ in range(min(self._settings.concurrency, len(waiting)))
        ]
        try:
            for thread in threads:
                thread.start()
            for _ in waiting:
                key, answer = run.done.get()
                if isinstance(answer, Exception):
                    raise answer
                first, *others = waiting[key]
                tell(first, answer)
                for place in others:
                    tell(place, _again(answer))
        except BaseException as error:
            run.stopping.set()
            if isinstance(error, KeyboardInterrupt) and self._on_interrupt is not None:
                with suppress(RuntimeError):  # a write to the same stream was interrupted
                    self._on_interrupt()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            raise

    # --- the working threads ---

    def _work(self, run: _Run) -> None:
        while not run.stopping.is_set():
            try:
                key, request = run.todo.get_nowait()
            except queue.Empty:
                return
            try:
                answer = self._answer(key, request, run)
            except Exception as error:  # noqa: BLE001  raised again in the calling thread
                run.done.put((key, error))
                return
            if answer is not None:
                run.done.put((key, answer))

    def _answer(self, key: str, request: ChatRequest, run: _Run) -> ChatAnswer | None:
        """One request through all its tries; None if the run stopped meanwhile."""
        known = self._answers.find(key)  # another process may have asked it
        if known is not None:
            return known
        cost: float | None = None if self._settings.price is None else 0.0
        for attempt in range(1, self._settings.attempts + 1):
            if run.lost is not None:
                lost = _rejected(f"not asked: {run.lost}", attempts=attempt - 1, cost=cost)
                return replace(lost, fatal=True)
            outcome = self._attempt(key, request, run, paid=cost)
            if outcome is None:
                return None
            if isinstance(outcome, ChatReply):
                run.failed_in_row = 0
                return outcome
            cost = self._sum(cost, outcome.usage)
            last = attempt == self._settings.attempts
            if last or not outcome.retry or self._too_long(outcome.wait):
                return self._give_up(outcome, run, attempts=attempt, cost=cost)
            self._wait(outcome, attempt, key=key, run=run)
        raise AssertionError("the last try returns")

    def _attempt(
        self, key: str, request: ChatRequest, run: _Run, *, paid: float | None
    ) -> ChatReply | EndpointFault | None:
        """Wait for one's turn, reserve, send, settle."""
        most = bound_prompt_tokens(request)
        slot = self._pace.enter(most + request.max_new_tokens, stopping=run.stopping)
        if slot is None:
            return None
        entry = self._reserve(key, self.cost_of(most, request.max_new_tokens), run)
        if isinstance(entry, EndpointFault):
            self._pace.correct(slot, 0)
            return entry
        try:
            sent = self._transport.send(request)
            usage = sent.usage if isinstance(sent, EndpointFault) else sent[0].usage
            if usage is not None:
                self._pace.correct(slot, usage.prompt + usage.output)
            if isinstance(sent, EndpointFault):
                if entry is not None:
                    self._answers.settle(entry, self._charged(sent))
                return sent
            return self._keep(key, request, *sent, entry=entry, paid=paid)
        finally:
            with self._budget:
                self._under_way -= entry is not None
                self._budget.notify_all()

    def _keep(
        self,
        key: str,
        request: ChatRequest,
        said: Completion,
        raw: str,
        *,
        entry: int | None,
        paid: float | None,
    ) -> ChatReply:
        """Write the reply down before anybody hears of it."""
        usage = said.usage
        reply = ChatReply(
            text=said.text,
            finish_reason=said.finish_reason,
            prompt_tokens=usage.prompt if usage else None,
            output_tokens=usage.output if usage else None,
            cost=self._sum(paid, usage) if usage else None,
        )
        cost = self.cost_of(usage.prompt, usage.output) if usage else None
        model = self._settings.model
        self._answers.keep(
            key, reply, model=model, request=request, raw=raw, entry=entry, cost=cost
        )
        return reply

    def _reserve(self, key: str, worst: float | None, run: _Run) -> int | EndpointFault | None:
        """Write down the most that a request can cost; a fault if that could pass the limit.

        Waits for requests under way, which mostly cost less than was reserved for them.
        """
        if worst is None:
            return None
        limit = self._settings.max_cost
        with self._budget:
            while True:
                entry = self._answers.reserve(key, worst, limit=limit)
                if entry is not None:
                    self._under_way += 1
                    return entry
                if not self._under_way or run.stopping.is_set():
                    spent = self._answers.spending().most
                    what = f"not asked: {worst:.6g} at most, and {spent:.6g} of {limit:g} is spent"
                    return EndpointFault(kind="over_budget", message=what)
                self._budget.wait(1.0)

    def _charged(self, fault: EndpointFault) -> float | None:
        """What a failed attempt did cost; None if nobody knows."""
        if fault.usage is not None:
            return self.cost_of(fault.usage.prompt, fault.usage.output)
        return None if fault.maybe_charged else 0.0

    def _sum(self, paid: float | None, usage: Usage | None) -> float | None:
        """Known cost so far with that of one more attempt."""
        more = self.cost_of(usage.prompt, usage.output) if usage else 0.0
        return None if paid is None or more is None else paid + more

    def _wait(self, fault: EndpointFault, attempt: int, *, key: str, run: _Run) -> None:
        """Sleep before the next try; all threads do where the endpoint said so."""
        seconds = compute_backoff(
            attempt,
            first=self._settings.first_wait,
            longest=self._settings.longest_wait,
            salt=key,
        )
        if fault.wait is not None:
            self._pace.hold(fault.wait)
            seconds = max(fault.wait, 0.0)
        run.stopping.wait(seconds)

    def _too_long(self, wait: float | None) -> bool:
        return wait is not None and wait > _PATIENCE * self._settings.longest_wait

    def _give_up(
        self, fault: EndpointFault, run: _Run, *, attempts: int, cost: float | None
    ) -> ChatFailure:
        """The typed failure of a request; may mean that the rest need not be asked."""
        if fault.fatal or self._too_long(fault.wait):
            run.lost = fault.message
        elif fault.kind in ("server_error", "timeout"):
            run.failed_in_row += 1
            if run.failed_in_row >= max(_HOPELESS, 2 * self._settings.concurrency):
                run.lost = (
                    f"{plural(run.failed_in_row, 'request')} in a row failed: {fault.message}"
                )
        if fault.kind == "over_budget":
            attempts -= 1
        return ChatFailure(
            kind=fault.kind,
            message=fault.message,
            attempts=attempts,
            cost=cost,
            fatal=run.lost is not None,
        )


def _again(answer: ChatAnswer) -> ChatAnswer:
    """The answer to an equal request, which was not asked again."""
    if isinstance(answer, ChatReply):
        return replace(answer, cost=0.0, cached=True)
    return replace(answer, cost=0.0)


def _rejected(message: str, *, attempts: int = 0, cost: float | None = 0.0) -> ChatFailure:
    kind: ChatFailureKind = "rejected"
    return ChatFailure(kind=kind, message=message, attempts=attempts, cost=cost)


def _is_unicode(request: ChatRequest) -> bool:
    """Whether all text has a UTF-8 form."""
    try:
        prompt = request.prompt if isinstance(request, ServedRequest) else None
        whole = (prompt,) if isinstance(prompt, str) else ()
        for text in (*(turn.content for turn in request.messages), *request.stop, *whole):
            text.encode()
    except UnicodeEncodeError:
        return False
    return True
