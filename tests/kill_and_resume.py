"""Run a study, killing it at random moments, and check what each kill left.

Also a program: python tests/study/kill_and_resume.py STUDY KILLS SECONDS
"""

import json
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from babelbits.store import Store


@dataclass(frozen=True)
class Session:
    """One run of the command."""

    killed: bool
    recorded_before: int
    recorded_after: int
    computed: int | None
    """What the command itself said it computed; None if it was killed."""


def journals(folder: Path) -> dict[Path, bytes]:
    """Bytes of all journals and finished cells."""
    return {p: p.read_bytes() for p in sorted(folder.glob("**/cells/*/*")) if p.is_file()}


def recorded_items(folder: Path, *, smoke: bool, early: bool = False) -> int:
    """Items that are durably recorded, over all cells."""
    store = Store(folder, smoke=smoke, early=early)
    return sum(store.status(meta).n_recorded for meta in store.planned())


def check_nothing_was_rewritten(before: dict[Path, bytes], after: dict[Path, bytes]) -> None:
    """A journal only grows (or became a finished cell); a finished cell stays as it is."""
    for path, old in before.items():
        if path.name == "journal.jsonl" and path in after:
            whole = old[: old.rfind(b"\n") + 1]
            assert after[path].startswith(whole), path
        elif path.name == "journal.jsonl":
            assert (path.parent / "DONE") in after, path
        elif path.name in ("DONE", "items.parquet") and (path.parent / "DONE") in before:
            assert after[path] == old, path


def run_killed(
    study: Path,
    folder: Path,
    *,
    kills: int,
    longest: float,
    seed: int,
    smoke: bool,
    options: tuple[str, ...] = (),
) -> list[Session]:
    """Kill the run `kills` times after random delays, counted from its first new record."""
    delays = random.Random(seed)
    command = [sys.executable, "-m", "babelbits.cli.main", "run", str(study), "--no-report"]
    command += options
    early = "--early-stopping" in options
    sessions = []
    while True:
        kill = len(sessions) < kills
        before = journals(folder)
        had = recorded_items(folder, smoke=smoke, early=early)
        child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        if kill:
            while child.poll() is None and recorded_items(folder, smoke=smoke, early=early) == had:
                time.sleep(0.2)
            time.sleep(delays.uniform(0, longest))
            child.send_signal(signal.SIGKILL)
        talk = child.communicate()[1]
        check_nothing_was_rewritten(before, journals(folder))
        said = re.search(r"computed ([\d,]+) items?", talk)
        sessions.append(
            Session(
                killed=child.returncode == -signal.SIGKILL,
                recorded_before=had,
                recorded_after=recorded_items(folder, smoke=smoke, early=early),
                computed=int(said[1].replace(",", "")) if said else None,
            )
        )
        if not sessions[-1].killed:
            assert child.returncode == 0, talk
            return sessions


def results(folder: Path, *, smoke: bool, early: bool = False) -> str:
    """All rows of all cells as one JSON text."""
    store = Store(folder, smoke=smoke, early=early)
    return json.dumps(
        {
            meta.cell_id: [[row.item_id, row.output, dict(row.scores)] for row in rows]
            for meta, rows in store.cells()
        },
        sort_keys=True,
    )


if __name__ == "__main__":
    from babelbits.study import load

    loaded = load(Path(sys.argv[1]))
    for session in run_killed(
        Path(sys.argv[1]),
        loaded.folder,
        kills=int(sys.argv[2]),
        longest=float(sys.argv[3]),
        seed=1,
        smoke=loaded.smoke,
    ):
        print(session)
