"""What `babelbits compare` says beside verdicts: the worst language's bound, releases in a row."""

from pathlib import Path
from typing import TYPE_CHECKING

from babelbits.cli.console import data
from babelbits.errors import StudyError

if TYPE_CHECKING:
    from babelbits.results.results import Results


def bounds(found: "Results") -> list[str]:
    """One sentence a variant and benchmark with several languages."""
    from babelbits.report.joint_estimates_section import bound_sentence

    return [f"{one.variant}: {bound_sentence(one)}." for one in found.analysis.beside]


def remember(found: "Results", path: Path, *, previous: str, length: float) -> None:
    """Add the one variant to a history of releases, and say what the history shows.

    Raises
    ------
    StudyError
        If there are several variants, or the last release is another than the baseline.
    """
    from babelbits.decide.release_history import (
        follow,
        read_history,
        release_of,
        sentences,
        tracks,
        write_history,
    )
    from babelbits.report import views

    labels = list(dict.fromkeys(one.variant for one in found.analysis.effects))
    if len(labels) != 1:
        raise StudyError(
            f"a history has one release at a time; there are {len(labels)}",
            hint="babelbits compare PREVIOUS RELEASE --history FILE",
        )
    one = release_of(
        found.analysis.effects,
        primary=views.primary(found),
        release=labels[0],
        previous=previous,
    )
    history = follow(read_history(path), one)
    write_history(path, history)
    for sentence in sentences(tracks(history, length=length), length=length):
        data(sentence)
