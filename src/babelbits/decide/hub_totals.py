"""Totals as the hub keeps them (`.eval_results/*.yaml`) as evidence: points, and no test.

A total has no items, so a difference of two of them has no standard error: it is shown in tables
and pictures and never fitted. Sign: delta = variant - baseline; the files do not say which way a
score is better, and higher is taken for better. Values over 1 are taken for percent.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from babelbits.decide.evidence import EvidenceRow, Source
from babelbits.errors import StudyError
from babelbits.interop.readers import hub_results
from babelbits.interop.readers.naming import find_by_name
from babelbits.records import quantities
from babelbits.words import agreeing, listed, plural

_SHOWN = 4


def compare_totals(
    baseline: Path, variants: Mapping[str, Path], *, model: str
) -> tuple[Source, tuple[str, ...]]:
    """The differences of totals that both have, and what was left out or taken for granted.

    Parameters
    ----------
    baseline : Path
        `.eval_results`, a folder with it, or a file in it.
    variants : mapping
        Name to the same of a variant.
    model : str
        Its name.

    Raises
    ------
    StudyError
        If no total of a variant has a counterpart in a language that is known by the task's name.
    TaskError
        If a file cannot be read.
    """
    before = hub_results.read_totals(baseline)
    rows: list[EvidenceRow] = []
    lost: list[str] = []
    for name, path in variants.items():
        after = hub_results.read_totals(path)
        shared = [task for task in after if task in before]
        scale = 100.0 if any(max(before[one], after[one]) > 1 for one in shared) else 1.0
        for task in shared:
            place = find_by_name(task)
            if place is None:
                lost.append(task)
                continue
            rows.append(
                EvidenceRow(
                    model=model,
                    variant=name,
                    task=place.suite,
                    language=place.language,
                    unit="fraction",
                    delta=(after[task] - before[task]) / scale,
                    standard_error=None,
                    source=str(path),
                )
            )
        lost += [task for task in after if task not in before]
    if not rows:
        raise StudyError(
            "no total of a variant has a counterpart here in a language that its name tells",
            where=str(baseline),
            hint="both need the same task_id, e.g. mgsm_direct_sw",
        )
    notes = [
        (
            f"{plural(len(rows), 'difference')} of the hub's totals "
            f"{agreeing(len(rows), 'is', 'are')} shown and not fitted: a total has no items and so "
            "no standard error; higher is taken for better"
        )
    ]
    notes += _told(rows)
    if lost:
        names = list(dict.fromkeys(lost))
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        notes.append(f"totals without a counterpart or a language: {listed(names[:_SHOWN])}{more}")
    found = Source(name=str(baseline), rows=tuple(rows), models={model: ""}, measured_as={})
    return found, tuple(notes)


def _told(rows: Sequence[EvidenceRow]) -> list[str]:
    """The differences of each variant and task: 'w4 on mgsm: sw -9.0, ja +1.0 points'."""
    places: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        change = f"{row.language} {quantities.signed(row.delta, row.unit)}"
        places.setdefault((row.variant, row.task), []).append(change)
    unit = quantities.unit_word(rows[0].unit)
    return [
        f"{variant} on {task}: {', '.join(one)} {unit}" for (variant, task), one in places.items()
    ]
