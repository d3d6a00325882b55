"""How close a back-translation is to its source: chrF, between 0 and 100, by sacrebleu."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from babelbits.errors import MissingExtraError
from babelbits.translate.job import SHORTEST_BACK
from babelbits.translate.translation_checks import TranslationProblem


def compute_chrf(hypothesis: str, reference: str) -> float:
    """Sentence-level chrF2 (Popović 2015) of one text against another.

    Raises
    ------
    MissingExtraError
        If sacrebleu is not installed.
    """
    return float(_metric().sentence_score(hypothesis, [reference]).score)


def read_signature() -> str:
    """Sacrebleu's own description of the score."""
    metric = _metric()
    metric.sentence_score("a", ["a"])
    return str(metric.get_signature())


def compare(
    source: Mapping[str, str], back: Mapping[str, str], *, least: float
) -> tuple[float, TranslationProblem | None]:
    """The score of a back-translation, and the finding where it is too low.

    Sources shorter than `SHORTEST_BACK` characters are scored and pass: 'a car' for 'car' is 75.
    """
    reference = "\n".join(source.values())
    score = compute_chrf("\n".join(back[name] for name in source), reference)
    if score >= least or len(reference) < SHORTEST_BACK:
        return score, None
    message = f"translated back it says something else (chrF {score:.0f}, at least {least:g})"
    return score, TranslationProblem(check="back_translation", message=message)


@cache
def _metric() -> Any:
    try:
        from sacrebleu.metrics.chrf import CHRF
    except ImportError as error:
        raise MissingExtraError(
            "the back-translation check needs sacrebleu",
            hint="pip install 'babelbits[run]', or leave the check out with --no-back-translation",
        ) from error
    return CHRF()
