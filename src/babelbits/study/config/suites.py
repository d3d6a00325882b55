"""`[[tasks]]` of a study file to `SuiteSpec`s: which benchmark in which languages."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from babelbits.errors import UnknownNameError
from babelbits.languages import CLAIMED, GROUP_NAMES, UNSEEN, resolve
from babelbits.languages import groups as members_of
from babelbits.study.config.chat_settings import read_chat, read_sampling, read_talk
from babelbits.study.config.spec import SuiteSpec
from babelbits.study.config.toml_table import (
    Table,
    Wrong,
    array,
    choice,
    integer,
    kind_of,
    text,
    unique,
)
from babelbits.suggest import did_you_mean
from babelbits.tasks import catalogue
from babelbits.tasks.base import TaskOptions
from babelbits.tasks.jsonl_task import expected_file
from babelbits.tasks.language_id import check_name
from babelbits.words import plural


def read_suites(
    root: Table,
    *,
    home: Path,
    user: Mapping[str, tuple[str, ...]],
    claimed: tuple[str, ...] | None,
    data: Mapping[str, Path],
    usual: TaskOptions,
) -> tuple[SuiteSpec, ...]:
    """All suites of a study.

    Parameters
    ----------
    root : Table
        The whole file.
    home : Path
        Folder where relative paths start.
    user : mapping
        The user's groups: name to canonical codes.
    claimed : tuple of str, optional
        Languages that the model claims.
    data : mapping
        Suite name to the local folder that stands in for its hub dataset.
    usual : TaskOptions
        The study's limit, seed and chat.
    """
    tables = root.tables("tasks")
    if not tables and not isinstance(root.data.get("tasks"), list | dict):
        root.complain("a study needs at least one task", "tasks", hint='[[tasks]] suite = "text"')
    found: list[SuiteSpec] = []
    for table in tables:
        suite = _suite(table, home=home, user=user, claimed=claimed, data=data, usual=usual)
        if suite is None:
            continue
        if any(other.suite == suite.suite for other in found):
            table.complain(
                f"the task {suite.suite!r} is asked for twice",
                "suite",
                hint="one table holds all its languages; another way of asking is another study",
            )
        found.append(suite)
    return tuple(found)


def _suite(
    table: Table,
    *,
    home: Path,
    user: Mapping[str, tuple[str, ...]],
    claimed: tuple[str, ...] | None,
    data: Mapping[str, Path],
    usual: TaskOptions,
) -> SuiteSpec | None:
    include = table.get("include_path", _folder(home), None)
    info = table.need("suite", _info(include, data), example='suite = "xcopa"')
    mode = table.get("mode", _mode(info), None)
    pivot = table.get("pivot", _pivot(info), "en")
    limits = table.get("token_limits", _limits, None)
    identifier = table.get("identifier", _identifier(info, home), None)
    shots = table.get("shots", integer(minimum=0, maximum=1000), None)
    check = _any_languages(user) if info is None else _languages(info, user, claimed, data)
    if info is not None and not info.languages:
        languages = table.need("languages", check, example='languages = ["en"]') or ()
    else:
        languages = table.get("languages", check, () if info is None else info.languages)
    chat = usual.chat
    if "chat" in table.data:
        chat = read_chat(table.table("chat"), usual=usual.chat, what="'chat'")
    # What lm-eval's own names do is known when they are built.
    may_write = info is None or info.generates or info.any_language
    sampling = read_sampling(table, generates=may_write)
    talk = read_talk(table) if info is not None and info.name == "extended" else usual.talk
    table.close(what="[[tasks]]")
    if info is None:
        return None
    if shots and info.lm_eval_task is None and shots > info.own_shots:
        there = plural(info.own_shots, "example") if info.own_shots else "no examples"
        table.complain(
            f"the task {info.name!r} has {there} to show",
            "shots",
            hint="ask for fewer" if info.own_shots else "leave it out",
        )
    if info.translates is not None and pivot in languages:
        table.complain(f"{pivot!r} cannot be translated into itself", "languages")
    options = replace(
        usual,
        shots=shots,
        data=data.get(info.name, data.get(info.data_name or "")),
        include_path=include,
        mode=mode,
        pivot=pivot,
        limits=limits,
        chat=chat,
        sampling=sampling,
        talk=talk,
        identifier=identifier,
    )
    return SuiteSpec(suite=info.name, languages=unique(languages), options=options)


def _any_languages(user: Mapping[str, tuple[str, ...]]) -> Callable[[Any], tuple[str, ...]]:
    """Check of `languages` where the suite is unknown: whatever it has, these must be languages."""

    def one(value: Any) -> str:
        return resolve(text(value)).code

    def check(value: Any) -> tuple[str, ...]:
        if isinstance(value, list):
            return array(one, what="languages")(value)
        named = text(value)
        return () if named in ("all", *GROUP_NAMES, *user) else (one(named),)

    return check


def _folder(home: Path) -> Callable[[Any], Path | None]:
    def check(value: Any) -> Path:
        folder = (home / Path(text(value)).expanduser()).resolve()
        if not folder.is_dir():
            raise Wrong(f"is no folder: {str(folder)!r}")
        return folder

    return check


def _mode(info: catalogue.SuiteInfo | None) -> Callable[[Any], str]:
    """Check of `mode`: one of the ways in which the suite can ask."""

    def check(value: Any) -> str:
        if info is not None and not info.modes:
            raise Wrong(f"is not for the task {info.name!r}, which asks in one way")
        return text(value) if info is None else choice(*info.modes)(value)

    return check


def _limits(value: Any) -> Literal["scaled", "fixed"]:
    return "scaled" if choice("scaled", "fixed")(value) == "scaled" else "fixed"


def _pivot(info: catalogue.SuiteInfo | None) -> Callable[[Any], str]:
    """Check of `pivot`: the other side of a translation, one of the suite's languages."""

    def check(value: Any) -> str:
        code = resolve(text(value)).code
        if info is not None and info.translates is None:
            raise Wrong(f"is not for the task {info.name!r}, which does not translate")
        if info is not None and code not in info.upstream:
            raise Wrong(f"the task has no {code!r}")
        return code

    return check


def _identifier(info: catalogue.SuiteInfo | None, home: Path) -> Callable[[Any], str]:
    """Check of `identifier`: a name, or the path of a model."""

    def check(value: Any) -> str:
        if info is not None and not info.identifies:
            raise Wrong(f"is not for the task {info.name!r}, which identifies no language")
        return check_name(text(value), home=home)

    return check


def _info(include: Path | None, data: Mapping[str, Path]) -> Callable[[Any], catalogue.SuiteInfo]:
    def check(value: Any) -> catalogue.SuiteInfo:
        name = text(value)
        return catalogue.info(name, include_path=include, data=data.get(name))

    return check


def _languages(
    info: catalogue.SuiteInfo,
    user: Mapping[str, tuple[str, ...]],
    claimed: tuple[str, ...] | None,
    data: Mapping[str, Path],
) -> Callable[[Any], tuple[str, ...]]:
    """Check of `languages`: "all", a group's name, a code, or an array of codes."""
    known = info.languages
    folder = data.get(info.name)

    def one(value: Any) -> str:
        code = resolve(text(value)).code
        if code not in known and not info.any_language:
            hint = f"it has: {', '.join(known)}"
            if folder is not None and not info.upstream:
                hint = f"expected {expected_file(info.name, code, folder)}; {hint}"
            raise Wrong(f"the task has no {code!r}", hint=hint)
        return code

    def check(value: Any) -> tuple[str, ...]:
        if isinstance(value, list):
            return array(one, what="languages")(value)
        if not isinstance(value, str):
            raise Wrong(f'must be an array of languages, a group or "all", not {kind_of(value)}')
        if value == "all" and known:
            return known
        if value in user or value in GROUP_NAMES:
            return _members(value, known, user, claimed)
        try:
            return (one(value),)
        except UnknownNameError as error:
            near = did_you_mean(value, ("all", *GROUP_NAMES, *user))
            raise UnknownNameError(
                f"{value!r} is no language and no group", hint=near or error.hint
            ) from None

    return check


def _members(
    group: str,
    known: tuple[str, ...],
    user: Mapping[str, tuple[str, ...]],
    claimed: tuple[str, ...] | None,
) -> tuple[str, ...]:
    if group in (CLAIMED, UNSEEN) and claimed is None:
        raise Wrong(
            f"the study does not say which languages the model claims, so none is {group!r}",
            hint='under [languages] write: claimed = ["en", "de"]',
        )
    if claimed is not None and group in (CLAIMED, UNSEEN):
        # Also where the task has languages of one side only, which are no groups to compare.
        found = tuple(code for code in known if (code in claimed) == (group == CLAIMED))
    else:
        found = members_of(known, user=user).get(group, ())
    if not found:
        raise Wrong(f"the task has no language of the group {group!r}")
    return found
