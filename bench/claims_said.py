"""What a report says, as claims that are true or false: the border between bench and product.

`what_is_said` runs the product's own analysis, sentences, gate and recommendation over finished
cells and takes down every claim they make. It judges nothing. All that the bench knows of the
product's words is here, so that other words are a change of this module alone.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from claims_studies import MARGIN, Study

from babelbits.compare import Analysis, AnalysisSettings
from babelbits.compare.analysis import analyse
from babelbits.compare.asked import ask
from babelbits.compare.findings import Findings
from babelbits.compare.gate import Gate
from babelbits.compare.recommend import Size, recommend
from babelbits.records import Effect, Interval
from babelbits.report.pairs import Axes
from babelbits.report.verdicts import board, headline, variant_verdict

RESAMPLES = 2000

Says = Literal[
    "some loss",
    "every loss",
    "every gain",
    "every within",
    "every above -margin",
    "some at -margin",
]
"""What a claim says of the true values of its questions: at least one is negative; each is
negative, positive, inside (-margin, +margin), above -margin; at least one is at or below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A mean over languages of a suite, less that over others where two are held together."""

    suite: str
    languages: tuple[str, ...]
    less: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One thing that a report says of a variant."""

    kind: str
    """Which sentence it is, e.g. 'headline: harm'."""
    variant: str
    questions: tuple[Question, ...]
    says: Says


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Everything a report says."""

    headline: str
    claims: tuple[Claim, ...]
    gates: Mapping[str, str]
    """Kind of gate and variant, 'pooled v00', to outcome."""


def what_is_said(study: Study, *, resamples: int = RESAMPLES) -> Said:
    """Analyse the cells as a report, a gate and a recommendation do, and take down the claims."""
    of = study.of
    settings = AnalysisSettings(
        margins={"fraction": MARGIN, "bits/byte": MARGIN},
        groups=of.groups,
        reference=of.codes[0],
        resamples=resamples,
    )
    analysis = analyse(study.cells, settings)
    primary = {one.meta.task.suite: one.meta.task.primary for one in study.cells}
    words, spoken = _headline(study, analysis, primary)
    answers = list(_answers(study, analysis, settings))
    return Said(
        headline=words,
        claims=(
            *spoken,
            *_rows(analysis.effects),
            *_contrasts(analysis, settings.alpha),
            *_suites(analysis, settings.alpha),
            *(claim for claims, _ in answers for claim in claims),
        ),
        gates={name: outcome for _, gates in answers for name, outcome in gates.items()},
    )


# --- the first screen ------------------------------------------------------------------------


def _headline(
    study: Study, analysis: Analysis, primary: Mapping[str, str]
) -> tuple[str, list[Claim]]:
    """The sentence as printed, and whom it calls harmed and unharmed."""
    of = study.of
    axes = Axes(variants=of.variant_names, suites=of.suite_names, languages=of.codes)
    found = board(analysis.effects, primary, axes)
    verdicts = [variant_verdict(found, name, {}) for name in of.variant_names]
    words = headline(verdicts)
    everything = _every_language(study)
    harmed = named(words, r"Harm was shown for (.*?)[.;]", of.variant_names)
    safe = named(words, r"([^.]*) (?:was|were) shown to be unharmed", of.variant_names)
    if harmed is None:  # counted, not named
        harmed = [one.variant for one in verdicts if one.overall == "worse"]
    if safe is None:
        safe = [one.variant for one in verdicts if one.overall in {"equivalent", "better"}]
    return words, [
        *(
            Claim(kind="headline: harm", variant=name, questions=everything, says="some loss")
            for name in harmed
        ),
        *(
            Claim(
                kind="headline: unharmed",
                variant=name,
                questions=everything,
                says="every above -margin",
            )
            for name in safe
        ),
    ]


def named(words: str, pattern: str, names: Sequence[str]) -> list[str] | None:
    """The variants that a sentence names; None where it only counts them ('7 of 20 variants')."""
    found = re.search(pattern, words)
    if found is None or found[1].strip().lower() in {"no variant", "for no variant"}:
        return []
    if re.fullmatch(r"\d+ of \d+ variants?", found[1].strip()):
        return None
    return [name for name in names if re.search(rf"\b{re.escape(name)}\b", found[1])]


def _every_language(study: Study) -> tuple[Question, ...]:
    return tuple(
        Question(suite=suite, languages=(code,))
        for suite in study.of.suite_names
        for code in study.of.codes
    )


# --- rows ------------------------------------------------------------------------------------

_SAYS: Mapping[str, Says] = {
    "worse": "every loss",
    "better": "every gain",
    "equivalent": "every within",
}


def _rows(effects: Sequence[Effect]) -> Iterator[Claim]:
    """The verdict of every row, whatever its scope, and its note."""
    for effect in effects:
        questions = (Question(suite=effect.task, languages=tuple(effect.languages)),)
        if effect.verdict in _SAYS:
            says = _SAYS[effect.verdict]
            for kind in (f"row: {effect.verdict}", f"row: {effect.verdict}, {effect.scope}"):
                yield Claim(kind=kind, variant=effect.variant, questions=questions, says=says)
        for note in effect.notes:
            if note.startswith("a real but negligible"):
                says = "every loss" if note.endswith("loss") else "every gain"
                yield Claim(
                    kind="row: real but negligible",
                    variant=effect.variant,
                    questions=questions,
                    says=says,
                )


# --- languages held together -----------------------------------------------------------------


def _contrasts(analysis: Analysis, alpha: float) -> Iterator[Claim]:
    for group in analysis.contrasts:
        if group.scale == "points" and group.p_adjusted is not None and group.p_adjusted <= alpha:
            yield _difference(
                "group contrast", group.variant, group.suite, group.languages_in,
                group.languages_out, group.difference,
            )  # fmt: skip
    for one in analysis.references:
        sides = (one.language,), (one.reference,)
        if one.p_adjusted is not None and one.p_adjusted <= alpha:
            yield _difference("reference contrast", one.variant, one.suite, *sides, one.difference)
        if (sign := _beyond_zero(one.interval)) != 0:
            yield _difference("reference interval", one.variant, one.suite, *sides, sign)


def _difference(
    kind: str,
    variant: str,
    suite: str,
    inside: tuple[str, ...],
    outside: tuple[str, ...],
    sign: float,
) -> Claim:
    question = Question(suite=suite, languages=inside, less=outside)
    says: Says = "every loss" if sign < 0 else "every gain"
    return Claim(kind=kind, variant=variant, questions=(question,), says=says)


def _beyond_zero(interval: Interval | None) -> float:
    """-1 or 1 where the interval excludes zero."""
    if interval is None or interval.low <= 0 <= interval.high:
        return 0.0
    return float(np.sign(interval.low))


def _suites(analysis: Analysis, alpha: float) -> Iterator[Claim]:
    """'Equivalent in all languages', and 'worse in some'."""
    for one in analysis.claims:
        questions = tuple(Question(suite=one.suite, languages=(code,)) for code in one.languages)
        if one.equivalent_in_all:
            yield Claim(
                kind="suite: equivalent in all", variant=one.variant, questions=questions,
                says="every within",
            )  # fmt: skip
        if one.worse_in_some_p <= alpha:
            yield Claim(
                kind="suite: worse in some", variant=one.variant, questions=questions,
                says="some loss",
            )  # fmt: skip


# --- decisions -------------------------------------------------------------------------------


def _answers(
    study: Study, analysis: Analysis, settings: AnalysisSettings
) -> Iterator[tuple[list[Claim], dict[str, str]]]:
    """Gates of every variant and the recommendation, for every language and for the means."""
    of = study.of
    tasks = {one.meta.task.suite: one.meta.task for one in study.cells}
    findings = Findings(
        analysis=analysis,
        primary={suite: info.metric(info.primary) for suite, info in tasks.items()},
        languages=dict.fromkeys(of.suite_names, of.codes),
        variants=of.variant_names,
        groups=of.groups,
        alpha=settings.alpha,
    )
    sizes = {
        name: Size(bytes_on_disk=10**9 - 10**6 * place, bits_per_weight=8 - 0.1 * place)
        for place, name in enumerate(of.variant_names)
    }
    baseline = Size(bytes_on_disk=2 * 10**9, bits_per_weight=16.0)
    for how, pooled in (("each language", False), ("means", True)):
        found = recommend(findings, ask(findings, pooled=pooled), sizes=sizes, baseline=baseline)
        claims = [claim for one in found.candidates for claim in _gate(one.gate, how)]
        if found.chosen is not None:
            gate = found.chosen.gate
            claims.append(
                Claim(
                    kind=f"recommended: {how}",
                    variant=gate.variant,
                    questions=_asked(gate),
                    says="every above -margin",
                )
            )
        yield claims, {f"{how} {one.variant}": one.gate.outcome for one in found.candidates}


def _asked(gate: Gate) -> tuple[Question, ...]:
    return tuple(
        Question(suite=one.question.suite, languages=one.question.languages) for one in gate.answers
    )


_OUTCOMES: Mapping[str, tuple[tuple[str, Says], ...]] = {
    "shown": (("pass", "every above -margin"),),
    "worse": (("fail", "some at -margin"), ("loss", "some loss")),
    "fail": (("fail", "some at -margin"), ("loss", "some loss")),
    "loss": (("loss", "some loss"),),
}
"""Outcome of a gate to what it says; 'undecided' says nothing. A failure says that a loss reaches
the margin; a gate that calls every loss a failure says that, too."""


def _gate(gate: Gate, how: str) -> Iterator[Claim]:
    for name, says in _OUTCOMES.get(gate.outcome, ()):
        yield Claim(
            kind=f"gate {name}: {how}", variant=gate.variant, questions=_asked(gate), says=says
        )
