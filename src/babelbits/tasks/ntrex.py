"""Where NTREX-128 keeps a language: github.com/MicrosoftTranslator/NTREX, NTREX-128/.

English is the source (`newstest2019-src.eng.txt`), all others are translations of it.
"""

from pathlib import Path

from babelbits.errors import TaskError
from babelbits.tasks.reading import read_lines
from babelbits.words import plural

DOCUMENT_IDS = "DOCUMENT_IDS.tsv"
"""A line a segment: which news story it is from."""


def expected_ntrex_file(folder: Path, code: str) -> Path:
    """Where upstream keeps a language of its code."""
    return folder / f"newstest2019-{'src' if code == 'eng' else 'ref'}.{code}.txt"


def ntrex_file(folder: Path, code: str) -> Path | None:
    """The file of upstream's code, packed or not; None where the folder has none."""
    for kind in ("src", "ref"):
        name = f"newstest2019-{kind}.{code}.txt"
        for path in (folder / name, folder / f"{name}.xz"):
            if path.is_file():
                return path
    return None


def document_ids(folder: Path, expected: int) -> list[str]:
    """The document of every segment.

    Raises
    ------
    TaskError
        If the file is missing or does not have `expected` lines.
    """
    path = folder / DOCUMENT_IDS
    names = [line.partition("\t")[0] for line in read_lines(path)]
    if len(names) != expected:
        raise TaskError(
            f"{plural(len(names), 'document id')} for {plural(expected, 'segment')}",
            where=str(path),
        )
    return names
