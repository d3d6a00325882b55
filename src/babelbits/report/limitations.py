"""What the study did *not* show: power, floors, missing cells, failed and shortened items.

Pure: it reads the report's input and returns sentences. A page without gaps says so.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from babelbits.analysis import CellResult
from babelbits.analysis import format as numbers
from babelbits.analysis.cells import select_failed
from babelbits.analysis.format import shared_margin
from babelbits.records import Effect
from babelbits.report.server_notes import describe_noise, describe_servers
from babelbits.report.verdicts import Board, describe_expected
from babelbits.results.results import OpenCell, Results
from babelbits.store.counts import Thoughts, count_thoughts
from babelbits.words import listed, plural

if TYPE_CHECKING:
    from babelbits.languages import Language


@dataclass(frozen=True, slots=True, kw_only=True)
class Limitation:
    """One thing that the numbers cannot tell, and its extent."""

    topic: str
    sentence: str


def list_limitations(report: Results, board: Board) -> tuple[Limitation, ...]:
    """Everything a reader must know before quoting a number."""
    names = report.languages
    return (
        *_power(board, report.analysis.apart),
        *_exploratory(report),
        *_floors(board, names),
        *_missing(report.open_cells, names),
        *_failures(report.cells),
        *_shortened(report.cells),
        *_thinking(report.cells),
        *_names(report),
        *_making(report),
        *_serving(report),
        *_problems(report),
        *_joined(report),
    )


def _joined(report: Results) -> Iterator[Limitation]:
    """What the joining of other tools' runs left out or could not know."""
    for note in report.foreign.notes if report.foreign else ():
        yield Limitation(topic="how the runs were joined", sentence=f"{note}.")


def _names(report: Results) -> Iterator[Limitation]:
    """That names in the study file could not be used."""
    if report.study.names_note is not None:
        yield Limitation(topic="names of variants", sentence=f"{report.study.names_note}.")


def _making(report: Results) -> Iterator[Limitation]:
    """What is to be known of how variants were made; variants of one note together."""
    labels: dict[str, list[str]] = defaultdict(list)
    for label, manifest in report.manifests.items():
        for note in manifest.notes:
            labels[note].append(label)
    for note, names in labels.items():
        yield Limitation(topic="how variants were made", sentence=f"{listed(names)}: {note}.")


def _serving(report: Results) -> Iterator[Limitation]:
    """What is to be known of served variants."""
    for told in (*describe_servers(report.cells), *describe_noise(report.cells, report.again)):
        yield Limitation(topic="served variants", sentence=told)


def _exploratory(report: Results) -> Iterator[Limitation]:
    """What is not confirmed by anything, and how many false claims of each kind to expect."""
    alpha, analysis = report.study.alpha, report.analysis
    families = {e.inference.family for e in analysis.effects if e.inference.family}
    kinds: tuple[tuple[str, str, set[str], float], ...] = (
        ("gain", "gains", families, alpha / 2),
        (
            "contrast of groups", "contrasts of groups",
            {c.family for c in analysis.contrasts if c.family}, alpha,
        ),
        (
            "contrast with the reference language", "contrasts with the reference language",
            {c.family for c in analysis.references if c.family}, alpha,
        ),
        (
            "contrast of calibration languages", "contrasts of calibration languages",
            {c.family for c in analysis.calibrations if c.family}, alpha,
        ),
    )  # fmt: skip
    for one, many, families, level in kinds:
        if families:
            count = describe_expected(level * len(families))
            yield Limitation(
                topic="exploratory",
                sentence=f"{many[0].upper()}{many[1:]} are exploratory: "
                f"{plural(len(families), 'family')} of them, each at {level:g}; if nothing "
                f"differed, about {count} would still show a {one}.",
            )


_TOPICS = {"aa_beyond_margin": "noise beyond the margin"}
TOLD_ELSEWHERE = frozenset({"failed_items", "no_aa"})
"""Problems that this page counts itself."""


def _problems(report: Results) -> Iterator[Limitation]:
    """What the analysis could not use, unless it is told already."""
    known = {(cell.variant, cell.suite, cell.language) for cell in report.open_cells}
    for one in report.analysis.problems:
        told = one.kind in TOLD_ELSEWHERE or (
            one.kind == "missing_cell" and (one.variant, one.suite, one.language) in known
        )
        if not told:
            yield Limitation(
                topic=_TOPICS.get(one.kind, one.kind.replace("_", " ")),
                sentence=f"{one.message} ({one.hint}).",
            )


def _power(found: Board, apart: Collection[str]) -> Iterator[Limitation]:
    """The minimum detectable loss of the undecided comparisons, suite by suite.

    Without variants that have no verdict whatever the items: more of them would not decide.
    """
    for suite in found.axes.suites:
        effects = [
            effect
            for variant in found.axes.variants
            for effect in found.row(variant, suite)
            if effect.decision.verdict == "undecided"
            and not effect.arms.at_floor
            and variant not in apart
        ]
        seen = [
            e.inference.minimal_detectable_effect
            for e in effects
            if e.inference.minimal_detectable_effect is not None
        ]
        if effects:
            yield Limitation(topic="power", sentence=_power_sentence(suite, effects, seen))


def _power_sentence(suite: str, effects: Sequence[Effect], seen: Sequence[float]) -> str:
    unit = effects[0].unit
    count = plural(len(effects), "comparison")
    text = f"{suite}: {count} undecided"
    if all(effect.counts.n_planned is not None for effect in effects):
        return f"{text} when their items had run out."
    if not seen:
        return f"{text}; their minimum detectable loss is not known."
    if unit == "fraction" and max(seen) >= 1:
        few = "some of them have" if min(seen) < 1 else "they have"
        return f"{text}; {few} too few items to detect any loss, however large."
    low, high = (numbers.score(edge, unit) for edge in (min(seen), max(seen)))
    span = low if low == high else f"{low} to {high}"
    margin = shared_margin(effects)
    margin = f", the margin is {margin}" if margin else ""
    return (
        f"{text}. Their minimum detectable loss is {span} "
        f"{numbers.unit_word(unit)}{margin}: smaller harm is possible."
    )


def _named(codes: Iterable[str], names: "Mapping[str, Language]") -> str:
    return listed([names[code].name if code in names else code for code in codes])


def _floors(found: Board, names: "Mapping[str, Language]") -> Iterator[Limitation]:
    for suite in found.axes.suites:
        effects = [e for variant in found.axes.variants for e in found.row(variant, suite)]
        floor = {effect.language for effect in effects if effect.arms.at_floor and effect.language}
        if floor:
            codes = [code for code in found.axes.languages if code in floor]
            yield Limitation(
                topic="at floor",
                sentence=f"{suite}: the baseline itself is at its floor in {_named(codes, names)}; "
                "nothing can be lost there, so nothing was shown.",
            )


def _missing(cells: Sequence[OpenCell], names: "Mapping[str, Language]") -> Iterator[Limitation]:
    """Cells of the plan without a result: damaged ones one by one, others folded."""
    folded: dict[tuple[str, str, str], list[OpenCell]] = defaultdict(list)
    for cell in cells:
        folded[cell.state, cell.variant, cell.suite].append(cell)
    for (state, variant, suite), group in folded.items():
        where = f"{variant} on {suite}"
        if state == "damaged":
            for cell in group:
                yield Limitation(topic=state, sentence=f"{where}, {cell.language}: {cell.reason}")
            continue
        count = plural(len(group), "cell")
        word = "begun but not finished" if state == "partial" else "not run"
        languages = _named([cell.language for cell in group], names)
        yield Limitation(topic="missing", sentence=f"{where}: {count} {word} ({languages}).")


def _failures(cells: Sequence[CellResult]) -> Iterator[Limitation]:
    counts: Counter[tuple[str, str, str]] = Counter()
    for cell in cells:
        for row in select_failed(cell.rows):
            if row.failure is not None:
                again = " again (A/A)" if cell.meta.replicate else ""
                variant = f"{cell.meta.variant}{again}"
                counts[cell.meta.task.suite, variant, row.failure.kind] += 1
    for (suite, variant, kind), count in sorted(counts.items()):
        yield Limitation(
            topic="failed",
            sentence=f"{suite}, {variant}: {plural(count, 'item')} failed "
            f"({kind.replace('_', ' ')}), left out of the pairs.",
        )


def _shortened(cells: Sequence[CellResult]) -> Iterator[Limitation]:
    """Prompts cut on the left and generations cut by the length limit, per suite."""
    prompts: Counter[str] = Counter()
    outputs: Counter[str] = Counter()
    by_cell: dict[str, Counter[str]] = defaultdict(Counter)
    totals: Counter[str] = Counter()
    for cell in cells:
        suite = cell.meta.task.suite
        totals[suite] += len(cell.rows)
        cut = 0
        for row in cell.rows:
            prompts[suite] += row.truncated_tokens > 0
            cut += row.finish_reason == "length"
        outputs[suite] += cut
        again = " again (A/A)" if cell.meta.replicate else ""
        place = f"{cell.meta.variant}{again} in {cell.meta.task.language}"
        by_cell[suite][f"{place} ({cut:,} of {len(cell.rows):,})"] += cut
    for topic, counts, what in (
        ("over-long", prompts, "were longer than the context and cut at the beginning"),
        ("cut short", outputs, "reached the length limit before they ended"),
    ):
        noun = "prompts" if topic == "over-long" else "generations"
        for suite in sorted(suite for suite, count in counts.items() if count):
            yield Limitation(
                topic=topic,
                sentence=f"{suite}: {counts[suite]:,} of {totals[suite]:,} {noun} {what}."
                + (_most(by_cell[suite]) if topic == "cut short" else ""),
            )


_CELLS_NAMED = 4


def _most(counts: Counter[str]) -> str:
    """The cells with the most generations cut; the table of effects has all."""
    named = [place for place, count in counts.most_common(_CELLS_NAMED) if count]
    return f" Most: {listed(named)}." if len(counts) > 1 else ""


def _thinking(cells: Sequence[CellResult]) -> Iterator[Limitation]:
    """What was written before the answers, and answers that never came."""
    found: dict[tuple[str, str], Thoughts] = defaultdict(Thoughts)
    for cell in cells:
        answers = (answer for row in cell.rows for answer in row.answers)
        found[cell.meta.task.suite, cell.meta.variant] += count_thoughts(answers)
    for (suite, variant), counts in sorted(found.items()):
        if counts.thinking:
            yield Limitation(topic="thinking", sentence=f"{suite}, {variant}: {counts.in_words()}.")
