"""`babelbits plan`: what a study will run, why, what is done, what it costs."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from babelbits.cli.console import make_cell, open_console, print_data, print_json, say
from babelbits.cli.early_stopping import early_stopping_option
from babelbits.cli.machine_estimate import print_estimate
from babelbits.words import agreeing, bytes_size, duration, every, plural

if TYPE_CHECKING:
    from babelbits.study.planning.plan_types import CellStep, Plan

SCHEMA = "babelbits.plan/1"
REHEARSAL_SCHEMA = "babelbits.rehearsal/1"


@click.command()
@click.argument("study", type=click.Path(path_type=Path, dir_okay=False), default="study.toml")
@click.option("--limit", type=click.IntRange(min=1), help="First N items a task: a smoke run.")
@early_stopping_option()
@click.option("--build", is_flag=True, help="Count the items of lm-eval's tasks too (slower).")
@click.option("--all", "every", is_flag=True, help="One line a cell.")
@click.option("--rehearse", is_flag=True, help="Try the variants on a miniature of the model.")
@click.option(
    "--machine",
    metavar="8xH100-80GB",
    help="Estimate time, memory and disk on such a machine; the model's config.json is enough.",
)
@click.option(
    "--price", type=click.FloatRange(min=0), help="Of an accelerator's hour, for --machine."
)
@click.option(
    "--sbatch",
    metavar="NODESxGPUS",
    help="Print a Slurm script that runs the study on Ray, e.g. for 2x8.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def plan(
    study: Path,
    *,
    limit: int | None,
    early_stopping: bool,
    build: bool,
    every: bool,
    rehearse: bool,
    machine: str | None,
    price: float | None,
    sbatch: str | None,
    as_json: bool,
) -> None:
    """Say what STUDY (study.toml) will run, why, what is done, how much disk and time it needs.

    Nothing is made or run. `babelbits run` executes this very plan. With --rehearse its variants
    are made of a miniature of the model and checked, and only what came of that is printed.
    """
    from babelbits import load_study
    from babelbits import plan as plan_study

    if sbatch is not None:
        from babelbits.study.planning.sbatch import parse_allocation, write_sbatch_script

        loaded = load_study(study)
        allocation = parse_allocation(sbatch)
        print_data(
            write_sbatch_script(str(loaded.file), name=loaded.name, allocation=allocation).rstrip()
        )
        return
    if machine is not None:
        loaded = load_study(study, limit=limit, stop=early_stopping)
        print_estimate(loaded, machine, price=price, as_json=as_json)
        return
    made = plan_study(load_study(study, limit=limit, stop=early_stopping), count_items=build)
    lacks = _checked(made, build=build)
    if rehearse:
        _rehearse(made, as_json=as_json)
    elif as_json:
        print_json(as_object(made, lacks=lacks))
    else:
        render(made, every=every, lacks=lacks)


def _checked(plan: "Plan", *, build: bool) -> tuple[str, ...]:
    """What a run would stop at or get first; what it would refuse at once is raised.

    With `build` all that a run checks is checked, where the libraries for it are installed.
    """
    from babelbits.libraries import RUN, find_version
    from babelbits.study.planning import preflight, token_check

    lacks = preflight.check_light(plan)
    if build and all(map(find_version, RUN)):
        preflight.check(plan, tell=say)
        token_check.check_tokens_of_found(plan, tell=say)
    return lacks


def _rehearse(plan: "Plan", *, as_json: bool) -> None:
    from babelbits.cli.rehearsal import print_table, rehearse_with_progress
    from babelbits.study.rehearsal.studies import refuse

    results = rehearse_with_progress(plan)
    if as_json:
        results_object = [result.as_object() for result in results]
        print_json(
            {"schema": REHEARSAL_SCHEMA, "study": plan.study.name, "variants": results_object}
        )
    else:
        print_table(results)
    refuse(results, model=plan.base.label)


# --- for people --------------------------------------------------------------------------------


def render(plan: "Plan", *, every: bool = False, lacks: Sequence[str] = ()) -> None:
    """Print a plan: variants, then cells folded to variant x task, then the sum.

    Parameters
    ----------
    every : bool
        One line a cell instead of one line a variant and task.
    lacks : sequence of str
        What `preflight.check_light` gave.
    """
    from babelbits.probes.probed_pairs import note_closed
    from babelbits.study.config import chat_settings
    from babelbits.study.planning.plan_warnings import list_warnings

    study = plan.study
    stamp = (
        f"  SMOKE: first {plural(study.limit or 0, 'item')} of each task, stored apart"
        if study.smoke
        else ""
    )
    print_data(f"{study.name}: {plan.base.label}, {_device(plan)}, {plan.engine.dtype}{stamp}")
    print_data(f"run folder: {study.folder}")
    for line in chat_settings.describe_chat(study):
        print_data(f"asked: {line}")
    print_data("")
    if warning := chat_settings.warn_unused_template(study, plan.base.folder):
        say(f"warning: {warning}")
    _print_variants(plan)
    _print_cells(plan.cells if every else (), plan.cells)
    _print_notes(plan)
    _print_limits(plan.cells)
    _print_sum(plan)
    for line in (*lacks, *list_warnings(plan), *note_closed(plan)):
        print_data(f"note: {line}")


def _device(plan: "Plan") -> str:
    """What computes; GPUs of one copy where a model is split."""
    kind, number = plan.engine.device_kind, plan.study.engine.n_devices
    return kind if number == 1 else f"{plural(number, 'GPU')} a copy ({kind})"


def _table(*columns: str, right: Iterable[str] = ()) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        justify = "right" if name in right else "left"
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]  # a literal
    return table


def _print_variants(plan: "Plan") -> None:
    table = _table("variant", "state", "size", "why", right=("size",))
    for step in plan.variants:
        state = "make" if step.to_make else str(step.state)
        state = state if step.spec.endpoint is None else "served"
        about = "" if step.state == "done" or step.bytes is None else "~"
        row = (step.label, state, about + bytes_size(step.bytes), step.reason)
        table.add_row(*map(make_cell, row))
    open_console().print(table)


def _print_cells(every: Sequence["CellStep"], cells: Sequence["CellStep"]) -> None:
    table = _table(
        "variant", "task", "languages", "cells done", "items done", "time left", "why",
        right=("cells done", "items done", "time left"),
    )  # fmt: skip
    for group in [[one] for one in every] or fold_cells(cells):
        table.add_row(*map(make_cell, _row(group)))
    open_console().print(table)


def fold_cells(cells: Iterable["CellStep"]) -> list[list["CellStep"]]:
    """Cells of one variant, replicate and suite together, in the plan's order."""
    groups: dict[tuple[str, int, str], list[CellStep]] = {}
    for one in cells:
        groups.setdefault((one.variant, one.replicate, one.suite), []).append(one)
    return list(groups.values())


def _row(group: Sequence["CellStep"]) -> tuple[str, ...]:
    first = group[0]
    done = sum(one.state == "done" for one in group)
    items = [one.n_items for one in group]
    total = "?" if None in items else str(sum(number or 0 for number in items))
    return (
        first.variant + (" again (A/A)" if first.replicate else ""),
        first.suite,
        _languages([one.language for one in group]),
        f"{done}/{len(group)}",
        f"{sum(one.n_done for one in group)}/{total}",
        describe_time_left(group),
        _reasons(group),
    )


def _languages(codes: Sequence[str]) -> str:
    shown = " ".join(codes[:8])
    return shown if len(codes) <= 8 else f"{shown} … ({len(codes)})"


def _reasons(group: Sequence["CellStep"]) -> str:
    """Why the cells of a group run; the commonest reason first, with how many share it."""
    open_cells = [one for one in group if one.state != "done"]
    if not open_cells:
        return "done"
    if len(open_cells) == 1:
        return open_cells[0].reason
    words = Counter(_without_numbers(one) for one in open_cells)
    return "; ".join(f"{word} ({count})" for word, count in words.most_common(3))


def _without_numbers(one: "CellStep") -> str:
    """The reason without counts that differ from cell to cell."""
    if one.state == "missing" and one.reason.startswith("missing "):
        return "missing"
    return "begun" if one.state == "partial" else one.reason


def describe_time_left(cells: Iterable["CellStep"], *, workers: int = 1) -> str:
    """What is left of some cells as a range; 'unknown' as soon as one was never measured."""
    left = [one.seconds for one in cells if one.state != "done"]
    if not left:
        return "-"
    if None in left:
        return "unknown"
    low, high = (sum(pair[end] for pair in left if pair is not None) / workers for end in (0, 1))
    return (
        duration(high) if duration(low) == duration(high) else f"{duration(low)}-{duration(high)}"
    )


def _print_notes(plan: "Plan") -> None:
    """What is odd about the data of tasks that are built, each once."""
    infos = {cell.task.info.name: cell.task.info for cell in plan.cells if cell.task is not None}
    for info in infos.values():
        for note in info.notes:
            print_data(f"note: {info.suite} {info.language}: {note}")


def _print_limits(cells: Sequence["CellStep"]) -> None:
    """How many tokens generations may take, language by language."""
    limits: dict[str, dict[str, int]] = {}
    for one in cells:
        limit = _limit(one)
        if limit is not None:
            limits.setdefault(one.suite, {})[one.language] = limit
    for suite, found in limits.items():
        whole = set(found.values())
        by_language = ", ".join(f"{code} {limit}" for code, limit in found.items())
        print_data(f"token limit of {suite}: {whole.pop() if len(whole) == 1 else by_language}")
    if limits:
        print_data("")


def _limit(one: "CellStep") -> int | None:
    """The largest limit of a cell's generations; None where it has none or is not built."""
    from babelbits.records import GenerateRequest

    items = () if one.task is None else one.task.items()
    asked = [request for item in items for request in item.requests]
    limits = [one.max_new_tokens for one in asked if isinstance(one, GenerateRequest)]
    return max(limits, default=None)


def _print_sum(plan: "Plan") -> None:
    from babelbits.study.execution.worker_pool import suggest_workers

    done = sum(one.state == "done" for one in plan.cells)
    if plan.complete:
        print_data(
            f"{every(len(plan.cells), 'cell')} "
            f"{agreeing(len(plan.cells), 'is', 'are')} done: nothing to run"
        )
        return
    make = [step for step in plan.variants if step.to_make]
    need = sum(step.bytes or 0 for step in make)
    free = find_free_bytes(plan.study.folder)
    print_data(
        f"{plural(len(make), 'variant')} to make (~{bytes_size(need)}; {bytes_size(free)} free), "
        f"{len(plan.cells) - done} of {plural(len(plan.cells), 'cell')} to run"
    )
    workers = suggest_workers(plan)
    left = describe_time_left(plan.cells, workers=workers)
    if left == "unknown":
        left = "unknown until each task has run once on this machine"
    elif workers > 1:
        left += f" with {plural(workers, 'worker')}"
    print_data(f"time left for the cells: {left}")
    if free is not None and need > free:
        say("warning: the variants will not fit on the disk")


def find_free_bytes(folder: Path) -> int | None:
    """Free space where `folder` is or will be; None if that cannot be told."""
    import shutil

    there = next((path for path in (folder, *folder.parents) if path.exists()), None)
    return None if there is None else shutil.disk_usage(there).free


# --- for machines ------------------------------------------------------------------------------


def as_object(plan: "Plan", *, lacks: Sequence[str] = ()) -> dict[str, Any]:
    """The plan as JSON, with what `preflight.check_light` gave."""
    from babelbits.probes.probed_pairs import note_closed
    from babelbits.study.config.chat_settings import describe_chat
    from babelbits.study.planning.plan_warnings import list_warnings

    return {
        "schema": SCHEMA,
        "study": plan.study.name,
        "smoke": plan.study.smoke,
        "model": plan.base.label,
        "model_hash": plan.base.hash,
        "folder": str(plan.study.folder),
        "complete": plan.complete,
        "asked": list(describe_chat(plan.study)),
        "variants": [
            {
                "label": step.label,
                "recipe": step.spec.recipe,
                "id": step.variant_id,
                "state": step.state,
                "to_make": step.to_make,
                "bytes": step.bytes,
                "reason": step.reason,
            }
            for step in plan.variants
        ],
        "cells": [_cell_object(one) for one in plan.cells],
        "notices": [*list_warnings(plan), *note_closed(plan)],
        "lacks": list(lacks),
    }


def _cell_object(one: "CellStep") -> dict[str, Any]:
    return {
        "id": None if one.meta is None else one.meta.cell_id,
        "variant": one.variant,
        "task": one.suite,
        "language": one.language,
        "replicate": one.replicate,
        "state": one.state,
        "items": one.n_items,
        "token_limit": _limit(one),
        "items_done": one.n_done,
        "seconds": None if one.seconds is None else list(one.seconds),
        "reason": one.reason,
    }
