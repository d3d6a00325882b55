"""`babelbits lab qat`: quantization-aware training against rounding afterwards."""

import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from babelbits.cli.console import print_data, print_json, print_plain_table, say
from babelbits.errors import ExitCode, Interrupted, StudyError
from babelbits.words import duration, plural

if TYPE_CHECKING:
    from babelbits.lab.qat_results import QatResults
    from babelbits.lab.qat_run import PreparedLab
    from babelbits.lab.training import TrainingProgress

SCHEMA = "babelbits.lab-qat/1"
RESULTS, PICTURE = "results.json", "qat.svg"
_EVERY = 60.0
"""Seconds between two lines about a training."""


@click.command(short_help="Compare training with quantization and rounding after.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--corpora", type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of <language>.txt or <language>.txt.xz, a document a line.",
)  # fmt: skip
@click.option(
    "--languages", "-l", metavar="CODES",
    help="English among them, e.g. 'en,nb,hi,sw'; the balanced mix is of all of them.",
)  # fmt: skip
@click.option("--model", default="bundled", show_default=True, help="'bundled', or a folder.")
@click.option("--seeds", type=click.IntRange(min=1, max=99), default=3, show_default=True)
@click.option("--steps", type=click.IntRange(min=1), default=200, show_default=True)
@click.option("--rows", type=click.IntRange(min=1), default=8, show_default=True,
              help="Sequences a step.")  # fmt: skip
@click.option("--length", type=click.IntRange(min=8), default=128, show_default=True,
              help="Tokens a sequence.")  # fmt: skip
@click.option("--learning-rate", type=click.FloatRange(min=0, min_open=True), default=3e-4,
              show_default=True)  # fmt: skip
@click.option("--held-out", type=click.IntRange(min=2), default=60, show_default=True,
              help="First lines of each language: asked, and never trained on.")  # fmt: skip
@click.option("--suites", default="text,pairs", show_default=True, metavar="NAMES",
              help="Asked beside the held-out text.")  # fmt: skip
@click.option("--items", type=click.IntRange(min=1), help="First n items of each suite.")
@click.option("--first-seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--tables", is_flag=True, help="Only analyse what is finished: table and picture.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def qat(
    folder: Path,
    *,
    corpora: Path | None,
    languages: str | None,
    model: str,
    seeds: int,
    steps: int,
    rows: int,
    length: int,
    learning_rate: float,
    held_out: int,
    suites: str,
    items: int | None,
    first_seed: int,
    tables: bool,
    as_json: bool,
) -> int:
    """Ask where training with quantization is better than rounding afterwards.

    Trains MODEL on with and without fake quantization on the same batches, in English only and
    balanced over the languages; rounds the control to the same format (int8 activations, int4
    weights in groups of 32) to nearest and by GPTQ; runs a study a seed and mix; and analyses all
    seeds together. The plan is declared in FOLDER before anything is trained. The same command
    again resumes; a killed training goes on from its last checkpoint.

    \b
    babelbits lab qat my-lab --corpora texts --languages en,nb,hi
    babelbits lab qat my-lab --tables        what is finished so far
    """
    finished = True
    if not tables:
        from babelbits.lab.qat_run import need_libraries, prepare_lab

        need_libraries()
        if corpora is None or languages is None:
            raise StudyError(
                "--corpora and --languages are needed to train",
                hint="give a folder of <language>.txt and the languages; or --tables to read a lab",
            )
        prepared = prepare_lab(
            model=model,
            corpora=corpora,
            languages=_listed(languages),
            suites=_listed(suites),
            held_out=held_out,
            options={
                "seeds": tuple(range(first_seed, first_seed + seeds)),
                "steps": steps,
                "rows": rows,
                "length": length,
                "learning_rate": learning_rate,
                "items": items,
            },
        )
        finished = _run(prepared, folder)
    results = _analyse(folder, as_json=as_json)
    return int(ExitCode.DONE if finished and not results.missing else ExitCode.INCOMPLETE)


def _listed(words: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in words.split(",") if word.strip())


def _run(prepared: "PreparedLab", folder: Path) -> bool:
    from babelbits.lab.qat_run import run_lab

    design = prepared.design
    say(
        f"{plural(design.n_trainings, 'training')} of {plural(design.tokens, 'token')} each, "
        f"{plural(len(design.languages), 'language')}"
    )
    try:
        return run_lab(prepared, folder, say=say, progress=_progress(), run=_run_study)
    except KeyboardInterrupt:
        again = shlex.join(["babelbits", *sys.argv[1:]])
        raise Interrupted("what is made is kept", hint=f"go on with: {again}") from None


def _progress() -> "Callable[[str, TrainingProgress], None]":
    """A line about a training now and then."""
    last = 0.0

    def tell(name: str, now: "TrainingProgress") -> None:
        nonlocal last
        if now.step < now.steps and time.monotonic() - last < _EVERY:
            return
        last = time.monotonic()
        left = now.seconds / now.step * (now.steps - now.step)
        say(
            f"{name}: step {now.step:,} of {now.steps:,}, loss {now.loss:.3f} nats a token, "
            f"about {duration(left)} left"
        )

    return tell


def _run_study(file: Path) -> bool:
    """Run a study as `babelbits run` does; False where cells are missing after it."""
    from babelbits import load_study
    from babelbits.cli.run import run_with_progress

    study = load_study(file)
    code = run_with_progress(study, report=False, workers=1, rehearsed=False)
    if code in (ExitCode.INTERRUPTED, ExitCode.TERMINATED):
        raise KeyboardInterrupt
    return code == ExitCode.DONE


# --- what is shown -------------------------------------------------------------------------------


def _analyse(folder: Path, *, as_json: bool) -> "QatResults":
    import json

    from babelbits.lab.qat_results import read_results
    from babelbits.lab.qat_sentences import describe_results
    from babelbits.store.atomic import write_atomically

    results = read_results(folder)
    found = {"schema": SCHEMA, **results.as_json(), "sentences": list(describe_results(results))}
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    write_atomically(folder / RESULTS, text.encode())
    if as_json:
        print_json(found)
    else:
        _print(results)
        for line in describe_results(results):
            print_data(line)
    _draw(results, folder / PICTURE)
    say(f"all differences: {folder / RESULTS}")
    return results


def _print(results: "QatResults") -> None:
    from babelbits.analysis.format import p_value
    from babelbits.languages import resolve
    from babelbits.records import quantities

    heads = ["mix", "task", "difference", "language", "Δ", "interval", "p", "verdict"]
    rows = []
    for one in results.differences:
        if one.scope == "language" and (one.first, one.second) != ("qat", "ptq"):
            continue
        where = {"all": "all", "others": "all but English"}.get(one.scope, "")
        p = one.p_value if one.p_adjusted is None else one.p_adjusted
        rows.append(
            [
                one.mix or "untrained",
                one.suite,
                f"{one.first} − {one.second}",
                where or resolve(str(one.language)).name,
                quantities.amount(one.estimate, one.unit),
                quantities.interval(one.interval, one.unit),
                p_value(p) + ("*" if one.p_adjusted is not None else ""),
                "at floor" if one.at_floor else one.verdict or "",
            ]
        )
    print_data("Differences over seeds and items; harm is negative (* adjusted by Holm)")
    print_plain_table(heads, rows, numeric=(4, 5, 6))
    print_data("")


def _draw(results: "QatResults", path: Path) -> None:
    """The picture, where there is something to draw and vl-convert is installed."""
    from babelbits.report import qat_picture, svg
    from babelbits.store.atomic import write_atomically

    if not svg.can_draw():
        say("no picture: pip install 'babelbits[export]'")
        return
    chart = qat_picture.draw(results)
    if chart is not None:
        write_atomically(path, svg.to_svg(chart).encode())
        say(f"picture: {path}")
