"""Options that name a chat model as a judge, and the way to open it: an endpoint or a local folder.

`babelbits judge` and `babelbits grade` share them, their spend limit and their progress.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from babelbits.cli.console import say
from babelbits.errors import StudyError
from babelbits.words import plural

if TYPE_CHECKING:
    from babelbits.engines.chat import ChatModel
    from babelbits.engines.local_chat import LocalChat
    from babelbits.judge.asking import Progress
    from babelbits.judge.pairwise import JudgeSettings

_Function = TypeVar("_Function", bound=Callable[..., Any])
_BUNDLED = "bundled"
_ABOVE_0 = click.FloatRange(min=0, min_open=True)

_MODEL = (
    click.option("--endpoint", metavar="URL", help="OpenAI-compatible: http://127.0.0.1:8080/v1"),
    click.option("--model", help="The model's name at the endpoint."),
    click.option("--answers-as", help="The model's name in the endpoint's replies, if another."),
    click.option("--key-env", help="Environment variable of the API key.  [BABELBITS_API_KEY]"),
    click.option(
        "--local", type=click.Path(path_type=Path), help="A chat model's folder here, or bundled."
    ),
)
_ASKING = (
    click.option(
        "--max-new-tokens", type=click.IntRange(min=1), default=1024, show_default=True,
        help="Longest reply; one that is cut off has no verdict.",
    ),
    click.option(
        "--temperature", type=click.FloatRange(min=0), default=0.0, show_default=True,
        help="Of the judge.",
    ),
    click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True),
)  # fmt: skip
_SPENDING = (
    click.option(
        "--price", nargs=2, type=click.FloatRange(min=0), metavar="IN OUT",
        help="What a million input and a million output tokens cost.",
    ),
    click.option(
        "--max-cost", type=click.FloatRange(min=0),
        help="Send nothing that could take this judge's spending, earlier runs included, beyond.",
    ),
    click.option("--concurrency", type=click.IntRange(min=1), default=4, show_default=True),
    click.option("--requests-per-minute", type=click.IntRange(min=1)),
    click.option("--tokens-per-minute", type=click.IntRange(min=1)),
    click.option(
        "--timeout", type=_ABOVE_0, default=120.0, show_default=True, help="Seconds for a request."
    ),
    click.option("--allow-network", is_flag=True, help="Leave this machine with HF_HUB_OFFLINE=1."),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatWishes:
    """The options; named like them."""

    endpoint: str | None
    model: str | None
    answers_as: str | None
    key_env: str | None
    local: Path | None
    max_new_tokens: int
    temperature: float
    seed: int
    price: tuple[float, float] | None
    max_cost: float | None
    concurrency: int
    requests_per_minute: int | None
    tokens_per_minute: int | None
    timeout: float
    allow_network: bool

    def settings(self) -> "JudgeSettings":
        """How the model is asked."""
        from babelbits.judge.pairwise import JudgeSettings

        return JudgeSettings(
            max_new_tokens=self.max_new_tokens, temperature=self.temperature, seed=self.seed
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenChat:
    """A chat model that answers."""

    model: "ChatModel"
    name: str
    spent: Callable[[], float | None] | None
    """What an endpoint says that it has cost; None: a model on this machine."""


def chat_options(*more: Callable[..., Any]) -> Callable[[_Function], _Function]:
    """The options of `ChatWishes`, with a command's own ones after those that name the model."""

    def decorate(function: _Function) -> _Function:
        options: tuple[Callable[..., Any], ...] = (*_MODEL, *more, *_ASKING, *_SPENDING)
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def check_model(wishes: ChatWishes, *, other: tuple[str, bool] | None = None) -> None:
    """Exactly one judge, and only options that it has.

    Parameters
    ----------
    other : tuple of str and bool, optional
        Another way to name a judge, as people write it after '--', and whether it is used.

    Raises
    ------
    StudyError
        If none or two are named, or an option does not fit.
    """
    named = [name for name in ("endpoint", "local") if getattr(wishes, name) is not None]
    ways = "--endpoint URL --model NAME or --local FOLDER"
    if other is not None:
        named += [other[0]] if other[1] else []
        ways = f"--endpoint URL --model NAME, --local FOLDER or --{other[0]} FOLDER"
    if len(named) != 1:
        raise StudyError(
            "no judge is named" if not named else f"two judges: --{' and --'.join(named)}",
            hint=f"name one: {ways}",
        )
    if (wishes.endpoint is None) != (wishes.model is None):
        raise StudyError("--endpoint and --model go together", hint="name both, or another judge")
    if wishes.endpoint is None and wishes.answers_as is not None:
        raise StudyError("--answers-as is about an endpoint's replies", hint="leave it out")
    if wishes.endpoint is None and wishes.key_env is not None:
        raise StudyError("--key-env is about an endpoint", hint="leave it out")
    if wishes.endpoint is None and (wishes.max_cost is not None or wishes.price is not None):
        raise StudyError("a model on this machine costs nothing", hint="leave the price out")


@contextmanager
def open_chat(
    wishes: ChatWishes, *, folder_of: "Callable[[ChatModel], Path]"
) -> "Iterator[OpenChat]":
    """The model, closed afterwards.

    Parameters
    ----------
    folder_of : callable
        From something with the model's identity to the folder of the judge that it makes: an
        endpoint's answers and spending are kept there, in the file that its ledger reads.

    Raises
    ------
    StudyError
        If an option is not valid.
    """
    opened = _local(wishes) if wishes.endpoint is None else _endpoint(wishes, folder_of)
    try:
        yield opened
    finally:
        opened.model.close()


def _endpoint(wishes: ChatWishes, folder_of: "Callable[[Any], Path]") -> OpenChat:
    from babelbits.engines.endpoint import EndpointSettings, Price, connect
    from babelbits.judge.ledger import ANSWERS

    price = None if wishes.price is None else Price(input=wishes.price[0], output=wishes.price[1])
    settings = EndpointSettings(
        url=str(wishes.endpoint),
        model=str(wishes.model),
        answers_as=wishes.answers_as,
        key_variable=wishes.key_env,
        price=price,
        max_cost=wishes.max_cost,
        requests_per_minute=wishes.requests_per_minute,
        tokens_per_minute=wishes.tokens_per_minute,
        concurrency=wishes.concurrency,
        timeout=wishes.timeout,
    )
    folder = folder_of(settings)
    folder.mkdir(parents=True, exist_ok=True)
    model = connect(
        replace(settings, cache=folder / ANSWERS),
        allow_network=wishes.allow_network,
        on_interrupt=lambda: say("waiting for the replies under way; Ctrl-C again stops now"),
    )
    return OpenChat(model=model, name=settings.model, spent=lambda: model.spending.known)


def _local(wishes: ChatWishes) -> OpenChat:
    named = Path(str(wishes.local))
    return OpenChat(model=open_local(named), name=named.name, spent=None)


def open_local(named: Path, *, cache: Path | None = None) -> "LocalChat":
    """A chat model on this machine: a folder, or the bundled model by its name.

    Raises
    ------
    MissingExtraError
        If a library that loads models is not installed.
    ModelError
        If there is no such model.
    """
    from babelbits.bundled import find_bundled_model
    from babelbits.engines.local_chat import load
    from babelbits.study.execution.run_study import need_libraries

    need_libraries()
    return load(find_bundled_model() if str(named) == _BUNDLED else named, cache=cache)


# --- while it judges -------------------------------------------------------------------------


@contextmanager
def progress(word: str) -> "Iterator[Progress]":
    """A bar on a terminal, a line for each tenth elsewhere; never a verdict."""
    import sys

    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from babelbits.cli.console import open_console

    with Progress(
        TextColumn(word),
        BarColumn(bar_width=24),
        TextColumn("{task.completed}/{task.total} replies"),
        TimeRemainingColumn(),
        console=open_console(err=True),
        transient=True,
    ) as bar:
        task = bar.add_task(word, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _lines() -> "Progress":
    said = [0]

    def tell_tenth(done: int, total: int) -> None:
        tenth = 10 * done // total
        if tenth > said[0]:
            said[0] = tenth
            say(f"{done} of {plural(total, 'reply')}")

    return tell_tenth


def split_wishes(options: Mapping[str, Any]) -> "tuple[ChatWishes, dict[str, Any]]":
    """A command's options in two: those of the model, and the command's own."""
    ours = set(ChatWishes.__dataclass_fields__)
    mine = {name: value for name, value in options.items() if name in ours}
    return ChatWishes(**mine), {name: v for name, v in options.items() if name not in ours}
