"""The first screen in words: what was shown for each variant, and what was not shown.

Pure: effects in, sentences out. "No harm shown" is never said without what the data could have
seen; harm is negative; fractions are told in points (×100).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from babelbits.compare.format import amount
from babelbits.records import Effect, Verdict
from babelbits.report.pairs import Axes
from babelbits.report.words import listed, shared_margin
from babelbits.words import plural

VERDICTS: tuple[Verdict, ...] = ("worse", "equivalent", "better", "undecided")
GLYPHS: Mapping[str, str] = {"worse": "▼", "equivalent": "=", "better": "▲", "undecided": "?"}
"""Colour is never alone."""


MOST_NAMED = 5
"""Variants that the headline calls by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Primary effects, found by variant, suite and language."""

    axes: Axes
    by_cell: Mapping[tuple[str, str, str], Effect]
    pooled: Mapping[tuple[str, str], Effect]
    grouped: Mapping[tuple[str, str], tuple[Effect, ...]]
    """Variant and suite to its effects over language groups."""

    def row(self, variant: str, suite: str) -> tuple[Effect, ...]:
        """Effects of a variant on a suite, one a language, most harmed first."""
        found = [
            self.by_cell[variant, suite, language]
            for language in self.axes.languages
            if (variant, suite, language) in self.by_cell
        ]
        return tuple(sorted(found, key=lambda effect: effect.delta))

    def tally(self, variant: str, suite: str) -> Counter[str]:
        """How many languages got each verdict."""
        return Counter(effect.verdict for effect in self.row(variant, suite))


def board(effects: Sequence[Effect], primary: Mapping[str, str], axes: Axes) -> Board:
    """Sort effects by what they are about; `primary` maps a suite to its primary metric."""
    kept = [effect for effect in effects if primary.get(effect.task) == effect.metric]
    grouped: dict[tuple[str, str], list[Effect]] = {}
    for effect in kept:
        if effect.scope == "group":
            grouped.setdefault((effect.variant, effect.task), []).append(effect)
    return Board(
        axes=axes,
        by_cell={
            (e.variant, e.task, e.language): e for e in kept if e.scope == "language" and e.language
        },
        pooled={(e.variant, e.task): e for e in kept if e.scope == "all"},
        grouped={key: tuple(group) for key, group in grouped.items()},
    )


# --- one sentence a variant ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantVerdict:
    """What the study showed about a variant."""

    variant: str
    overall: Verdict
    """worse: harm somewhere; undecided: no harm shown, but doubt somewhere; else unharmed."""
    sentence: str


def variant_verdict(found: Board, variant: str, names: Mapping[str, str]) -> VariantVerdict:
    """One sentence: harm, gain, equivalence, and what stays open, suite by suite."""
    rows = {suite: found.row(variant, suite) for suite in found.axes.suites}
    rows = {suite: row for suite, row in rows.items() if row}
    total = Counter(effect.verdict for row in rows.values() for effect in row)
    parts = [_harm(rows, names), _gain(rows), _equivalence(rows), _open(rows)]
    sentence = "; ".join(part for part in parts if part) or "nothing was compared"
    return VariantVerdict(variant=variant, overall=_overall(total), sentence=f"{sentence}.")


def _overall(total: Counter[Verdict]) -> Verdict:
    if total["worse"]:
        return "worse"
    if total["undecided"] or not total:
        return "undecided"
    return "better" if total["better"] else "equivalent"


def _count_of(row: Sequence[Effect], verdict: Verdict) -> int:
    return sum(effect.verdict == verdict for effect in row)


def _harm(rows: Mapping[str, Sequence[Effect]], names: Mapping[str, str]) -> str:
    parts: list[str] = []
    for suite, row in rows.items():
        harmed = [effect for effect in row if effect.verdict == "worse"]
        if harmed:
            worst = names.get(harmed[0].language or "", harmed[0].language or "")
            scope = f" of {len(row)}" if parts else f" of {plural(len(row), 'language')}"
            parts.append(
                f"{len(harmed)}{scope} on {suite} "
                f"(worst {worst}, {amount(harmed[0].delta, harmed[0].unit)})"
            )
    return f"harm shown in {listed(parts)}" if parts else ""


def _gain(rows: Mapping[str, Sequence[Effect]]) -> str:
    parts = []
    for suite, row in rows.items():
        better = [effect for effect in row if effect.verdict == "better"]
        if better:
            parts.append(f"{len(better)} of {len(row)} on {suite} ({_luck(better[-1])})")
    return f"better in {listed(parts)}" if parts else ""


def _luck(best: Effect) -> str:
    """The largest gain beside what the best of all comparisons would show by chance."""
    chance = best.best_by_chance
    largest = f"largest {amount(best.delta, best.unit)}"
    return largest if chance is None else f"{largest}; by chance {amount(chance, best.unit)}"


def _share(count: int, total: int) -> str:
    """'2 of 13 languages', 'all 13 languages', 'both languages', 'the one language'."""
    if count < total:
        return f"{count} of {plural(total, 'language')}"
    few = {1: "the one language", 2: "both languages"}
    return few.get(total, f"all {plural(total, 'language')}")


def _equivalence(rows: Mapping[str, Sequence[Effect]]) -> str:
    """Counts by suite, suites of one margin together."""
    by_margin: dict[str, list[str]] = {}
    for suite, row in rows.items():
        if count := sum(effect.verdict == "equivalent" for effect in row):
            words = f"{_share(count, len(row))} of {suite}"
            by_margin.setdefault(shared_margin(row), []).append(words)
    parts = [
        f"{f'within {margin} ' if margin else ''}in {listed(suites)}"
        for margin, suites in by_margin.items()
    ]
    return f"equivalent {listed(parts)}" if parts else "equivalence shown nowhere"


def _open(rows: Mapping[str, Sequence[Effect]]) -> str:
    everything = [effect for row in rows.values() for effect in row]
    undecided = [effect for effect in everything if effect.verdict == "undecided"]
    floor = sum(effect.at_floor for effect in undecided)
    if not undecided:
        return ""
    tail = f" ({floor} at the floor)" if floor else ""
    return f"undecided in {len(undecided)} of {plural(len(everything), 'comparison')}{tail}"


def headline(verdicts: Sequence[VariantVerdict]) -> str:
    """The study in one or two sentences."""
    harmed = [one.variant for one in verdicts if one.overall == "worse"]
    safe = [one.variant for one in verdicts if one.overall in {"equivalent", "better"}]
    if not verdicts:
        return "Nothing was compared yet: the run folder holds no variant beside its baseline."
    first = (
        f"Harm was shown for {_named(harmed, verdicts)}."
        if harmed
        else "Harm was shown for no variant; below is what the data could have seen."
    )
    second = (
        f"{_named(safe, verdicts)} {_be(safe)} shown to be unharmed everywhere."
        if safe
        else "No variant was shown to be unharmed in every language on every task."
    )
    return f"{first} {second}"


def _named(names: Sequence[str], verdicts: Sequence[VariantVerdict]) -> str:
    """The variants by name, or how many of how many where that would be no sentence."""
    if len(names) <= MOST_NAMED:
        return listed(names)
    return f"{len(names)} of {plural(len(verdicts), 'variant')}"


def _be(names: Sequence[str]) -> str:
    return "was" if len(names) == 1 else "were"
