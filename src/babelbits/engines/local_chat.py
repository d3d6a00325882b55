"""A model on this machine as a `ChatModel`: the same questions as to an endpoint, without a server.

Conversations become prompts by the tokenizer's own chat template. A base model has none; it is
given a plain script, one turn a paragraph, each begun by who speaks (`PLAIN`), and stops where the
user would speak again. Prompts that do not fit the context are failures: half a question has no
answer. Nothing is downloaded; it costs nothing.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from babelbits.engines import open_engine
from babelbits.engines.base import Engine, EngineSettings
from babelbits.engines.chat import (
    ChatAnswer,
    ChatFailure,
    ChatReply,
    ChatRequest,
    Message,
    OnAnswer,
)
from babelbits.engines.chat_cache import AnswerFile, answer_key, as_json
from babelbits.engines.content import check_shown, find_shape
from babelbits.engines.templates import find_template
from babelbits.errors import ModelError
from babelbits.formats.description import GGUF, find_format
from babelbits.records import Failure, GenerateRequest, Generation, digest

_BATCH = 16
"""Requests generated, kept and told together."""
PLAIN: Mapping[str, str] = {"system": "", "user": "User: ", "assistant": "Assistant:"}
"""How turns begin where there is no chat template."""
_WEIGHTS = ("*.safetensors", "*.bin", "*.gguf", "*.json", "*.jinja", "*.model")


class _Tokenizer(Protocol):
    """What rendering needs of a tokenizer that has a template."""

    chat_template: Any

    def apply_chat_template(
        self, conversation: list[dict[str, Any]], *, tokenize: bool, add_generation_prompt: bool
    ) -> Any:
        """A conversation as text."""


def render(messages: Sequence[Message], *, tokenizer: _Tokenizer) -> tuple[str, tuple[str, ...]]:
    """A conversation as a prompt, and what else ends the model's turn.

    A template that knows no system message (Gemma's) gets it at the head of the first user's turn.

    Raises
    ------
    ModelError
        If the template refuses the conversation, or leaves out what the user says.
    """
    if getattr(tokenizer, "chat_template", None):
        try:
            return _templated(messages, tokenizer), ()
        except ModelError:
            if len(messages) < 2 or [turn.role for turn in messages[:2]] != ["system", "user"]:
                raise
            return _templated(_without_system(messages), tokenizer), ()
    turns = [
        f"{PLAIN[turn.role]}{' ' if turn.role == 'assistant' else ''}{turn.content}"
        for turn in messages
    ]
    stop = f"\n\n{PLAIN['user'].strip()}"
    return "\n\n".join([*turns, PLAIN["assistant"]]), (stop,)


def _templated(messages: Sequence[Message], tokenizer: _Tokenizer) -> str:
    def apply(turns: list[dict[str, Any]]) -> str:
        return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))

    turns = [asdict(turn) for turn in messages]
    shape = find_shape(apply)
    if shape.system is None and any(turn["role"] == "system" for turn in turns):
        raise ModelError("the chat template takes no system message")
    try:
        text = apply(shape.of(turns))
    except Exception as error:  # templates are programs of others
        raise ModelError(f"the chat template refuses the conversation: {error}") from error
    check_shown(text, turns)
    return text


def _without_system(messages: Sequence[Message]) -> list[Message]:
    """The system message as the beginning of the first user's turn."""
    system, first, *rest = messages
    return [Message(role="user", content=f"{system.content}\n\n{first.content}"), *rest]


class LocalChat:
    """A loaded engine that is asked as a chat model; make one with `load`.

    Parameters
    ----------
    weights : str
        Hash of the files that the answers depend on.
    answers : AnswerFile
        Where answers are kept; closed with the model.
    """

    def __init__(
        self, engine: Engine, *, tokenizer: _Tokenizer, weights: str, answers: AnswerFile
    ) -> None:
        self._engine = engine
        self._tokenizer = tokenizer
        self._weights = weights
        self._answers = answers

    @property
    def identity(self) -> Mapping[str, Any]:
        """Files, engine, and how conversations are written."""
        template = getattr(self._tokenizer, "chat_template", None)
        return {
            "kind": "local",
            "weights": self._weights,
            "engine": asdict(self._engine.identity),
            "template": digest(template) if template else "plain 1",
        }

    def ask(
        self, requests: Sequence[ChatRequest], *, on_answer: OnAnswer | None = None
    ) -> list[ChatAnswer]:
        """Answers in request order; kept ones are not computed again."""
        answers: dict[int, ChatAnswer] = {}
        keys = [answer_key(self.identity, request) for request in requests]

        def tell(place: int, answer: ChatAnswer) -> None:
            answers[place] = answer
            if on_answer is not None:
                on_answer(place, answer)

        todo: list[int] = []
        for place, key in enumerate(keys):
            kept = self._answers.find(key)
            if kept is None:
                todo.append(place)
            else:
                tell(place, kept)
        for start in range(0, len(todo), _BATCH):
            batch = todo[start : start + _BATCH]
            for place, answer in zip(
                batch, self._compute([requests[i] for i in batch]), strict=True
            ):
                if isinstance(answer, ChatReply):
                    self._keep(keys[place], answer, requests[place])
                tell(place, answer)
        return [answers[place] for place in range(len(requests))]

    def close(self) -> None:
        """Free the model's memory."""
        self._engine.close()
        self._answers.close()

    def _compute(self, requests: Sequence[ChatRequest]) -> list[ChatAnswer]:
        answers: list[ChatAnswer | None] = []
        prompts: list[GenerateRequest] = []
        for request in requests:
            try:
                text, stop = render(request.messages, tokenizer=self._tokenizer)
            except ModelError as error:
                answers.append(ChatFailure(kind="rejected", message=error.what))
                continue
            answers.append(None)
            prompts.append(
                GenerateRequest(
                    prompt=text,
                    max_new_tokens=request.max_new_tokens,
                    stop=(*request.stop, *stop),
                    temperature=request.temperature,
                    top_p=request.top_p,
                    seed=request.seed,
                )
            )
        replies = iter(self._engine.generate(prompts))
        return [_answer(next(replies)) if answer is None else answer for answer in answers]

    def _keep(self, key: str, reply: ChatReply, request: ChatRequest) -> None:
        self._answers.keep(key, reply, model=self._weights, request=request, raw=as_json(reply))


def load(
    folder: Path, *, settings: EngineSettings | None = None, cache: Path | None = None
) -> LocalChat:
    """Load a checkpoint, or a GGUF file's folder, as a chat model.

    Parameters
    ----------
    folder : Path
        A local checkpoint.
    settings : EngineSettings, optional
        How to run it; prompts that are too long fail whatever they say.
    cache : Path, optional
        SQLite file of answers; None keeps them in memory.

    Raises
    ------
    ModelError, MissingExtraError, EngineError
        If the model cannot be loaded here.
    """
    if not folder.is_dir():
        raise ModelError(
            "there is no such model folder", where=str(folder), hint="name a local checkpoint"
        )
    base = settings or EngineSettings()
    chosen = EngineSettings(
        device=base.device,
        dtype=base.dtype,
        long_prompts="fail",
        token_budget=base.token_budget,
    ).trusting(base.trust)
    kind = find_format(folder)
    (name, *_) = open_engine.list_engines_for(kind)
    weights = _hash(folder)
    answers = AnswerFile(cache)
    engine: Any = open_engine.load(folder, engine=name, settings=chosen)
    tokenizer = engine.loaded.tokenizer
    if kind != GGUF and not getattr(tokenizer, "chat_template", None):
        tokenizer.chat_template = find_template(folder)  # it may lie beside the tokenizer
    return LocalChat(engine, tokenizer=tokenizer, weights=weights, answers=answers)


def _hash(folder: Path) -> str:
    """Hash over the files of a checkpoint that can change what it says."""
    files = sorted({path for pattern in _WEIGHTS for path in folder.glob(pattern)})
    hashes = {}
    for path in files:
        with path.open("rb") as stream:
            hashes[path.name] = hashlib.file_digest(stream, "sha256").hexdigest()
    return digest(hashes, length=32)


def _answer(reply: Generation | Failure) -> ChatAnswer:
    if isinstance(reply, Failure):
        kind: Any = "rejected" if reply.kind == "prompt_too_long" else "malformed"
        return ChatFailure(kind=kind, message=reply.message)
    return ChatReply(
        text=reply.texts[0].strip(),
        finish_reason="length" if reply.finish_reasons[0] == "length" else "stop",
        prompt_tokens=reply.prompt_tokens,
        output_tokens=reply.output_tokens[0],
        cost=0.0,
    )
