"""Means of what probes measured, by layer and language, by class of token, by head, by module.

All of it is exploratory: many numbers, no test, no verdict. Means are over tokens (of heads: over
sequences), and tokens of long items count more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from babelbits.probes.probe_files import Probe, ProbeRecord
from babelbits.probes.token_classes import CLASSES

EXPLORATORY = "exploratory: many numbers and no test; a pattern here is a question for other data"
_LAYER_MEANS = (
    "relative_error",
    "cosine_distance",
    "lens_agrees",
    "attention_js",
    "attention_entropy_baseline",
    "attention_entropy_variant",
    "attention_variance_baseline",
    "attention_variance_variant",
    "kurtosis_baseline",
    "kurtosis_variant",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSummary:
    """One layer of a variant on a suite in a language; None where nothing was measured."""

    layer: int
    """0: the embeddings; the last has passed the final norm."""
    means: dict[str, float | None]
    """By column."""
    largest_peak: dict[str, float | None]
    """Largest over all tokens of an entry over its vector's median, of 'baseline' and 'variant'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassSummary:
    """The last layer's relative error of a class of tokens."""

    name: str
    n_tokens: int
    relative_error: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSummary:
    """What one probe measured."""

    record: ProbeRecord
    layers: tuple[LayerSummary, ...]
    classes: tuple[ClassSummary, ...]
    """Tokens of prompts and answers by what they are; classes without a token are left out."""
    parted: tuple[ClassSummary, ...]
    """Tokens of answers 'before' and 'after' the first at which the variant's answer is another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleSummary:
    """Weight error of a linear layer."""

    variant: str
    module: str
    n_weights: int
    snr_db: float | None
    state: str


def summarise(probe: Probe) -> ProbeSummary:
    """Means of a probe."""
    table = probe.tokens()
    last = table.filter(_equal(table, "layer", probe.record.n_layers)) if table.num_rows else table
    answers = last.filter(_equal(last, "part", "answer")) if last.num_rows else last
    return ProbeSummary(
        record=probe.record,
        layers=tuple(_layers(table)) if table.num_rows else (),
        classes=tuple(_by(last, "class", CLASSES)) if last.num_rows else (),
        parted=tuple(_by(answers, "parted", ("before", "after"))) if answers.num_rows else (),
    )


def _equal(table: Any, column: str, value: object) -> Any:
    import pyarrow.compute as pc

    return pc.equal(table[column], value)


def _layers(table: Any) -> list[LayerSummary]:
    asked = [(name, "mean") for name in _LAYER_MEANS]
    asked += [("peak_baseline", "max"), ("peak_variant", "max")]
    rows = sorted(
        table.group_by("layer").aggregate(asked).to_pylist(), key=lambda one: one["layer"]
    )
    return [
        LayerSummary(
            layer=row["layer"],
            means={name: row[f"{name}_mean"] for name in _LAYER_MEANS},
            largest_peak={arm: row[f"peak_{arm}_max"] for arm in ("baseline", "variant")},
        )
        for row in rows
    ]


def _by(table: Any, column: str, order: Sequence[str]) -> list[ClassSummary]:
    asked = [("relative_error", "mean"), ("relative_error", "count")]
    rows = {row[column]: row for row in table.group_by(column).aggregate(asked).to_pylist()}
    return [
        ClassSummary(
            name=name,
            n_tokens=rows[name]["relative_error_count"],
            relative_error=rows[name]["relative_error_mean"],
        )
        for name in order
        if name in rows
    ]


def list_modules(probes: Sequence[Probe]) -> list[ModuleSummary]:
    """Weight errors of every variant's linear layers, in the model's order."""
    found: dict[str, list[ModuleSummary]] = {}
    for probe in probes:
        label = probe.record.variant
        if probe.record.again or label in found:
            continue
        found[label] = [ModuleSummary(variant=label, **row) for row in probe.weights().to_pylist()]
    return [one for rows in found.values() for one in rows]


def choose_layers(n_layers: int, *, most: int) -> list[int]:
    """Layers for a table of few columns: evenly spread, the last among them, embeddings not."""
    if n_layers <= most:
        return list(range(1, n_layers + 1))
    return sorted({round(1 + (n_layers - 1) * step / (most - 1)) for step in range(most)})
