"""`babelbits gate`: one sentence and one exit code for continuous integration."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from babelbits.cli.console import make_cell, make_safe, open_console, print_data, print_json, say
from babelbits.cli.decision_options import (
    answer_columns,
    answer_rows,
    make_asked_object,
    make_gate_object,
    read_query,
    scope_options,
)
from babelbits.errors import ExitCode, StoreError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from babelbits.decide.decision_input import DecisionInput
    from babelbits.decide.decision_query import DecisionQuery
    from babelbits.decide.gate import Gate
    from babelbits.decide.policy import GatePolicy

SCHEMA = "babelbits.gate/1"
ADVISORY = "advisory, counts for nothing"
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
    help="margin: fail where a loss beyond the margin is shown. loss: fail on any loss shown."
    "  [default: the policy's, else margin]",
)
@click.option(
    "--policy", "policy_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File with a table [gate]: what is required and advisory, margins, claim; else [gate] "
    "in the study, else babelbits.toml beside it. Options about what is asked take its place.",
)  # fmt: skip
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
    fail_on: str | None,
    policy_file: Path | None,
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
    from babelbits.decide.gate import answer_gate as judge
    from babelbits.results.sources import load, load_pair

    if baseline is None:
        loaded = load(source, smoke=smoke, early=early_stopping)
        tell_names(loaded)
    else:
        share = None if chance is None else chance / 100
        loaded = load_pair(baseline, str(source), label=variant, chance=share)
    decision_input = collect_decision_input(loaded)
    check_variant(decision_input, variant)
    policy = _policy(source, policy_file, loaded.study.text)
    question, advisory = _questions(decision_input, policy, scope)
    result = judge(decision_input, variant, question)
    told = None if advisory is None else judge(decision_input, variant, advisory)
    code = exit_code(result, fail_on or ("margin" if policy is None else policy.fail_on))
    alpha = decision_input.alpha
    if as_json:
        more = {} if told is None else {"advisory": make_gate_object(told)}
        print_json({**as_object(result, question, alpha=alpha, code=code), **more})
    else:
        if policy is not None:
            say(f"policy: {policy.where}")
        render(result, question, alpha=alpha)
        if told is not None and advisory is not None:
            print_data(f"\n{ADVISORY}:")
            render(told, advisory, alpha=alpha)
    target = summary or _github_summary()
    if target is not None:
        text = format_markdown(result, question, alpha=alpha)
        if told is not None and advisory is not None:
            text += format_markdown(told, advisory, alpha=alpha, head=f"{ADVISORY}: {told.variant}")
        _put(target, text, mode="a")
    if junit is not None:
        _put(junit, as_junit(result, question, advisory=told), mode="w")
    return int(code)


def _policy(source: Path, file: Path | None, study_text: str) -> "GatePolicy | None":
    from babelbits.decide.policy import find_policy, read_policy

    return find_policy(source, study_text=study_text) if file is None else read_policy(file)


def _questions(
    findings: "DecisionInput", policy: "GatePolicy | None", scope: dict[str, Any]
) -> "tuple[DecisionQuery, DecisionQuery | None]":
    """What is asked: by the command line where it says what, else by the policy."""
    from babelbits.decide.decision_query import read_margins
    from babelbits.decide.policy import apply_margins, make_queries

    named = any(scope[name] for name in ("languages", "group", "suites", "pooled"))
    given = click.get_current_context().get_parameter_source("claim")
    is_default = given is click.core.ParameterSource.DEFAULT
    if policy is None:
        return read_query(findings, **scope), None
    margins = read_margins(scope["margins"], findings)
    if named:
        chosen = {**scope, "claim": policy.claim} if is_default else scope
        query = read_query(findings, **chosen)
        return (query if margins else apply_margins(policy.margins, query, findings)), None
    claim = None if is_default else scope["claim"]
    return make_queries(policy, findings, claim=claim, margins=margins or None)


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

    from babelbits.decide.gate import describe_gate
    from babelbits.decide.sentences import describe_family

    print_data(describe_gate(gate, asked))
    open_answers = [one for one in gate.answers if one.outcome != "shown"]
    if open_answers and not gate.smoke:
        table = Table(*answer_columns(alpha), box=box.SIMPLE_HEAD, pad_edge=False)
        for row in answer_rows(open_answers):
            table.add_row(*map(make_cell, row))
        open_console().print(table)
    print_data(f"{describe_family(asked)}; the report has families of its own")
    for place_ in asked.not_there:
        say(f"not tested, the study does not have it: {place_}")


def format_markdown(gate: "Gate", asked: "DecisionQuery", *, alpha: float, head: str = "") -> str:
    """The sentence and all answers as GitHub-flavoured Markdown; `head` in place of the usual."""
    from babelbits.decide.gate import describe_gate
    from babelbits.decide.sentences import describe_family

    glyph = {"shown": "✅", "worse": "❌", "loss": "⚠️", "undecided": "❔"}[gate.outcome]
    columns = answer_columns(alpha)
    lines = [
        f"### {glyph} {_escaped(head or f'babelbits gate: {gate.variant}')}",
        "",
        _escaped(describe_gate(gate, asked)),
        "",
        _escaped(f"{_tally(gate)}; {describe_family(asked)}."),
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


def as_junit(gate: "Gate", asked: "DecisionQuery", *, advisory: "Gate | None" = None) -> str:
    """One test case a question. A fail is a failure; a loss or a doubt is one too, of its own type.

    JUnit readers count what is skipped as no failure, so nothing is. What is advisory is a suite of
    its own whose cases say their outcome and never fail.
    """
    from xml.etree import ElementTree as ET

    from babelbits.decide.gate import describe_gate
    from babelbits.decide.sentences import WORDS, describe_evidence, describe_place

    bad = [one for one in gate.answers if one.outcome != "shown" or gate.smoke]
    suite = ET.Element(
        "testsuite", name=f"babelbits gate {make_safe(gate.variant, one_line=True)}",
        tests=str(len(gate.answers)), failures=str(len(bad)), errors="0", skipped="0",
    )  # fmt: skip
    for one in gate.answers:
        case = ET.SubElement(
            suite, "testcase", classname=one.question.suite, name=describe_place(one)
        )
        if one in bad:
            why = f"{one.reason} {describe_evidence(one)}".strip()
            message = make_safe(describe_gate(gate, asked) if gate.smoke else why, one_line=True)
            ET.SubElement(case, "failure", type=WORDS[one.outcome], message=message)
    if advisory is None:
        return ET.tostring(suite, encoding="unicode") + "\n"
    root = ET.Element("testsuites")
    root.append(suite)
    root.append(_advisory_suite(advisory))
    return ET.tostring(root, encoding="unicode") + "\n"


def _advisory_suite(gate: "Gate") -> "Element":
    from xml.etree import ElementTree as ET

    from babelbits.decide.sentences import WORDS, describe_evidence, describe_place

    suite = ET.Element(
        "testsuite", name=f"{ADVISORY}: {make_safe(gate.variant, one_line=True)}",
        tests=str(len(gate.answers)), failures="0", errors="0", skipped="0",
    )  # fmt: skip
    for one in gate.answers:
        case = ET.SubElement(
            suite, "testcase", classname=one.question.suite, name=describe_place(one)
        )
        said = f"{WORDS[one.outcome]}: {one.reason} {describe_evidence(one)}".strip()
        ET.SubElement(case, "system-out").text = make_safe(said, one_line=True)
    return suite


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    kept = make_safe(text, one_line=True)
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
    from babelbits.decide.gate import describe_gate
    from babelbits.decide.sentences import describe_family

    return {
        "schema": SCHEMA,
        "exit_code": int(EXIT_CODES[gate.outcome] if code is None else code),
        "sentence": describe_gate(gate, asked),
        "alpha": alpha,
        "family": describe_family(asked),
        "asked": make_asked_object(asked),
        **make_gate_object(gate),
    }
