"""Is a language harmed more than the reference language? Double differences, item by item.

For each variant and suite that has the reference, every other language against it, on the primary
metric. p-values are Holm's within a variant and suite, intervals hold together over the same
languages (Bonferroni): none excludes zero where the adjusted p does not. Verdicts use neither.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from babelbits.analysis.inference import make_signature
from babelbits.analysis.paired_samples import Part, Sample, number_units
from babelbits.analysis.results import ReferenceContrast
from babelbits.analysis.settings import AnalysisSettings
from babelbits.stats.difference_in_differences import double_difference
from babelbits.stats.multiplicity import holm


def contrast_references(
    samples: Sequence[Sample], settings: AnalysisSettings
) -> tuple[ReferenceContrast, ...]:
    """None at all without a declared reference, or where a suite lacks it."""
    cells: dict[tuple[str, str], list[Part]] = defaultdict(list)
    for sample in samples:
        if sample.stops:
            continue  # how much a language lost decided how long it ran
        if sample.scope == "language" and sample.metric.name == sample.info.primary:
            cells[sample.variant, sample.info.suite].append(sample.parts[0])
    contrasts: list[ReferenceContrast] = []
    for (variant, _), parts in cells.items():
        references = [one for one in parts if one.language == settings.reference]
        if references:
            others = [one for one in parts if one.language != settings.reference]
            level = 1 - settings.alpha / max(1, len(others))
            ours = [_contrast(variant, one, references[0], level=level) for one in others]
            contrasts += _adjusted(ours)
    return tuple(contrasts)


def _contrast(variant: str, part: Part, reference: Part, *, level: float) -> ReferenceContrast:
    """Items pair by their source, or their cluster, where the task is parallel."""
    ours, theirs = number_units([part, reference])
    difference = double_difference(
        part.differences,
        reference.differences,
        target_sources=ours,
        reference_sources=theirs,
        level=level,
    )
    delta, base = float(part.differences.mean()), float(reference.differences.mean())
    how = "paired t of source items" if difference.paired else "Welch t of two samples"
    return ReferenceContrast(
        variant=variant,
        suite=part.info.suite,
        metric=part.metric.name,
        unit=part.metric.unit,
        language=part.language,
        reference=reference.language,
        delta=delta,
        reference_delta=base,
        difference=delta - base,
        interval=difference.interval,
        p_value=difference.p_value,
        p_adjusted=None,
        family=None,
        paired=difference.paired,
        n_sources=difference.n_sources,
        notes=_notes(part, reference, decided=difference.p_value is not None),
        recipe=make_signature(how, f"units={difference.n_sources}"),
    )


def _notes(part: Part, reference: Part, *, decided: bool) -> tuple[str, ...]:
    floor = [one.language for one in (part, reference) if one.at_floor]
    return (
        *((f"at floor: {', '.join(floor)}; nothing to lose there",) if floor else ()),
        *(() if decided else ("too few items changed for a test",)),
    )


def _adjusted(found: Sequence[ReferenceContrast]) -> list[ReferenceContrast]:
    adjusted = holm([1.0 if one.p_value is None else one.p_value for one in found])
    return [
        replace(
            one,
            p_adjusted=None if one.p_value is None else p,
            family=f"{one.variant} · {one.suite} · against {one.reference}",
        )
        for one, p in zip(found, adjusted, strict=True)
    ]
