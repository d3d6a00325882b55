"""FLORES as its archive lays it out, with sentences of a test's own."""

from collections.abc import Sequence
from pathlib import Path


def archive(folder: Path, **texts: Sequence[str]) -> Path:
    """The layout of the FLORES-200 archive; dev has the same sentences backwards."""
    for split, step in (("dev", -1), ("devtest", 1)):
        place = folder / "flores200_dataset" / split
        place.mkdir(parents=True, exist_ok=True)
        for code, lines in texts.items():
            (place / f"{code}.{split}").write_text("\n".join(lines[::step]) + "\n", "utf-8")
    return folder
