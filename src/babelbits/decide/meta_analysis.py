"""What several studies say together: damage regressed on bits, size, script and the like.

The unit of a claim is the model or the language, never the item: see `stats.meta_regression`. Rows
without a standard error, at the floor or stopped early are counted and not fitted. What is said of
a moderator holds the others fixed; it is an association over the models given, and no experiment.
Sign: harm is negative; a positive coefficient means less harm where the moderator is larger.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from babelbits.decide.evidence import EvidenceRow
from babelbits.decide.gains_over_studies import Gains, find_gains
from babelbits.languages import CLAIMED, UNSEEN, resolve
from babelbits.stats.meta_regression import (
    FEW_DF,
    Coefficient,
    MetaRegression,
    clusters_needed,
    meta_regression,
)
from babelbits.stats.multiplicity import holm
from babelbits.stats.paired_scores import FloatArray
from babelbits.words import plural

MODERATORS = ("bits", "size", "script", "tier", "kind", "method", "share", "claimed")
USUAL = ("bits", "size", "script", "tier", "kind")
"""Fitted unless others are named: method goes with bits, and a share is known for some only."""
MEAN = "mean"
_FEWEST_MODELS = 2
_LEAST_LEFT_OUT = 3
"""Models that it takes to leave one out and still have several."""
Answer = Literal["shown", "small", "open", "unreliable"]
Level = Literal["models", "languages"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One moderator's column: what is asked, and what the studies answer."""

    name: str
    """E.g. 'bits', 'script: not Latin'."""
    step: str
    """What the coefficient is for: 'per bit', 'against Latin script'."""
    coefficient: Coefficient
    p_adjusted: float
    """Holm over the columns of moderators."""
    answer: Answer
    """shown: p_adjusted at most alpha; small: its interval lies within the difference that
    matters; unreliable: fewer than 4 degrees of freedom; open: neither."""
    clusters: Level
    """What more of would answer it."""
    n_clusters: int
    needed: int | None
    """So many in all would show the difference that matters with 80 % power; None if none does,
    where the question is answered, and where its error is not known well enough to plan with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """The fit without one model."""

    model: str
    fit: MetaRegression | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestRow:
    """One variant of one model over its tasks and languages, or all together."""

    model: str
    variant: str
    """'' for all together."""
    delta: float
    low: float | None
    high: float | None
    """None where no interval can be given."""
    n_rows: int
    n_languages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitEvidence:
    """All that is measured in one unit."""

    unit: str
    rows: tuple[EvidenceRow, ...]
    n_fitted: int
    left_out: Mapping[str, int]
    """Why rows are not in the fit, to how many."""
    models: tuple[str, ...]
    languages: tuple[str, ...]
    """Of the rows that are fitted."""
    overall: MetaRegression | None
    """Without moderators."""
    fit: MetaRegression | None
    why_not: str | None
    """Why there is no fit."""
    dropped: Mapping[str, str]
    """Moderator to why it is not in the fit."""
    questions: tuple[Question, ...]
    without: tuple[LeftOut, ...]
    forest: tuple[ForestRow, ...]
    gains: Gains
    difference: float
    alpha: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaSettings:
    """What is declared before the look."""

    moderators: tuple[str, ...] = USUAL
    alpha: float = 0.05
    differences: Mapping[str, float] = field(default_factory=dict)
    """Unit to the smallest coefficient that matters, in that unit."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """Language to its share of a corpus, a fraction."""


def synthesise(rows: Sequence[EvidenceRow], settings: MetaSettings) -> tuple[UnitEvidence, ...]:
    """One analysis for each unit of measurement, the unit with most rows first."""
    counts = Counter(row.unit for row in rows)
    return tuple(
        _of_unit(tuple(row for row in rows if row.unit == unit), settings)
        for unit, _ in counts.most_common()
    )


def _of_unit(rows: tuple[EvidenceRow, ...], settings: MetaSettings) -> UnitEvidence:
    unit = rows[0].unit
    usable, left_out = _usable(rows)
    columns, dropped, kept = _columns(usable, settings)
    left_out = {**left_out, **({} if len(kept) == len(usable) else _unknown(usable, kept))}
    models = tuple(dict.fromkeys(row.model for row in kept))
    why = _why_not(usable, models)
    level = 1 - settings.alpha
    overall = None if why else _fit(kept, (), level=level)
    fit = None if why else _fit(kept, columns, level=level)
    if not why and fit is None:
        why = f"{plural(len(kept), 'effect')} are too few for {plural(len(columns), 'moderator')}"
    difference = settings.differences.get(unit, 0.02)
    return UnitEvidence(
        unit=unit,
        rows=rows,
        n_fitted=0 if fit is None else len(kept),
        left_out=left_out,
        models=models,
        languages=tuple(dict.fromkeys(row.language for row in kept)),
        overall=overall,
        fit=fit,
        why_not=why,
        dropped=dropped,
        questions=() if fit is None else _questions(fit, columns, difference, settings.alpha),
        without=_without(kept, columns, models, level=level) if fit is not None else (),
        forest=_forest(rows, overall, level=level),
        gains=find_gains(usable, alpha=settings.alpha),
        difference=difference,
        alpha=settings.alpha,
    )


def _usable(rows: Sequence[EvidenceRow]) -> tuple[list[EvidenceRow], dict[str, int]]:
    """Rows that can be fitted, and why the others cannot."""
    reasons = [
        "the baseline is at its floor"
        if row.at_floor
        else "the cell could stop early"
        if row.early
        else "no standard error"
        if row.standard_error is None
        else ""
        for row in rows
    ]
    kept = [row for row, why in zip(rows, reasons, strict=True) if not why]
    return kept, dict(Counter(why for why in reasons if why))


def _unknown(usable: Sequence[EvidenceRow], kept: Sequence[EvidenceRow]) -> dict[str, int]:
    return {"a moderator is not known": len(usable) - len(kept)}


def _why_not(usable: Sequence[EvidenceRow], models: Sequence[str]) -> str | None:
    if not usable:
        return "no effect has a standard error that can be used"
    if len(models) < _FEWEST_MODELS:
        return (
            "one model: nothing can be said beyond it. `babelbits report` has its effects; "
            "give studies of other models too"
        )
    return None


# --- moderators ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Column:
    name: str
    step: str
    moderator: str
    values: FloatArray


def _columns(
    rows: Sequence[EvidenceRow], settings: MetaSettings
) -> tuple[list[_Column], dict[str, str], list[EvidenceRow]]:
    """The columns that can be told apart, why the others are not there, and the rows they need.

    A moderator that most rows lack is dropped; else rows that lack it are left out.
    """
    dropped: dict[str, str] = {}
    kept, asked = list(rows), []
    for moderator in settings.moderators:
        known = [row for row in kept if _value(row, moderator, settings) is not None]
        if len(known) * 2 < len(kept) or not known:
            dropped[moderator] = f"known of {len(known)} of {plural(len(kept), 'effect')}"
        elif len({_value(row, moderator, settings) for row in known}) == 1:
            dropped[moderator] = "the same everywhere"
        else:
            kept = known
            asked.append(moderator)
    columns: list[_Column] = []
    for moderator in asked:
        ours = _of_moderator(kept, moderator, settings)
        why = _why_dropped(kept, columns, ours)
        if why:  # again without it: rows that only it needed come back
            others = tuple(name for name in settings.moderators if name != moderator)
            columns, more, kept = _columns(rows, replace(settings, moderators=others))
            return columns, {**more, moderator: why}, kept
        columns += ours
    return columns, dropped, kept


def _value(row: EvidenceRow, moderator: str, settings: MetaSettings) -> float | str | None:
    if moderator == "bits":
        return row.bits
    if moderator == "size":
        return None if row.size is None else float(np.log10(row.size))
    if moderator == "script":
        return "Latin" if resolve(row.language).script == "Latn" else "not Latin"
    if moderator == "tier":
        return resolve(row.language).tier
    if moderator == "share":
        share = settings.shares.get(row.language)
        return None if not share else float(np.log10(share))
    if moderator == "claimed":
        return None if row.claimed is None else CLAIMED if row.claimed else UNSEEN
    return row.method if moderator == "method" else row.kind


_STEPS: Mapping[str, str] = {
    "bits": "per bit a weight",
    "size": "per tenfold number of weights",
    "share": "per tenfold share of the corpus",
}
_REFERENCES: Mapping[str, str] = {"script": "Latin", "tier": "high", "claimed": CLAIMED}


def _of_moderator(
    rows: Sequence[EvidenceRow], moderator: str, settings: MetaSettings
) -> list[_Column]:
    """One centred column of a number; one for each further value of a name."""
    values = [_value(row, moderator, settings) for row in rows]
    if moderator in _STEPS:
        numbers = np.array(values, float)
        return [_Column(moderator, _STEPS[moderator], moderator, numbers - numbers.mean())]
    names = Counter(str(value) for value in values)
    reference = _REFERENCES.get(moderator, "")
    if reference not in names:
        reference = names.most_common(1)[0][0]
    return [
        _Column(
            f"{moderator}: {name}",
            f"against {reference}",
            moderator,
            np.array([float(value == name) for value in values]),
        )
        for name in sorted(names)
        if name != reference
    ]


def _why_dropped(
    rows: Sequence[EvidenceRow], before: Sequence[_Column], ours: Sequence[_Column]
) -> str | None:
    """A moderator of models needs models: two of them differ in everything at once."""
    together = [*before, *ours]
    matrix = np.column_stack([np.ones(len(rows)), *(one.values for one in together)])
    if np.linalg.matrix_rank(matrix) < matrix.shape[1]:
        return "it cannot be told apart from the moderators before it"
    for kind, labels in _clusters(rows).items():
        n = len(set(labels))
        fixed = 1 + sum(_is_constant(one.values, labels) for one in together)
        if any(_is_constant(one.values, labels) for one in ours) and n < fixed + 1:
            return f"{plural(n, kind[:-1])} cannot tell it from all else in which {kind} differ"
    return None


def _is_constant(values: FloatArray, labels: Sequence[str]) -> bool:
    """Whether a column tells clusters apart and nothing within them."""
    return all(
        np.ptp(values[[label == one for label in labels]]) < 1e-12 for one in dict.fromkeys(labels)
    )


# --- fits ------------------------------------------------------------------------------------


def _clusters(rows: Sequence[EvidenceRow]) -> dict[str, list[str]]:
    return {"models": [r.model for r in rows], "languages": [r.language for r in rows]}


def _fit(
    rows: Sequence[EvidenceRow], columns: Sequence[_Column], *, level: float
) -> MetaRegression | None:
    design = {MEAN: np.ones(len(rows)), **{one.name: one.values for one in columns}}
    return meta_regression(
        [row.delta for row in rows],
        [(row.standard_error or 0.0) ** 2 for row in rows],
        design,
        clusters=_clusters(rows),
        level=level,
    )


def _questions(
    fit: MetaRegression, columns: Sequence[_Column], difference: float, alpha: float
) -> tuple[Question, ...]:
    found = [fit.coefficient(one.name) for one in columns]
    adjusted = holm([one.p_value for one in found])
    return tuple(
        _question(fit, column, one, p, difference=difference, alpha=alpha)
        for column, one, p in zip(columns, found, adjusted, strict=True)
    )


def _question(
    fit: MetaRegression,
    column: _Column,
    found: Coefficient,
    p: float,
    *,
    difference: float,
    alpha: float,
) -> Question:
    kind: Level = "languages" if found.rests_on == "languages" else "models"
    n = fit.n_clusters.get(kind, 1)
    answer: Answer = "open"
    if found.df < FEW_DF:
        answer = "unreliable"
    elif p <= alpha:
        answer = "shown"
    elif max(abs(found.interval.low), abs(found.interval.high)) < difference:
        answer = "small"
    needed = None
    if answer == "open":
        needed = clusters_needed(
            difference,
            standard_error=found.standard_error,
            n_clusters=n,
            lost=min(n - 1, max(1, round(n - found.df))),
            alpha=alpha,
        )
    return Question(
        name=column.name,
        step=column.step,
        coefficient=found,
        p_adjusted=p,
        answer=answer,
        clusters=kind,
        n_clusters=n,
        needed=needed,
    )


def _without(
    rows: Sequence[EvidenceRow], columns: Sequence[_Column], models: Sequence[str], *, level: float
) -> tuple[LeftOut, ...]:
    """The same fit without each model in turn; columns stay centred where they were."""
    if len(models) < _LEAST_LEFT_OUT:
        return ()
    found = []
    for model in models:
        stay = np.array([row.model != model for row in rows])
        ours = [_Column(c.name, c.step, c.moderator, c.values[stay]) for c in columns]
        kept = [row for row in rows if row.model != model]
        found.append(LeftOut(model=model, fit=_fit(kept, ours, level=level)))
    return tuple(found)


# --- forest ----------------------------------------------------------------------------------


def _forest(
    rows: Sequence[EvidenceRow], overall: MetaRegression | None, *, level: float
) -> tuple[ForestRow, ...]:
    places = dict.fromkeys((row.model, row.variant) for row in rows)
    found = [
        _forest_row([row for row in rows if (row.model, row.variant) == place], level=level)
        for place in places
    ]
    if overall is not None:
        mean = overall.coefficient(MEAN)
        found.append(
            ForestRow(
                model="all models",
                variant="",
                delta=mean.estimate,
                low=mean.interval.low,
                high=mean.interval.high,
                n_rows=overall.n_estimates,
                n_languages=overall.n_clusters.get("languages", 1),
            )
        )
    return tuple(found)


def _forest_row(rows: Sequence[EvidenceRow], *, level: float) -> ForestRow:
    """The random-effects mean where errors are known, else the plain mean without interval."""
    usable, _ = _usable(rows)
    fit = None
    if len(usable) > 1:
        fit = meta_regression(
            [row.delta for row in usable],
            [(row.standard_error or 0.0) ** 2 for row in usable],
            {MEAN: np.ones(len(usable))},
            clusters={"languages": [row.language for row in usable]},
            level=level,
        )
    mean = None if fit is None else fit.coefficient(MEAN)
    ours = usable if mean is not None else rows
    return ForestRow(
        model=rows[0].model,
        variant=rows[0].variant,
        delta=float(np.mean([row.delta for row in rows])) if mean is None else mean.estimate,
        low=None if mean is None else mean.interval.low,
        high=None if mean is None else mean.interval.high,
        n_rows=len(ours),
        n_languages=len({row.language for row in ours}),
    )
