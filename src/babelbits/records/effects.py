"""What an analysis says.

Sign: ``delta = variant - baseline`` of the *oriented* score (higher is better): harm is negative.
Undefined is ``None`` with a reason, never 0 and never NaN.

An `Effect` has what it is about and its change; the rest stands in five groups. On disk, and in
tables, its fields are flat: `flatten_effect` and `from_flat`, and the names are those of the
groups' fields.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from babelbits.records import quantities
from babelbits.records.tasks import MetricKind
from babelbits.words import html_table

Verdict = Literal["worse", "equivalent", "better", "undecided"]
Level = Literal["confirmed", "family"]
"""How firmly a harm is shown. family: at alpha among the questions of one variant and suite;
confirmed: also at alpha among all questions of the report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A two-sided confidence interval; both ends kept because it need not be symmetric."""

    low: float
    high: float
    level: float
    """E.g. 0.95."""
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """The two sides of an effect, and the baseline against itself."""

    baseline_score: float
    variant_score: float
    """Both in the metric's own unit and direction."""
    baseline_interval: Interval | None
    at_floor: bool
    aa_churn: float | None = None
    """Churn of the A/A cell: the noise floor; None where it was not run."""
    aa_delta: float | None = None
    """`delta` of the A/A cell; None where it was not run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectCounts:
    """Items and units of an effect, and what became of them."""

    n_items: int
    n_source_items: int
    """Independent units: source items, or what items share beside (passages, documents)."""
    n_failed: int
    """Items without a score in either arm: left out of the pairs, counted here."""
    n_truncated: int
    n_over_long: int
    broke: int | None
    fixed: int | None
    """Binary metrics: right then wrong, wrong then right."""
    churn: float | None
    """Share of items whose score changed."""
    n_lost: int = 0
    """Of the failed items, those that failed under the variant alone: possible harm, unseen."""
    n_cut_baseline: int = 0
    n_cut_variant: int = 0
    """Generations that reached their token limit before they ended, in each arm."""
    n_planned: int | None = None
    """Items that there were, where the cell could stop before the last: the intervals are then
    confidence sequences, which hold however often one looks. None: all items, fixed beforehand."""
    fewest_units: int | None = None
    """Below so many independent units no data show equivalence within the margin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectInference:
    """Intervals, p-values, and what they rest on."""

    interval: Interval | None
    p_value: float | None
    """Two-sided."""
    test: str
    equivalence_interval: Interval | None = None
    """Level 1 - 2 alpha: 'equivalent' says that it lies inside the margin (TOST)."""
    p_adjusted: float | None = None
    family: str | None = None
    """Name of the Holm family, or None for an exploratory effect."""
    p_map: float | None = None
    """Exploratory effects: Benjamini-Hochberg over the study's exploratory effects of this scope;
    None in a family."""
    p_report: float | None = None
    """One-sided p of harm, adjusted over all questions of the report (`stats.graph`); None where
    the report does not ask it: groups, secondary metrics, exploratory effects."""
    minimal_detectable_effect: float | None = None
    minimal_detectable_confirmed: float | None = None
    """As `minimal_detectable_effect`, at the level at which the report's headline confirms harm."""
    best_by_chance: float | None = None
    """Gain expected of the best of all comparisons of this suite, metric and scope if none of them
    differed, in standard errors, times the standard error of this one: a "better" should exceed
    it."""
    loss_cap: float | None = None
    """The most that one item is taken to lose, in the metric's unit: what an equivalence rests on.
    None where it rests on no such assumption (right/wrong items of one language), or none is
    declared."""
    largest_loss: float | None = None
    """Of one item, as seen; None where no cap is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectDecision:
    """The margin and the verdict."""

    margin: float | None
    verdict: Verdict
    reason: str
    """Why the verdict is what it is, e.g. 'at floor', 'interval inside the margin'."""
    level: Level | None = None
    """Of a "worse"; None for every other verdict, and for an exploratory effect."""
    withheld: str | None = None
    """Why neither "not worse" nor "equivalent" is said even where the interval lies inside the
    margin: a loss above the cap, no declared cap, an unknown chance level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelativeEffect:
    """The change on other scales."""

    relative_change: float | None
    """(variant - baseline) / baseline of the means, a fraction, oriented; None near the floor."""
    mean_relative_change: float | None
    """Groups: mean over languages of relative_change (Paper A's way)."""
    above_chance_lost: float | None
    """(baseline - variant) / (baseline - chance); positive is harm; None at the floor."""
    relative_interval: Interval | None = None
    """Of `relative_change`; excludes zero where the change's does, and shares its p-value."""
    mean_relative_interval: Interval | None = None
    mean_relative_p: float | None = None
    """Two-sided, of "`mean_relative_change` is 0": another hypothesis than that of `p_value`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Paired difference of a variant and the baseline over a cell or a group of languages."""

    variant: str
    task: str
    """Suite name, e.g. 'mgsm'; effects of a cell and of a group share it."""
    metric: str
    kind: MetricKind
    unit: str
    higher_is_better: bool
    scope: Literal["language", "group", "all"]
    language: str | None
    group: str | None
    languages: tuple[str, ...]
    delta: float
    """Oriented: negative is harm, whatever the metric's direction."""
    arms: Arms
    counts: EffectCounts
    inference: EffectInference
    decision: EffectDecision
    relative: RelativeEffect
    recipe: str
    """How the numbers were computed, like sacrebleu's signature."""
    notes: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        """What it is about, the change with its interval, and the verdict, for notebooks."""
        unit, said = self.unit, self.decision
        heads = ("variant", "task", "language", "baseline", "change", "interval", "verdict")
        row = (
            self.variant,
            self.task,
            self.language or self.group or "all languages",
            quantities.score(self.arms.baseline_score, unit),
            quantities.amount(self.delta, unit),
            quantities.interval(self.inference.interval, unit),
            f"{said.verdict}: {said.reason}" if said.reason else said.verdict,
        )
        return html_table(heads, [row], numeric=heads[3:6])


GROUPS: Mapping[str, type[Any]] = {
    "arms": Arms,
    "counts": EffectCounts,
    "inference": EffectInference,
    "decision": EffectDecision,
    "relative": RelativeEffect,
}
"""Field of an effect to the record that it holds."""


def flatten_effect(effect: Effect) -> dict[str, Any]:
    """An effect as plain JSON types, without its groups: as it stands on disk."""
    values = dataclasses.asdict(effect)
    for name in GROUPS:
        values |= values.pop(name)
    return values


def group_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `flatten_effect` in their groups, as `store.codec.from_json` reads an `Effect`.

    Names that no group has stay beside them, so that the reader can refuse what it does not know.
    """
    rest, found = dict(values), {}
    for name, kind in GROUPS.items():
        fields = [one.name for one in dataclasses.fields(kind) if one.name in rest]
        found[name] = {field: rest.pop(field) for field in fields}
    return {**rest, **found}
