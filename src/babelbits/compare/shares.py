"""Which family an effect belongs to, and what part of its error rate it may spend.

Known before any effect is computed, so that cells which stop early can be told.
"""

from collections import Counter
from collections.abc import Sequence

from babelbits.compare.samples import Sample
from babelbits.compare.settings import AnalysisSettings

_QUESTIONS = {"language": "languages", "group": "groups", "all": "all languages"}


def family_name(sample: Sample, settings: AnalysisSettings) -> str | None:
    """Name of the family that a sample's effect belongs to; None: exploratory."""
    suite, declared = sample.info.suite, settings.confirmatory
    if sample.metric.name != sample.info.primary:
        return None
    question = _QUESTIONS[sample.scope]
    if declared is None:
        return f"{sample.variant} · {suite} · {question}"
    return f"confirmatory · {question}" if declared.covers(sample.variant, suite) else None


def error_shares(samples: Sequence[Sample], settings: AnalysisSettings) -> list[float]:
    """The error rate that each sample has for itself, if it could stop early.

    Cells have the share that was fixed before they began. Pooled effects and groups share their
    family's error rate equally; what belongs to no family has it all.
    """
    names = [family_name(one, settings) for one in samples]
    sizes = Counter(names)
    return [
        _fixed_share(one) or settings.alpha / (1 if name is None else sizes[name])
        for one, name in zip(samples, names, strict=True)
    ]


def _fixed_share(sample: Sample) -> float | None:
    [first, *_] = sample.parts
    primary = sample.metric.name == sample.info.primary
    if sample.scope != "language" or first.stop is None or not primary:
        return None
    return first.stop.alpha
