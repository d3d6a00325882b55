"""Reads what two variants of a study differ by, task by task: scores, and tokens in the language.

Scores are of finished cells, tokens of what `measure_switching` recorded. No model is loaded.
Sign: first variant less second, oriented: negative says that the first does worse.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from babelbits.analysis import AnalysisSettings, CellResult
from babelbits.analysis.columns import Columns, pair, read_columns
from babelbits.analysis.paired_samples import Part, Sample, select_part
from babelbits.errors import StudyError
from babelbits.probes.answer_contrasts import pair_answers, score_tokens
from babelbits.probes.language_loss import Answers, find_common_horizon
from babelbits.probes.strategies import (
    LANGUAGE,
    ConditionScores,
    StrategyContrast,
    StrategyPair,
    adjust,
    contrast_between,
    contrast_on,
    pair_conditions,
)
from babelbits.records import CellMeta
from babelbits.results.load import make_settings
from babelbits.stats.cluster import ClusterScores
from babelbits.store import Store
from babelbits.study.config.labels import find_label
from babelbits.study.planning.plan_types import Plan
from babelbits.suggest import did_you_mean, one_of

AnswersOf = Mapping[tuple[str, str, str], Answers]
_SEPARATOR = ":"


def read_pairs(words: Sequence[str], plan: Plan) -> list[StrategyPair]:
    """The pairs that a user names as 'VARIANT:OTHER'.

    Raises
    ------
    StudyError
        If a word is no pair, names no variant of the study, or the same one twice.
    """
    labels = [step.label for step in plan.variants]
    found = []
    for word in words:
        names = word.split(_SEPARATOR)
        if len(names) != 2:
            raise StudyError(
                f"'{word}' is no pair of variants", hint="write --contrast w8a8-sq:w8a8"
            )
        first, second = (_label(name.strip(), labels) for name in names)
        if first == second:
            raise StudyError(f"'{word}' names '{first}' twice", hint="name two variants")
        found.append(StrategyPair(variant=first, against=second))
    return found


def list_asked_pairs(words: Sequence[str], plan: Plan) -> list[StrategyPair]:
    """Those that the study declares, then those that the user names beside them.

    Raises
    ------
    StudyError
        As `read_pairs`.
    """
    declared = [
        StrategyPair(variant=one, against=other, declared=True)
        for one, other in plan.study.analysis.contrasts
    ]
    there = {(one.variant, one.against) for one in declared}
    named = [one for one in read_pairs(words, plan) if (one.variant, one.against) not in there]
    return [*declared, *dict.fromkeys(named)]


def _label(name: str, labels: Sequence[str]) -> str:
    label = find_label(name, labels)
    if label is None:
        hint = did_you_mean(name, labels) or f"there is {one_of(labels)}"
        raise StudyError(f"no variant '{name}' in this study", hint=hint)
    return label


@dataclass(frozen=True, slots=True, kw_only=True)
class _Desk:
    """Where numbers come from."""

    plan: Plan
    store: Store
    answers: AnswersOf
    settings: AnalysisSettings
    _sources: dict[str, int] = field(default_factory=dict)
    _read: dict[str, Columns] = field(default_factory=dict)
    _metas: dict[str, dict[tuple[str, str], CellMeta]] = field(default_factory=dict)

    def columns(self, meta: CellMeta) -> Columns:
        """Of a cell, read once."""
        if meta.cell_id not in self._read:
            cell = CellResult(meta=meta, rows=tuple(self.store.rows(meta)))
            self._read[meta.cell_id] = read_columns(cell, sources=self._sources)
        return self._read[meta.cell_id]

    def metas(self, label: str) -> dict[tuple[str, str], CellMeta]:
        """Finished cells of a variant that could not stop early, by suite and language."""
        if label not in self._metas:
            self._metas[label] = self._finished(label)
        return self._metas[label]

    def _finished(self, label: str) -> dict[tuple[str, str], CellMeta]:
        return {
            (cell.suite, cell.language): cell.meta
            for cell in self.plan.cells
            if cell.variant == label
            and cell.replicate == 0
            and cell.meta is not None
            and cell.meta.stop is None
            and self.store.status(cell.meta).state == "done"
        }

    def baseline_of(self, label: str) -> str:
        """Label of what a variant is compared with."""
        return next(one.spec.baseline for one in self.plan.variants if one.label == label)


def contrast_strategies(
    pairs: Sequence[StrategyPair], plan: Plan, store: Store, *, answers: AnswersOf
) -> tuple[StrategyContrast, ...]:
    """Every pair on every task, and on every two tasks whose numbers have one unit.

    Parameters
    ----------
    pairs : sequence of StrategyPair
        Labels of the plan.
    answers : mapping
        What is recorded of how answers leave their language; may be empty.

    Raises
    ------
    StoreError
        If a cell cannot be read.
    """
    settings = make_settings(plan.study, plan.study.languages)
    desk = _Desk(plan=plan, store=store, answers=answers, settings=settings)
    found = [one for each in pairs for one in _of_pair(each, desk)]
    return adjust(found, alpha=settings.alpha)


def _of_pair(asked: StrategyPair, desk: _Desk) -> list[StrategyContrast]:
    alpha = desk.settings.alpha
    if desk.baseline_of(asked.variant) != desk.baseline_of(asked.against):
        why = "they run in two engines, and each is compared with its own baseline"
        return [_none(asked, why)]
    first, second = desk.metas(asked.variant), desk.metas(asked.against)
    shared = [place for place in first if place in second]
    if not shared:
        return [_none(asked, "no task of both is finished")]
    suites = {
        suite: tuple(language for name, language in shared if name == suite) for suite, _ in shared
    }
    conditions = [
        one
        for suite, languages in suites.items()
        for one in _conditions(asked, suite, languages, desk)
    ]
    found = [contrast_on(asked, one, alpha=alpha) for one in conditions]
    found = [_without_switches(one, desk) for one in found]
    known = [
        one for one, told in zip(conditions, found, strict=True) if told.difference is not None
    ]
    for one, other in pair_conditions(known):
        sides = _alike(asked, one, other, desk)
        if sides is not None:
            found.append(contrast_between(asked, *sides, alpha=alpha))
    return found


def _none(asked: StrategyPair, why: str) -> StrategyContrast:
    return StrategyContrast(
        pair=asked, suite="all tasks", other_suite=None, measure="score", unit="", why_not=why
    )


def _without_switches(one: StrategyContrast, desk: _Desk) -> StrategyContrast:
    """Says so where no answer of either variant leaves its language."""
    if one.measure != LANGUAGE or one.interval is not None:
        return one
    switched = [
        desk.answers[label, one.suite, language].switched
        for label in (one.pair.variant, one.pair.against)
        for language in one.languages
    ]
    if any(map(any, switched)):
        return one
    why = "no answer of either leaves its language"
    return replace(one, difference=None, own=None, theirs=None, why_not=why)


def _alike(
    asked: StrategyPair, one: ConditionScores, other: ConditionScores, desk: _Desk
) -> tuple[ConditionScores, ConditionScores] | None:
    """Two conditions over the languages of both, and up to one token; None where none is shared."""
    shared = tuple(code for code in one.languages if code in other.languages)
    if not shared:
        return None
    if one.measure != LANGUAGE:
        first, second = (_scored(asked, side.suite, shared, desk) for side in (one, other))
    else:
        horizon = min(one.horizon or 1, other.horizon or 1)
        first, second = (
            _lasting(asked, side.suite, shared, desk, horizon=horizon) for side in (one, other)
        )
    return None if first is None or second is None else (first, second)


def _conditions(
    asked: StrategyPair, suite: str, languages: Sequence[str], desk: _Desk
) -> list[ConditionScores]:
    found = (
        _scored(asked, suite, languages, desk),
        _lasting(asked, suite, languages, desk, horizon=None),
    )
    return [one for one in found if one is not None]


# --- scores ---------------------------------------------------------------------------------------


def _scored(
    asked: StrategyPair, suite: str, languages: Sequence[str], desk: _Desk
) -> ConditionScores | None:
    """The primary metric, mean over languages; None where no item has a score in both."""
    baseline = desk.baseline_of(asked.variant)
    parts, own, theirs = (
        _parts(first, second, suite, languages, desk)
        for first, second in (
            (asked.variant, asked.against), (asked.variant, baseline), (asked.against, baseline),
        )
    )  # fmt: skip
    if not parts:
        return None
    sample = _sample(asked.variant, parts)
    return ConditionScores(
        suite=suite,
        measure=sample.metric.name,
        unit=sample.metric.unit,
        languages=sample.languages,
        n_items=sample.n_items,
        contrast=sample.scores,
        own=_sample(asked.variant, own).scores if own else None,
        theirs=_sample(asked.against, theirs).scores if theirs else None,
    )


def _sample(label: str, parts: Sequence[Part]) -> Sample:
    return Sample(variant=label, scope="all", group=None, parts=tuple(parts))


def _parts(
    label: str,
    other: str,
    suite: str,
    languages: Sequence[str],
    desk: _Desk,
) -> list[Part]:
    if label == other:
        return []
    first, second = desk.metas(label), desk.metas(other)
    found = []
    for language in languages:
        after, before = first.get((suite, language)), second.get((suite, language))
        if after is None or before is None:
            continue
        info = after.task
        pairs = pair(desk.columns(before), desk.columns(after))
        one = select_part(pairs, info.metric(info.primary), settings=desk.settings)
        if one is not None:
            found.append(one)
    return found


# --- tokens in the language -----------------------------------------------------------------------


def _lasting(
    asked: StrategyPair, suite: str, languages: Sequence[str], desk: _Desk, *, horizon: int | None
) -> ConditionScores | None:
    """Pseudo-values of the tokens before the first switch; None where fewer than two pair up."""
    arms = {"first": asked.variant, "second": asked.against}
    baseline = desk.baseline_of(asked.variant)
    known = [
        code
        for code in languages
        if all((label, suite, code) in desk.answers for label in arms.values())
    ]
    pairs = {
        code: pair_answers(*(desk.answers[label, suite, code] for label in arms.values()))
        for code in known
    }
    pairs = {code: both for code, both in pairs.items() if len(both[0].items) > 1}
    if not pairs:
        return None
    if horizon is None:
        lasted = [
            [tokens for both in pairs.values() for tokens in both[number].lasted]
            for number in (0, 1)
        ]
        horizon = find_common_horizon(lasted)
    parallel = desk.metas(asked.variant)[suite, languages[0]].task.parallel
    contrast = score_tokens(pairs, horizon=horizon, parallel=parallel)
    own, theirs = (
        _against_baseline(label, baseline, suite, tuple(pairs), desk, horizon, parallel=parallel)
        for label in arms.values()
    )
    return ConditionScores(
        suite=suite,
        measure=LANGUAGE,
        unit="tokens",
        languages=tuple(pairs),
        n_items=sum(len(both[0].items) for both in pairs.values()),
        contrast=contrast,
        own=own,
        theirs=theirs,
        horizon=horizon,
    )


def _against_baseline(
    label: str,
    baseline: str,
    suite: str,
    languages: Sequence[str],
    desk: _Desk,
    horizon: int,
    *,
    parallel: bool,
) -> ClusterScores | None:
    if label == baseline:
        return None
    pairs = {}
    for code in languages:
        first, second = (desk.answers.get((name, suite, code)) for name in (label, baseline))
        if first is None or second is None:
            return None
        pairs[code] = pair_answers(first, second)
    if any(len(both[0].items) < 2 for both in pairs.values()):
        return None
    return score_tokens(pairs, horizon=horizon, parallel=parallel)
