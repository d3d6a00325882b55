"""The commands that a report quotes, quoted for a POSIX shell."""

import shlex

from babelbits.results.results import StudySummary


def run(study: StudySummary) -> str:
    """Run what is missing; a finished study runs nothing."""
    limit = [] if study.limit is None else ["--limit", str(study.limit)]
    stop = ["--early-stopping"] if study.early else []
    return shlex.join(["babelbits", "run", study.study_file, *limit, *stop])


def divergence(study: StudySummary, *, top: int | None = None) -> str:
    """Measure how far the variants' distributions are from the baseline's."""
    limit = [] if study.limit is None else ["--limit", str(study.limit)]
    kept = [] if top is None else ["--top", str(top)]
    return shlex.join(["babelbits", "kl", study.study_file, *limit, *kept])


def speed(study: StudySummary) -> str:
    """Measure memory and speed of the variants that are made."""
    return shlex.join(["babelbits", "speed", study.study_file])


def _kind(study: StudySummary) -> list[str]:
    """Which of the results that a run folder keeps apart."""
    return (["--smoke"] if study.smoke else []) + (["--early-stopping"] if study.early else [])


def show_cell(study: StudySummary, key: tuple[str, str, str]) -> str:
    """Print the items of a cell; `key` is variant, suite, language."""
    variant, suite, language = key
    words = ["babelbits", "show", study.folder, "--variant", variant]
    return shlex.join([*words, "--suite", suite, "--language", language, *_kind(study)])


def charts(study: StudySummary) -> str:
    """Write every chart as SVG and PNG."""
    return shlex.join(["babelbits", "report", study.folder, "--charts", "charts", *_kind(study)])
