"""`babelbits kl`: how far each variant's next-token distributions are from the baseline's."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from babelbits.cli.console import make_cell, open_console, print_json, say
from babelbits.errors import ExitCode, Interrupted
from babelbits.words import plural

if TYPE_CHECKING:
    from babelbits.records import Interval
    from babelbits.stats.divergence import DivergenceSummary
    from babelbits.study.planning.divergence_files import RecordedDivergence

SCHEMA = "babelbits.kl/1"
DEFAULT_TOP = 64
"""Tokens kept of each distribution of the baseline: 524 bytes a token."""
_NEARLY_ALL = 0.999
"""Kept probability from which on nothing need be said of the rest."""


@click.command()
@click.argument("study", type=click.Path(path_type=Path, dir_okay=False), default="study.toml")
@click.option("--limit", type=click.IntRange(min=1), help="First N documents: a smoke run.")
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=DEFAULT_TOP,
    show_default=True,
    help="Most likely tokens kept of the baseline; the vocabulary's size makes the KL exact.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def kl(study: Path, *, limit: int | None, top: int, as_json: bool) -> int:
    """Measure Kullback-Leibler divergence, same top token and perplexity ratio by language.

    On the text suites of STUDY (study.toml), for every variant that `babelbits run` has made, in
    whatever format. Intervals are from drawing whole documents. What was measured is kept.
    """
    from babelbits.store import Store
    from babelbits.study import load
    from babelbits.study.execution import divergence
    from babelbits.study.execution.interrupt import stop_on_interrupt
    from babelbits.study.execution.run_study import need_libraries
    from babelbits.study.planning.base_model import locate
    from babelbits.study.planning.plan import build_light, make_plan

    need_libraries()
    loaded = load(study, limit=limit)
    store = Store(loaded.folder, smoke=loaded.smoke)

    def tell() -> None:
        say("stopping after the language in flight; Ctrl-C again stops now")

    resume = _how_to_go_on(study, limit=limit, top=top)
    try:
        with store.writing(), stop_on_interrupt(tell) as stop:
            plan = make_plan(loaded, store, base=locate(loaded.model), build=build_light)
            divergences = divergence.measure(plan, store, k=top, say=say, stop=stop)
    except KeyboardInterrupt:
        raise Interrupted("what was measured is kept", hint=resume) from None
    missing = divergence.list_left_out(plan)
    if as_json:
        print_json(as_object(divergences))
    else:
        _print(divergences)
    if stop.is_requested():
        say(f"interrupted; {resume}")
        return int(ExitCode.INTERRUPTED)
    if missing:
        again = shlex.join(["babelbits", "run", str(study)])
        say(f"not made yet: {', '.join(missing)}; make them with: {again}")
    return int(ExitCode.INCOMPLETE if missing else ExitCode.DONE)


def _how_to_go_on(study: Path, *, limit: int | None, top: int) -> str:
    """The command that measures what is left."""
    words = ["babelbits", "kl", str(study)]
    words += [] if limit is None else ["--limit", str(limit)]
    words += [] if top == DEFAULT_TOP else ["--top", str(top)]
    return f"go on with: {shlex.join(words)}"


def as_object(found: Sequence["RecordedDivergence"]) -> dict[str, object]:
    """What `--json` prints; divergences in nats a token."""
    from babelbits.store.codec import to_json

    return {"schema": SCHEMA, "divergences": [to_json(one) for one in found]}


def _print(found: Sequence["RecordedDivergence"]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("variant", "task", "language"):
        table.add_column(name)
    for name in ("tokens", "mean KL, millinats", "median", "99 %", "same top, %", "PPL ratio"):
        table.add_column(name, justify="right")
    for one in found:
        figures = ["-"] * 6 if one.summary is None else _figures(one.summary)
        table.add_row(*map(make_cell, (one.variant, one.suite, one.language, *figures)))
    open_console().print(table)
    for line in _notes(found):
        say(line)


def _figures(one: "DivergenceSummary") -> list[str]:
    at = {quantile.share: quantile.value for quantile in one.quantiles}
    return [
        str(one.n_tokens),
        _with(one.mean, one.mean_interval, scale=1e3, digits=3),
        f"{1e3 * at[0.5]:.3f}",
        f"{1e3 * at[0.99]:.3f}",
        _with(one.same_top, one.same_top_interval, scale=100, digits=2),
        _with(one.perplexity_ratio, one.perplexity_ratio_interval, scale=1, digits=4),
    ]


def _with(value: float, interval: "Interval | None", *, scale: float, digits: int) -> str:
    text = f"{scale * value:.{digits}f}"
    if interval is None:
        return text
    return f"{text} [{scale * interval.low:.{digits}f}, {scale * interval.high:.{digits}f}]"


def _notes(found: Sequence["RecordedDivergence"]) -> list[str]:
    kept = [one.summary.kept for one in found if one.summary is not None]
    lines = ["[...]: 95 % of bootstrap draws of whole documents; KL is of variant from baseline"]
    if kept and min(kept) < _NEARLY_ALL:
        lines.append(
            f"KL is a lower bound: the {plural(found[0].k, 'token')} kept hold "
            f"{100 * min(kept):.1f} to "
            f"{100 * max(kept):.1f} % of the baseline's probability, so languages with less of it "
            "look closer than they are; a larger --top closes the gap"
        )
    failed = sum(one.n_failed for one in found)
    if failed:
        lines.append(f"{plural(failed, 'document')} left out: not to be scored")
    return lines
