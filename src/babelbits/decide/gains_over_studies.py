"""When does quantization help? Gains over all studies, found on one half and tried on the other.

The best of many comparisons is a gain by luck. A gain counts here only if it was found on every
other item, exceeds what the baseline gains against itself, and is seen again on the items between,
which had no part in the choice. Which item is in which half depends on its place alone.
Sign: delta = variant - baseline, oriented; a gain is positive.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from scipy import special

from babelbits.decide.evidence import EvidenceRow
from babelbits.stats.multiplicity import holm


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """A gain that was found on the first half."""

    row: EvidenceRow
    found: float
    """Delta on the half on which it was found: too large by the choice."""
    again: float
    """Delta on the other half."""
    p_adjusted: float
    """One-sided, of the other half alone; Holm over the gains that were found."""
    replicated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Gains:
    """All that were looked for."""

    n_tried: int
    """Comparisons with two halves."""
    n_without: int
    """Comparisons without items, which can be found and never tried again."""
    expected_by_luck: float
    """Of the tried, so many would be found if nothing helped."""
    found: tuple[Gain, ...]
    """Best first, by their second half's p."""

    @property
    def replicated(self) -> tuple[Gain, ...]:
        """Those that were seen again."""
        return tuple(one for one in self.found if one.replicated)


def find_gains(rows: Sequence[EvidenceRow], *, alpha: float) -> Gains:
    """Gains found on the first half at one-sided alpha, and whether the second shows them again.

    Parameters
    ----------
    rows : sequence of EvidenceRow
        Those without halves are counted.
    alpha : float
        Of the finding, for each comparison; and of the trying again, for all that were found.
    """
    tried = [row for row in rows if len(row.halves) == 2 and all(e > 0 for _, e in row.halves)]
    found = [
        row for row in tried if _p(row, 0) <= alpha and row.halves[0][0] > abs(row.aa_delta or 0.0)
    ]
    adjusted = holm([_p(row, 1) for row in found])
    gains = [
        Gain(
            row=row,
            found=row.halves[0][0],
            again=row.halves[1][0],
            p_adjusted=p,
            replicated=p <= alpha and row.halves[1][0] > abs(row.aa_delta or 0.0),
        )
        for row, p in zip(found, adjusted, strict=True)
    ]
    return Gains(
        n_tried=len(tried),
        n_without=len(rows) - len(tried),
        expected_by_luck=alpha * len(tried),
        found=tuple(sorted(gains, key=lambda one: (one.p_adjusted, -one.again))),
    )


def _p(row: EvidenceRow, half: int) -> float:
    """One-sided, of "no gain": Student's t with as many degrees as units that changed, less one.

    Three gains of three changes among many items are no proof, whatever the normal law says.
    """
    delta, error = row.halves[half]
    if not row.half_changes:
        return float(special.ndtr(-delta / error))
    df = row.half_changes[half] - 1
    return 1.0 if df < 1 else float(special.stdtr(df, -delta / error))
