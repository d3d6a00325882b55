"""Releases in a row: a file that remembers how each compared with the one before.

One JSON object a line: the release, the one before it, and for each benchmark the difference over
all languages with its signed z. `stats.monitoring` sums them up. Each benchmark has a sum of its
own, and the limit is set so that *any* of them raises a false alarm once in the stated number of
releases. Sign: harm is negative in deltas and z; the sum grows with harm.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from babelbits.errors import StudyError, TaskError
from babelbits.records import Effect
from babelbits.stats.monitoring import cumulate, limit_for, z_of
from babelbits.words import plural


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseStep:
    """A benchmark's difference between a release and the one before."""

    delta: float
    unit: str
    z: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One line of the file."""

    release: str
    previous: str
    steps: Mapping[str, ReleaseStep]
    """By benchmark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One benchmark over all releases."""

    suite: str
    total: float
    """The sum after the last release."""
    limit: float
    alarm: bool
    """Raised by the last release."""
    earlier_alarms: tuple[str, ...]
    n_releases: int
    """That this benchmark was part of."""


def make_release(
    effects: Sequence[Effect], *, primary: Mapping[str, str], release: str, previous: str
) -> Release:
    """A release as the file keeps it: its effects over all languages on primary metrics.

    Parameters
    ----------
    effects : sequence of Effect
        Of `release` against `previous`; a benchmark in one language counts by that language.
    """
    ours = [one for one in effects if primary.get(one.task) == one.metric]
    several = {one.task for one in ours if one.scope == "all"}
    whole = [
        one
        for one in ours
        if one.scope == "all" or (one.scope == "language" and one.task not in several)
    ]
    return Release(
        release=release,
        previous=previous,
        steps={
            one.task: ReleaseStep(
                delta=one.delta, unit=one.unit, z=z_of(one.inference.p_value, one.delta)
            )
            for one in whole
        },
    )


def read_history(path: Path) -> list[Release]:
    """Releases in the order of the file; none where there is no file yet.

    Raises
    ------
    TaskError
        If a line is no release.
    """
    if not path.is_file():
        return []
    releases = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            steps = {str(name): ReleaseStep(**step) for name, step in row["steps"].items()}
            releases.append(Release(release=row["release"], previous=row["previous"], steps=steps))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise TaskError(
                "no line of a history of releases",
                where=f"{path}:{number}",
                hint="`babelbits compare --history` writes this file; name a new one",
            ) from error
    return releases


def follow(history: Sequence[Release], one: Release) -> list[Release]:
    """The history with one more release; the last line is replaced if it is the same comparison.

    Raises
    ------
    StudyError
        If the release is not compared with the last one.
    """
    last = history[-1] if history else None
    if last is not None and (last.release, last.previous) == (one.release, one.previous):
        return [*history[:-1], one]
    if last is not None and last.release != one.previous:
        raise StudyError(
            f"the history ends with '{last.release}', and '{one.release}' is compared with "
            f"'{one.previous}'",
            hint=f"compare it with the release before it: {last.release}=... {one.release}=...",
        )
    return [*history, one]


def write_history(path: Path, history: Sequence[Release]) -> None:
    """One line a release."""
    lines = [json.dumps(asdict(one), ensure_ascii=False, allow_nan=False) for one in history]
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8", newline="\n")


def track_releases(history: Sequence[Release], *, length: float) -> tuple[Track, ...]:
    """Every benchmark's cumulative sum.

    Parameters
    ----------
    length : float
        Average number of releases until a false alarm in any of the benchmarks.
    """
    suites = tuple(dict.fromkeys(name for one in history for name in one.steps))
    if not suites:
        return ()
    limit = limit_for(length * len(suites))
    charts = []
    for suite in suites:
        asked = [one for one in history if suite in one.steps]
        chart = cumulate([one.steps[suite].z for one in asked], limit=limit)
        names = [asked[place].release for place in chart.alarms]
        now = bool(names) and names[-1] == history[-1].release
        charts.append(
            Track(
                suite=suite,
                total=chart.sums[-1],
                limit=limit,
                alarm=now,
                earlier_alarms=tuple(names[:-1] if now else names),
                n_releases=len(asked),
            )
        )
    return tuple(charts)


def describe_tracks(found: Sequence[Track], *, length: float) -> list[str]:
    """What the sums say, in words; the first line says how often an alarm is false."""
    said = [f"over releases: one false alarm in {length:g} on average where nothing gets worse"]
    for one in found:
        earlier = f"; alarms before: {', '.join(one.earlier_alarms)}" if one.earlier_alarms else ""
        word = "ALARM, quality is getting worse" if one.alarm else "no alarm"
        said.append(
            f"{one.suite}: {word} (sum of losses {one.total:.1f}, limit {one.limit:.1f}, "
            f"{plural(one.n_releases, 'release')}){earlier}"
        )
    return said
