"""`babelbits gate`: one sentence and one exit code for continuous integration."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from babelbits.cli.console import cell, console, data, data_json, safe, say
from babelbits.cli.decision_options import (
    answer_columns,
    answer_rows,
    asked_object,
    gate_object,
    read_query,
    scope_options,
)
from babelbits.errors import ExitCode, StoreError

if TYPE_CHECKING:
    from babelbits.decide.decision_query import DecisionQuery
    from babelbits.decide.gate import Gate

SCHEMA = "babelbits.gate/1"
EXIT_CODES = {
    "shown": ExitCode.DONE,
    "worse": ExitCode.GATE_FAILED,
    "loss": ExitCode.LOSS_SHOWN,
    "undecided": ExitCode.UNDECIDED,
}


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="FOLDER|STUDY")
@click.option("--variant", "-v", required=True, help="Variant label, e.g. 'w4-g@en'.")
@click.option("--baseline", help="The unquantized model's results, if SOURCE is another tool's.")
@click.option(
    "--chance", type=click.FloatRange(min=0, max=100, max_open=True), metavar="POINTS",
    help="With --baseline: what a guess scores, where the logs do not say.",
)  # fmt: skip
@scope_options
@click.option(
    "--fail-on",
    type=click.Choice(["margin", "loss"]),
    default="margin",
    show_default=True,
    help="margin: fail where a loss beyond the margin is shown. loss: fail on any loss shown.",
)
@click.option(
    "--junit",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the answers as JUnit XML: only a pass is a pass.",
)
@click.option(
    "--summary",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Append Markdown to this file; $GITHUB_STEP_SUMMARY where that is set.",
)
def gate(
    source: Path,
    *,
    variant: str,
    baseline: str | None,
    chance: float | None,
    smoke: bool,
    early_stopping: bool,
    as_json: bool,
    fail_on: str,
    junit: Path | None,
    summary: Path | None,
    **scope: Any,
) -> int:
    """Pass only if a variant is shown to be not worse than the margin, everywhere it is asked.

    \b
    babelbits gate study.toml --variant w8a8
    babelbits gate my-study.run --variant w4-g@en --languages ja,sw --suite mgsm --margin 2
    babelbits gate my-study.run --variant w4-g@en --group non-latin --claim equivalent
    babelbits gate out/w4 --baseline out/fp16 --variant w4      results of lm-eval and others

    Exit code 0, pass: a loss of the margin is ruled out in every language and task asked, each at
    alpha. 1, fail: a loss beyond the margin is shown in at least one, after Holm over those asked.
    6: a loss is shown, and its size is open. 5: undecided, also where a baseline is at its floor,
    a cell is missing or damaged, or the run is a smoke run. 2: usage. Only 0 is a pass.
    """
    from babelbits.cli.report import tell_names
    from babelbits.decide.decision_input import collect_decision_input
    from babelbits.decide.decision_query import check_variant
    from babelbits.decide.gate import gate as judge
    from babelbits.results.sources import load, load_pair

    if baseline is None:
        loaded = load(source, smoke=smoke, early=early_stopping)
        tell_names(loaded)
    else:
        share = None if chance is None else chance / 100
        loaded = load_pair(baseline, str(source), label=variant, chance=share)
    decision_input = collect_decision_input(loaded)
    check_variant(decision_input, variant)
    question = read_query(decision_input, **scope)
    result = judge(decision_input, variant, question)
    code = exit_code(result, fail_on)
    if as_json:
        data_json(as_object(result, question, alpha=decision_input.alpha, code=code))
    else:
        render(result, question, alpha=decision_input.alpha)
    target = summary or _github_summary()
    if target is not None:
        _put(target, markdown(result, question, alpha=decision_input.alpha), mode="a")
    if junit is not None:
        _put(junit, as_junit(result, question), mode="w")
    return int(code)


def exit_code(gate: "Gate", fail_on: str) -> ExitCode:
    """The code of an outcome; `fail_on` "loss" makes every loss that is shown a failure."""
    if fail_on == "loss" and gate.outcome == "loss":
        return ExitCode.GATE_FAILED
    return EXIT_CODES[gate.outcome]


# --- for people --------------------------------------------------------------------------------


def render(gate: "Gate", asked: "DecisionQuery", *, alpha: float) -> None:
    """Print the sentence, and what is not shown."""
    from rich import box
    from rich.table import Table

    from babelbits.decide.gate import gate_sentence
    from babelbits.decide.sentences import family_words

    data(gate_sentence(gate, asked))
    open_answers = [one for one in gate.answers if one.outcome != "shown"]
    if open_answers and not gate.smoke:
        table = Table(*answer_columns(alpha), box=box.SIMPLE_HEAD, pad_edge=False)
        for row in answer_rows(open_answers):
            table.add_row(*map(cell, row))
        console().print(table)
    data(f"{family_words(asked)}; the report has families of its own")
    for place_ in asked.not_there:
        say(f"not tested, the study does not have it: {place_}")


def markdown(gate: "Gate", asked: "DecisionQuery", *, alpha: float) -> str:
    """The sentence and all answers as GitHub-flavoured Markdown."""
    from babelbits.decide.gate import gate_sentence
    from babelbits.decide.sentences import family_words

    glyph = {"shown": "✅", "worse": "❌", "loss": "⚠️", "undecided": "❔"}[gate.outcome]
    columns = answer_columns(alpha)
    lines = [
        f"### {glyph} babelbits gate: {_escaped(gate.variant)}",
        "",
        _escaped(gate_sentence(gate, asked)),
        "",
        _escaped(f"{_tally(gate)}; {family_words(asked)}."),
        "",
        f"| {' | '.join(columns)} |",
        f"|{'---|' * len(columns)}",
        *(f"| {' | '.join(map(_escaped, row))} |" for row in answer_rows(gate.answers)),
        *(f"\nNot tested, the study does not have it: {one}" for one in asked.not_there),
    ]
    return "\n".join(lines) + "\n\n"


def _tally(gate: "Gate") -> str:
    """'passed 9 of 11; not passed: 1 fail, 1 undecided'."""
    from babelbits.decide.sentences import WORDS

    counts = {word: len(gate.of(outcome)) for outcome, word in WORDS.items()}
    passed = counts.pop("pass")
    rest = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return f"passed {passed} of {len(gate.answers)}" + (f"; not passed: {rest}" if rest else "")


def as_junit(gate: "Gate", asked: "DecisionQuery") -> str:
    """One test case a question. A fail is a failure; a loss or a doubt is one too, of its own type.

    JUnit readers count what is skipped as no failure, so nothing is.
    """
    from xml.etree import ElementTree as ET

    from babelbits.decide.gate import gate_sentence
    from babelbits.decide.sentences import WORDS, describe_evidence, place

    bad = [one for one in gate.answers if one.outcome != "shown" or gate.smoke]
    suite = ET.Element(
        "testsuite", name=f"babelbits gate {safe(gate.variant, one_line=True)}",
        tests=str(len(gate.answers)), failures=str(len(bad)), errors="0", skipped="0",
    )  # fmt: skip
    for one in gate.answers:
        case = ET.SubElement(suite, "testcase", classname=one.question.suite, name=place(one))
        if one in bad:
            why = f"{one.reason} {describe_evidence(one)}".strip()
            message = safe(gate_sentence(gate, asked) if gate.smoke else why, one_line=True)
            ET.SubElement(case, "failure", type=WORDS[one.outcome], message=message)
    return ET.tostring(suite, encoding="unicode") + "\n"


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    kept = safe(text, one_line=True)
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#~@" else c for c in kept)


def _github_summary() -> Path | None:
    """The file that GitHub Actions shows on a job's page."""
    name = os.environ.get("GITHUB_STEP_SUMMARY")
    return Path(name) if name else None


def _put(file: Path, text: str, *, mode: str) -> None:
    try:
        with file.open(mode, encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise StoreError(
            f"the file cannot be written: {error.strerror or error}", where=str(file)
        ) from error


# --- for machines ------------------------------------------------------------------------------


def as_object(
    gate: "Gate", asked: "DecisionQuery", *, alpha: float, code: ExitCode | None = None
) -> dict[str, Any]:
    """The gate as JSON."""
    from babelbits.decide.gate import gate_sentence
    from babelbits.decide.sentences import family_words

    return {
        "schema": SCHEMA,
        "exit_code": int(EXIT_CODES[gate.outcome] if code is None else code),
        "sentence": gate_sentence(gate, asked),
        "alpha": alpha,
        "family": family_words(asked),
        "asked": asked_object(asked),
        **gate_object(gate),
    }
