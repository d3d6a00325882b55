"""Which experts of a mixture the text of an importance matrix reached, layer by layer.

llama.cpp lets the router choose, so an expert that it never chooses has no importance, and all its
weights count alike. Units: tokens. Pure.
"""

import numpy as np
import numpy.typing as npt

from babelbits.errors import CalibrationError
from babelbits.llamacpp.imatrix_file import ImportanceMatrix
from babelbits.records import ExpertsRecord

_LAST_OF_LAYER = "ffn_down"
_ALL = "all"

Counts = dict[str, npt.NDArray[np.float32]]


def experts_of(matrix: ImportanceMatrix) -> ExpertsRecord | None:
    """The counts in short; None where there are no experts, or it is not known what they saw."""
    together = _counts(matrix)
    if not together:
        return None
    seen: dict[str, list[npt.NDArray[np.float32]]] = {}
    if all(name in matrix.routes for name in together):
        for number, language in enumerate(matrix.languages):
            seen[language] = [matrix.routes[name][number] for name in together]
    if len(seen) != 1:
        seen[_ALL] = list(together.values())
    return ExpertsRecord(
        layers=tuple(together),
        n_experts=tuple(len(counts) for counts in together.values()),
        unrouted={key: tuple(int((row == 0).sum()) for row in rows) for key, rows in seen.items()},
        fewest={key: tuple(int(row.min()) for row in rows) for key, rows in seen.items()},
    )


def _counts(matrix: ImportanceMatrix) -> Counts:
    """Tokens of each expert, by the last weight of each layer that has some."""
    return {
        name: counts
        for name, counts in matrix.counts.items()
        if _LAST_OF_LAYER in name and len(counts) > 1
    }


def refuse_unrouted(matrix: ImportanceMatrix, *, most: float) -> None:
    """Raise if more than a share of a layer's experts saw no token.

    Raises
    ------
    CalibrationError
        Names the layer.
    """
    for name, counts in _counts(matrix).items():
        unrouted = int((counts == 0).sum())
        if unrouted > most * len(counts):
            raise CalibrationError(
                f"the router sends no token of the calibration text to {unrouted} of the "
                f"{len(counts)} experts in '{name}'",
                hint="give more text (`samples`, `tokens`, a longer text as `source`, or more "
                "languages), a matrix of more text, or none where the type does not need it",
            )
