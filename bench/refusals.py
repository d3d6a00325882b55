"""How often the phrases of refusals stand in text that people wrote and that refuses nothing.

    python bench/refusals.py NTREX_FOLDER

Segments and documents of NTREX-128, and BabelMini, in the languages that have a list. Counts only.
"""

import sys
from pathlib import Path

from collapse import babelmini, ntrex

from babelbits.tasks.refusal.detect import find_refusal
from babelbits.tasks.refusal.phrases import REFUSALS


def main(folder: Path) -> None:
    """Count, and say."""
    totals = [0, 0]
    for code in REFUSALS:
        texts = [*ntrex(folder, code), *babelmini(code)]
        wrong = sum(find_refusal(text, code) is not None for text in texts)
        totals = [totals[0] + len(texts), totals[1] + wrong]
        print(f"{code}: {wrong} of {len(texts)}")
    print(f"all: {totals[1]} of {totals[0]}, {totals[1] / totals[0]:.3%}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
