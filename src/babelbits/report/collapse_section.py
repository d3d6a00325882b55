"""Collapsed answers as plain values for the page and the terminal.

Rates are in percent of the answers; differences in points, variant less baseline, and oriented:
negative where more answers collapsed. Texts of models are as they came: whoever shows them makes
them safe. Pure: no files, no markup.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from babelbits.analysis.format import NOTHING, interval, p_value, percent, score, signed
from babelbits.analysis.loss_concentration import WORST, LossConcentration
from babelbits.languages import Language, resolve
from babelbits.results.collapses import Collapse, CollapsedAnswer, Collapses
from babelbits.results.results import Results
from babelbits.tasks.collapse import signs
from babelbits.words import listed, plural

HEADS = (
    *("variant", "task", "language", "n", "baseline, %", "variant, %", "Δ points", "interval"),
    *("p (Holm)", "verdict", "A/A", "signs", "lost, collapsed"),
)
NUMERIC = range(3, 9)
LOSS_HEADS = (
    *("variant", "task", "language", "items", "lost"),
    *(f"worst {percent(share, digits=0)}" for share in WORST),
    *(f"A/A, worst {percent(share, digits=0)}" for share in WORST),
)
LOSS_NUMERIC = range(3, len(LOSS_HEADS))
WORDS: Mapping[str, str] = {
    signs.EMPTY: "empty",
    signs.LOOP: "repetition loop",
    signs.SCRIPT: "wrong script",
    signs.LANGUAGE: "wrong language",
    signs.COPIED: "prompt copied",
    signs.CUT: "cut at the token limit",
}
LEAD = (
    "Degenerate answers, told apart from wrong ones: a repetition loop, nothing, the wrong "
    "language or script, the prompt copied, or, where there is a gold answer, an end at the token "
    "limit. Every arm is judged by itself by the same fixed rules. A negative difference: more "
    "answers collapsed. Exploratory: Holm within a variant and task, apart from all other "
    "verdicts, and no part of the headline."
)
LONGEST_EXAMPLE = 240
MOST_EXAMPLES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """An answer that collapsed under a variant and not at baseline; hostile texts, shortened."""

    variant: str
    suite: str
    language: str
    signs: str
    text: str
    baseline_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CollapseSection:
    """All that is shown of collapsed answers."""

    rows: tuple[tuple[str, ...], ...]
    """The values of `HEADS`."""
    quiet: str
    """Where no answer collapsed in any arm; '' if there is no such place."""
    losses: tuple[tuple[str, ...], ...]
    """The values of `LOSS_HEADS`."""
    off: tuple[str, ...]
    """Which signs were not looked for, and why."""
    examples: tuple[Example, ...]


def make_section(report: Results, found: Collapses | None = None) -> CollapseSection | None:
    """The section; None where nothing is written and no loss of scores is shown.

    Parameters
    ----------
    found : Collapses, optional
        `report.collapses`, where it was asked for before.
    """
    found = report.collapses if found is None else found
    if not found.effects and not found.concentration:
        return None
    told = [one for one in found.effects if one.baseline or one.variant]
    return CollapseSection(
        rows=tuple(_row(one, report.languages) for one in told),
        quiet=_quiet(found.effects),
        losses=tuple(_loss(one, report.languages) for one in found.concentration),
        off=tuple(_off(found, report.languages)),
        examples=tuple(
            Example(
                variant=one.variant,
                suite=one.suite,
                language=report.languages[one.language].name,
                signs=", ".join(WORDS[sign] for sign in one.signs),
                text=_short(one.text),
                baseline_text=_short(one.baseline_text),
            )
            for one in _spread(found)
        ),
    )


def _row(one: Collapse, languages: Mapping[str, Language]) -> tuple[str, ...]:
    effect = one.effect
    unit, inference = effect.unit, effect.inference
    code = effect.language
    p = inference.p_value if inference.p_adjusted is None else inference.p_adjusted
    return (
        effect.variant,
        effect.task,
        languages[code].name if code else f"all {len(effect.languages)}",
        f"{effect.counts.n_items:,}",
        score(effect.arms.baseline_score, unit),
        score(effect.arms.variant_score, unit),
        signed(effect.delta, unit),
        interval(inference.interval, unit),
        p_value(p),
        effect.decision.verdict,
        NOTHING if one.aa is None else signed(one.aa.delta, unit),
        describe_signs(one.variant, one.baseline),
        _lost(one),
    )


def describe_signs(variant: Mapping[str, int], baseline: Mapping[str, int]) -> str:
    """Every sign with its answers, and how many there are at baseline: 'empty 9 (12)'."""
    names = [sign for sign in signs.SIGNS if sign in variant or sign in baseline]
    return ", ".join(f"{WORDS[s]} {variant.get(s, 0)} ({baseline.get(s, 0)})" for s in names)


def _lost(one: Collapse) -> str:
    if one.lost is None:
        return NOTHING
    return f"{one.lost.n_collapsed} of {one.lost.n_lost}"


def _quiet(effects: Sequence[Collapse]) -> str:
    """The suites in which nothing collapsed anywhere."""
    loud = {one.effect.task for one in effects if one.baseline or one.variant}
    quiet: dict[str, set[str]] = {}
    for one in effects:
        if one.effect.task not in loud:
            quiet.setdefault(one.effect.task, set()).update(one.effect.languages)
    if not quiet:
        return ""
    where = [f"{suite} ({plural(len(codes), 'language')})" for suite, codes in quiet.items()]
    return f"No answer collapsed in any arm: {listed(where)}."


def _loss(one: LossConcentration, languages: Mapping[str, Language]) -> tuple[str, ...]:
    again = one.aa_shares or (None,) * len(WORST)
    return (
        one.variant,
        one.suite,
        languages[one.language].name,
        f"{one.n_items:,}",
        f"{one.n_lost:,}",
        *(percent(share, digits=0) for share in one.shares),
        *(percent(share, digits=0) for share in again),
    )


def _off(found: Collapses, languages: Mapping[str, Language]) -> Iterator[str]:
    """A sentence a sign and reason, over suites and languages."""
    places: dict[tuple[str, str], dict[str, dict[str, None]]] = {}
    for one in found.off:
        suites = places.setdefault((one.sign, one.why), {})
        suites.setdefault(one.suite, {})[one.language] = None
    for (sign, why), suites in places.items():
        codes = dict.fromkeys(code for inside in suites.values() for code in inside)
        by_suite = sign == signs.CUT
        where = listed(list(suites) if by_suite else [languages[code].name for code in codes])
        yield f"{WORDS[sign]}: not looked for in {where}: {why}"
    for code, others in found.not_told_apart.items():
        names = listed([resolve(other).name for other in others])
        yield (
            f"{WORDS[signs.LANGUAGE]}: {languages[code].name} identified as {names} does not "
            "count, because text that people wrote is too"
        )


def _spread(found: Collapses) -> list[CollapsedAnswer]:
    """The first example of every place, then the second, up to a limit; empty answers last."""
    places: dict[tuple[str, str, str], list[CollapsedAnswer]] = {}
    for one in found.examples:
        places.setdefault((one.variant, one.suite, one.language), []).append(one)
    by_turn = [(number, one) for inside in places.values() for number, one in enumerate(inside)]
    return [one for _, one in sorted(by_turn, key=_order)][:MOST_EXAMPLES]


def _order(numbered: tuple[int, CollapsedAnswer]) -> tuple[bool, int]:
    number, one = numbered
    return one.signs == (signs.EMPTY,), number


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST_EXAMPLE else f"{flat[:LONGEST_EXAMPLE]} …"


def describe_collapse(found: Collapses) -> tuple[str, ...]:
    """What was shown, a variant and suite: languages with more collapsed answers, and with fewer.

    A suite in which nothing was shown has a sentence too: how many answers collapsed in each arm.
    """
    told: dict[tuple[str, str], list[Collapse]] = {}
    for one in found.effects:
        if one.effect.language is not None and (one.baseline or one.variant):
            told.setdefault((one.effect.variant, one.effect.task), []).append(one)
    return tuple(_sentence(*place, inside) for place, inside in told.items())


def _sentence(variant: str, suite: str, inside: Sequence[Collapse]) -> str:
    by_verdict: dict[str, list[str]] = {"worse": [], "better": []}
    for one in inside:
        effect = one.effect
        if effect.decision.verdict in by_verdict:
            change = (
                f"{effect.language} ({score(effect.arms.baseline_score, effect.unit)} to "
                f"{score(effect.arms.variant_score, effect.unit)} %)"
            )
            by_verdict[effect.decision.verdict].append(change)
    parts = [
        f"{change} in {listed(by_verdict[verdict])}"
        for verdict, change in (
            ("worse", "more answers collapsed"),
            ("better", "fewer answers collapsed"),
        )
        if by_verdict[verdict]
    ]
    said = "; ".join(parts) or "no change in collapsed answers is shown"
    return f"{variant} on {suite}: {said}."
