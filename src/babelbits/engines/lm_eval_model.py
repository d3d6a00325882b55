"""An engine as an lm-evaluation-harness model, so that `lm_eval.simple_evaluate(model=...)` works.

lm-eval has no way to say that one request failed, so a `Failure` becomes an `EngineError` here.
lm-eval is imported when `as_lm_eval` is called.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from babelbits.engines.base import Engine
from babelbits.engines.content import find_shape
from babelbits.errors import EngineError, MissingExtraError
from babelbits.records import Failure, GenerateRequest, ScoreRequest, TextRequest, canonical_json

_DEFAULT_NEW_TOKENS = 256
"""lm-eval's `max_gen_toks` where a task names none."""
_UNDERSTOOD = {"until", "max_gen_toks", "do_sample", "temperature", "top_p"}

Reply = TypeVar("Reply")


def as_lm_eval(engine: Engine) -> Any:
    """Wrap an engine as an `lm_eval.api.model.LM`.

    Raises
    ------
    MissingExtraError
        If lm-eval is not installed.
    """
    try:
        from lm_eval.api.model import LM
        from lm_eval.models.utils import normalize_gen_kwargs
    except ImportError as error:
        raise MissingExtraError(
            "lm-eval is not installed", hint="pip install 'babelbits[run]'"
        ) from error

    class EngineLM(LM):  # type: ignore[misc]  # lm-eval's classes are untyped
        """The requests of lm-eval, answered by an engine."""

        def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
            """(log-likelihood in nats, whether greedy) of each continuation."""
            asked = [ScoreRequest(context=r.args[0], continuation=r.args[1]) for r in requests]
            return [(s.logprob, s.is_greedy) for s in _answered(engine.score(asked))]

        def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[float]:
            """Log-likelihood of each whole text, nats."""
            asked = [TextRequest(text=r.args[0]) for r in requests]
            return [sum(s.logprobs) for s in _answered(engine.score_text(asked))]

        def generate_until(self, requests: Sequence[Any]) -> list[str]:
            """The continuation of each prompt."""
            normal = [
                (r.args[0], normalize_gen_kwargs(r.args[1], _DEFAULT_NEW_TOKENS)) for r in requests
            ]
            return [g.texts[0] for g in _answered(engine.generate(_generate_requests(normal)))]

        def apply_chat_template(
            self,
            chat_history: list[dict[str, str]],
            add_generation_prompt: bool = True,  # noqa: FBT001, FBT002  lm-eval's signature
        ) -> str:
            """A conversation as the tokenizer's template writes it."""
            return self._template(chat_history, add_generation_prompt=add_generation_prompt)

        def chat_template(
            self,
            chat_template: bool | str = False,  # noqa: FBT001, FBT002  lm-eval's signature
        ) -> str | None:
            """The tokenizer's chat template, if one is asked for."""
            return self._tokenizer.get_chat_template() if chat_template else None

        def _template(self, turns: list[dict[str, Any]], *, add_generation_prompt: bool) -> str:
            def apply(turns: list[dict[str, Any]]) -> str:
                text: str = self._tokenizer.apply_chat_template(
                    turns,
                    tokenize=False,
                    add_generation_prompt=add_generation_prompt,
                    continue_final_message=not add_generation_prompt,
                )
                return text

            return apply(find_shape(apply).of(turns))

        @property
        def tokenizer_name(self) -> str:
            """A name for lm-eval's request cache."""
            return str(self._tokenizer.name_or_path).replace("/", "__")

        @property
        def _tokenizer(self) -> Any:
            loaded = getattr(engine, "loaded", None)
            if loaded is None:
                raise EngineError("this engine has no tokenizer, so no chat template")
            return loaded.tokenizer

    return EngineLM()


def _generate_requests(asked: Sequence[tuple[str, Mapping[str, Any]]]) -> list[GenerateRequest]:
    """Requests with a seed each: lm-eval repeats a request to get another sample."""
    seen: Counter[str] = Counter()
    requests = []
    for prompt, options in asked:
        unknown = sorted(set(options) - _UNDERSTOOD)
        if unknown:
            raise EngineError(
                f"generation options not supported: {', '.join(unknown)}",
                hint=f"supported are {', '.join(sorted(_UNDERSTOOD))}",
            )
        key = canonical_json([prompt, dict(options)])
        requests.append(
            GenerateRequest(
                prompt=prompt,
                max_new_tokens=options["max_gen_toks"],
                stop=tuple(options["until"]),
                temperature=float(options.get("temperature", 0.0)),
                top_p=float(options.get("top_p", 1.0)),
                seed=seen[key],
            )
        )
        seen[key] += 1
    return requests


def _answered(replies: Sequence[Reply | Failure]) -> list[Reply]:
    answered = []
    for i, reply in enumerate(replies):
        if isinstance(reply, Failure):
            raise EngineError(f"{reply.kind}: {reply.message}", where=f"request {i}")
        answered.append(reply)
    return answered
