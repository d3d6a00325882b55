"""`babelbits tasks`: the suites and their languages; `babelbits tasks show`: a prompt as it is."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from babelbits.cli.console import data, data_json, say
from babelbits.cli.identifier import identifier

if TYPE_CHECKING:
    from babelbits.records import Item, Request
    from babelbits.tasks.base import Task
    from babelbits.tasks.suites import SuiteInfo

SCHEMA = "babelbits.tasks/1"
SHORT_LIST = 16
"""Languages named in the list of all suites."""
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


@click.group(cls=_Listing, invoke_without_command=True, subcommand_metavar="[FILTER]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.pass_context
def tasks(context: click.Context, *, as_json: bool) -> None:
    """List the suites and their languages; FILTER is part of a name or a language.

    \b
    babelbits tasks                    all suites
    babelbits tasks nb                 suites in Norwegian
    babelbits tasks copa               suites called so, lm-eval's tasks too
    babelbits tasks show xcopa sw --data path/to/xcopa
    babelbits tasks identifier         how often languages are mistaken
    """  # noqa: D301  click wants the control character
    if context.invoked_subcommand is None:
        _list(None, as_json=as_json)


@tasks.command("list", hidden=True)
@click.argument("word")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.pass_context
def list_tasks(context: click.Context, word: str, *, as_json: bool) -> None:
    """List what has WORD in its name, or is in the language WORD."""
    before = context.parent.params if context.parent else {}
    _list(word, as_json=as_json or bool(before.get("as_json")))


@tasks.command()
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
    """  # noqa: D301  click wants the control character
    from babelbits.tasks.base import TaskOptions
    from babelbits.tasks.catalogue import load

    options = TaskOptions(limit=count, shots=shots, data=folder, include_path=include_path)
    task = load(suite, language, options)
    items = task.items()
    if as_json:
        data_json(_shown_object(task, items))
        return
    _say_what(task)
    for item in items:
        _print_item(item)


tasks.add_command(identifier)


# --- the list --------------------------------------------------------------------------------


def _list(word: str | None, *, as_json: bool) -> None:
    from babelbits.tasks.catalogue import suites

    chosen = [suite for suite in suites().values() if word is None or _matches(suite, word)]
    others = [] if word is None else _lm_eval_names(word, known=suites())
    if as_json:
        found = {"suites": [_object(suite) for suite in chosen], "lm_eval_tasks": others}
        data_json({"schema": SCHEMA, **found})
        return
    width = max((len(suite.name) for suite in chosen), default=0) + 2
    for suite in chosen:
        data(f"{suite.name:<{width}}{suite.summary}")
        for line in _details(suite, every=word is not None):
            data(" " * width + line)
    for name in others:
        data(name)
    if word is None:
        say("Any task of lm-eval runs by its own name: babelbits tasks FILTER finds them.")
    elif not chosen and not others:
        say(f"nothing is called {word!r} or is in that language")


def _matches(suite: "SuiteInfo", word: str) -> bool:
    return word.casefold() in suite.name or _code(word) in suite.languages


def _code(word: str) -> str | None:
    """Canonical code, if the word is a language."""
    from babelbits.errors import UnknownNameError
    from babelbits.languages import resolve

    try:
        return resolve(word).code
    except UnknownNameError:
        return None


def _lm_eval_names(word: str, *, known: Iterable[str]) -> list[str]:
    from babelbits.tasks.lm_eval_index import installed_tasks

    ours = set(known)
    # Two letters are a language, and in the names of thousands of tasks by chance.
    long_enough = len(word) > 2
    return [
        name
        for name in sorted(installed_tasks())
        if long_enough and word in name and name not in ours
    ]


def _details(suite: "SuiteInfo", *, every: bool) -> list[str]:
    codes = suite.languages if every else suite.languages[:SHORT_LIST]
    more = f" … (babelbits tasks {suite.name})" if len(codes) < len(suite.languages) else ""
    facts = [
        f"{_counted(len(suite.languages))}: {' '.join(codes)}{more}",
        " · ".join(
            [
                "writes text" if suite.generates else "scores text",
                "the same items in all languages" if suite.parallel else "items differ by language",
                f"chance {suite.chance:.0%}" if suite.chance is not None else "no chance level",
                f"licence {suite.licence}",
                _source(suite),
            ]
        ),
    ]
    return [line for fact in facts for line in _wrapped(fact)]


def _counted(n_languages: int) -> str:
    return "1 language" if n_languages == 1 else f"{n_languages} languages"


def _wrapped(text: str) -> list[str]:
    from textwrap import wrap

    return wrap(text, width=80, break_on_hyphens=False)


def _source(suite: "SuiteInfo") -> str:
    if suite.hub_dataset is not None:
        return f"data: {suite.hub_dataset}, or a folder under [data]"
    needs_folder = suite.upstream or suite.local_only
    return "data: a folder under [data]" if needs_folder else "data: bundled"


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
    }


# --- one task --------------------------------------------------------------------------------


def _say_what(task: "Task") -> None:
    info = task.info
    say(f"{info.name}: {info.origin}, licence {info.licence}")
    say(f"scored by {', '.join(metric.name for metric in info.metrics)}; first {info.primary}")
    for note in info.notes:
        say(f"note: {note}")


def _print_item(item: "Item") -> None:
    """Item by item: what is asked, and the gold answer. Line feeds stay, control characters not."""
    from babelbits.tasks.base import prompt_of

    data(f"── item {item.item_id}, source {item.source_id}")
    data(prompt_of(item))
    for request in item.requests:
        for name, text in _beside_prompt(request):
            data(f"── {name}: {text!r}")
    if item.target:
        data(f"── gold: {item.target}")


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
