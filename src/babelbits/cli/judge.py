"""`babelbits judge`: which answers a judge prefers, by variant and language."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from babelbits.cli.console import data_json, say
from babelbits.cli.pairs import choice, choice_options, tell
from babelbits.errors import ExitCode, Interrupted, StudyError

if TYPE_CHECKING:
    from babelbits.judge.asking import Progress
    from babelbits.judge.pairs import AnswerPair
    from babelbits.judge.session import ChatJudge, RewardJudge

_Function = TypeVar("_Function", bound=Callable[..., Any])
_A_FILE = (".jsonl", ".xz")
_ABOVE_0 = click.FloatRange(min=0, min_open=True)

_JUDGES = (
    click.option("--endpoint", metavar="URL", help="OpenAI-compatible: http://127.0.0.1:8080/v1"),
    click.option("--model", help="The model's name at the endpoint."),
    click.option("--local", type=click.Path(path_type=Path), help="A chat model's folder here."),
    click.option("--reward", type=click.Path(path_type=Path), help="A reward model's folder."),
    click.option(
        "--mode", type=click.Choice(["pairwise", "direct"]), default="pairwise", show_default=True,
        help="Which answer is better, or how good each is from 1 to 5.",
    ),
    click.option("--template", type=click.Path(path_type=Path), help="File with the question."),
    click.option(
        "--max-new-tokens", type=click.IntRange(min=1), default=1024, show_default=True,
        help="Longest reply; one that is cut off has no verdict.",
    ),
    click.option(
        "--temperature", type=click.FloatRange(min=0), default=0.0, show_default=True,
        help="Of the judge.",
    ),
    click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True),
    click.option(
        "--band", type=click.FloatRange(min=0), default=0.0, show_default=True,
        help="Rewards no further apart than this are a tie.",
    ),
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
class _Wishes:
    """The options that say who judges; named like them."""

    endpoint: str | None
    model: str | None
    local: Path | None
    reward: Path | None
    mode: Literal["pairwise", "direct"]
    template: Path | None
    max_new_tokens: int
    temperature: float
    seed: int
    band: float
    price: tuple[float, float] | None
    max_cost: float | None
    concurrency: int
    requests_per_minute: int | None
    tokens_per_minute: int | None
    timeout: float
    allow_network: bool


def _judge_options(function: _Function) -> _Function:
    for option in reversed((*_JUDGES, *_SPENDING)):
        function = option(function)
    return function


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="FOLDER|STUDY|PAIRS.jsonl")
@_judge_options
@choice_options
@click.option(
    "--margin",
    type=click.FloatRange(min=0, max=100, min_open=True, max_open=True),
    default=10.0,
    show_default=True,
    help="Net preference that would not matter, in points.",
)
@click.option(
    "--alpha",
    type=click.FloatRange(min=0, max=0.5, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for judgments; in the run folder, or beside the pairs, unless given.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def judge(
    source: Path,
    *,
    suites: tuple[str, ...],
    variants: tuple[str, ...],
    languages: tuple[str, ...],
    limit: int | None,
    smoke: bool,
    margin: float,
    alpha: float,
    output: Path | None,
    as_json: bool,
    **who: Any,
) -> int:
    """Ask a judge which answers are better, the baseline's or a variant's.

    SOURCE holds the answers: a run folder or its study file after `babelbits generate`, or pairs
    from `babelbits pairs`. Every pair is asked about twice, once in either order. The same command
    again asks only what has no reply yet.

    \b
    babelbits judge study.toml --endpoint http://127.0.0.1:8080/v1 --model qwen3-32b
    babelbits judge pairs.jsonl --endpoint https://host/v1 --model m --price 0.2 0.8 --max-cost 5
    babelbits judge study.toml --reward ./reward-model --band 0.1
    babelbits judge study.toml --endpoint URL --model m --mode direct

    The API key is read from BABELBITS_API_KEY. Exit code 3: some pairs could not be asked about.
    """  # noqa: D301  click wants the control character
    from babelbits.cli.judged import print_result
    from babelbits.judge.session import as_object, run_judge
    from babelbits.judge.summary import SummarySettings

    wishes = _Wishes(**who)
    _check(wishes)
    wanted = choice(suites, variants, languages, limit=limit)
    if source.suffix in _A_FILE:
        pairs, parent = _from_file(source, wanted), source.with_suffix(".judgments")
    else:
        from babelbits.cli.report import locate
        from babelbits.judge.collect import collect

        folder, _, is_smoke = locate(source, smoke=smoke)
        found = collect(folder, wanted, smoke=is_smoke)
        tell(found)
        pairs, parent = found.pairs, folder / ("smoke" if is_smoke else "") / "judgments"
    parent = output or parent
    settings = SummarySettings(margin=margin / 100, alpha=alpha, seed=wishes.seed)
    with _who(wishes, parent) as who_judges, _progress() as progress:
        try:
            result = run_judge(who_judges, pairs, parent=parent, settings=settings,
                               progress=progress)  # fmt: skip
        except KeyboardInterrupt:
            raise Interrupted(
                "every reply so far is kept", hint="go on with the same command"
            ) from None
    if as_json:
        data_json(as_object(result))
    else:
        print_result(result)
    return int(ExitCode.INCOMPLETE if result.n_errors else ExitCode.DONE)


def _check(wishes: _Wishes) -> None:
    """Exactly one judge, and only options that it has."""
    named = [name for name in ("endpoint", "local", "reward") if getattr(wishes, name) is not None]
    if len(named) != 1:
        raise StudyError(
            "no judge is named" if not named else f"two judges: --{' and --'.join(named)}",
            hint="name one: --endpoint URL --model NAME, --local FOLDER or --reward FOLDER",
        )
    if (wishes.endpoint is None) != (wishes.model is None):
        raise StudyError("--endpoint and --model go together", hint="name both, or another judge")
    if wishes.reward is not None and (wishes.template or wishes.mode == "direct"):
        raise StudyError(
            "a reward model is asked no question", hint="leave --template and --mode out"
        )
    if wishes.endpoint is None and (wishes.max_cost is not None or wishes.price is not None):
        raise StudyError("a model on this machine costs nothing", hint="leave the price out")


def _from_file(path: Path, wanted: Any) -> "tuple[AnswerPair, ...]":
    """Pairs of a file, those that the options choose."""
    from babelbits.judge.pair_files import read_pairs

    chosen = [
        pair
        for pair in read_pairs(path)
        if (not wanted.variants or pair.variant in wanted.variants)
        and (not wanted.languages or pair.language in wanted.languages)
        and (not wanted.suites or any(pair.task.startswith(f"{s}_") for s in wanted.suites))
    ]
    if not chosen:
        raise StudyError("no pair of the file is chosen", where=str(path))
    count: dict[tuple[str, str, str], int] = {}
    kept = []
    for pair in chosen:
        key = (pair.variant, pair.task, pair.language)
        count[key] = count.get(key, 0) + 1
        if wanted.limit is None or count[key] <= wanted.limit:
            kept.append(pair)
    say(f"{len(kept)} pairs, {sum(pair.identical for pair in kept)} of them identical")
    return tuple(kept)


# --- who judges ------------------------------------------------------------------------------


@contextmanager
def _who(wishes: _Wishes, parent: Path) -> "Iterator[ChatJudge | RewardJudge]":
    """The judge, open."""
    from babelbits.judge.session import RewardJudge

    if wishes.reward is not None:
        from babelbits.judge.reward import load_reward_model

        model = load_reward_model(wishes.reward)
        say(f"{model.name}: {'its chat template' if model.templated else 'prompt and answer'}")
        yield RewardJudge(model=model, name=model.name, band=wishes.band)
        return
    opened = _endpoint(wishes, parent) if wishes.local is None else _local(wishes)
    try:
        yield opened
    finally:
        opened.model.close()


def _chat_judge(wishes: _Wishes, model: Any, *, name: str) -> "ChatJudge":
    from babelbits.judge.pairwise import JudgeSettings
    from babelbits.judge.session import ChatJudge
    from babelbits.judge.templates import load_template

    template = load_template(wishes.template, mode=wishes.mode)
    return ChatJudge(
        model=model,
        name=f"{name} · {template.name}",
        template=template,
        settings=JudgeSettings(
            max_new_tokens=wishes.max_new_tokens, temperature=wishes.temperature, seed=wishes.seed
        ),
    )


def _endpoint(wishes: _Wishes, parent: Path) -> "ChatJudge":
    """A judge behind an endpoint; its file of answers lies in its own folder."""
    from babelbits.engines.endpoint import EndpointSettings, Price, connect
    from babelbits.judge.session import judge_folder

    price = None if wishes.price is None else Price(input=wishes.price[0], output=wishes.price[1])
    settings = EndpointSettings(
        url=str(wishes.endpoint),
        model=str(wishes.model),
        price=price,
        max_cost=wishes.max_cost,
        requests_per_minute=wishes.requests_per_minute,
        tokens_per_minute=wishes.tokens_per_minute,
        concurrency=wishes.concurrency,
        timeout=wishes.timeout,
    )
    described = _chat_judge(wishes, settings, name=settings.model)
    folder = judge_folder(parent, described)
    folder.mkdir(parents=True, exist_ok=True)
    model = connect(
        replace(settings, cache=folder / "answers.sqlite"),
        allow_network=wishes.allow_network,
        on_interrupt=lambda: say("waiting for the replies under way; Ctrl-C again stops now"),
    )
    return replace(described, model=model, spent=lambda: model.spending.known)


def _local(wishes: _Wishes) -> "ChatJudge":
    """A judge on this machine."""
    from babelbits.engines import local_chat

    folder = Path(str(wishes.local))
    model = local_chat.load(folder)
    return _chat_judge(wishes, model, name=folder.name)


# --- while it judges -------------------------------------------------------------------------


@contextmanager
def _progress() -> "Iterator[Progress]":
    """A bar on a terminal, a line for each tenth elsewhere; never a verdict."""
    import sys

    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from babelbits.cli.console import console

    with Progress(
        TextColumn("judging"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed}/{task.total} replies"),
        TimeRemainingColumn(),
        console=console(err=True),
        transient=True,
    ) as bar:
        task = bar.add_task("judging", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _lines() -> "Progress":
    said = [0]

    def tell_tenth(done: int, total: int) -> None:
        tenth = 10 * done // total
        if tenth > said[0]:
            said[0] = tenth
            say(f"{done} of {total} replies")

    return tell_tenth
