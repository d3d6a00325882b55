"""How a study asks, settled for the model at hand: chat template, thinking, samples.

Settling reads the checkpoint's tokenizer files, and loads no library.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from babelbits.engines.template_trial import check_template
from babelbits.engines.templates import find_template
from babelbits.engines.thinking import USUAL_TAGS
from babelbits.errors import ModelError, StudyError
from babelbits.records import digest
from babelbits.study.config.spec import Study
from babelbits.tasks.base import TaskOptions
from babelbits.tasks.prompting import ChatOptions, identify_chat
from babelbits.words import agreeing, plural


def settle_study(study: Study, folder: Path) -> Study:
    """The study with everything decided that depends on its model.

    Parameters
    ----------
    study : Study
        As it was read.
    folder : Path
        Of the base model.

    Raises
    ------
    StudyError
        If a chat template is asked for and the model has none, or one that does not show what the
        user says.
    ModelError
        If the model's template cannot be read.
    """
    elsewhere = study.model.is_elsewhere
    has_template = find_template(folder) is not None
    suites = []
    for suite in study.suites:
        asked = suite.options.chat.template == "on"
        known = has_template or (elsewhere and asked)  # the server's own
        chat = _settled(suite.options.chat, has_template=known, suite=suite.suite)
        if chat.template == "on" and not elsewhere:
            _check_shown(chat, folder, suite=suite.suite)
        options = replace(suite.options, chat=chat, model=None if elsewhere else folder)
        suites.append(replace(suite, options=options))
    return replace(study, suites=tuple(suites))


def _settled(chat: ChatOptions, *, has_template: bool, suite: str) -> ChatOptions:
    mode = chat.template
    if mode == "auto":
        mode = "on" if has_template else "off"
    if mode == "on" and not has_template:
        raise StudyError(
            "a chat template is asked for, and the model has none",
            where=f"task '{suite}'",
            hint='set template = false (or "auto") in [chat], or take the instruction-tuned model',
        )
    if mode == "off" and chat.system_prompt is not None:
        raise StudyError(
            "a system prompt needs a chat template, and the model has none",
            where=f"task '{suite}'",
            hint="leave out system_prompt, or take the instruction-tuned model",
        )
    usual = USUAL_TAGS if mode == "on" else ()
    return replace(chat, template=mode, thinking=usual if chat.thinking is None else chat.thinking)


def _check_shown(chat: ChatOptions, folder: Path, *, suite: str) -> None:
    """Refuse a template under which the model would not be shown the question."""
    thinking = chat.enable_thinking
    options = {} if thinking is None else {"enable_thinking": thinking}
    try:
        check_template(folder, options=options)
    except ModelError as error:
        raise StudyError(
            error.what,
            where=f"task '{suite}'",
            hint="set template = false in [chat], or write a template that shows it into "
            f"chat_template.jinja in {folder}",
        ) from error


def make_identities(study: Study, folder: Path) -> Mapping[str, dict[str, Any] | None]:
    """Of every suite of a settled study: what its chat puts into a cell's identity."""
    template = find_template(folder)
    known = None if template is None else digest(template)
    return {
        suite.suite: identify_chat(suite.options.chat, template=known) for suite in study.suites
    }


def warn_unused_template(study: Study, folder: Path) -> str | None:
    """A warning where a chat model is asked in plain text; None where there is nothing to say."""
    plain = [suite.suite for suite in study.suites if suite.options.chat.template == "off"]
    if not plain or find_template(folder) is None:
        return None
    return (
        f"the model has a chat template, and {', '.join(plain)} "
        f"{agreeing(len(plain), 'asks', 'ask')} it in plain text: "
        "set template = true in [chat] to ask it as people do"
    )


def describe_chat(study: Study) -> tuple[str, ...]:
    """How a settled study asks, a line a manner; empty where all is plain text and greedy."""
    lines: dict[str, list[str]] = {}
    for suite in study.suites:
        lines.setdefault(_manner(suite.options), []).append(suite.suite)
    if list(lines) == [_manner(TaskOptions())]:
        return ()
    return tuple(f"{', '.join(suites)}: {manner}" for manner, suites in lines.items())


def _manner(options: TaskOptions) -> str:
    chat, sampling = options.chat, options.sampling
    words = ["as a chat" if chat.template == "on" else "plain text"]
    if chat.system_prompt is not None:
        words.append("with a system prompt")
    if chat.enable_thinking is not None:
        words.append(f"enable_thinking {str(chat.enable_thinking).lower()}")
    if sampling is not None:
        draws = f"{plural(sampling.samples, 'sample')} an item"
        words.append(f"{draws} (temperature {sampling.temperature:g}, top_p {sampling.top_p:g})")
    return ", ".join(words)
