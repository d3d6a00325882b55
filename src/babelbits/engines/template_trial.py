"""A chat template tried without transformers, so that a plan can refuse one that hides questions.

Same environment as transformers' own (`transformers.utils.chat_template_utils`, 5.17). Only what is
certain is refused: a template that needs more than is known here passes, and is tried again by the
tokenizer itself before the first question.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from babelbits.engines.content import find_shape
from babelbits.engines.templates import CONFIG, TODAY, find_template


def check_template(folder: Path, *, options: Mapping[str, Any]) -> None:
    """Raise if a checkpoint's template does not show what the user says, in whatever form.

    Parameters
    ----------
    folder : Path
        Of the checkpoint; one without a template passes.
    options : mapping
        Further variables of the template, such as `enable_thinking`.

    Raises
    ------
    ModelError
        Says whether it leaves questions out, writes them twice or refuses them.
    """
    from jinja2 import TemplateSyntaxError

    text = find_template(folder)
    if text is None:
        return
    try:
        template = _environment().from_string(text)
    except TemplateSyntaxError:
        return
    variables = {**_special_tokens(folder), "tools": None, "documents": None, **options}

    def apply(turns: list[dict[str, Any]]) -> str:
        text: str = template.render(messages=turns, add_generation_prompt=True, **variables)
        return text

    find_shape(apply)


def _environment() -> Any:
    from jinja2.exceptions import TemplateError
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}`, which marks the model's words for training."""

        tags = {"generation"}  # noqa: RUF012  jinja2's own signature

        def parse(self, parser: Any) -> Any:
            """What stands inside, as it is."""
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals |= {"raise_exception": raise_exception, "strftime_now": TODAY.strftime}
    return environment


def _to_json(value: Any, indent: int | None = None, **_: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _special_tokens(folder: Path) -> dict[str, str]:
    """`bos_token` and its kin of the tokenizer's configuration."""
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(config, dict):
        return {}
    found = {name: value for name, value in config.items() if name.endswith("_token")}
    texts = {
        name: value.get("content") if isinstance(value, dict) else value
        for name, value in found.items()
    }
    return {name: text for name, text in texts.items() if isinstance(text, str)}
