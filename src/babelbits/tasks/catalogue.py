"""Which tasks there are, and how to get one: the only module of this room that others need.

Loads neither torch nor lm-eval until `load` is called for a task that needs it. Besides the suites
of `registry.TASKS`, every task of lm-eval is known by its own name (`hellaswag`, `arc_fr`).
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import MappingProxyType

from babelbits.errors import TaskError, UnknownNameError
from babelbits.suggest import did_you_mean
from babelbits.tasks import own_files, own_kinds
from babelbits.tasks.base import ChatRenderer, Downloads, SuiteFamily, Task, TaskOptions
from babelbits.tasks.chat_wrapper import wrap_task
from babelbits.tasks.folder_suites import find_babelmini_folder
from babelbits.tasks.hub_data import HubDataset
from babelbits.tasks.lm_eval import index
from babelbits.tasks.lm_eval.suite import LmEvalSuite
from babelbits.tasks.lm_eval.suites import LmEvalSuites
from babelbits.tasks.suites import SuiteInfo, list_all_suites, map_families, resolve_code

__all__ = [
    "SuiteInfo",
    "TaskOptions",
    "find_babelmini_folder",
    "find_info",
    "is_known",
    "list_suites",
    "list_wanted",
    "load",
]


def list_suites() -> Mapping[str, SuiteInfo]:
    """Every suite by name; lm-eval's single tasks are not listed."""
    return _in_their_languages(tuple(list_all_suites()))


def is_known(name: str, *, include_path: Path | None = None) -> bool:
    """Whether `name` is a suite, or a task of the installed lm-eval or of `include_path`."""
    return (
        name in list_all_suites()
        or index.find(name, include_path) is not None
        or index.find_group(name, include_path) is not None
    )


def find_info(
    name: str, *, include_path: Path | None = None, data: Path | None = None
) -> SuiteInfo:
    """What a suite is; for an lm-eval task by its own name, what its name tells.

    Parameters
    ----------
    name : str
        A suite, or an lm-eval task. Of the latter the languages are those its name ends in
        (`arc_fr`), or none: then the study must say which language it is.
    include_path : Path, optional
        Folder of lm-eval YAML tasks.
    data : Path, optional
        The folder of a study's `[data]` for this suite: for our own suites it decides which
        languages there are.

    Raises
    ------
    UnknownNameError
        If nothing is called `name`.
    """
    if data is not None and own_files.is_template(data):
        return own_kinds.make_suite(name, data)
    suite = list_suites().get(name)
    if suite is None:
        return _lm_eval_info(name, include_path)
    return suite if data is None else _with_languages_in(suite, data)


def load(suite: str, language: str, options: TaskOptions) -> Task:
    """The task of a suite in one language.

    Items are read on first use of `items`.

    Parameters
    ----------
    suite : str
        A suite, or an lm-eval task by its own name.
    language : str
        In any usual form.
    options : TaskOptions
        Choices of the study.

    Raises
    ------
    UnknownNameError
        If there is no such suite, or it is not in that language.
    TaskError
        If its data cannot be read, are empty or lack a gold answer.
    MissingExtraError
        If it needs lm-eval and lm-eval is not installed.
    """
    code = resolve_code(language)
    suite_info = find_info(suite, include_path=options.include_path, data=options.data)
    if code not in suite_info.languages and not suite_info.any_language:
        raise UnknownNameError(
            f"suite '{suite}' is not in language '{code}'",
            hint=f"it is in {', '.join(suite_info.languages)}",
        )
    if options.data is not None and own_files.is_template(options.data):
        task = own_kinds.load(suite_info, code, options)
    else:
        task = map_families().get(suite, _LM_EVAL).load(suite_info, code, options)
    return wrap_task(task, options, renders=isinstance(task, ChatRenderer))


def list_wanted(suite: str, language: str, options: TaskOptions) -> tuple[HubDataset, ...]:
    """The hub datasets that a suite takes its items from. Imports lm-eval for its tasks.

    Raises
    ------
    UnknownNameError
        If there is no such suite, or it is not in that language.
    MissingExtraError
        If lm-eval is not installed.
    """
    # Where they come from is the same in every manner of asking, which may need a model.
    plain = TaskOptions(include_path=options.include_path, data=options.data, own=options.own)
    task = load(suite, language, plain)
    return tuple(task.wanted()) if isinstance(task, Downloads) else ()


@cache
def _in_their_languages(names: tuple[str, ...]) -> Mapping[str, SuiteInfo]:
    known = list_all_suites()
    return MappingProxyType({name: _with_languages_in(known[name], None) for name in names})


_LM_EVAL: SuiteFamily = LmEvalSuites()
"""For its tasks by their own names."""


def _with_languages_in(suite: SuiteInfo, data: Path | None) -> SuiteInfo:
    """A suite with the languages that it has in a folder, or in its usual data."""
    return replace(suite, languages=map_families()[suite.name].languages(suite, data))


def _lm_eval_info(name: str, include_path: Path | None) -> SuiteInfo:
    if index.find(name, include_path) is None:
        group = index.find_group(name, include_path)
        if group is not None:
            return _group_info(name, group, include_path)
        raise _unknown_suite(name, include_path)
    language = _language_in_name(name)
    return LmEvalSuite(
        name=name,
        languages=() if language is None else (language,),
        summary="a task of lm-eval",
        generates=False,
        licence="unknown",
        parallel=False,
        lm_eval_task=name,
        shots=None,
        any_language=True,
    )


def _group_info(name: str, file: Path, include_path: Path | None) -> SuiteInfo:
    """A group of lm-eval as one suite: each task is one language, by the end of its name."""
    tasks: dict[str, str] = {}
    for task in index.list_group_tasks(file):
        code = _language_in_name(task)
        if code is None or index.find(task, include_path) is None:
            what = "is no task" if code else "does not end in a language's code"
            raise TaskError(
                f"the group '{name}' is no benchmark over languages: '{task}' {what}",
                where=str(file),
                hint="a suite of ours is one task a language, e.g. quiz_nb, quiz_sw",
            )
        if code in tasks:
            raise TaskError(
                f"the group '{name}' has two tasks in {code}: {tasks[code]} and {task}",
                where=str(file),
                hint="make a group of each benchmark",
            )
        tasks[code] = task
    if not tasks:
        raise TaskError(f"the group '{name}' names no task", where=str(file))
    return LmEvalSuite(
        name=name,
        languages=tuple(tasks),
        summary="a group of lm-eval",
        generates=False,
        licence="unknown",
        parallel=False,
        lm_eval_task="{}",
        upstream=tasks,
        shots=None,
    )


def _language_in_name(name: str) -> str | None:
    """Language at the end of a task's name: 'fr' of 'arc_fr', 'zh-Hant' of 'x_zho_Hant'."""
    parts = name.split("_")
    for size in (2, 1):
        tail = "_".join(parts[-size:])
        if len(parts) > size and _looks_like_code(tail):
            try:
                return resolve_code(tail)
            except UnknownNameError:
                continue
    return None


def _looks_like_code(tail: str) -> bool:
    """'fr', 'fra' or 'fra_Latn'; not 'qa', which would be a language to nobody but ISO."""
    head, _, script = tail.partition("_")
    shape = len(head) in (2, 3) and head.isalpha() and head.islower()
    is_script = len(script) == 4 and script.istitle()
    return shape and (is_script or (not script and len(head) == 2))


def _unknown_suite(name: str, include_path: Path | None) -> UnknownNameError:
    known = [*list_all_suites(), *index.list_installed_tasks()]
    if include_path is not None:
        known += index.list_tasks_in(include_path.resolve())
    hints = [did_you_mean(name, known)]
    if index.find_lm_eval_version() is None:
        hints.append(
            "lm-eval, which has more tasks, is not installed: pip install 'babelbits[run]'"
        )
    hint = "\n  ".join(filter(None, hints))
    return UnknownNameError(f"unknown suite '{name}'", hint=hint or "see `babelbits tasks`")
