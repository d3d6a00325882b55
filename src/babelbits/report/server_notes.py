"""What a reader must know of served variants: who served them, and how they differ from themselves.

Nobody here can verify what a server ran. Its A/A cells ask the same again: what they score
otherwise is the server's own noise, and no harm. Pure.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from babelbits.analysis import CellResult
from babelbits.words import listed, plural


def find_endpoint(cell: CellResult) -> tuple[str, str] | None:
    """URL and model of the server that a cell was run by; None where it was run here."""
    variant = cell.meta.identity.get("variant")
    endpoint = variant.get("endpoint") if isinstance(variant, dict) else None
    if not isinstance(endpoint, dict):
        return None
    return str(endpoint["url"]), str(endpoint["model"])


def describe_servers(cells: Sequence[CellResult]) -> Iterator[str]:
    """A sentence for each server."""
    labels: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for cell in cells:
        if (found := find_endpoint(cell)) is not None:
            labels[found][cell.meta.variant] = None
    for (url, model), names in labels.items():
        yield (
            f"{listed(list(names))}: served by {url} as '{model}'. What ran there cannot be "
            "verified; it gave the same answers to fixed prompts before and after every cell."
        )


def describe_noise(cells: Sequence[CellResult], again: Sequence[CellResult]) -> Iterator[str]:
    """A sentence for each served variant that was asked twice: how many items came out otherwise.

    Parameters
    ----------
    cells, again : sequences of CellResult
        Of replicate 0 and 1.
    """
    first = {(one.meta.variant, one.meta.task.name): one for one in cells}
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for one in again:
        there = first.get((one.meta.variant, one.meta.task.name))
        if there is None:
            continue
        before = {row.item_id: _scored(row.scores) for row in there.rows}
        pairs = [(before[r.item_id], _scored(r.scores)) for r in one.rows if r.item_id in before]
        counts[one.meta.variant][0] += sum(a != b for a, b in pairs)
        counts[one.meta.variant][1] += len(pairs)
    for label, (changed, total) in counts.items():
        yield (
            f"{label}: asked the same again, it scored {changed:,} of {plural(total, 'item')} "
            "otherwise: the server's own noise."
        )


def _scored(scores: Mapping[str, float | None]) -> tuple[tuple[str, float | None], ...]:
    """Scores as far as they matter: bits to four places."""
    rounded = {k: None if v is None else round(v, 4) for k, v in scores.items()}
    return tuple(sorted(rounded.items()))
