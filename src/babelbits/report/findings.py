"""What decisions rest on, from a `ReportInput`: the analysis, the plan, and how large variants are.

The page and the commands that decide take the same road, so that they cannot differ.
"""

import tomllib
from collections.abc import Mapping

from babelbits.compare import BASELINE
from babelbits.compare.findings import Findings
from babelbits.compare.recommend import Size
from babelbits.languages import groups
from babelbits.report.input import ReportInput
from babelbits.study.claims import claimed_in


def findings(found: ReportInput) -> Findings:
    """The analysis, and the cells of the plan that it lacks."""
    tasks = {cell.meta.task.suite: cell.meta.task for cell in found.cells}
    places = [(cell.meta.task.suite, cell.meta.task.language) for cell in found.cells]
    places += [(one.suite, one.language) for one in found.open_cells]
    languages: dict[str, dict[str, None]] = {}
    for suite, language in places:
        languages.setdefault(suite, {})[language] = None
    labels = [cell.meta.variant for cell in found.cells]
    labels += [*found.manifests, *(one.variant for one in found.open_cells)]
    codes = dict.fromkeys(code for here in languages.values() for code in here)
    # An A/A cell that is open says nothing against the baseline's own cell.
    have = {(one.meta.variant, one.meta.task.suite, one.meta.task.language) for one in found.cells}
    study = tomllib.loads(found.study.text)
    return Findings(
        analysis=found.analysis,
        primary={suite: task.metric(task.primary) for suite, task in tasks.items()},
        languages={suite: tuple(here) for suite, here in languages.items()},
        variants=tuple(label for label in dict.fromkeys(labels) if label != BASELINE),
        groups=groups(codes, user=study.get("groups", {}), claimed=claimed_in(study)),
        alpha=found.study.alpha,
        gaps={
            (one.variant, one.suite, one.language): f"{one.state}, {one.reason}"
            for one in found.open_cells
            if (one.variant, one.suite, one.language) not in have
        },
    )


def sizes(found: ReportInput) -> Mapping[str, Size]:
    """Label to size, of the variants that have a manifest; the baseline's too."""
    return {
        label: Size(bytes_on_disk=one.bytes_on_disk, bits_per_weight=one.bits_per_weight)
        for label, one in found.manifests.items()
    }
