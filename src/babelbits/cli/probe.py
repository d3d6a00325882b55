"""`babelbits probe`: what quantization does inside the model, and whether that predicts damage."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from babelbits.cli.console import print_data, print_json, print_plain_table, say
from babelbits.errors import ExitCode, Interrupted

if TYPE_CHECKING:
    from babelbits.probes.attention_difference import AttentionDifference
    from babelbits.probes.language_loss import LanguageLoss
    from babelbits.probes.probe_files import Probe, ProbeSettings
    from babelbits.probes.probe_results import ProbeResults
    from babelbits.probes.strategies import StrategyContrast
    from babelbits.probes.summaries import ProbeSummary
    from babelbits.store import Store
    from babelbits.study import Study
    from babelbits.study.planning.plan_types import Plan

SCHEMA = "babelbits.probe/1"
PAGE = "probes.html"
DEFAULT_BUDGET, DEFAULT_ATTENTION = 4096, 512
"""As `ProbeSettings` has them, whose module `--help` does not load."""
_LAYERS_SHOWN = 5


@click.command()
@click.argument("study", type=click.Path(path_type=Path, dir_okay=False), default="study.toml")
@click.option("--limit", type=click.IntRange(min=1), help="First N items: a smoke run.")
@click.option(
    "--token-budget",
    type=click.IntRange(min=1),
    default=DEFAULT_BUDGET,
    show_default=True,
    help="Tokens in one forward pass: bounds memory. Longer items are left out.",
)
@click.option(
    "--attention-tokens",
    type=click.IntRange(min=0),
    default=DEFAULT_ATTENTION,
    show_default=True,
    help="Longest text whose attention is looked at; it takes tokens x tokens numbers a head.",
)
@click.option(
    "--switching",
    is_flag=True,
    help="Also read every variant's recorded answers: how they leave their language.",
)
@click.option(
    "--no-insides",
    is_flag=True,
    help="Leave hidden states, attention and weights: only --switching and contrasts.",
)
@click.option(
    "--contrast",
    "contrasts",
    multiple=True,
    metavar="VARIANT:OTHER",
    help="Two variants: their difference on every task and between tasks. May be repeated; those "
    "that the study declares are always there.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def probe(
    study: Path,
    *,
    limit: int | None,
    token_budget: int,
    attention_tokens: int,
    switching: bool,
    no_insides: bool,
    contrasts: tuple[str, ...],
    as_json: bool,
) -> int:
    """Look inside every variant of STUDY (study.toml) that transformers runs.

    Compares hidden states, attention, logit lens and weights with the baseline's on the study's own
    items, and asks whether the error at the prompt's last token predicts which items break. Run
    the study first. Both models are in memory at once. What was measured is kept; a page is
    written.
    """
    from babelbits.probes.probe_files import ProbeSettings
    from babelbits.store import Store
    from babelbits.study import load
    from babelbits.study.execution.run_study import need_libraries

    need_libraries()
    loaded = load(study, limit=limit)
    store = Store(loaded.folder, smoke=loaded.smoke)
    settings = ProbeSettings(token_budget=token_budget, attention_limit=attention_tokens)
    options = {
        "--limit": limit,
        "--token-budget": token_budget if token_budget != DEFAULT_BUDGET else None,
        "--attention-tokens": attention_tokens if attention_tokens != DEFAULT_ATTENTION else None,
    }
    words = ["babelbits", "probe", str(study)]
    words += [
        word for name, value in options.items() if value is not None for word in (name, str(value))
    ]
    words += ["--switching"] if switching else []
    words += ["--no-insides"] if no_insides else []
    words += [word for one in contrasts for word in ("--contrast", one)]
    resume = f"go on with: {shlex.join(words)}"
    measured = _measured(
        loaded,
        store,
        settings=settings,
        insides=not no_insides,
        switching=switching,
        contrasts=contrasts,
        resume=resume,
    )
    plan, stopped = measured.plan, measured.stopped
    results = _results(measured, store)
    if as_json:
        print_json({"schema": SCHEMA, **results.as_json()})
    else:
        _print(results)
    _write_page(loaded, results, store)
    if stopped:
        say(f"interrupted; {resume}")
        return int(ExitCode.INTERRUPTED)
    return _missing(plan, study)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """What there is after measuring."""

    plan: "Plan"
    probes: "Sequence[Probe]"
    losses: "Sequence[LanguageLoss]"
    attention: "Sequence[AttentionDifference]"
    strategies: "Sequence[StrategyContrast]"
    stopped: bool


def _measured(
    loaded: "Study",
    store: "Store",
    *,
    settings: "ProbeSettings",
    insides: bool,
    switching: bool,
    contrasts: Sequence[str],
    resume: str,
) -> _Measured:
    from babelbits.probes.run_probes import measure
    from babelbits.probes.run_strategies import contrast_strategies, list_asked_pairs
    from babelbits.probes.run_switching import (
        measure_switching,
        read_recorded_answers,
        read_switch_attention,
    )
    from babelbits.study.execution.interrupt import stop_on_interrupt
    from babelbits.study.planning.base_model import locate
    from babelbits.study.planning.plan import make_plan
    from babelbits.tasks import catalogue

    def tell() -> None:
        say("stopping after the part in flight; Ctrl-C again stops now")

    probes: Sequence[Probe] = ()
    losses: Sequence[LanguageLoss] = ()
    attention: Sequence[AttentionDifference] = ()
    try:
        with store.writing(), stop_on_interrupt(tell) as stop:
            plan = make_plan(loaded, store, base=locate(loaded.model), build=catalogue.load)
            pairs = list_asked_pairs(contrasts, plan)
            if insides:
                probes = measure(plan, store, settings=settings, say=say, stop=stop)
            if switching:
                limit = settings.attention_limit
                losses = measure_switching(plan, store, say=say, stop=stop, attention_limit=limit)
                attention = read_switch_attention(plan, store, attention_limit=limit)
            answers = read_recorded_answers(plan, store) if pairs else {}
            strategies = contrast_strategies(pairs, plan, store, answers=answers)
    except KeyboardInterrupt:
        raise Interrupted("what was measured is kept", hint=resume) from None
    return _Measured(
        plan=plan,
        probes=probes,
        losses=losses,
        attention=attention,
        strategies=strategies,
        stopped=stop.is_requested(),
    )


def _results(measured: _Measured, store: "Store") -> "ProbeResults":
    from babelbits.probes.probe_results import make_results
    from babelbits.probes.probed_pairs import find_closed

    plan = measured.plan
    return make_results(
        measured.probes,
        store,
        closed=find_closed(plan),
        seed=plan.study.seed,
        losses=measured.losses,
        attention=measured.attention,
        strategies=measured.strategies,
    )


def _write_page(loaded: "Study", results: "ProbeResults", store: "Store") -> None:
    from babelbits.probes.probe_files import find_folder
    from babelbits.report.probe_page import make_page
    from babelbits.store.atomic import write_atomically

    if results.summaries or results.losses or results.strategies:
        path = find_folder(store) / PAGE
        write_atomically(path, make_page(results, name=loaded.name, smoke=loaded.smoke).encode())
        say(f"page: {path}")


def _missing(plan: "Plan", study: Path) -> int:
    from babelbits.probes.probed_pairs import find_closed

    closed = find_closed(plan)
    missing = [
        step.label
        for step in plan.variants
        if step.spec.origin != "baseline" and step.manifest is None and step.label not in closed
    ]
    if not missing:
        return int(ExitCode.DONE)
    again = shlex.join(["babelbits", "run", str(study)])
    say(f"not made yet: {', '.join(missing)}; make them with: {again}")
    return int(ExitCode.INCOMPLETE)


# --- what is printed ------------------------------------------------------------------------------


def _print(results: "ProbeResults") -> None:
    from babelbits.probes.summaries import choose_layers

    summaries = [one for one in results.summaries if not one.record.again]
    if summaries:
        layers = choose_layers(max(one.record.n_layers for one in summaries), most=_LAYERS_SHOWN)
        heads = ["variant", "task", "language", *(f"layer {n}, %" for n in layers)]
        heads += ["same top token, %", "attention JS", "largest/median"]
        rows = [_row(one, layers) for one in summaries]
        print_data("Relative error of hidden states by layer, mean over tokens (exploratory)")
        print_plain_table(heads, rows, numeric=range(3, len(heads)))
        print_data("")
    if results.losses:
        _print_losses(results.losses)
    for line in (
        *results.sentences(),
        *results.loss_sentences(),
        *results.attention_sentences(),
        *results.strategy_sentences(),
    ):
        print_data(line)
    for line in results.notes():
        say(line)


def _print_losses(losses: "Sequence[LanguageLoss]") -> None:
    """How answers leave their language, a row a variant, task and language."""
    heads = ["variant", "task", "language", "answers", "leave it", "most often to"]
    heads += ["mass on other scripts, %", "on other languages, %", "margin, nats"]
    rows = [
        [
            one.variant,
            one.suite,
            one.language,
            f"{one.n_answers:,}",
            f"{one.n_switched:,}",
            one.most_often_to or "-",
            _figure(one.means["other_script"], 100, 2),
            _figure(one.means["other_language"], 100, 2),
            _figure(one.means["margin"], 1, 2),
        ]
        for one in losses
    ]
    print_data("How answers leave their language, mean over their tokens (exploratory)")
    print_plain_table(heads, rows, numeric=(3, 4, 6, 7, 8))
    print_data("")


def _row(one: "ProbeSummary", layers: Sequence[int]) -> list[str]:
    by_layer = {layer.layer: layer for layer in one.layers}
    record = one.record
    cells = [record.variant, record.suite, record.language]
    cells += [
        _figure(by_layer[n].means["relative_error"] if n in by_layer else None, 100, 2)
        for n in layers
    ]
    last = by_layer.get(record.n_layers)
    seen = [
        layer.means["attention_js"]
        for layer in one.layers
        if layer.means["attention_js"] is not None
    ]
    js = sum(seen) / len(seen) if seen else None
    peaks = [layer.largest_peak["variant"] for layer in one.layers]
    peak = max((value for value in peaks if value is not None), default=None)
    cells.append(_figure(None if last is None else last.means["lens_agrees"], 100, 1))
    return [*cells, _figure(js, 1, 4), _figure(peak, 1, 0)]


def _figure(value: float | None, scale: float, digits: int) -> str:
    return "-" if value is None else f"{scale * value:.{digits}f}"
