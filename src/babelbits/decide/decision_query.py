"""What a person asks of a variant: which suites, in which languages, within which margin.

Names are checked against the study here, so that a typing mistake is an error and never an empty
question that passes. Several languages are several questions; only `pooled` asks about their mean.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from babelbits.decide.decision_input import DecisionInput
from babelbits.errors import StudyError, UnknownNameError
from babelbits.languages import resolve
from babelbits.records import Effect
from babelbits.suggest import did_you_mean, one_of

Claim = Literal["not-worse", "equivalent"]
"""not-worse: no loss of the margin or more; equivalent: no gain of it or more either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionQuestion:
    """One suite in one language, or the mean over several languages."""

    suite: str
    where: str
    """A language's code, a group's name or 'all languages'."""
    languages: tuple[str, ...]
    """More than one only where the mean is asked about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionQuery:
    """Everything that is asked of each variant."""

    questions: tuple[DecisionQuestion, ...]
    claim: Claim = "not-worse"
    margins: Mapping[str, float] = field(default_factory=dict)
    """By suite or by the metric's unit, in that unit; they replace the study's."""
    pooled: bool = False
    not_there: tuple[str, ...] = ()
    """'suite in language' for what follows from the question and is not in the study."""

    def margin(self, effect: Effect) -> float | None:
        """The margin that an effect is held against; None if neither study nor asker names one."""
        for name in (effect.task, effect.unit):
            if name in self.margins:
                return self.margins[name]
        return effect.decision.margin


def ask(
    findings: DecisionInput,
    *,
    languages: Sequence[str] = (),
    group: str | None = None,
    suites: Sequence[str] = (),
    pooled: bool = False,
    claim: Claim = "not-worse",
    margins: Mapping[str, float] | None = None,
) -> DecisionQuery:
    """Check what is asked against what the study has.

    Parameters
    ----------
    languages : sequence of str
        Codes in any usual form; none: all of the study.
    group : str, optional
        A group's name instead of languages.
    suites : sequence of str
        None: all of the study.
    pooled : bool
        Ask about the mean over the group, or over all languages, instead of each language.
    margins : mapping, optional
        See `DecisionQuery.margins`.

    Raises
    ------
    UnknownNameError
        If a suite, language or group is not in the study.
    StudyError
        If the parts of the question do not go together, or a margin is not positive.
    """
    if group is not None and languages:
        raise StudyError("languages and a group were named", hint="name one of the two")
    if pooled and languages:
        raise StudyError(
            "a mean over languages needs a group", hint="name a group, or no language for all"
        )
    chosen = tuple(dict.fromkeys(_known(name, findings.suites, "suite") for name in suites))
    chosen = chosen or findings.suites
    codes = _languages(findings, languages, group=group, suites=chosen)
    questions: list[DecisionQuestion] = []
    for suite in chosen:
        here = tuple(code for code in codes if code in findings.languages[suite])
        if pooled and here:
            name = "all languages" if group is None else group
            questions.append(DecisionQuestion(suite=suite, where=name, languages=here))
        elif not pooled:
            questions += [
                DecisionQuestion(suite=suite, where=code, languages=(code,)) for code in here
            ]
    named = languages or group is not None
    absent = [(s, code) for s in chosen for code in codes if code not in findings.languages[s]]
    return DecisionQuery(
        questions=tuple(questions),
        claim=claim,
        margins=_margins(findings, {} if margins is None else margins, chosen),
        pooled=pooled,
        not_there=tuple(f"{suite} in {code}" for suite, code in absent) if named else (),
    )


def check_variant(findings: DecisionInput, variant: str) -> str:
    """`variant` itself.

    Raises
    ------
    UnknownNameError
        If the study has no such variant beside the baseline.
    """
    return _known(variant, findings.variants, "variant")


def _known(name: str, options: Sequence[str], what: str) -> str:
    if name in options:
        return name
    hint = did_you_mean(name, options) or f"the study has {one_of(options)}"
    raise UnknownNameError(f"the study has no {what} {name!r}", hint=hint)


def _languages(
    findings: DecisionInput, asked: Sequence[str], *, group: str | None, suites: Sequence[str]
) -> tuple[str, ...]:
    """Canonical codes, each in at least one of the suites."""
    there = tuple(
        code
        for code in findings.all_languages
        if any(code in findings.languages[suite] for suite in suites)
    )
    if group is not None:
        members = findings.groups[_known(group, tuple(findings.groups), "group")]
        member_codes = tuple(code for code in members if code in there)
        if not member_codes:
            raise UnknownNameError(
                f"the study has no {one_of(suites)} in a language of the group {group!r}",
                hint=f"available: {', '.join(there)}",
            )
        return member_codes
    codes = tuple(dict.fromkeys(resolve(code).code for code in asked)) or there
    for code in codes:
        if code not in there:
            raise UnknownNameError(
                f"the study has no {one_of(suites)} in language {code!r}",
                hint=f"available: {', '.join(there)}",
            )
    return codes


def _margins(
    findings: DecisionInput, margins: Mapping[str, float], suites: Sequence[str]
) -> Mapping[str, float]:
    units = {name: findings.primary[name].unit for name in suites if name in findings.primary}
    known = (*suites, *dict.fromkeys(units.values()))
    for name, margin in margins.items():
        if name not in known:
            raise UnknownNameError(
                f"a margin for {name!r}, which is not asked about",
                hint=did_you_mean(name, known) or f"name {one_of(known)}",
            )
        if not 0 < margin < math.inf:
            raise StudyError(f"the margin for {name!r} is {margin:g}", hint="margins are positive")
        if units.get(name, name) == "fraction" and margin >= 1:
            raise StudyError(
                f"the margin for {name!r} is {margin * 100:g} points: no loss could leave it",
                hint="2 points are --margin 2",
            )
    return dict(margins)


def read_margins(texts: Sequence[str], findings: DecisionInput) -> Mapping[str, float]:
    """Margins as written on a command line, in the task's own unit: '2' (points), 'text=0.02'.

    Raises
    ------
    StudyError
        If a text is no number.
    """
    sizes = {}
    for text in texts:
        name, equals, size = text.rpartition("=")
        name = name if equals else "fraction"
        unit = findings.primary[name].unit if name in findings.primary else name
        try:
            sizes[name] = float(size) / (100 if unit == "fraction" else 1)
        except ValueError:
            raise StudyError(
                f"--margin {text!r} is no margin",
                hint="--margin 2 means 2 points; --margin text=0.02 is in the task's own unit",
            ) from None
    return sizes
