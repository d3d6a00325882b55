"""Every architecture with every recipe in its engine, rehearsed: `python -m zoo.matrix`.

Rehearsals go to a file, a line each, and those that stand there already are not made again, so that
a run can be interrupted. The page that people read, `docs/models.md`, is written from that file.
An architecture's checkpoint has the number of layers and the settings of a published model where
llama.cpp decides something by them.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from babelbits.engines.base import EngineSettings
from babelbits.study.rehearsal import RehearsalResult, rehearse_variants
from zoo.build import ZOO, build, names
from zoo.page import write_page
from zoo.recipes import COLUMNS, variant

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "models.md"
RESULTS = ROOT / ".zoo-results.jsonl"

Cell = tuple[str, str]
"""Name of an architecture, and of a column."""


def rehearse(name: str, columns: Sequence[str], place: Path) -> Iterable[RehearsalResult]:
    """Rehearse an architecture's checkpoint with some recipes; built in `place`."""
    entry = ZOO[name]
    published = dict(entry.published_settings)
    base = build(name, place / name, n_layers=entry.published_layers, settings=published)
    settings = EngineSettings(device="cpu", dtype="float32")
    variants = [variant(column) for column in columns]
    yield from rehearse_variants(base, variants, engine=settings, remember=False)


def load(path: Path) -> dict[Cell, RehearsalResult]:
    """What a results file holds; the last line of a cell counts."""
    found: dict[Cell, RehearsalResult] = {}
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            cell = json.loads(line)
            found[cell["architecture"], cell["column"]] = RehearsalResult.from_object(
                cell["result"]
            )
    return found


def fill(path: Path, architectures: Sequence[str], columns: Sequence[str]) -> None:
    """Rehearse what the file lacks, an architecture after another, and add it."""
    known = load(path)
    for number, name in enumerate(architectures, start=1):
        missing = [column for column in columns if (name, column) not in known]
        if not missing:
            continue
        started = time.monotonic()
        print(f"{number}/{len(architectures)} {name}: {len(missing)} recipes", flush=True)
        with tempfile.TemporaryDirectory(prefix="zoo-") as place, path.open("a") as lines:
            for result in rehearse(name, missing, Path(place)):
                cell = {"architecture": name, "column": result.label}
                lines.write(json.dumps({**cell, "result": result.as_object()}) + "\n")
                lines.flush()
                fault = "" if result.fault is None else f": {result.fault.what}"
                print(f"    {result.label} {result.outcome}{fault}", flush=True)
        print(f"    {time.monotonic() - started:.0f} s", flush=True)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="zoo.matrix", description=__doc__)
    parser.add_argument("--only", help="architectures, with commas; default: all")
    parser.add_argument("--columns", help="recipes, with commas; default: all")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file of rehearsals")
    parser.add_argument("--page", type=Path, default=PAGE, help="page to write")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    """Rehearse what is missing, then write the page."""
    options = _options(arguments)
    architectures = options.only.split(",") if options.only else names()
    columns = options.columns.split(",") if options.columns else list(COLUMNS)
    fill(options.results, architectures, columns)
    write_page(options.page, load(options.results))
    print(f"wrote {options.page}")


if __name__ == "__main__":
    main(sys.argv[1:])
