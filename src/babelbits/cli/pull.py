"""`babelbits pull`: get a study's datasets and model from the hub once, and say what was got."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from babelbits.cli.console import make_cell, open_console, print_data, print_json, say
from babelbits.words import bytes_size

if TYPE_CHECKING:
    from babelbits.study import Study
    from babelbits.study.execution.pull import DatasetNeed
    from babelbits.tasks.hub_data import Copy

SCHEMA = "babelbits.pull/1"
RECORD = "pulled.json"


@click.command()
@click.argument("study", type=click.Path(path_type=Path, dir_okay=False), default="study.toml")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Keep data here.")
@click.option("--again", is_flag=True, help="Look unpinned branches up anew.")
@click.option("--no-model", is_flag=True, help="Only the datasets.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def pull(study: Path, *, folder: Path | None, again: bool, no_model: bool, as_json: bool) -> None:
    """Get everything that STUDY needs from the hub; `babelbits run --offline` then runs it.

    \b
    babelbits pull study.toml                    into the cache of this machine
    babelbits pull study.toml --folder /scratch  to carry elsewhere; prints the lines for [data]

    Commits and hashes go into pulled.json in the run folder.
    """
    from babelbits.study import load
    from babelbits.study.execution.pull import list_needs
    from babelbits.study.execution.pull import pull as get

    loaded = load(study)
    model, found = (None, []) if no_model else _models(loaded)
    copies: list[tuple[DatasetNeed, Copy]] = []
    for need in list_needs(loaded):
        copy, fetched = get(need, folder=folder, again=again)
        say(f"{'got' if fetched else 'here already'}: {need.wanted}")
        copies.append((need, copy))
    pulled = {
        "schema": SCHEMA,
        "model": model,
        "variants": found,
        "datasets": [_object(*pair) for pair in copies],
    }
    _record(loaded, pulled)
    if as_json:
        print_json(pulled)
        return
    _print(copies)
    if folder is not None:
        _print_data_lines(copies, folder)


def _models(study: "Study") -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Where the model is, and the variants that somebody made; hub names are downloaded."""
    from babelbits.study.planning.base_model import locate
    from babelbits.study.planning.found_variants import locate_found

    base = locate(study.model, download=True)
    say(f"model: {base.label}")
    model = {"label": base.label, "hash": base.hash, "revision": study.model.revision}
    variants = []
    for label, one in locate_found(study, base, download=True).items():
        say(f"variant {label}: {one.model.label}")
        revision = None if one.spec.source is None else one.spec.source.revision
        variants.append({"label": label, "hash": one.model.hash, "revision": revision})
    return model, variants


def _record(study: "Study", found: Mapping[str, Any]) -> None:
    """What was got and when, beside the results that it will lead to."""
    from babelbits.store.atomic import write_atomically

    when = datetime.now(tz=UTC).isoformat(timespec="seconds")
    text = json.dumps({**found, "pulled": when}, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(study.folder / RECORD, f"{text}\n".encode())


def _print(copies: "Sequence[tuple[DatasetNeed, Copy]]") -> None:
    from rich import box
    from rich.table import Table

    if not copies:
        print_data("this study takes no dataset from the hub")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("suite", "dataset", "config", "commit", "rows", "size"):
        table.add_column(name, justify="right" if name == "size" else "left", overflow="fold")
    for need, copy in copies:
        rows = " ".join(f"{split} {count}" for split, count in copy.rows.items())
        config = need.wanted.config or "-"
        line = (need.suite, need.wanted.dataset, config, copy.commit[:12], rows)
        table.add_row(*map(make_cell, (*line, bytes_size(copy.n_bytes))))
    open_console().print(table)


def _print_data_lines(copies: "Sequence[tuple[DatasetNeed, Copy]]", folder: Path) -> None:
    """What to write into the study that shall read the folder."""
    places = {
        need.suite: copy.folder if need.wanted.config is None else copy.folder.parent
        for need, copy in copies
    }
    say(f"to read {folder}, on this machine or where it is carried to, write into the study:")
    print_data("[data]")
    for suite, place in places.items():
        print_data(f"{json.dumps(suite)} = {json.dumps(str(place.absolute()))}")


def _object(need: "DatasetNeed", copy: "Copy") -> dict[str, Any]:
    return {
        "suite": need.suite,
        "dataset": need.wanted.dataset,
        "config": need.wanted.config,
        "asked": need.wanted.revision or "main",
        "commit": copy.commit,
        "rows": dict(copy.rows),
        "sha256": dict(copy.hashes),
        "folder": str(copy.folder),
    }
