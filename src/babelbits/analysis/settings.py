"""What a study declares about its analysis before it sees a result."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from babelbits.records import Metric, TaskInfo
from babelbits.words import plural

LOSS_CAPS: Mapping[str, float] = MappingProxyType({"fraction": 1.0, "bits/byte": 2.0})
"""The most that one item is taken to lose, by unit: what "not worse" and "equivalent" rest on.

No difference of fractions exceeds 1. Fluent text takes about 1 bit a byte and text of which a model
knows the letters' frequencies alone some 3 to 4: an item that loses 2 is no longer modelled.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmatory:
    """The effects a study was made for; everything else is exploratory."""

    variants: tuple[str, ...] | None = None
    """Variant labels; None: all."""
    suites: tuple[str, ...] | None = None
    """None: all."""

    def covers(self, variant: str, suite: str) -> bool:
        """Whether effects of `variant` on `suite` were declared."""
        return (self.variants is None or variant in self.variants) and (
            self.suites is None or suite in self.suites
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationOf:
    """What a variant's recipe saw."""

    recipe: str
    """With its parameters where a study has several: variants of one recipe are held together."""
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisSettings:
    """Choices that change what an analysis says."""

    alpha: float = 0.05
    margins: Mapping[str, float] = field(default_factory=dict)
    """Largest difference that does not matter, > 0, by suite or by the metric's unit, in that unit
    (0.02 for 2 points). A suite's margin is about its primary metric and wins over the unit's."""
    confirmatory: Confirmatory | None = None
    """Declared effects: one Holm family over all of them. None: everything, one family for each
    variant and suite."""
    floor: float = 0.05
    """Generation tasks: a baseline with a lower score is at its floor."""
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Name of a group to its languages' codes."""
    reference: str | None = None
    """Code of the language that the others are held against; None: none."""
    calibrations: Mapping[str, CalibrationOf] = field(default_factory=dict)
    """Variant label to what its recipe saw; variants without calibration text are left out."""
    seed: int = 0
    resamples: int = 10_000
    loss_caps: Mapping[str, float] = field(default_factory=lambda: LOSS_CAPS)
    """The most that one item can lose, by the metric's unit, in that unit: an assumption about the
    scale, never estimated from the data. Units without one cannot be shown equivalent."""
    apart: Mapping[str, str] = field(default_factory=dict)
    """Label of each variant that has effects and no verdict, to why: in no family."""
    chance: float | None = None
    """Expected score of guessing, as a fraction, for metrics whose source does not tell it."""

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 0.5:
            raise ValueError(f"alpha is {self.alpha}; it lies between 0 and 0.5")
        if any(margin <= 0 for margin in self.margins.values()):
            raise ValueError(f"margins are positive; got {dict(self.margins)}")
        if any(cap <= 0 for cap in self.loss_caps.values()):
            raise ValueError(f"caps on a loss are positive; got {dict(self.loss_caps)}")
        if self.chance is not None and not 0 <= self.chance < 1:
            raise ValueError(f"chance is {self.chance}; it lies in [0, 1)")
        if self.resamples < 2 / self.alpha:
            raise ValueError(
                f"{plural(self.resamples, 'resample')} cannot reach alpha {self.alpha}; "
                f"take at least {2 / self.alpha:.0f}"
            )

    def margin(self, info: TaskInfo, metric: Metric) -> float | None:
        """The margin for a metric of a task, or None if the study names none."""
        if metric.name == info.primary and info.suite in self.margins:
            return self.margins[info.suite]
        return self.margins.get(metric.unit)

    def loss_cap(self, metric: Metric) -> float | None:
        """The most that one item can lose in a metric, or None if nobody says."""
        return self.loss_caps.get(metric.unit)
