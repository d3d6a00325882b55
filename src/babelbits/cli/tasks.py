"""`babelbits tasks`: the suites and their languages; `babelbits tasks show`: a prompt as it is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from babelbits.cli.console import make_cell, open_console, print_data, print_json, say
from babelbits.cli.identifier import identifier
from babelbits.cli.tasks_check import check
from babelbits.words import plural

if TYPE_CHECKING:
    from babelbits.records import Item, Request
    from babelbits.tasks.base import Task
    from babelbits.tasks.suites import SuiteInfo

SCHEMA = "babelbits.tasks/1"
SHORT_LIST = 16
"""Languages named in a suite's details."""
FEW = 2
"""Languages named in the table of all suites; of more, it says how many."""
KINDS = ("choice", "generation", "text")
_KINDS = {"choice": "a choice", "generation": "writing", "text": "nothing: text"}
SHOW_SCHEMA = "babelbits.tasks.show/1"


class _Listing(click.Group):
    """A group whose first word may also be a filter of the list."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """`show` is a command; any other word filters the list."""
        if args and args[0] not in self.commands:
            return "list", self.commands["list"], args
        return super().resolve_command(ctx, args)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Filter:
    """What the options leave of the list."""

    language: str | None
    group: str | None
    kind: str | None
    download: bool | None
    as_json: bool

    @property
    def any(self) -> bool:
        """Whether anything but the form of the list is asked for."""
        return (self.language, self.group, self.kind, self.download) != (None,) * 4

    def keeps(self, suite: "SuiteInfo") -> bool:
        """Whether a suite is wanted."""
        from babelbits.languages import group_languages, resolve

        if self.language is not None and resolve(self.language).code not in suite.languages:
            return False
        if self.group is not None and not group_languages(suite.languages).get(_group(self.group)):
            return False
        if self.kind is not None and self.kind != suite.output_type:
            return False
        return self.download is None or self.download == suite.downloads


def _group(name: str) -> str:
    """A group that exists."""
    from babelbits.errors import UnknownNameError
    from babelbits.languages import GROUP_NAMES
    from babelbits.suggest import did_you_mean

    if name not in GROUP_NAMES:
        near = did_you_mean(name, GROUP_NAMES) or f"available: {', '.join(GROUP_NAMES)}"
        raise UnknownNameError(f"unknown group of languages '{name}'", hint=near)
    return name


def _filters(command: Any) -> Any:
    """Options that a bare list and a list of a word share."""
    for option in (
        click.option("--language", "-l", "language", help="In this language."),
        click.option("--group", "group", help="In a language of this group, e.g. non-latin."),
        click.option("--type", "kind", type=click.Choice(KINDS), help="What the model is asked."),
        click.option("--download/--no-download", default=None, help="Data from the hub, or not."),
        click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout."),
    ):
        command = option(command)
    return command


@click.group(cls=_Listing, invoke_without_command=True, subcommand_metavar="[FILTER]")
@_filters
@click.pass_context
def tasks(
    context: click.Context,
    *,
    language: str | None,
    group: str | None,
    kind: str | None,
    download: bool | None,
    as_json: bool,
) -> None:
    """List the suites and their languages; FILTER is part of a name, a glob, or a language.

    \b
    babelbits tasks                              all suites
    babelbits tasks --type choice --no-download  some of them
    babelbits tasks nb                           suites in Norwegian
    babelbits tasks 'mgsm*'                      suites called so, lm-eval's tasks too
    babelbits tasks show xcopa sw --data path/to/xcopa
    """
    context.obj = _Filter(
        language=language, group=group, kind=kind, download=download, as_json=as_json
    )
    if context.invoked_subcommand is None:
        _list(None, context.obj)


@tasks.command("list", hidden=True)
@click.argument("word")
@_filters
@click.pass_context
def list_tasks(
    context: click.Context,
    word: str,
    *,
    language: str | None,
    group: str | None,
    kind: str | None,
    download: bool | None,
    as_json: bool,
) -> None:
    """List what has WORD in its name, or is in the language WORD."""
    before: _Filter = context.obj  # options may stand on both sides of the word
    chosen = _Filter(
        language=language or before.language,
        group=group or before.group,
        kind=kind or before.kind,
        download=before.download if download is None else download,
        as_json=as_json or before.as_json,
    )
    _list(word, chosen)


@tasks.command(short_help="Show real prompts and gold answers.")
@click.argument("suite")
@click.argument("language")
@click.option("--data", "folder", type=click.Path(path_type=Path), help="Local folder of data.")
@click.option("--include-path", type=click.Path(path_type=Path), help="Folder of lm-eval YAML.")
@click.option("--shots", type=click.IntRange(min=0), help="Few-shot examples.")
@click.option("--n", "count", type=click.IntRange(min=1), default=1, help="How many items.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def show(
    suite: str,
    language: str,
    *,
    folder: Path | None,
    include_path: Path | None,
    shots: int | None,
    count: int,
    as_json: bool,
) -> None:
    """Show real prompts of a suite in a language, and their gold answers.

    \b
    babelbits tasks show math ja
    babelbits tasks show mgsm sw --data path/to/mgsm --shots 8
    """
    from babelbits.tasks.base import TaskOptions
    from babelbits.tasks.catalogue import find_info, load

    suite_info = find_info(suite, include_path=include_path, data=folder)
    if not as_json:
        _say_suite(suite_info, shots=shots)
    options = TaskOptions(limit=count, shots=shots, data=folder, include_path=include_path)
    task = load(suite, language, options)
    items = task.items()
    if as_json:
        print_json(_shown_object(task, items))
        return
    _say_what(task)
    for item in items:
        _print_item(item)


tasks.add_command(identifier)
tasks.add_command(check)


# --- the list --------------------------------------------------------------------------------


def _list(word: str | None, filters: _Filter) -> None:
    from babelbits.tasks.catalogue import list_suites

    chosen = [
        suite
        for suite in list_suites().values()
        if (word is None or _matches(suite, word)) and filters.keeps(suite)
    ]
    others = [] if word is None or filters.any else _lm_eval_names(word, known=list_suites())
    if filters.as_json:
        listing = {"suites": [_object(suite) for suite in chosen], "lm_eval_tasks": others}
        print_json({"schema": SCHEMA, **listing})
        return
    if word is None:
        _print_table(chosen)
    else:
        _print_details(chosen)
    for name in others:
        print_data(name)
    if word is None and not filters.any:
        say("Any task of lm-eval runs by its own name: babelbits tasks FILTER finds them.")
    elif not chosen and not others:
        say("no suite matches" if word is None else f"nothing is called {word!r} or is so")


def _print_table(chosen: "Iterable[SuiteInfo]") -> None:
    """One line a suite: what is asked, in how many languages, and what a number of it is."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("suite", "languages", "asks for", "score", "shots", "chance", "data", "what"):
        right = name in ("shots", "chance")
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for suite in chosen:
        count = len(suite.languages)
        table.add_row(
            *map(
                make_cell,
                (
                    suite.name,
                    str(count) if count > FEW else " ".join(suite.languages),
                    _KINDS[suite.output_type],
                    suite.metric,
                    "-" if suite.shots is None or not suite.shots else suite.shots,
                    _chance(suite),
                    _place(suite),
                    suite.summary,
                ),
            )
        )
    open_console().print(table)


def _print_details(chosen: "Sequence[SuiteInfo]") -> None:
    width = max((len(suite.name) for suite in chosen), default=0) + 2
    for suite in chosen:
        print_data(f"{suite.name:<{width}}{suite.summary}")
        for line in _details(suite, every=True):
            print_data(" " * width + line)


def _place(suite: "SuiteInfo") -> str:
    """Where the data come from, in a word."""
    if suite.downloads:
        return "hub"
    return "folder" if suite.upstream else "bundled"


def _chance(suite: "SuiteInfo") -> str:
    """What guessing scores; by the items where they have unlike numbers of choices."""
    if suite.chance is not None:
        return f"{suite.chance:.0%}"
    return "by item" if suite.output_type == "choice" else "-"


def _matches(suite: "SuiteInfo", word: str) -> bool:
    from fnmatch import fnmatchcase

    name = word.casefold()
    return name in suite.name or fnmatchcase(suite.name, name) or _code(word) in suite.languages


def _code(word: str) -> str | None:
    """Canonical code, if the word is a language."""
    from babelbits.errors import UnknownNameError
    from babelbits.languages import resolve

    try:
        return resolve(word).code
    except UnknownNameError:
        return None


def _lm_eval_names(word: str, *, known: Iterable[str]) -> list[str]:
    from babelbits.tasks.lm_eval.index import list_installed_tasks

    ours = set(known)
    # Two letters are a language, and in the names of thousands of tasks by chance.
    long_enough = len(word) > 2
    return [
        name
        for name in sorted(list_installed_tasks())
        if long_enough and word in name and name not in ours
    ]


def _details(suite: "SuiteInfo", *, every: bool) -> list[str]:
    codes = suite.languages if every else suite.languages[:SHORT_LIST]
    more = f" … (babelbits tasks {suite.name})" if len(codes) < len(suite.languages) else ""
    facts = [
        f"{plural(len(suite.languages), 'language')}: {' '.join(codes)}{more}",
        " · ".join(
            [
                "writes text" if suite.generates else "scores text",
                "the same items in all languages" if suite.parallel else "items differ by language",
                f"chance {_chance(suite)}",
                plural(suite.shots or 0, "example"),
                f"licence {suite.licence}",
                _source(suite),
            ]
        ),
        f"score: {suite.metric}; comparable with {suite.comparable}",
    ]
    return [line for fact in facts for line in _wrapped(fact)]


def _wrapped(text: str) -> list[str]:
    from textwrap import wrap

    return wrap(text, width=80, break_on_hyphens=False)


def _source(suite: "SuiteInfo") -> str:
    if suite.hub_dataset is not None:
        return f"data: {suite.hub_dataset}@{_revision(suite)}, or a folder under [data]"
    if suite.downloads:
        return "data: the hub's, as lm-eval's task says, or a folder under [data]"
    return "data: bundled" if _place(suite) == "bundled" else "data: a folder under [data]"


def _revision(suite: "SuiteInfo") -> str:
    return suite.revision or "main (the commit is recorded when it is got)"


def _object(suite: "SuiteInfo") -> dict[str, Any]:
    return {
        "name": suite.name,
        "summary": suite.summary,
        "languages": list(suite.languages),
        "generates": suite.generates,
        "parallel": suite.parallel,
        "chance": suite.chance,
        "shots": suite.shots,
        "licence": suite.licence,
        "hub_dataset": suite.hub_dataset,
        "revision": suite.revision,
        "output_type": suite.output_type,
        "metric": suite.metric,
        "choices": suite.choices,
        "comparable": suite.comparable,
    }


# --- one task --------------------------------------------------------------------------------


def _say_suite(suite: "SuiteInfo", *, shots: int | None) -> None:
    """What the catalogue knows, before any data are read."""
    say(f"{suite.name}: {suite.summary}")
    say(f"asks for {_KINDS[suite.output_type]}; chance {_chance(suite)}; licence {suite.licence}")
    say(_source(suite))
    usual = shots is None or shots == suite.shots
    say(f"comparable with {suite.comparable}{'' if usual else ', but for the number of examples'}")


def _say_what(task: "Task") -> None:
    info, shots = task.info, getattr(task, "shots", 0)
    say(f"{info.name}: {info.origin}, {plural(shots, 'example')} before each question")
    say(f"scored by {', '.join(metric.name for metric in info.metrics)}; first {info.primary}")
    for note in info.notes:
        say(f"note: {note}")


def _print_item(item: "Item") -> None:
    """Item by item: what is asked, and the gold answer. Line feeds stay, control characters not."""
    from babelbits.tasks.base import find_prompt

    print_data(f"── item {item.item_id}, source {item.source_id}")
    print_data(find_prompt(item))
    for request in item.requests:
        for name, text in _beside_prompt(request):
            print_data(f"── {name}: {text!r}")
    if item.target:
        print_data(f"── gold: {item.target}")


def _beside_prompt(request: "Request") -> list[tuple[str, object]]:
    """What a request asks for besides its prompt."""
    from babelbits.records import GenerateRequest, ScoreRequest

    if isinstance(request, ScoreRequest):
        return [("continuation", request.continuation)]
    if isinstance(request, GenerateRequest):
        stops = [("stop at", stop) for stop in request.stop]
        drawn = [("temperature", request.temperature), ("top p", request.top_p)]
        sampled: list[tuple[str, object]] = [*drawn] if request.temperature else []
        return [*stops, ("at most tokens", request.max_new_tokens), *sampled]
    return []


def _shown_object(task: "Task", items: Iterable["Item"]) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "schema": SHOW_SCHEMA,
        "task": asdict(task.info),
        "items": [asdict(item) for item in items],
    }
