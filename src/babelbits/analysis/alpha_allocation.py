"""Which family an effect belongs to, and what part of an error rate it may spend.

Known before any effect is computed, so that cells which stop early can be told.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from babelbits.analysis.cells import BASELINE
from babelbits.analysis.paired_samples import Sample
from babelbits.analysis.settings import AnalysisSettings

_QUESTIONS = {"language": "languages", "group": "groups", "all": "all languages"}


def name_family(sample: Sample, settings: AnalysisSettings) -> str | None:
    """Name of the family that a sample's effect belongs to; None: exploratory."""
    suite, declared = sample.info.suite, settings.confirmatory
    if sample.metric.name != sample.info.primary or sample.variant in settings.apart:
        return None
    question = _QUESTIONS[sample.scope]
    if declared is None:
        return f"{sample.variant} · {suite} · {question}"
    return f"confirmatory · {question}" if declared.covers(sample.variant, suite) else None


def allocate_error_shares(samples: Sequence[Sample], settings: AnalysisSettings) -> list[float]:
    """The error rate that each sample has for itself, if it could stop early.

    Cells have the share that was fixed before they began. Pooled effects and groups share their
    family's error rate equally; what belongs to no family has it all.
    """
    names = [name_family(one, settings) for one in samples]
    sizes = Counter(names)
    return [
        _fixed_share(one) or settings.alpha / (1 if name is None else sizes[name])
        for one, name in zip(samples, names, strict=True)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalLevels:
    """The levels at which harm is judged where everything else is harmless."""

    family: float
    """Two-sided: Holm's first step in the effect's family; alpha for an exploratory effect."""
    confirmed: float | None
    """One-sided, of the report's graph at its start; None for effects that it does not test."""


def find_local_levels(samples: Sequence[Sample], settings: AnalysisSettings) -> list[LocalLevels]:
    """What a loss that is alone in its family, and in the report, has to reach."""
    names = [name_family(one, settings) for one in samples]
    sizes = Counter(name for name in names if name is not None)
    blocks: dict[tuple[str, str], int] = defaultdict(int)
    for one in samples:
        if _in_graph(one, settings):
            blocks[one.variant, one.info.suite] += one.scope == "language"
    return [
        LocalLevels(
            family=settings.alpha / (1 if name is None else sizes[name]),
            confirmed=_confirmed(one, blocks, settings),
        )
        for one, name in zip(samples, names, strict=True)
    ]


def _in_graph(sample: Sample, settings: AnalysisSettings) -> bool:
    asked = name_family(sample, settings) is not None
    return asked and sample.variant != BASELINE and sample.scope != "group"


def _confirmed(
    sample: Sample, blocks: dict[tuple[str, str], int], settings: AnalysisSettings
) -> float | None:
    """Blocks (variant x suite) share alpha; half is the mean's, half its languages' in parts."""
    if not _in_graph(sample, settings):
        return None
    share, count = settings.alpha / len(blocks), blocks[sample.variant, sample.info.suite]
    if count == 1:
        return share
    return share / 2 if sample.scope == "all" else share / 2 / count


def _fixed_share(sample: Sample) -> float | None:
    [first, *_] = sample.parts
    primary = sample.metric.name == sample.info.primary
    if sample.scope != "language" or first.stop is None or not primary:
        return None
    return first.stop.alpha
