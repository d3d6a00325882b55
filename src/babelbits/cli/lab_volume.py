"""`babelbits lab volume`: damage of quantization against the amount of a language."""

import json
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import click

from babelbits.cli.console import print_data, print_json, print_plain_table, say
from babelbits.errors import ExitCode, StudyError
from babelbits.libraries import need
from babelbits.words import duration, plural

if TYPE_CHECKING:
    from babelbits.lab.training import TrainingProgress
    from babelbits.lab.volume_models import VolumeLab
    from babelbits.lab.volume_plan import VolumeSettings
    from babelbits.records import JSON

SCHEMA = "babelbits.lab.volume/1"
_QUIET_SECONDS = 60.0


@click.command(short_help="Vary how much of one language a model has seen.")
@click.option(
    "--corpora", type=click.Path(path_type=Path, file_okay=False), required=True,
    help="Folder of LANGUAGE.txt or LANGUAGE.txt.xz, UTF-8, a sentence a line.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True,
    help="Folder of the plan, the models and the results.",
)  # fmt: skip
@click.option(
    "--languages", "-l", metavar="L,L,...", required=True,
    help="Languages of the text, in equal parts where none is reduced.",
)  # fmt: skip
@click.option(
    "--vary", metavar="L,L,...", required=True,
    help="Languages whose amount is varied, each in models of its own.",
)  # fmt: skip
@click.option("--control", metavar="L", default="en", show_default=True,
              help="Language that is never varied and always measured.")  # fmt: skip
@click.option("--levels", metavar="F,F,...", default="0,1/64,1/16,1/4,1", show_default=True,
              help="Amounts, as parts of a full share.")  # fmt: skip
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--tokens", type=click.IntRange(min=1), default=1_000_000, show_default=True,
              help="Tokens that every model is trained on.")  # fmt: skip
@click.option("--recipes", metavar="R,R,...", default="w4,w4-g,q3_k_s", show_default=True)
@click.option("--held-out", type=click.IntRange(min=2), default=120, show_default=True,
              help="Lines a language that no training sees.")  # fmt: skip
@click.option("--most-repeats", type=click.FloatRange(min=1), default=4.0, show_default=True,
              help="How often a text may be gone through.")  # fmt: skip
@click.option("--plan", "plan_only", is_flag=True, help="Print the plan and train nothing.")
@click.option("--report", "report_only", is_flag=True,
              help="Train nothing: tables and picture from what is scored.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def volume(
    corpora: Path,
    out: Path,
    *,
    languages: str,
    vary: str,
    control: str,
    levels: str,
    seeds: int,
    tokens: int,
    recipes: str,
    held_out: int,
    most_repeats: float,
    plan_only: bool,
    report_only: bool,
    as_json: bool,
) -> int:
    """Train small models that differ in the amount of one language; quantize; compare the damage.

    The plan is written down before the first training. The same command again goes on where it
    stopped; nothing is trained twice. Models have two layers and 3.3 million weights: what is found
    is said of them.

    \b
    babelbits lab volume --corpora texts --out lab -l en,de,nb,hi --vary nb,hi --plan
    babelbits lab volume --corpora texts --out lab -l en,de,nb,hi --vary nb,hi
    """
    from babelbits.lab.volume import open_lab, plan_of, read_plan, run_lab
    from babelbits.lab.volume_plan import VolumeSettings, describe_training

    settings = VolumeSettings(
        languages=_codes(languages), subjects=_codes(vary), control=_codes(control)[0],
        levels=_levels(levels), seeds=seeds, tokens=tokens, recipes=_recipes(recipes),
        held_out=held_out, most_repeats=most_repeats,
    )  # fmt: skip
    lab = open_lab(out, corpora, settings)
    say(describe_training(settings))
    if plan_only:
        _print_plan(plan_of(lab), settings, as_json=as_json)
        return int(ExitCode.DONE)
    if report_only:
        return _report(lab, read_plan(lab), as_json=as_json)
    need(("torch", "transformers", "llmcompressor", "llama-cpp-python"), what="lab volume")
    with _Line() as line:
        plan = run_lab(lab, tell=line.tell, progress=line.progress)
    return _report(lab, plan, as_json=as_json)


# --- what the options say -------------------------------------------------------------------------


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part for one in text.split(",") if (part := one.strip()))


def _codes(text: str) -> tuple[str, ...]:
    from babelbits.languages import resolve

    return tuple(resolve(one).code for one in _parts(text))


def _levels(text: str) -> "tuple[Fraction, ...]":
    try:
        return tuple(map(Fraction, _parts(text)))
    except (ValueError, ZeroDivisionError):
        raise StudyError(
            f"'{text}' is no list of amounts", where="--levels", hint="write 0,1/64,1/16,1/4,1"
        ) from None


def _recipes(text: str) -> tuple[str, ...]:
    from babelbits.recipes.catalogue import find

    found = tuple(dict.fromkeys(find(one).name for one in _parts(text)))
    lost = [
        one for one in found if find(one).family not in ("gguf", "compressed-tensors", "auto-round")
    ]
    if lost or not found:
        raise StudyError(
            f"no recipe for this: {', '.join(lost) or 'none named'}",
            where="--recipes",
            hint="name some that llm-compressor or llama.cpp make, e.g. w4,w4-g,q3_k_s",
        )
    return found


# --- what is printed ------------------------------------------------------------------------------


class _Line:
    """Progress: the step of now on a terminal, a line a minute elsewhere."""

    def __init__(self) -> None:
        self._last = 0.0
        self._open = False

    def __enter__(self) -> "_Line":
        return self

    def __exit__(self, *_raised: object) -> None:
        self._close()

    def _close(self) -> None:
        if self._open:
            click.echo(err=True)
        self._open = False

    def tell(self, text: str) -> None:
        """A model begins."""
        self._close()
        say(text)

    def progress(self, now: "TrainingProgress") -> None:
        """A training has got this far."""
        left = now.seconds / now.step * (now.steps - now.step)
        text = f"  {plural(now.tokens, 'token')}, loss {now.loss:.2f}, {duration(left)} left"
        if sys.stderr.isatty():
            click.echo(f"\r{text:<60}", nl=False, err=True)
            self._open = True
        elif time.monotonic() - self._last > _QUIET_SECONDS:
            self._last = time.monotonic()
            say(text)


def _print_plan(plan: "JSON", settings: "VolumeSettings", *, as_json: bool) -> None:
    from babelbits.lab.volume_plan import list_arms

    if as_json:
        print_json({"schema": SCHEMA, "plan": plan})
        return
    heads = ["model", "id", *(f"rows of {language}" for language in settings.languages)]
    rows = [
        [arm.name, plan["models"][arm.name], *(f"{arm.rows[one]:,}" for one in settings.languages)]
        for arm in list_arms(settings)
    ]
    print_plain_table(heads, rows, numeric=range(2, len(heads)))
    print_data("")
    print_data(f"Outcome: {plan['outcome']}.")
    print_data(f"Analysis: {plan['analysis']}.")
    print_data(f"Exploratory: {plan['exploratory']}.")


def _report(lab: "VolumeLab", plan: "JSON", *, as_json: bool) -> int:
    from babelbits.lab.volume_results import describe_results, read_results
    from babelbits.report import svg, volume_page
    from babelbits.store.atomic import write_atomically

    results = read_results(lab, plan)
    found = {"schema": SCHEMA, **results.as_json()}
    text = json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(lab.folder / "volume.json", text.encode())
    write_atomically(lab.folder / "volume.html", volume_page.make_page(results).encode())
    if results.cells and svg.can_draw():
        svg.write(volume_page.draw_picture(results), lab.folder / "volume")
    if as_json:
        print_json(found)
    else:
        print_plain_table(
            volume_page.CELL_HEADS, volume_page.make_cell_rows(results), numeric=range(4, 7)
        )
        print_data("")
        if results.seeds:
            print_plain_table(
                volume_page.SLOPE_HEADS, volume_page.make_slope_rows(results), numeric=range(2, 8)
            )
            print_data("")
        for line in describe_results(results):
            print_data(f"{line[:1].upper()}{line[1:]}.")
    say(f"written: {lab.folder / 'volume.html'}")
    return int(ExitCode.DONE if results.scored == results.planned else ExitCode.INCOMPLETE)
