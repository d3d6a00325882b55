"""llama-perplexity's numbers as a table: a row a log, the tool's own standard errors.

Nothing is tested: the logs have no items to pair, and two of them are not independent.
"""

from collections.abc import Mapping, Sequence

from babelbits.analysis import format as numbers
from babelbits.interop.readers.record import Quantity
from babelbits.languages import Language
from babelbits.results.results import LabelledLog

COLUMNS: tuple[tuple[str, int], ...] = (
    ("mean KLD", 4),
    ("99 % KLD", 4),
    ("PPL ratio", 4),
    ("PPL", 3),
    ("RMS Δp, %", 2),
    ("same top p, %", 2),
)
"""Quantity and decimals; the JSON has them all."""

HEADS = ("variant", "log", "language", *(name for name, _ in COLUMNS))
CAPTION = (
    "Divergence from the base model, token by token, as llama-perplexity printed it. "
    "± is one standard error."
)


def make_rows(
    logs: Sequence[LabelledLog], languages: Mapping[str, Language]
) -> list[tuple[str, ...]]:
    """The values of `HEADS` for every log; an en dash where the log has no such number."""
    return [
        (
            one.label,
            one.log.name,
            languages[one.language].name if one.language else numbers.NOTHING,
            *(_shown(one.log.quantities.get(name), digits) for name, digits in COLUMNS),
        )
        for one in logs
    ]


def _shown(quantity: Quantity | None, digits: int) -> str:
    if quantity is None:
        return numbers.NOTHING
    value = f"{quantity.value:.{digits}f}".replace("-", numbers.MINUS)
    return value if quantity.error is None else f"{value} ± {quantity.error:.{digits}f}"
