"""Paper B's tests as reported, and beside them what a paired analysis of the same items says.

    python examples/paper_b.py RUN_FOLDER

For every k-quant, task and language asked: each importance matrix against the English one, as a
Markdown page with every comparison. The last table, where there are draws, holds languages of the
matrix against draws of text.
"""

import sys
from pathlib import Path

from babelbits.report.paper_b import to_markdown
from babelbits.results.load import load_run

if __name__ == "__main__":
    print(to_markdown(load_run(Path(sys.argv[1]))), end="")
