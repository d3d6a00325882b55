"""Known studies beside ours: prints each published number and what our statistics make of it.

    python bench/known_studies.py            a summary a study, and every number that disagrees
    python bench/known_studies.py --all      every number

The votes and tables of MT-Bench, AlpacaEval and Arena-Hard are read from the folder
that BABELBITS_SHARED_DATA names (default: ../shared/data); without it only the typed-in studies
are shown.
"""

import argparse
import os
import sys
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT / "tests")  # instead of bench/, where this file has the same name

from known_studies import judges, papers  # noqa: E402
from known_studies.rows import Row  # noqa: E402


def main() -> None:
    """Print all studies."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--all", action="store_true", help="print every number")
    show_all = parser.parse_args().all
    data = Path(os.environ.get("BABELBITS_SHARED_DATA", ROOT.parent / "shared" / "data"))
    rows = papers.all_rows()
    if data.is_dir():
        rows += judges.all_rows(data)
    else:
        print(f"no folder {data}: showing the typed-in studies only\n")
    for study, group in groupby(rows, key=lambda row: row.study):
        print_study(study, list(group), show_all=show_all)


def print_study(study: str, rows: list[Row], *, show_all: bool) -> None:
    """Print one study: a summary, what disagrees, and some or all numbers."""
    agree = sum(row.agrees for row in rows)
    worst = max(abs(row.published - row.ours) for row in rows)
    print(f"{study}: {agree} of {len(rows)} agree, largest difference {worst:.2g}")
    shown = rows if show_all else [r for r in rows if not r.agrees] + rows[:4]
    print(f"  {'published':>12}  {'ours':>12}")
    for row in shown:
        mark = " " if row.agrees else "!"
        print(f"{mark} {row.published:12.6g}  {row.ours:12.6g}  {row.quantity}")
    print()


if __name__ == "__main__":
    main()
