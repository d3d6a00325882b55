"""The process that rehearses: `python -m babelbits.study.rehearsal.child JOB.json`.

Says what it does in JSON lines on what was its standard output; everything that libraries print
goes to standard error, where the parent finds the last words of a crash.

    {"begin": key, "depth": "one period"}
    {"at": "making"}
    {"end": key, "attempt": {...}}
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from babelbits.children import end_with_parent
from babelbits.engines.base import EngineSettings
from babelbits.formats.trust import Trust
from babelbits.quiet import quiet
from babelbits.recipes.calibration import CalibrationSpec
from babelbits.recipes.family import find_family
from babelbits.records import JSON
from babelbits.study.rehearsal.bench import Variant
from babelbits.study.rehearsal.outcomes import Attempt, Depth, choose_next_depth
from babelbits.study.rehearsal.variant_checks import Rehearsal


def main(job: Path) -> None:
    """Rehearse what the job asks, from what is known of each variant on."""
    say = _mouth()
    asked: JSON = json.loads(job.read_text("utf-8"))
    stages: dict[Depth, Rehearsal] = {}

    def stage(depth: Depth) -> Rehearsal:
        if depth not in stages:
            for other in stages.values():
                other.close()
            stages[depth] = _rehearsal(asked, depth, say)
        return stages[depth]

    with quiet():
        for entry in asked["variants"]:
            if asked["made"] is None:
                _rehearse(entry, stage, say)
            else:
                _examine(entry, stage("all layers"), Path(asked["made"]), say)


def _mouth() -> Callable[[JSON], None]:
    """What writes a line to the parent; nobody else can write there from now on."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr

    def say(line: JSON) -> None:
        stream.write(json.dumps(line) + "\n")
        stream.flush()

    return say


def _rehearsal(asked: JSON, depth: Depth, say: Callable[[JSON], None]) -> Rehearsal:
    return Rehearsal(
        base=Path(asked["base"]),
        place=Path(asked["place"]),
        depth=depth,
        settings=EngineSettings(**asked["engine"]),
        seed=int(asked["seed"]),
        texts=asked["texts"],
        chat=bool(asked["chat"]),
        trust=Trust(**asked["trust"]),
        allow_token_differences=bool(asked["allow_token_differences"]),
        at=lambda check: say({"at": check}),
        real=asked["made"] is not None,
    )


def _rehearse(
    entry: JSON, stage: Callable[[Depth], Rehearsal], say: Callable[[JSON], None]
) -> None:
    """All attempts that a variant still needs."""
    variant = _variant(entry)
    attempts: list[Attempt] = [Attempt.from_object(one) for one in entry["attempts"]]
    by_layers = find_family(variant.recipe).reads_layer_count
    while (depth := choose_next_depth(attempts, by_layers=by_layers)) is not None:
        say({"begin": entry["key"], "depth": depth})
        started = time.monotonic()
        fault, notes = stage(depth).rehearse(variant)
        attempts.append(
            Attempt(
                depth=depth, seconds=time.monotonic() - started, fault=fault, notes=tuple(notes)
            )
        )
        say({"end": entry["key"], "attempt": asdict(attempts[-1])})


def _examine(entry: JSON, real: Rehearsal, folder: Path, say: Callable[[JSON], None]) -> None:
    """Check a variant that is made of the real base."""
    say({"begin": entry["key"], "depth": "all layers"})
    started = time.monotonic()
    fault, notes = real.examine(folder, _variant(entry))
    seconds = time.monotonic() - started
    attempt = Attempt(depth="all layers", seconds=seconds, fault=fault, notes=tuple(notes))
    say({"end": entry["key"], "attempt": asdict(attempt)})


def _variant(entry: JSON) -> Variant:
    return Variant(
        recipe=entry["recipe"],
        parameters=entry["parameters"],
        calibration=_calibration(entry["calibration"]),
    )


def _calibration(fields: JSON | None) -> CalibrationSpec | None:
    if fields is None:
        return None
    folder: Any = fields["folder"]
    part: Sequence[int] = fields["part"]
    return CalibrationSpec(
        **{
            **fields,
            "part": (part[0], part[1]),
            "folder": None if folder is None else Path(folder),
        }
    )


if __name__ == "__main__":
    end_with_parent()
    main(Path(sys.argv[1]))
