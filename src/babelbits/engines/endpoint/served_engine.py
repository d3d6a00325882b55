"""The engine of a served model: scores and generates by asking a server.

What a server can do was found out when it was met (`abilities`). Where it takes token ids and the
model's tokenizer is here, it is given the very tokens that the other engines compute; else text,
and it splits that by itself. Log-likelihoods come from the server or not at all.

An answer that is not there is a `Failure` of its item only if the server answers another question
meanwhile; else the cell ends, what was received is kept, and a later run asks the rest.

Log-probabilities are in nats.
"""

import re
from collections.abc import Sequence
from itertools import count
from typing import Any, Literal

from babelbits.engines.base import EngineIdentity, LongPrompts
from babelbits.engines.chat import ChatFailure, ChatReply, Message
from babelbits.engines.encoding import Encoder, Prompt, Query
from babelbits.engines.endpoint.abilities import count_shared
from babelbits.engines.endpoint.likeness import ServerRecord, find_change
from babelbits.engines.endpoint.model import EndpointModel
from babelbits.engines.endpoint.served_request import (
    ScoredToken,
    ServedRequest,
    Written,
    read_said,
    read_tokens,
)
from babelbits.engines.endpoint.server import Server
from babelbits.engines.thinking import find_opened_block, split
from babelbits.errors import EngineError, ServedModelChangedError
from babelbits.records import (
    Failure,
    FailureKind,
    GenerateRequest,
    Generation,
    Score,
    ScoreRequest,
    TextRequest,
    TextScore,
    Thinking,
    digest,
)
from babelbits.stats.divergence import TokenDivergence, TopTokens
from babelbits.words import plural

MOST_STOPS = 4
"""Stop strings that OpenAI's API takes; texts are cut here whatever the server does."""
_TOO_LONG = re.compile(r"context|too long|too many tokens|max_model_len|maximum", re.IGNORECASE)
_LATER = "nothing is lost: what was answered is kept; run the same command again"
_KEPT_BACK = ("filtered",)
_TRANSIENT = ("rate_limited", "over_budget")


class ServedEngine:
    """A model behind an endpoint. See `engines.base.Engine`.

    Parameters
    ----------
    record : ServerRecord
        The server as it was met.
    tokenizer
        Of the model, where it is known.
    context_length : int
        In tokens.
    """

    def __init__(
        self,
        server: Server,
        record: ServerRecord,
        *,
        identity: EngineIdentity,
        tokenizer: Any,
        context_length: int,
        long_prompts: LongPrompts,
    ) -> None:
        self._server = server
        self._record = record
        self._identity = identity
        self._abilities = record.abilities
        self._context = context_length
        self._encoder = (
            None
            if tokenizer is None
            else Encoder(tokenizer, context_length=context_length, long_prompts=long_prompts)
        )
        self._by_ids = self._encoder is not None and bool(self._abilities.token_ids.able)
        self._model: EndpointModel = server.model("no cell")
        self._checks = count()

    @property
    def identity(self) -> EngineIdentity:
        """What about this engine may change numbers, as far as anybody here knows."""
        return self._identity

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know about how this model runs, one sentence each."""
        settings, able = self._server.settings, self._abilities
        how = "chats" if not able.completions.able else "text, which it splits into tokens itself"
        if self._by_ids:
            how = "the tokens of the model's own tokenizer"
        scores = f"`{able.way}`" if able.way else "nothing"
        told = f"'{settings.model}' at {settings.url} is asked with {how}; "
        told += f"log-likelihoods come by {scores}; what runs there cannot be verified"
        return (told,)

    @property
    def context_length(self) -> int:
        """Largest input in tokens."""
        return self._context

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` by the model's tokenizer.

        Raises
        ------
        EngineError
            If there is none here.
        """
        if self._encoder is None:
            raise EngineError("tokens are counted by the server alone: no tokenizer is here")
        return self._encoder.count(text)

    def begin(self, scope: str) -> None:
        """Ask the server who it is before a cell; its answers are kept under `scope`.

        Raises
        ------
        ServedModelChangedError
            If it runs another model than when it was met.
        EngineError
            If it does not answer.
        """
        self._model = self._server.model(scope)
        self.confirm()

    def confirm(self) -> None:
        """Ask the server again who it is; raises as `begin`."""
        change = find_change(self._server.ask, self._record, says=self._server.says())
        if change is not None:
            raise ServedModelChangedError(
                f"served model changed: {change}",
                where=self._server.settings.url,
                hint="the cell's answers are set aside; run the same command again to measure "
                "what the server runs now",
            )

    def close(self) -> None:
        """Close all connections."""
        self._server.close()

    # --- log-likelihoods ---

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score | Failure]:
        """Log-likelihood of each continuation after its context, nats."""
        self._need_scoring()
        if self._by_ids and self._encoder is not None:
            encoded = self._encoder.queries(requests)
            tokens = iter(self._scored_queries([q for q in encoded if isinstance(q, Query)]))
            return [
                _score(query, next(tokens)) if isinstance(query, Query) else query
                for query in encoded
            ]
        contexts = self._scored_texts([self._bare(one.context) for one in requests])
        wholes = self._scored_texts(
            [self._bare(one.context + one.continuation) for one in requests]
        )
        return [
            _difference(self._start(whole) if context == () else context, whole)
            for context, whole in zip(contexts, wholes, strict=True)
        ]

    def score_text(self, requests: Sequence[TextRequest]) -> list[TextScore | Failure]:
        """Log-likelihood of each token of whole texts, nats."""
        self._need_scoring()
        if self._by_ids and self._encoder is not None:
            windows = self._encoder.windows(requests)
            flat = [query for one in windows if isinstance(one, list) for query in one]
            tokens = iter(self._scored_queries(flat))
            return [
                _text_score(request.text, [(query, next(tokens)) for query in one])
                if isinstance(one, list)
                else one
                for request, one in zip(requests, windows, strict=True)
            ]
        found = self._scored_texts([self._started(one.text) for one in requests])
        return [
            one
            if isinstance(one, Failure)
            else _whole_text(request.text, one[len(self._start(one)) :])
            for request, one in zip(requests, found, strict=True)
        ]

    def _start(self, tokens: tuple[ScoredToken, ...] | Failure) -> tuple[ScoredToken, ...]:
        """The token that the server put before a text, if it does that."""
        if isinstance(tokens, Failure) or not self._abilities.whole.able:
            return ()
        return tuple(one for one in tokens[:1] if one.logprob is None)

    def distributions(
        self,
        requests: Sequence[TextRequest],
        *,
        k: int,
    ) -> list[TopTokens | Failure]:
        """Not to be had from a server.

        Raises
        ------
        EngineError
            Always.
        """
        raise _no_distributions()

    def divergences(
        self,
        requests: Sequence[TextRequest],
        baselines: Sequence[TopTokens],
    ) -> list[TokenDivergence | Failure]:
        """Not to be had from a server; raises as `distributions`."""
        raise _no_distributions()

    def _need_scoring(self) -> None:
        if self._abilities.way is None:
            raise EngineError(
                f"the server gives no log-likelihoods: {self._abilities.scoring.why}",
                where=self._server.settings.url,
                hint="leave out tasks with choices and texts for this variant",
            )

    def _scored_queries(self, queries: Sequence[Query]) -> list[tuple[ScoredToken, ...] | Failure]:
        prompts = [(*query.tokens, query.targets[-1]) for query in queries]
        found = self._scored(prompts)
        return [
            _unlike(len(tokens), len(prompt))
            if isinstance(tokens, tuple) and len(tokens) != len(prompt)
            else tokens
            for tokens, prompt in zip(found, prompts, strict=True)
        ]

    def _scored_texts(self, texts: Sequence[str]) -> list[tuple[ScoredToken, ...] | Failure]:
        """Tokens of texts; the empty text has none, and is not sent."""
        found = iter(self._scored([text for text in texts if text]))
        return [next(found) if text else () for text in texts]

    def _scored(
        self, prompts: Sequence[str | tuple[int, ...]]
    ) -> list[tuple[ScoredToken, ...] | Failure]:
        asked = [
            ServedRequest(messages=(), prompt=one, max_new_tokens=1, way=self._abilities.way)
            for one in prompts
        ]
        return [
            one if isinstance(one, Failure) else read_tokens(one.text)
            for one in self._ask(asked, kind="scoring_failed")
        ]

    def _bare(self, text: str) -> str:
        """Text without the first token's name, where the server puts that there itself."""
        start = None if self._encoder is None else self._encoder.tokenizer.bos_token
        return text.removeprefix(start) if start and self._abilities.adds_start else text

    def _started(self, text: str) -> str:
        """A whole text as the other engines score it.

        Where the tokenizer puts a first token before a text, they score that token, too, after
        another one like it; the server puts only one there by itself.
        """
        bare = self._bare(text)
        start = None if self._encoder is None else self._encoder.tokenizer.bos_token
        return f"{start}{bare}" if start and self._abilities.adds_start and bare else bare

    # --- texts ---

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation | Failure]:
        """Continue each prompt; greedily where its temperature is 0."""
        prompts = self._prompts(requests)
        asked: list[ServedRequest] = []
        places: list[list[int]] = []
        for request, prompt in zip(requests, prompts, strict=True):
            wanted = [] if isinstance(prompt, Failure) else self._wanted(request, prompt)
            places.append([len(asked) + n for n in range(len(wanted))])
            asked += wanted
        answers = self._ask(asked, kind="generation_failed")
        return [
            prompt
            if isinstance(prompt, Failure)
            else self._generation(request, prompt, [answers[place] for place in numbers])
            for request, prompt, numbers in zip(requests, prompts, places, strict=True)
        ]

    def _prompts(self, requests: Sequence[GenerateRequest]) -> list[Prompt | Failure | None]:
        """Tokens of prompts; None where the server is given text."""
        if self._by_ids and self._encoder is not None:
            return list(self._encoder.prompts(requests))
        return [None] * len(requests)

    def _wanted(self, request: GenerateRequest, prompt: Prompt | None) -> list[ServedRequest]:
        """One request a sample; a greedy one serves any number of them."""
        seeds = [request.seed]
        if request.temperature > 0 and request.samples > 1:
            seeds = [_seed(request.seed, number) for number in range(request.samples)]
        text = prompt.tokens if prompt else None
        given: str | tuple[int, ...] | None = tuple(text) if text else self._bare(request.prompt)
        messages: tuple[Message, ...] = ()
        if not self._abilities.completions.able or (request.messages and self._encoder is None):
            given, messages = None, _turns(request)
        return [
            ServedRequest(
                messages=messages,
                prompt=given,
                max_new_tokens=prompt.max_new_tokens if prompt else request.max_new_tokens,
                temperature=request.temperature,
                top_p=request.top_p,
                seed=seed,
                # A stop string in what the model thinks would end it.
                stop=() if request.thinking else request.stop[:MOST_STOPS],
            )
            for seed in seeds
        ]

    def _generation(
        self,
        request: GenerateRequest,
        prompt: Prompt | None,
        answers: Sequence[ChatReply | Failure],
    ) -> Generation | Failure:
        for answer in answers:
            if isinstance(answer, Failure):
                return answer
        replies = [one for one in answers if isinstance(one, ChatReply)]
        read = [self._read(request, one) for one in replies]
        times = request.samples // len(read)
        counted = replies[0].prompt_tokens or self._count(request.prompt)
        return Generation(
            texts=tuple(text for text, _, _ in read) * times,
            finish_reasons=tuple(reason for _, reason, _ in read) * times,
            output_tokens=tuple(
                one.output_tokens if one.output_tokens is not None else self._count(text)
                for one, (text, _, _) in zip(replies, read, strict=True)
            )
            * times,
            prompt_tokens=len(prompt.tokens) if prompt else counted,
            truncated_tokens=prompt.truncated if prompt else 0,
            thinking=tuple(thought for _, _, thought in read) * times if request.thinking else (),
        )

    def _read(
        self, request: GenerateRequest, reply: ChatReply
    ) -> tuple[str, Literal["stop", "eos", "length"], Thinking | None]:
        """The answer before its first stop string, why it ends, and what was thought before it."""
        said = read_said(reply.text)
        text, thought = said.text, None
        if request.thinking:
            text, thought = self._without_thinking(request, said, reply)
        cut = text
        for term in request.stop:
            cut = cut.split(term)[0]
        reason: Literal["stop", "eos", "length"] = (
            "length" if reply.finish_reason == "length" else "eos"
        )
        if cut != text or said.ending in request.stop:
            reason = "stop"
        if thought is not None and not thought.finished:
            reason = "length"
        return cut, reason, thought

    def _without_thinking(
        self, request: GenerateRequest, said: Written, reply: ChatReply
    ) -> tuple[str, Thinking | None]:
        if said.thinking is not None:
            finished = bool(said.text) or reply.finish_reason != "length"
            return said.text, self._thinking(said.thinking, said.text, reply, finished=finished)
        prompt = request.prompt if self._abilities.completions.able else ""
        found = split(
            said.text, request.thinking, opened=find_opened_block(prompt, request.thinking)
        )
        if not found.thoughts:
            return found.answer, None
        text = "\n\n".join(one.strip() for one in found.thoughts).strip()
        return found.answer, self._thinking(text, found.answer, reply, finished=found.finished)

    def _thinking(self, text: str, answer: str, reply: ChatReply, *, finished: bool) -> Thinking:
        """With its tokens: by the tokenizer, else its share of the characters."""
        if not finished:
            tokens = reply.output_tokens or self._count(text)
        elif self._encoder is not None:
            tokens = self._count(text)
        else:
            share = len(text) / max(1, len(text) + len(answer))
            tokens = round((reply.output_tokens or 0) * share)
        return Thinking(text=text, tokens=tokens, finished=finished)

    def _count(self, text: str) -> int:
        """Tokens of a text by the tokenizer here; 0 where nobody counts."""
        return 0 if self._encoder is None or not text else self._encoder.count(text)

    # --- asking ---

    def _ask(
        self, requests: Sequence[ServedRequest], *, kind: FailureKind
    ) -> list[ChatReply | Failure]:
        """Replies in request order; a failure only where the server can answer others.

        Raises
        ------
        EngineError
            If the server is lost, or wants to be left alone, or the spend limit is reached.
        """
        answers = self._model.ask(requests)
        failed = [one for one in answers if isinstance(one, ChatFailure)]
        for one in failed:
            if one.fatal or one.kind in _TRANSIENT:
                raise EngineError(one.message, where=self._server.settings.url, hint=_LATER)
        if any(one.kind not in _KEPT_BACK for one in failed):
            self._check_alive(failed[0])
        return [_failure(one, kind) if isinstance(one, ChatFailure) else one for one in answers]

    def _check_alive(self, failed: ChatFailure) -> None:
        """Raise if the server does not answer a word now."""
        prompt = f"{next(self._checks)} hello"
        is_text = bool(self._abilities.completions.able)
        word = ServedRequest(
            messages=() if is_text else (Message(role="user", content=prompt),),
            prompt=prompt if is_text else None,
            max_new_tokens=1,
        )
        (answer,) = self._server.ask([word])
        if isinstance(answer, ChatFailure):
            raise EngineError(
                f"{failed.message}; nor does the server answer anything else now",
                where=self._server.settings.url,
                hint=_LATER,
            )


def _failure(failed: ChatFailure, kind: FailureKind) -> Failure:
    if failed.kind == "rejected" and _TOO_LONG.search(failed.message):
        return Failure(kind="prompt_too_long", message=failed.message)
    return Failure(kind=kind, message=failed.message)


def _turns(request: GenerateRequest) -> tuple[Message, ...]:
    """The conversation that a prompt was written from; plain text is a user's turn."""
    if not request.messages:
        return (Message(role="user", content=request.prompt),)
    return tuple(
        Message(role="system" if role == "system" else "user", content=content)
        if role != "assistant"
        else Message(role="assistant", content=content)
        for role, content in request.messages
    )


def _seed(seed: int, number: int) -> int:
    """Of one sample of several; servers take 31 bits."""
    return int(digest([seed, number], length=8), 16) & 0x7FFFFFFF


# --- numbers ---


def _score(query: Query, tokens: tuple[ScoredToken, ...] | Failure) -> Score | Failure:
    if isinstance(tokens, Failure):
        return tokens
    return _sum(
        tokens[-len(query.targets) :],
        prompt_tokens=query.prompt_tokens,
        truncated=query.truncated,
    )


def _difference(
    context: tuple[ScoredToken, ...] | Failure, whole: tuple[ScoredToken, ...] | Failure
) -> Score | Failure:
    """The score of what a longer text adds to a shorter one.

    Where the two are split into tokens alike, that is of the tokens behind the shorter one; where
    the last of its tokens grew together with the first behind it, from the first that differs on.
    """
    for one in (context, whole):
        if isinstance(one, Failure):
            return one
    assert isinstance(context, tuple)  # noqa: S101  seen above
    assert isinstance(whole, tuple)  # noqa: S101  seen above
    start = count_shared(context, whole)
    found = _sum(whole[start:], prompt_tokens=start)
    if isinstance(found, Failure) or start == len(context):
        return found
    rest = _sum(context[start:], prompt_tokens=start)
    if isinstance(rest, Failure):
        return rest
    return Score(
        logprob=min(0.0, found.logprob - rest.logprob),
        is_greedy=found.is_greedy,
        prompt_tokens=found.prompt_tokens,
        continuation_tokens=found.continuation_tokens,
    )


def _sum(
    tokens: Sequence[ScoredToken], *, prompt_tokens: int, truncated: int = 0
) -> Score | Failure:
    known = [one.logprob for one in tokens if one.logprob is not None]
    if not tokens or len(known) < len(tokens):
        return Failure(
            kind="scoring_failed", message="the server gave no log-probability of some tokens"
        )
    return Score(
        logprob=min(0.0, sum(known)),
        is_greedy=all(one.is_top is True for one in tokens),
        prompt_tokens=prompt_tokens,
        continuation_tokens=len(tokens),
        truncated_tokens=truncated,
    )


def _text_score(
    text: str, windows: Sequence[tuple[Query, tuple[ScoredToken, ...] | Failure]]
) -> TextScore | Failure:
    logprobs: list[float] = []
    for query, tokens in windows:
        if isinstance(tokens, Failure):
            return tokens
        known = [one.logprob for one in tokens[-len(query.targets) :]]
        if None in known:
            return Failure(
                kind="scoring_failed", message="the server gave no log-probability of some tokens"
            )
        logprobs += [min(0.0, one) for one in known if one is not None]
    return TextScore(logprobs=tuple(logprobs), n_bytes=len(text.encode()))


def _whole_text(text: str, tokens: Sequence[ScoredToken]) -> TextScore | Failure:
    """Of a text that the server split: its first token must have a log-probability, too."""
    if not tokens:
        return Failure(kind="empty_text", message="the text has no tokens")
    if any(one.logprob is None for one in tokens):
        return Failure(
            kind="scoring_failed",
            message="the server gives no log-probability of a text's first token, and takes no "
            "token ids: bits per byte of a whole text are not to be had",
        )
    logprobs = tuple(min(0.0, one.logprob or 0.0) for one in tokens)
    return TextScore(logprobs=logprobs, n_bytes=len(text.encode()))


def _unlike(found: int, sent: int) -> Failure:
    return Failure(
        kind="scoring_failed",
        message=f"of {plural(sent, 'token id')} that it was sent the server scored {found}",
    )


def _no_distributions() -> EngineError:
    return EngineError(
        "a served model gives no distributions over its vocabulary",
        hint="divergences are for variants that run here",
    )
