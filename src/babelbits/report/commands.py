"""The commands that a report quotes, quoted for a POSIX shell."""

import shlex

from babelbits.report.input import StudySummary


def run(study: StudySummary) -> str:
    """Run what is missing; a finished study runs nothing."""
    return shlex.join(["babelbits", "run", study.study_file])


def show_cell(study: StudySummary, key: tuple[str, str, str], *, flips: bool = False) -> str:
    """Print the items of a cell; `key` is variant, suite, language."""
    variant, suite, language = key
    words = ["babelbits", "show", study.folder, "--variant", variant]
    words += ["--suite", suite, "--language", language]
    return shlex.join(words + (["--flips"] if flips else []))


def show_item(study: StudySummary, item_id: str) -> str:
    """Print one item under every variant."""
    return shlex.join(["babelbits", "show", study.folder, "--item", item_id])


def charts(study: StudySummary) -> str:
    """Write every chart as SVG and PNG."""
    return shlex.join(["babelbits", "report", study.folder, "--charts", "charts"])
