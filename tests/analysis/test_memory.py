"""Memory that a comparison of a million items takes, by the kernel's own account of a process.

Linux's `ru_maxrss` is in KiB, and that of a new process is at least what its parent took: so a
small process starts the command and says what it took.
"""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

LANGUAGES = ("en", "de", "fr", "es", "it", "ja", "zh", "sw", "hi", "ar")
ROWS = int(os.environ.get("BABELBITS_ROWS", "200000"))
"""Of each table; BABELBITS_ROWS=1000000 takes five minutes."""
MOST = 150_000_000 + 850 * ROWS
"""Bytes: libraries, and what makes a gigabyte of a million rows."""

MEASURE = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=False)
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""


def table(path: Path, *, right: float, seed: int) -> Path:
    """Rows of item_id, language and score; scores are 0 or 1."""
    rng = random.Random(seed)
    with path.open("w") as stream:
        stream.write("item_id,language,score\n")
        for language in LANGUAGES:
            for item in range(ROWS // len(LANGUAGES)):
                stream.write(f"q{item},{language},{int(rng.random() < right)}\n")
    return path


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has another unit elsewhere")
def test_a_comparison_takes_less_than_a_gigabyte_for_a_million_items(tmp_path: Path) -> None:
    """By hand: with an object and a row for each item these alone were 800 bytes a row."""
    baseline = table(tmp_path / "fp16.csv", right=0.70, seed=1)
    variant = table(tmp_path / "w4.csv", right=0.69, seed=2)
    command = [sys.executable, "-m", "babelbits", "compare", str(baseline), str(variant)]
    found = subprocess.run(
        [sys.executable, "-c", MEASURE, *command],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    code, peak = map(int, found.stdout.split())
    assert code == 0, found.stderr
    assert f"w4: {ROWS:,} of {ROWS:,} items matched, in 10 tasks" in found.stderr
    assert peak < MOST
