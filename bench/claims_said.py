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

from babelbits.analysis import Analysis, AnalysisSettings
from babelbits.analysis.analyse import analyse
from babelbits.decide.decision import decide_all
from babelbits.decide.decision_input import DecisionInput
from babelbits.decide.decision_query import ask
from babelbits.decide.gate import Gate
from babelbits.decide.recommend import Recommendation, Size, recommend
from babelbits.records import Effect, Interval
from babelbits.report.item_pairs import Axes
from babelbits.report.verdicts import make_board, ship, write_headline

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
    findings = _findings(study, analysis, settings)
    sizes = {
        name: Size(bytes_on_disk=10**9 - 10**6 * place, bits_per_weight=8 - 0.1 * place)
        for place, name in enumerate(of.variant_names)
    }
    baseline = Size(bytes_on_disk=2 * 10**9, bits_per_weight=16.0)
    choices = {
        how: recommend(findings, ask(findings, pooled=pooled), sizes=sizes, baseline=baseline)
        for how, pooled in (("each language", False), ("means", True))
    }
    words, spoken = _first_screen(study, findings, choices["each language"])
    return Said(
        headline=words,
        claims=(
            *spoken,
            *_rows(analysis.effects),
            *_contrasts(analysis, settings.alpha),
            *_suites(analysis, settings.alpha),
            *(claim for how, found in choices.items() for claim in _decided(found, how)),
        ),
        gates={
            f"{how} {one.variant}": one.gate.outcome
            for how, found in choices.items()
            for one in found.candidates
        },
    )


def _findings(study: Study, analysis: Analysis, settings: AnalysisSettings) -> DecisionInput:
    """The analysis and what was asked, as a run folder's."""
    of = study.of
    tasks = {one.meta.task.suite: one.meta.task for one in study.cells}
    return DecisionInput(
        analysis=analysis,
        primary={suite: info.metric(info.primary) for suite, info in tasks.items()},
        languages=dict.fromkeys(of.suite_names, of.codes),
        variants=of.variant_names,
        groups=of.groups,
        alpha=settings.alpha,
    )


# --- the first screen ------------------------------------------------------------------------

HEADLINES: Sequence[tuple[str, str, Says]] = (
    ("headline: harm", r"Harm is confirmed for (.*?)[.;]", "some loss"),
    ("headline: in its family", r"not confirmed \(all that is shown against (.*?)\)", "some loss"),
    ("headline: unharmed", r"([^.]*) (?:is|are) shown to be unharmed", "every above -margin"),
    ("headline: ship", r"^Ship (\S+) ", "every above -margin"),
)
"""Kind of claim, the words before and after the variants that it names, and what it says."""


def _first_screen(
    study: Study, findings: DecisionInput, choice: Recommendation
) -> tuple[str, list[Claim]]:
    """The sentences as printed, and whom they call harmed, unharmed and fit to ship."""
    of = study.of
    decisions = decide_all(findings)
    axes = Axes(variants=of.variant_names, suites=of.suite_names, languages=of.codes)
    primary = {suite: metric.name for suite, metric in findings.primary.items()}
    found = make_board(findings.analysis.effects, primary, axes)
    first, second = write_headline(decisions, alpha=findings.alpha), ship(choice, found)
    counted = {
        "headline: harm": [one.variant for one in decisions if one.level == "confirmed"],
        "headline: in its family": [one.variant for one in decisions if one.level == "family"],
        "headline: unharmed": [one.variant for one in decisions if one.verdict == "equivalent"],
    }
    claims: list[Claim] = []
    for kind, pattern, says in HEADLINES:
        text = second if kind == "headline: ship" else first
        names = named(text, pattern, of.variant_names)
        names = counted[kind] if names is None else names
        claims += [_claim(kind, name, _every_language(study), says) for name in names]
    return f"{first} {second}".strip(), claims


def named(words: str, pattern: str, names: Sequence[str]) -> list[str] | None:
    """The variants that a sentence names; None where it only counts them ('7 of 20 variants')."""
    found = re.search(pattern, words)
    if found is None or found[1].strip().lower() == "no variant":
        return []
    if re.fullmatch(r"\d+ of \d+ variants?", found[1].strip()):
        return None
    return [name for name in names if re.search(rf"\b{re.escape(name)}\b", found[1])]


def _claim(kind: str, variant: str, questions: tuple[Question, ...], says: Says) -> Claim:
    return Claim(kind=kind, variant=variant, questions=questions, says=says)


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
        if effect.decision.verdict in _SAYS:
            says = _SAYS[effect.decision.verdict]
            kinds = [
                f"row: {effect.decision.verdict}",
                f"row: {effect.decision.verdict}, {effect.scope}",
            ]
            if effect.decision.level == "confirmed":
                kinds += ["row: confirmed", f"row: confirmed, {effect.scope}"]
            for kind in kinds:
                yield _claim(kind, effect.variant, questions, says)
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


def _decided(found: Recommendation, how: str) -> Iterator[Claim]:
    """Every gate, and the recommendation."""
    for one in found.candidates:
        for name, says in _OUTCOMES[one.gate.outcome]:
            yield _claim(f"gate {name}: {how}", one.variant, _asked(one.gate), says)
    if found.chosen is not None:
        gate = found.chosen.gate
        yield _claim(f"recommended: {how}", gate.variant, _asked(gate), "every above -margin")


def _asked(gate: Gate) -> tuple[Question, ...]:
    return tuple(
        Question(suite=one.question.suite, languages=one.question.languages) for one in gate.answers
    )


_OUTCOMES: Mapping[str, tuple[tuple[str, Says], ...]] = {
    "shown": (("pass", "every above -margin"),),
    "worse": (("fail", "some at -margin"), ("loss", "some loss")),
    "loss": (("loss", "some loss"),),
    "undecided": (),
}
"""Outcome of a gate to what it says. A failure says that a loss reaches the margin."""
