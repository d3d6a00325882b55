"""What an analysis says, beside `records.Effect`: families, group contrasts, problems.

Sign: harm is negative, also in contrasts: a negative difference says that the group is harmed more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from babelbits.records import Effect, Interval

ProblemKind = Literal[
    "missing_baseline",
    "missing_cell",
    "duplicate_cell",
    "different_scorer",
    "unpaired_items",
    "no_pairs",
    "failed_items",
    "no_aa",
    "aa_beyond_margin",
    "could_stop",
    "engines_differ",
]
Scale = Literal["points", "relative", "above_chance"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that keeps an analysis from being whole, told with what to do."""

    kind: ProblemKind
    severity: Literal["error", "warning"]
    """error: something asked for could not be said; warning: said, with a caveat."""
    message: str
    hint: str
    variant: str | None = None
    suite: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TestFamily:
    """Tests whose p-values were adjusted together."""

    name: str
    members: tuple[str, ...]
    """'variant · suite · language' (or group), in the order of the effects."""
    alpha: float
    shown: int
    """Members with an adjusted p of at most alpha."""
    all_equivalent: bool
    """Every member shown equivalent: an intersection-union claim, each at alpha, no correction."""
    method: str = "Holm"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupContrast:
    """Is a group of languages harmed more than the others? The language is the unit."""

    variant: str
    suite: str
    metric: str
    unit: str
    scale: Scale
    """points: deltas in the metric's unit; relative: relative change; above_chance: minus the share
    of above-chance ability lost. Languages at their floor have only points."""
    group: str
    others: str
    """Name of the complement if it is a declared group, else 'the others'."""
    languages_in: tuple[str, ...]
    languages_out: tuple[str, ...]
    left_out: tuple[str, ...]
    """Languages without a number on this scale."""
    mean_in: float
    mean_out: float
    difference: float
    """mean_in - mean_out; the means are those of the model, not of the rows shown."""
    interval: Interval | None
    """Of the same model as `p_value`; None exactly where that is."""
    p_value: float | None
    """Two-sided; None below three languages, or where nothing changed."""
    tau: float | None
    """Standard deviation between languages of one side, beyond sampling error."""
    p_adjusted: float | None
    """Holm over the contrasts in points of a variant and suite; None on the other scales."""
    family: str | None
    notes: tuple[str, ...]
    recipe: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceContrast:
    """Is a language harmed more than the reference language? A double difference."""

    variant: str
    suite: str
    metric: str
    unit: str
    language: str
    reference: str
    delta: float
    reference_delta: float
    difference: float
    """delta - reference_delta: negative says that the language is harmed more."""
    interval: Interval | None
    """Of level 1 - alpha together with the other languages of the variant and suite."""
    p_value: float | None
    """Two-sided; None where too little changed for a test."""
    p_adjusted: float | None
    """Holm over the languages of a variant and suite."""
    family: str | None
    paired: bool
    """Whether the two languages share source items."""
    n_sources: int
    notes: tuple[str, ...]
    recipe: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteClaim:
    """What holds of a variant over all languages of a suite."""

    variant: str
    suite: str
    languages: tuple[str, ...]
    margin: float | None
    """None: no margin, or not the same everywhere."""
    equivalent_in_all: bool
    """Intersection-union: every language shown equivalent at alpha, without a correction."""
    not_equivalent: tuple[str, ...]
    """Languages that stand in its way."""
    worse_in: tuple[str, ...]
    """Languages shown worse, in their family at least."""
    worse_in_some_p: float
    """p of "a loss in at least one language", corrected for the choice among them."""
    confirmed_in: tuple[str, ...] = ()
    """Languages whose harm is confirmed at the error rate of the whole report."""
    equivalent_by_chance: float | None = None
    """Languages that would be shown equivalent, on average, if all were exactly at the margin; None
    without a margin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationContrast:
    """A recipe calibrated in one language against the same recipe calibrated in another."""

    recipe: str
    suite: str
    metric: str
    unit: str
    language: str | None
    """Asked in; None: all languages of the suite."""
    calibration: str
    reference: str
    """Calibration languages that are compared."""
    delta: float
    reference_delta: float
    """Means over draws."""
    difference: float
    """delta - reference_delta: negative says that `calibration` harms more than `reference`."""
    draws: int
    reference_draws: int
    draw_sd: float | None
    """Of a delta between draws of one language, pooled; None with one draw each."""
    interval: Interval | None
    p_value: float | None
    """Over items and draws; None below three draws a side: it would be about texts."""
    p_adjusted: float | None
    """Holm over all calibrations of a recipe on a suite: half of alpha for contrasts over all
    languages, half for single ones."""
    family: str | None
    notes: tuple[str, ...]
    recipe_of_computation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageBeside:
    """A language among the others of its suite; nothing here feeds a verdict."""

    language: str
    delta: float
    hardest: int | None
    mildest: int | None
    """Ranks that the data allow, all languages' together; 1 is harmed most."""
    pooled: float | None
    """The delta drawn towards the mean of all languages, as far as it is uncertain."""
    pooled_error: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteBeside:
    """A variant's languages on one suite, beside their verdicts."""

    variant: str
    suite: str
    metric: str
    unit: str
    bound: float | None
    """Oriented: no language's true difference lies below it, at `bound_level`; at most 0."""
    bound_level: float
    bound_reason: str
    """Why there is no bound; '' where there is one."""
    mean: float | None
    """Of the languages' true differences, by the model that the pooled estimates are from."""
    tau: float | None
    """Standard deviation of the true differences between languages."""
    languages: tuple[LanguageBeside, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantRank:
    """A variant among the others of a suite, by the mean over all languages."""

    suite: str
    metric: str
    unit: str
    variant: str
    delta: float
    best: int
    worst: int
    """Ranks that the data allow, all variants' together; 1 is best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """How far the mean over all languages of a suite moves if one thing is done again."""

    source: str
    """What is done again."""
    suite: str
    unit: str
    sd: float
    """Standard deviation; the root mean square of `n` estimates."""
    n: int
    kind: str
    """What was estimated from: 'variant', 'A/A run', 'calibration', 'panel of raters'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineChange:
    """The baseline in another engine against the baseline: what the engine alone changes."""

    label: str
    """Of the baseline in that engine."""
    engine: str
    reference: str
    """The engine of the study's baseline."""
    variants: tuple[str, ...]
    """Labels of those that are compared with it."""
    effects: tuple[Effect, ...]
    """Exploratory; in no family, and without a verdict that anything counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """Everything that the finished cells say."""

    effects: tuple[Effect, ...]
    """Per variant, suite and metric: each language, each group, then all languages."""
    aa: tuple[Effect, ...]
    """The same for the A/A cells; their churn is the study's noise floor."""
    contrasts: tuple[GroupContrast, ...]
    families: tuple[TestFamily, ...]
    problems: tuple[Problem, ...]
    smoke: bool
    """Some cell was limited in items: nothing here is a result."""
    references: tuple[ReferenceContrast, ...] = ()
    """Every language against the declared reference language."""
    calibrations: tuple[CalibrationContrast, ...] = ()
    """Every calibration language of a recipe against one of them."""
    claims: tuple[SuiteClaim, ...] = ()
    beside: tuple[SuiteBeside, ...] = ()
    """Bounds, ranks and pooled estimates of each variant's languages; they feed no verdict."""
    variant_ranks: tuple[VariantRank, ...] = ()
    variation: tuple[Variation, ...] = ()
    """Items, seeds and draws of text as sources of luck."""
    engine_changes: tuple[EngineChange, ...] = ()
    """One for each engine beside that of the study's baseline, where the baseline was run in it."""
    apart: Mapping[str, str] = field(default_factory=dict)
    """Label of each variant that has effects and no verdict, to why."""
