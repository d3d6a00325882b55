"""Words around numbers that `analysis.format` does not know: bytes, margins, lists."""

from collections.abc import Sequence

from babelbits.analysis import format as numbers
from babelbits.records import Effect


def listed(names: Sequence[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else list(names))


def bytes_size(count: int) -> str:
    """Bytes in the largest decimal unit that leaves at least 1, e.g. '12.4 MB'."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.2f} TB"


def shared_margin(effects: Sequence[Effect]) -> str:
    """'2 points' when all effects have this margin, else ''."""
    margins = {(effect.margin, effect.unit) for effect in effects}
    [(margin, unit)] = margins if len(margins) == 1 else [(None, "")]
    return "" if margin is None else numbers.size(margin, unit)
