"""`babelbits judge`: which answers a judge prefers, by variant and language."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from babelbits.cli.chat_judge import (
    ChatWishes,
    chat_options,
    check_model,
    open_chat,
    progress,
    split_wishes,
)
from babelbits.cli.console import print_json, say
from babelbits.cli.pairs import choice_options, make_query, tell
from babelbits.errors import ExitCode, Interrupted, StudyError
from babelbits.words import plural

if TYPE_CHECKING:
    from babelbits.engines.chat import ChatModel
    from babelbits.judge.session import ChatJudge, RewardJudge
    from babelbits.preferences.answer_pairs import AnswerPair

_A_FILE = (".jsonl", ".xz")

_OWN = (
    click.option("--reward", type=click.Path(path_type=Path), help="A reward model's folder."),
    click.option(
        "--mode", type=click.Choice(["pairwise", "direct"]), default="pairwise", show_default=True,
        help="Which answer is better, or how good each is from 1 to 5.",
    ),
    click.option("--template", type=click.Path(path_type=Path), help="File with the question."),
    click.option(
        "--band", type=click.FloatRange(min=0), default=0.0, show_default=True,
        help="Rewards no further apart than this are a tie.",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wishes:
    """The options that say who judges, those of a chat model apart; named like them."""

    chat: ChatWishes
    reward: Path | None
    mode: Literal["pairwise", "direct"]
    template: Path | None
    band: float


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="FOLDER|STUDY|PAIRS.jsonl")
@chat_options(*_OWN)
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
    """
    from babelbits.cli.judge_tables import print_result
    from babelbits.judge.session import as_object, run_judge
    from babelbits.preferences.summary import SummarySettings

    chat, own = split_wishes(who)
    wishes = _Wishes(chat=chat, **own)
    _check(wishes)
    wanted = make_query(suites, variants, languages, limit=limit)
    if source.suffix in _A_FILE:
        pairs, parent = _from_file(source, wanted), source.with_suffix(".judgments")
    else:
        from babelbits.preferences.collect import collect
        from babelbits.results.sources import locate

        folder, _, is_smoke = locate(source, smoke=smoke)
        collected = collect(folder, wanted, smoke=is_smoke)
        tell(collected)
        pairs, parent = collected.pairs, folder / ("smoke" if is_smoke else "") / "judgments"
    parent = output or parent
    settings = SummarySettings(margin=margin / 100, alpha=alpha, seed=chat.seed)
    with _who(wishes, parent) as who_judges, progress("judging") as told:
        try:
            result = run_judge(who_judges, pairs, parent=parent, settings=settings,
                               progress=told)  # fmt: skip
        except KeyboardInterrupt:
            raise Interrupted(
                "every reply so far is kept", hint="go on with the same command"
            ) from None
    if as_json:
        print_json(as_object(result))
    else:
        print_result(result)
    return int(ExitCode.INCOMPLETE if result.n_errors else ExitCode.DONE)


def _check(wishes: _Wishes) -> None:
    """Exactly one judge, and only options that it has."""
    check_model(wishes.chat, other=("reward", wishes.reward is not None))
    if wishes.reward is not None and (wishes.template or wishes.mode == "direct"):
        raise StudyError(
            "a reward model is asked no question", hint="leave --template and --mode out"
        )


def _from_file(path: Path, wanted: Any) -> "tuple[AnswerPair, ...]":
    """Pairs of a file, those that the options choose."""
    from babelbits.preferences.pair_files import read_pairs

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
    say(f"{plural(len(kept), 'pair')}, {sum(pair.identical for pair in kept)} of them identical")
    return tuple(kept)


# --- who judges ------------------------------------------------------------------------------


@contextmanager
def _who(wishes: _Wishes, parent: Path) -> "Iterator[ChatJudge | RewardJudge]":
    """The judge, open."""
    from babelbits.judge.session import ChatJudge, RewardJudge

    if wishes.reward is not None:
        from babelbits.judge.reward import load_reward_model

        model = load_reward_model(wishes.reward)
        say(f"{model.name}: {'its chat template' if model.templated else 'prompt and answer'}")
        yield RewardJudge(model=model, name=model.name, band=wishes.band)
        return
    from babelbits.judge.session import judge_folder
    from babelbits.judge.templates import load_template

    template = load_template(wishes.template, mode=wishes.mode)

    def described(model: "ChatModel", name: str = "") -> "ChatJudge":
        return ChatJudge(
            model=model,
            name=f"{name} · {template.name}",
            template=template,
            settings=wishes.chat.settings(),
        )

    with open_chat(
        wishes.chat, folder_of=lambda model: judge_folder(parent, described(model))
    ) as opened:
        yield replace(described(opened.model, opened.name), spent=opened.spent)
