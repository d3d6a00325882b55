"""Which engine ran a cell and what it is compared with: the one place that says what follows.

A variant and its baseline in one engine differ by what was done to the weights. In two engines they
differ by the engine as well: the report says so, and the verdict stands, because the difference of
engines on one machine is measured or small. Where one of the two was served by somebody, server,
hardware and settings are not ours to know: such a variant is *apart*, has effects and no verdict.
Cells whose engine nobody wrote down (logs of other tools) are taken for those of one engine.
"""

from collections.abc import Iterable, Sequence

from babelbits.analysis.cells import BASELINE
from babelbits.analysis.results import Problem
from babelbits.records import CellMeta
from babelbits.words import agreeing, listed

SERVED = "endpoint"
"""Name of the engine that asks a server."""
APART = "engine and server differ"
"""Label of a variant that was served while its baseline was not, or the other way round."""


def find_variants_apart(metas: Iterable[CellMeta]) -> dict[str, str]:
    """Label of each variant without a verdict, to why.

    Parameters
    ----------
    metas : iterable of CellMeta
        Of a study's cells, the baselines' among them; finished or planned.
    """
    return {
        label: f"{APART}: {_who(ours)} ran it, and {_who(theirs)} its baseline"
        for label, ours, theirs in _engines(list(metas))
        if (ours == SERVED) != (theirs == SERVED)
    }


def _who(engine: str) -> str:
    return "a server" if engine == SERVED else engine


def list_questions(metas: Sequence[CellMeta]) -> list[tuple[str, str, str]]:
    """Variant, suite and language of all that a report has a verdict about.

    No baseline is a question, and no variant that is apart.
    """
    apart = find_variants_apart(metas)
    return [
        (one.variant, one.task.suite, one.task.language)
        for one in metas
        if not one.is_baseline and one.variant not in apart
    ]


def find_engine_differences(metas: Iterable[CellMeta]) -> list[Problem]:
    """Variants that two engines tell from their baseline, beside what was done to them."""
    metas = list(metas)
    groups: dict[tuple[str, str], list[str]] = {}
    for label, ours, theirs in _engines(metas):
        if ours != theirs and SERVED not in (ours, theirs):
            groups.setdefault((ours, theirs), []).append(label)
    told = [
        Problem(
            kind="engines_differ",
            severity="warning",
            message=f"{listed(labels)} ran in {ours}, the baseline that "
            f"{agreeing(len(labels), 'it is', 'they are')} compared with in {theirs}: what the "
            "engine changes and what quantization changes are not told apart",
            hint="set `baseline_by_engine = true` under [analysis], which is the default, and run "
            "the study again",
        )
        for (ours, theirs), labels in groups.items()
    ]
    for label, why in find_variants_apart(metas).items():
        told.append(
            Problem(
                kind="engines_differ",
                severity="warning",
                message=f"{label}: {why}; its differences are shown and have no verdict",
                hint="serve the baseline by the same server and compare with that",
                variant=label,
            )
        )
    return told


def _engines(metas: Sequence[CellMeta]) -> list[tuple[str, str, str]]:
    """Each variant with the engine that ran it and that of what it is compared with."""
    known: dict[str, str] = {}
    compared: dict[str, str] = {}
    for one in metas:
        if one.engine is not None:
            known.setdefault(one.variant, one.engine)
        if not one.is_baseline:
            compared.setdefault(one.variant, one.baseline)
    return [
        (label, known[label], known[baseline])
        for label, baseline in compared.items()
        if label in known and baseline in known
    ]


def map_baselines(metas: Iterable[CellMeta]) -> dict[str, str]:
    """Label of each variant to that of what it is compared with; a baseline has its own."""
    found: dict[str, str] = {}
    for one in metas:
        found.setdefault(one.variant, one.baseline)
    return found


def list_engine_baselines(metas: Iterable[CellMeta]) -> tuple[str, ...]:
    """Labels of the baselines that further engines have."""
    return tuple(
        label for label, its in map_baselines(metas).items() if label == its and label != BASELINE
    )
