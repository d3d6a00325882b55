"""A gate's policy: what must pass, what is told only, within which margins.

It stands in a file that is named, else under `[gate]` in the study, else in the `babelbits.toml`
beside the study or the run folder. What is required and what is advisory are two families: what is
told only takes no power from what must pass. A language or suite that a policy names and the study
lacks is an error, never a question that passes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from babelbits.decide.decision_input import DecisionInput
from babelbits.decide.decision_query import Claim, DecisionQuery, DecisionQuestion, ask
from babelbits.errors import UnknownNameError
from babelbits.languages import resolve
from babelbits.suggest import did_you_mean

if TYPE_CHECKING:
    from babelbits.study.config.gate_table import GateTable
    from babelbits.study.config.toml_reading import TomlTable

_File = TypeVar("_File", bound="TomlTable")
POLICY_FILE = "babelbits.toml"
EVERY = "*"
Places = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """What a gate asks when the command line does not say."""

    where: str
    """The file it stands in, as people are told."""
    required: Places = field(default_factory=dict)
    """Suite to languages, groups or '*'; empty: all that is not advisory."""
    advisory: Places = field(default_factory=dict)
    margins: Mapping[str, float] = field(default_factory=dict)
    """By suite or unit, in that unit."""
    claim: Claim = "not-worse"
    fail_on: Literal["margin", "loss"] = "margin"


def find_policy(source: Path, *, study_text: str = "") -> GatePolicy | None:
    """The policy that holds for a study file or a run folder; None where there is none.

    Parameters
    ----------
    source : Path
        A study file, a run folder, or another tool's results.
    study_text : str
        The study as it was run, for run folders.

    Raises
    ------
    StudyError
        If a policy has mistakes; each is shown at its line.
    """
    from babelbits.study.config.file_model import StudyFile

    file = source if source.suffix == ".toml" and source.is_file() else None
    text = study_text if file is None else file.read_text("utf-8-sig")
    if "gate" in text:
        found = _read_tables(StudyFile, text, str(file or f"the study of {source}")).gate
        if found is not None:
            return _policy(found, str(file or f"the study of {source}"))
    beside = source.absolute().parent / POLICY_FILE
    return read_policy(beside) if beside.is_file() else None


def read_policy(file: Path) -> GatePolicy:
    """The policy of a file.

    Raises
    ------
    StudyError
        If it cannot be read, or has mistakes.
    """
    from babelbits.study.config.gate_table import PolicyFile
    from babelbits.study.config.toml_reading import read_text

    text = read_text(file, hint="write one with a table [gate]; see docs/decisions.md")
    return _policy(_read_tables(PolicyFile, text, str(file)).gate, str(file))


def _read_tables(model: type[_File], text: str, file: str) -> _File:
    from babelbits.study.config.problems import locate_problems
    from babelbits.study.config.toml_reading import check, parse

    tables, problems = check(model, parse(text, file=file))
    if problems or tables is None:
        raise locate_problems(problems, text=text, file=file)
    return tables


def _policy(table: "GateTable", where: str) -> GatePolicy:
    return GatePolicy(
        where=where,
        required=table.required,
        advisory=table.advisory,
        margins=table.margins,
        claim=table.claim,
        fail_on=table.fail_on,
    )


def make_queries(
    policy: GatePolicy,
    findings: DecisionInput,
    *,
    claim: Claim | None = None,
    margins: Mapping[str, float] | None = None,
) -> tuple[DecisionQuery, DecisionQuery | None]:
    """What must pass, and what is told only; None where nothing is.

    Parameters
    ----------
    claim, margins
        In place of the policy's.

    Raises
    ------
    UnknownNameError
        If the study has no suite, language or group that the policy names.
    """
    everything = dict.fromkeys(findings.suites, (EVERY,))
    told = _pairs(policy.advisory, findings, where=policy.where)
    must = _pairs(policy.required or everything, findings, where=policy.where)
    must = [pair for pair in must if pair not in told]
    chosen_claim, chosen = claim or policy.claim, margins or policy.margins
    queries = [
        _query(pairs, findings, claim=chosen_claim, margins=chosen) if pairs else None
        for pairs in (must, told)
    ]
    if queries[0] is None:
        raise UnknownNameError(
            "the policy requires nothing: all that is required is advisory, too",
            where=policy.where,
            hint="name what must pass under [gate.required]",
        )
    return queries[0], queries[1]


def _query(
    pairs: Sequence[tuple[str, str]],
    findings: DecisionInput,
    *,
    claim: Claim,
    margins: Mapping[str, float],
) -> DecisionQuery:
    """The question about these pairs; margins of what it does not ask about are left out."""
    questions = tuple(
        DecisionQuestion(suite=suite, where=code, languages=(code,)) for suite, code in pairs
    )
    return apply_margins(margins, DecisionQuery(questions=questions, claim=claim), findings)


def apply_margins(
    margins: Mapping[str, float], query: DecisionQuery, findings: DecisionInput
) -> DecisionQuery:
    """A question with a policy's margins, as far as they are about it.

    Raises
    ------
    StudyError
        If a margin is none.
    """
    suites = tuple(dict.fromkeys(one.suite for one in query.questions))
    units = {findings.primary[suite].unit for suite in suites if suite in findings.primary}
    about = {name: size for name, size in margins.items() if name in {*suites, *units}}
    checked = ask(findings, suites=suites, claim=query.claim, margins=about).margins
    return replace(query, margins=checked)


def _pairs(places: Places, findings: DecisionInput, *, where: str) -> list[tuple[str, str]]:
    """Suite and language of what a policy names, in its order."""
    found: dict[tuple[str, str], None] = {}
    for suite, names in places.items():
        if suite not in findings.languages:
            hint = did_you_mean(suite, findings.suites) or f"it has: {', '.join(findings.suites)}"
            raise UnknownNameError(f"the study has no suite {suite!r}", where=where, hint=hint)
        here = findings.languages[suite]
        for name in names:
            for code in _codes(name, here, findings):
                if code not in here:
                    raise UnknownNameError(
                        f"the study has no {suite} in language {code!r}",
                        where=where,
                        hint=f"it has: {', '.join(here)}",
                    )
                found[suite, code] = None
    return list(found)


def _codes(name: str, here: Sequence[str], findings: DecisionInput) -> Sequence[str]:
    """The languages that a name stands for; a group stands for its languages of this suite."""
    if name == EVERY:
        return here
    if name in findings.groups:
        return [code for code in here if code in findings.groups[name]]
    return [resolve(name).code]
