"""The chat template of a checkpoint: found without loading a library, rendered by transformers.

Prompts are those of lm-evaluation-harness 0.4.13 (`lm_eval.models.huggingface.HFLM`,
`apply_chat_template`), letter by letter. All variants of a model are asked with the base model's
template, also GGUF files, whose own copy is not looked at. A template that writes today's date gets
a fixed one: prompts, and with them all ids, must not change overnight. A template that takes what a
message says as parts gets parts (`engines.content`); what the user says must stand in the prompt.
"""

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from babelbits.engines.content import Shape, check_shown, find_shape
from babelbits.errors import ModelError
from babelbits.formats.own_code import brings_code
from babelbits.formats.trust import UNTRUSTED, Trust
from babelbits.quiet import quiet

Message = Mapping[str, str]
"""`{"role": "system" | "user" | "assistant", "content": ...}`."""

_FILE, _OLD_FILE, CONFIG = "chat_template.jinja", "chat_template.json", "tokenizer_config.json"
_DEFAULT = "default"
_CLOCK = "strftime_now"
"""The function of transformers' templates that asks the clock."""
TODAY = datetime.date(2024, 7, 26)
"""The date that Llama 3's own template falls back to where it has no clock."""


def find_template(folder: Path) -> str | None:
    """The Jinja text of a checkpoint's chat template; None if it has none.

    Raises
    ------
    ModelError
        If the file that should hold it cannot be read, or holds several and none is the default.
    """
    try:
        if (folder / _FILE).is_file():
            return (folder / _FILE).read_text("utf-8")
        for name in (_OLD_FILE, CONFIG):
            if (folder / name).is_file():
                template = json.loads((folder / name).read_text("utf-8")).get("chat_template")
                if template is not None:
                    return _one_template(template, where=str(folder / name))
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"the chat template cannot be read: {error}", where=str(folder)) from error
    return None


def _one_template(found: Any, *, where: str) -> str:
    """A template, or the one called 'default' of several."""
    if isinstance(found, str):
        return found
    named = {one["name"]: one["template"] for one in found} if isinstance(found, list) else found
    if _DEFAULT not in named:
        raise ModelError(
            f"there are several chat templates ({', '.join(sorted(named))}), and none is the "
            "default",
            where=where,
            hint=f"write the one to use into {_FILE} beside it",
        )
    return str(named[_DEFAULT])


@dataclass(slots=True, eq=False)
class ChatTemplate:
    """Renders conversations as the model was taught them.

    Parameters
    ----------
    tokenizer
        Of the checkpoint, with its template.
    options : mapping
        Further variables of the template, such as `enable_thinking`.
    """

    tokenizer: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    drops_system: bool = False
    """Whether the template refused a system message, or left it out."""
    _shape: Shape | None = field(default=None, init=False)

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool = True) -> str:
        """The conversation as text, ready for the model's turn, or with the last turn to go on.

        Raises
        ------
        ModelError
            If the template refuses the conversation even without its system message, or leaves
            out what the user says.
        """
        text = self._written(messages, add_generation_prompt=add_generation_prompt)
        check_shown(text, messages)
        return text

    def _written(self, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
        from jinja2.exceptions import TemplateError

        rest = [message for message in messages if message["role"] != "system"]
        self.drops_system |= len(rest) < len(messages) and self._form.system is None
        try:
            return self._apply(messages, add_generation_prompt=add_generation_prompt)
        except TemplateError:
            pass
        try:
            text = self._apply(rest, add_generation_prompt=add_generation_prompt)
        except TemplateError as error:
            raise ModelError(f"the chat template refuses a conversation: {error}") from error
        self.drops_system = True
        return text

    @property
    def _form(self) -> Shape:
        """How the template takes what is said; tried once."""
        if self._shape is None:
            self._shape = find_shape(lambda turns: self._render(turns, add_generation_prompt=True))
        return self._shape

    def _apply(self, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
        turns = self._form.of(messages)
        return self._render(turns, add_generation_prompt=add_generation_prompt)

    def _render(self, turns: list[dict[str, Any]], *, add_generation_prompt: bool) -> str:
        text: str = self.tokenizer.apply_chat_template(
            turns,
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
            continue_final_message=not add_generation_prompt,
            **self.options,
        )
        return text


def load_template(
    folder: Path, *, options: Mapping[str, Any], trust: Trust = UNTRUSTED
) -> ChatTemplate:
    """The template of the checkpoint in `folder`; loads transformers.

    Raises
    ------
    ModelError
        If its tokenizer cannot be loaded, or has no template.
    """
    text = find_template(folder)
    if text is None:
        raise ModelError(
            "the model has no chat template",
            where=str(folder),
            hint="set template = false in [chat], or take the instruction-tuned checkpoint",
        )
    tokenizer = load_tokenizer(folder, trust=trust)
    tokenizer.chat_template = text
    clock = {_CLOCK: TODAY.strftime} if _CLOCK in text else {}
    return ChatTemplate(tokenizer=tokenizer, options={**clock, **options})


def load_tokenizer(folder: Path, *, trust: Trust = UNTRUSTED) -> Any:
    """The tokenizer of the checkpoint in `folder`; loads transformers.

    Raises
    ------
    ModelError
        If there is none, or it cannot be loaded.
    """
    from transformers import AutoTokenizer

    try:
        with quiet():
            return AutoTokenizer.from_pretrained(
                folder,
                local_files_only=True,
                trust_remote_code=trust.remote_code and brings_code(folder),
            )
    except (OSError, ValueError, KeyError, TypeError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"the tokenizer cannot be loaded: {first}", where=str(folder)) from error
