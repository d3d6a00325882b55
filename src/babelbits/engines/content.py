"""How a chat template takes what a message says: as text, or as a list of parts.

Templates of models that also see pictures write `content` as `[{"type": "text", "text": ...}]`.
Most take a text as well; some go through its letters in search of parts and write nothing, so that
the model is asked an empty question. Which form a template takes is found by having it write a
conversation of words that stand nowhere else: each message must be in the prompt, once. Text is
tried first, so that templates that take both write what lm-eval has them write.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from babelbits.errors import ModelError

Turn = Mapping[str, Any]
"""`{"role": ..., "content": ...}`, its content a text or parts."""
Apply = Callable[[list[dict[str, Any]]], str]
"""Has a template write turns; raises what templates raise."""

_SYSTEM, _FIRST, _ANSWER, _SECOND = "Qsys7zx", "Qask7zx", "Qans7zx", "Qend7zx"
_PAIRS = ((False, False), (True, True), (True, False), (False, True))
_FORMS = "as text and as parts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Which roles' messages a template takes as parts."""

    user: bool
    assistant: bool
    system: bool | None
    """None: it refuses a system message, or leaves it out."""

    def of(self, turns: Sequence[Turn]) -> list[dict[str, Any]]:
        """Turns of texts in the form that the template takes."""
        as_parts = {"user": self.user, "assistant": self.assistant, "system": bool(self.system)}
        return [_turn(one["role"], one["content"], parts=as_parts[one["role"]]) for one in turns]


def find_shape(apply: Apply) -> Shape:
    """The form in which a template shows what is said.

    Raises
    ------
    ModelError
        If it shows it in none: says whether it refuses, leaves out or repeats.
    """
    user, assistant = _asked_and_answered(apply)
    question = _turn("user", _FIRST, parts=user)
    for system in (user, not user):
        prompt = _write(apply, [_turn("system", _SYSTEM, parts=system), question])
        if _all_once(prompt, _SYSTEM, _FIRST):
            return Shape(user=user, assistant=assistant, system=system)
    return Shape(user=user, assistant=assistant, system=None)


def contains_text(prompt: str, text: str) -> bool:
    """Whether a prompt has a message's text in it, white space and escapes aside."""
    wanted = (text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
    bare = _bare(prompt)
    return any(_bare(one) in bare for one in wanted)


def check_shown(prompt: str, turns: Sequence[Turn]) -> None:
    """Raise unless what the user says stands in a prompt.

    Raises
    ------
    ModelError
        Shows the beginning of what is left out.
    """
    for turn in turns:
        if turn["role"] == "user" and not contains_text(prompt, turn["content"]):
            raise ModelError(
                f"the chat template leaves out what the user says: {turn['content']!r:.60}",
                hint="set template = false in [chat], or mend the checkpoint's template",
            )


def _asked_and_answered(apply: Apply) -> tuple[bool, bool]:
    """Whether a question, and whether an answer, must be parts."""
    answers: list[str | ModelError] = []
    for user, assistant in _PAIRS:
        turns = [
            _turn("user", _FIRST, parts=user),
            _turn("assistant", _ANSWER, parts=assistant),
            _turn("user", _SECOND, parts=user),
        ]
        answers.append(_write(apply, turns))
        if _all_once(answers[-1], _FIRST, _ANSWER, _SECOND):
            return user, assistant
    for user in (False, True):  # perhaps it takes one question only
        answers.append(_write(apply, [_turn("user", _FIRST, parts=user)]))
        if _all_once(answers[-1], _FIRST):
            return user, user
    raise _why_not(answers[-2:])


def _why_not(tried: Sequence[str | ModelError]) -> ModelError:
    """Why one question was not shown, neither as text nor as parts."""
    for prompt in tried:
        if isinstance(prompt, str) and prompt.count(_FIRST) > 1:
            what = "the chat template writes what the user says more than once"
            return ModelError(what)
    if any(isinstance(prompt, str) for prompt in tried):
        return ModelError(f"the chat template leaves out what the user says, {_FORMS}")
    reason = next(one for one in tried if isinstance(one, ModelError))
    return ModelError(f"the chat template refuses a question, {_FORMS}: {reason.what}")


def _write(apply: Apply, turns: list[dict[str, Any]]) -> str | ModelError:
    try:
        return str(apply(turns))
    except Exception as error:  # noqa: BLE001  templates are programs of others
        return ModelError(str(error) or type(error).__name__)


def _all_once(prompt: str | ModelError, *probes: str) -> bool:
    return isinstance(prompt, str) and all(_once(prompt, probe) for probe in probes)


def _once(prompt: str, probe: str) -> bool:
    """Whether a probe is there once, and not as Python writes a list of parts."""
    return prompt.count(probe) == 1 and f"'text': '{probe}'" not in prompt


def _turn(role: str, content: str, *, parts: bool) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": content}] if parts else content}


def _bare(text: str) -> str:
    return "".join(text.split())
