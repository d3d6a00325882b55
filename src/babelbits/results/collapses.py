"""How often answers collapsed, arm by arm, of the cells of a `Results`.

Derived from the stored answers whenever it is asked for, so that folders of former versions have it
too; nothing is stored. Each item's value is the share of its answers that collapsed (see
`tasks.collapse`); the paired difference, its interval and its verdict are those of the analysis of
any metric (mid-p McNemar and Tango's interval for one answer an item), Holm-adjusted over the
languages of a variant and suite. These families are of their own: they spend nothing of the error
rate of the report's headline, and no "confirmed" is ever said of them.

Sign: delta is variant less baseline, oriented, so that *more* collapsed answers are negative. Rates
and deltas are fractions.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from babelbits.analysis import BASELINE, AnalysisSettings, CellResult
from babelbits.analysis.loss_concentration import LossConcentration, measure_loss_concentrations
from babelbits.records import Effect, ItemRow, Metric
from babelbits.tasks.collapse import signs
from babelbits.tasks.collapse.rule import (
    CollapseRule,
    find_rule,
    measure_collapse,
    open_usual_identifier,
)
from babelbits.tasks.language_id import Identifier

METRIC = Metric(name="collapsed", kind="binary", higher_is_better=False)
FAMILY = "collapse"
"""Before the names of the families of these effects."""
Judged = Mapping[str, tuple[tuple[str, ...], ...] | None]
"""Item id to the signs that each of its answers shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOff:
    """A sign that is not looked for in a suite's language."""

    suite: str
    language: str
    sign: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LostToCollapse:
    """Items whose primary score is lower than the baseline's, degenerate apart from wrong."""

    n_lost: int
    n_collapsed: int
    """Of these, items of which more answers collapsed than at baseline."""
    loss_collapsed: float
    """Share of the gross loss of the primary metric that they carry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collapse:
    """Collapsed answers of a variant on a suite, in one language or in all."""

    effect: Effect
    """Of the metric `collapsed`; more collapsed answers are negative."""
    aa: Effect | None
    """The baseline against itself; None where it was not run."""
    baseline: Mapping[str, int]
    variant: Mapping[str, int]
    """Sign to answers that show it, in each arm; an answer may show several."""
    lost: LostToCollapse | None
    """None where no item lost, and for all languages together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collapses:
    """Everything about collapsed answers; empty where nothing is written."""

    effects: tuple[Collapse, ...] = ()
    off: tuple[SignOff, ...] = ()
    """What is not looked for, and why."""
    not_told_apart: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Language to others that the identifier mistakes it for, which never count as wrong."""
    concentration: tuple[LossConcentration, ...] = ()
    """Of every suite in which a loss is shown, what the worst items carry."""
    examples: tuple["CollapsedAnswer", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CollapsedAnswer:
    """An answer that collapsed under a variant and not at baseline. Hostile text."""

    variant: str
    suite: str
    language: str
    item_id: str
    signs: tuple[str, ...]
    text: str
    baseline_text: str


def find_collapses(
    cells: Sequence[CellResult],
    effects: Sequence[Effect],
    settings: AnalysisSettings,
    *,
    identifier: Identifier | None = None,
    n_examples: int = 3,
) -> Collapses:
    """Judge every written answer and compare each variant with the baseline.

    Parameters
    ----------
    cells : sequence of CellResult
        Baseline, A/A run and variants, as an analysis gets them.
    effects : sequence of Effect
        Of the analysis of the same cells.
    settings : AnalysisSettings
        Its margin for fractions is that of collapse; margins of suites are about other metrics.
    identifier : Identifier, optional
        Names languages; the usual one if left out, none if its library is not here.
    n_examples : int
        Answers that are kept for a variant, suite and language.
    """
    from babelbits.analysis.analyse import analyse

    identifier = open_usual_identifier() if identifier is None else identifier
    rules = [find_rule(cell.meta.task, identifier) for cell in cells]
    written = [(cell, rule) for cell, rule in zip(cells, rules, strict=True) if rule is not None]
    concentration = measure_loss_concentrations(cells, effects, settings)
    if not written:
        return Collapses(concentration=concentration)
    judged = [judge_cell(cell, rule) for cell, rule in written]
    found = analyse(
        [_as_cell(cell, one) for (cell, _), one in zip(written, judged, strict=True)],
        replace(
            settings,
            margins={k: v for k, v in settings.margins.items() if k == METRIC.unit},
            confirmatory=None,
            groups={},
            reference=None,
            calibrations={},
        ),
    )
    again = {(one.task, one.language): one for one in found.aa}
    by_place = {
        (cell.meta.variant, cell.meta.replicate, cell.meta.task.suite, cell.meta.task.language): (
            cell, one,
        )
        for (cell, _), one in zip(written, judged, strict=True)
    }  # fmt: skip
    arms = _Arms(by_place)
    return Collapses(
        effects=tuple(
            Collapse(
                effect=_own_family(one),
                aa=again.get((one.task, one.language)),
                baseline=arms.counts(BASELINE, one),
                variant=arms.counts(one.variant, one),
                lost=arms.lost(one),
            )
            for one in found.effects
        ),
        off=_off([rule for _, rule in written]),
        not_told_apart={
            rule.info.language: rule.not_told_apart for _, rule in written if rule.not_told_apart
        },
        concentration=concentration,
        examples=tuple(
            example
            for one in found.effects
            if one.language is not None
            for example in arms.examples(one)[:n_examples]
        ),
    )


def judge_cell(cell: CellResult, rule: CollapseRule) -> Judged:
    """The signs of every item of a cell, by item."""
    return {row.item_id: rule.judge(row) for row in cell.rows}


def _as_cell(cell: CellResult, judged: Judged) -> CellResult:
    """The cell with its collapse in place of its scores, and without its texts."""
    info = replace(cell.meta.task, metrics=(METRIC,), primary=METRIC.name)
    return CellResult(
        meta=replace(cell.meta, task=info),
        rows=tuple(_as_row(row, judged[row.item_id]) for row in cell.rows),
    )


def _as_row(row: ItemRow, answers: tuple[tuple[str, ...], ...] | None) -> ItemRow:
    value = None if answers is None else measure_collapse(answers)
    return replace(
        row,
        scores={METRIC.name: value},
        failure=row.failure if answers is None else None,
        prompt="",
        output="",
        remark="",
        answers=(),
        statistics={},
    )


def _own_family(effect: Effect) -> Effect:
    """Not one of the report's questions: its family says so, and nothing of it is confirmed."""
    family = effect.inference.family
    return replace(
        effect,
        inference=replace(
            effect.inference,
            family=None if family is None else f"{FAMILY} · {family}",
            p_report=None,
            minimal_detectable_confirmed=None,
        ),
        decision=replace(effect.decision, level=None),
    )


class _Arms:
    """Cells and what was judged of them, by variant, replicate, suite and language."""

    def __init__(
        self, by_place: Mapping[tuple[str, int, str, str], tuple[CellResult, Judged]]
    ) -> None:
        self._by_place = by_place

    def counts(self, variant: str, effect: Effect) -> dict[str, int]:
        """Answers by sign, over the languages of an effect."""
        found: Counter[str] = Counter()
        for language in effect.languages:
            place = self._by_place.get((variant, 0, effect.task, language))
            for answers in () if place is None else place[1].values():
                for shown in answers or ():
                    found.update(shown)
        return {sign: found[sign] for sign in signs.SIGNS if found[sign]}

    def lost(self, effect: Effect) -> LostToCollapse | None:
        """What became of the items that lost in the suite's own primary metric."""
        if effect.language is None:
            return None
        pairs = self._paired(effect)
        losses = [
            (max(0.0, before - after), worse)
            for before, after, worse in pairs
            if before is not None and after is not None
        ]
        gross = sum(loss for loss, _ in losses)
        if gross <= 0:
            return None
        return LostToCollapse(
            n_lost=sum(loss > 0 for loss, _ in losses),
            n_collapsed=sum(loss > 0 and worse for loss, worse in losses),
            loss_collapsed=sum(loss for loss, worse in losses if worse) / gross,
        )

    def _paired(self, effect: Effect) -> list[tuple[float | None, float | None, bool]]:
        """Oriented primary scores of both arms, and whether more answers collapsed."""
        base, ours = self._both(effect)
        info = base[0].meta.task
        sign = 1.0 if info.metric(info.primary).higher_is_better else -1.0
        before = {row.item_id: row.scores.get(info.primary) for row in base[0].rows}
        found = []
        for row in ours[0].rows:
            old, new = before.get(row.item_id), row.scores.get(info.primary)
            first, second = base[1].get(row.item_id), ours[1][row.item_id]
            worse = bool(first and second and measure_collapse(second) > measure_collapse(first))
            found.append(
                (None if old is None else sign * old, None if new is None else sign * new, worse)
            )
        return found

    def examples(self, effect: Effect) -> list[CollapsedAnswer]:
        """Answers that collapsed under the variant alone, in the order of the items."""
        base, ours = self._both(effect)
        before = {row.item_id: row for row in base[0].rows}
        return [
            CollapsedAnswer(
                variant=effect.variant,
                suite=effect.task,
                language=str(effect.language),
                item_id=row.item_id,
                signs=next(shown for shown in answers if shown),
                text=_text(row, next(k for k, shown in enumerate(answers) if shown)),
                baseline_text=_text(before[row.item_id], 0),
            )
            for row in ours[0].rows
            if (answers := ours[1][row.item_id]) is not None
            and any(answers)
            and row.item_id in before
            and not any(base[1][row.item_id] or ())
        ]

    def _both(self, effect: Effect) -> tuple[tuple[CellResult, Judged], tuple[CellResult, Judged]]:
        place = effect.task, str(effect.language)
        return self._by_place[BASELINE, 0, *place], self._by_place[effect.variant, 0, *place]


def _text(row: ItemRow, number: int) -> str:
    return row.answers[number].text if row.answers else row.output


def _off(rules: Sequence[CollapseRule]) -> tuple[SignOff, ...]:
    """Once for a suite and language."""
    found = {
        (rule.info.suite, rule.info.language, sign): why
        for rule in rules
        for sign, why in rule.off.items()
    }
    return tuple(
        SignOff(suite=suite, language=language, sign=sign, why=why)
        for (suite, language, sign), why in found.items()
    )
