"""`[[tasks]]` of a study file to `SuiteSpec`s: which benchmark in which languages, and how."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args, get_type_hints

from babelbits.errors import UnknownNameError
from babelbits.languages import CLAIMED, GROUP_NAMES, UNSEEN, resolve
from babelbits.languages import group_languages as members_of
from babelbits.study.config.problems import Findings, note_unknown_key
from babelbits.study.config.spec import SuiteSpec
from babelbits.suggest import did_you_mean, one_of
from babelbits.tasks import catalogue
from babelbits.tasks.base import TaskOptions
from babelbits.tasks.extended import TalkOptions
from babelbits.tasks.jsonl_task import name_expected_file
from babelbits.tasks.language_id import check_name
from babelbits.tasks.prompting import ChatOptions, Sampling
from babelbits.words import plural

if TYPE_CHECKING:
    from babelbits.study.config.file_model import ChatTable, StudyFile, TaskTable

_TEMPLATE = {True: "on", False: "off", "auto": "auto"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a task's table is read in."""

    home: Path
    """Folder where relative paths start."""
    user: Mapping[str, tuple[str, ...]]
    """The user's groups: name to canonical codes."""
    claimed: tuple[str, ...] | None
    """Languages that the model claims."""
    data: Mapping[str, Path]
    """Suite name to the local folder that stands in for its hub dataset."""
    usual: TaskOptions
    """The study's limit, seed and chat."""


def resolve_suites(
    file: "StudyFile", found: Findings, around: Surroundings
) -> tuple[SuiteSpec, ...]:
    """All suites of a study; what is wrong with them is noted in `found`, about the file."""
    if not file.tasks and all(one.path[:1] != ("tasks",) for one in found.problems):
        found.note("a study needs at least one task", "tasks", hint='[[tasks]] suite = "text"')
    suites: list[SuiteSpec] = []
    for number, table in enumerate(file.tasks):
        here = found.at("tasks", number)
        suite = _suite(table, here, around)
        if suite is None:
            continue
        if any(other.suite == suite.suite for other in suites):
            here.note(
                f"the task {suite.suite!r} is asked for twice",
                "suite",
                hint="one table holds all its languages; another way of asking is another study",
            )
        suites.append(suite)
    return tuple(suites)


def _suite(table: "TaskTable", found: Findings, around: Surroundings) -> SuiteSpec | None:
    from babelbits.study.config.suite_keys import read_suite_keys

    include = None
    if table.include_path is not None:
        include = (around.home / Path(table.include_path).expanduser()).resolve()
        if not include.is_dir():
            found.note(f"'include_path' is no folder: {str(include)!r}", "include_path")
            include = None
    info = None
    if table.suite is not None:
        with found.noting("suite"):
            info = catalogue.find_info(
                table.suite, include_path=include, data=around.data.get(table.suite)
            )
    languages = _languages(table, info, found, around)
    chat = read_chat_options(table.chat, found.at("chat"), usual=around.usual.chat)
    # What lm-eval's own names do is known when they are built.
    may_write = info is None or info.generates or info.any_language
    sampling = _sampling(table, found, generates=may_write)
    identifier = table.identifier
    if identifier is not None and (info is None or "identifier" in info.own_names):
        with found.noting("identifier"):
            identifier = check_name(identifier, home=around.home)
    own = read_suite_keys(table, info, found, suites=catalogue.list_suites().values())
    if info is None:
        return None
    _check_options(table, info, languages, found)
    options = replace(
        around.usual,
        limit=choose_fewer(table.items, around.usual.limit),
        shots=table.shots,
        data=around.data.get(info.name, around.data.get(info.data_name or "")),
        include_path=include,
        limits=table.token_limits,
        chat=chat,
        sampling=sampling,
        own=info.own(
            {
                "mode": table.mode,
                "pivot": table.pivot,
                "identifier": identifier,
                **_talk(table, info, found),
                **own,
            }
        ),
    )
    languages = tuple(dict.fromkeys(languages))
    return SuiteSpec(suite=info.name, languages=languages, options=options)


def _check_options(
    table: "TaskTable", info: catalogue.SuiteInfo, languages: tuple[str, ...], found: Findings
) -> None:
    """Note options that are not for the suite."""
    if table.mode is not None and "mode" not in info.own_names:
        found.note(f"'mode' is not for the task {info.name!r}, which asks in one way", "mode")
    elif table.mode is not None and table.mode not in (modes := _modes(info)):
        near = did_you_mean(table.mode, modes)
        found.note(f"'mode' must be {one_of(modes)}, not {table.mode!r}", "mode", hint=near)
    if table.pivot is not None and "pivot" not in info.own_names:
        found.note(f"'pivot' is not for the task {info.name!r}, which does not translate", "pivot")
    elif table.pivot is not None and table.pivot not in info.upstream:
        found.note(f"the task has no {table.pivot!r}", "pivot")
    if table.identifier is not None and "identifier" not in info.own_names:
        what = f"'identifier' is not for the task {info.name!r}, which identifies no language"
        found.note(what, "identifier")
    if table.shots and info.most_shots is not None and table.shots > info.most_shots:
        there = plural(info.most_shots, "example") if info.most_shots else "no examples"
        found.note(
            f"the task {info.name!r} has {there} to show",
            "shots",
            hint="ask for fewer" if info.most_shots else "leave it out",
        )
    if "pivot" in info.own_names and (table.pivot or "en") in languages:
        found.note(f"{table.pivot or 'en'!r} cannot be translated into itself", "languages")


def choose_fewer(items: int | None, limit: int | None) -> int | None:
    """The smaller of two limits on the number of items; None: there is none."""
    return min((one for one in (items, limit) if one is not None), default=None)


# --- languages -----------------------------------------------------------------------------------


def _languages(
    table: "TaskTable", info: catalogue.SuiteInfo | None, found: Findings, around: Surroundings
) -> tuple[str, ...]:
    """The languages of a task: all, those of a group, one, or those of an array."""
    known = () if info is None else info.languages
    asked = table.languages
    if asked is None:
        if info is not None and not known and "languages" not in table.model_fields_set:
            found.note(
                "'languages' is missing", "languages", hint='for example: languages = ["en"]'
            )
        return known
    if isinstance(asked, str):
        if asked == "all" and (known or info is None):
            return known
        if asked in around.user or asked in GROUP_NAMES:
            return () if info is None else _members(asked, known, found, around)
        try:
            codes = [resolve(asked).code]
        except UnknownNameError as error:
            near = did_you_mean(asked, ("all", *GROUP_NAMES, *around.user))
            what = f"{asked!r} is no language and no group"
            found.note(what, "languages", hint=near or error.hint)
            return ()
    else:
        codes = asked
    for index, code in enumerate(codes):
        if info is not None and code not in known and not info.any_language:
            below = ("languages",) if isinstance(asked, str) else ("languages", index)
            hint = f"it has: {', '.join(known)}"
            folder = around.data.get(info.name)
            if folder is not None and not info.upstream:
                hint = f"expected {name_expected_file(info.name, code, folder)}; {hint}"
            found.note(f"the task has no {code!r}", *below, hint=hint)
    return tuple(codes)


def _members(
    group: str, known: tuple[str, ...], found: Findings, around: Surroundings
) -> tuple[str, ...]:
    """The languages of a group that a task has."""
    if group not in (CLAIMED, UNSEEN):
        members = members_of(known, user=around.user).get(group, ())
    elif around.claimed is None:
        found.note(
            f"the study does not say which languages the model claims, so none is {group!r}",
            "languages",
            hint='under [languages] write: claimed = ["en", "de"]',
        )
        return ()
    else:
        # Also where the task has languages of one side only, which are no groups to compare.
        members = tuple(one for one in known if (one in around.claimed) == (group == CLAIMED))
    if not members:
        found.note(f"the task has no language of the group {group!r}", "languages")
    return members


# --- how it asks ---------------------------------------------------------------------------------


def read_chat_options(
    table: "ChatTable | None", found: Findings, *, usual: ChatOptions | None = None
) -> ChatOptions:
    """`[chat]`, or `chat` of a task, which says only what differs from `usual`."""
    start = usual or ChatOptions()
    if table is None:
        return start
    given = table.given()
    if "template" in given:
        given["template"] = _TEMPLATE[given["template"]]
    if "thinking" in given:
        given["thinking"] = tuple((first, last) for first, last in given["thinking"] or ())
    options = replace(start, **given)
    if options.template == "off":
        for name in ("system_prompt", "fewshot", "enable_thinking"):
            if name in given:
                found.note(
                    f"{name!r} needs the chat template", name, hint="set template = true beside it"
                )
    return options


def _sampling(table: "TaskTable", found: Findings, *, generates: bool) -> Sampling | None:
    """`samples`, `temperature` and `top_p` of a task; None: it is not sampled."""
    usual = Sampling()
    if "samples" not in table.model_fields_set:
        for name in ("temperature", "top_p"):
            if name in table.model_fields_set:
                found.note(f"{name!r} needs samples", name, hint=f"samples = {usual.samples}")
    elif not generates:
        found.note(
            "nothing is generated here, so nothing can be sampled", "samples", hint="leave it out"
        )
    chosen = {name: value for name, value in table.given().items() if hasattr(usual, name)}
    return Sampling(**chosen) if table.samples is not None else None


def _talk(table: "TaskTable", info: catalogue.SuiteInfo, found: Findings) -> dict[str, int]:
    """`tokens`, `bucket` and `turns`, which the suite 'extended' alone has."""
    if "turns" not in info.own_names:
        for name in ("tokens", "bucket", "turns"):
            if name in table.model_fields_set:
                only = "only the task 'extended' has it"
                found.problems.append(note_unknown_key((*found.path, name), (), hint=only))
        return {}
    usual = TalkOptions()
    tokens = table.tokens or usual.tokens
    bucket = table.bucket or min(usual.bucket, tokens)
    if bucket > tokens:
        found.note(f"a bucket of {bucket} tokens is longer than an answer", "bucket")
    elif tokens / bucket > 64:
        found.note("more than 64 buckets an answer are too many to tell apart", "bucket")
    return {"tokens": tokens, "bucket": bucket, "turns": table.turns or usual.turns}


def _modes(info: catalogue.SuiteInfo) -> tuple[str, ...]:
    """The ways in which a suite can ask."""
    words = () if info.own_options is None else get_args(get_type_hints(info.own_options)["mode"])
    return tuple(word for word in words if isinstance(word, str))
