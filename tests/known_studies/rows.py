"""A published number beside ours, and readers of the tables they stand in."""

import csv
import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One number that a study printed, and what our statistics make of its data."""

    study: str
    quantity: str
    published: float
    ours: float
    tolerance: float
    """Half a unit of the last printed digit, unless the study says more."""

    @property
    def agrees(self) -> bool:
        return abs(self.published - self.ours) <= self.tolerance * (1 + 1e-9)


def text(path: Path) -> list[str]:
    """Lines of a file, unpacked if it ends in .xz.

    Split at newlines only: prompts contain other line separators.
    """
    raw = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
    return [line for line in raw.decode("utf-8").split("\n") if line]


def table(path: Path) -> list[dict[str, str]]:
    """Rows of a .tsv or .csv file with a header; lines that begin with # are comments."""
    lines = [line for line in text(path) if not line.startswith("#")]
    return list(csv.DictReader(lines, delimiter="\t" if ".tsv" in path.name else ","))


def records(path: Path) -> Iterator[dict[str, Any]]:
    """Objects of a .jsonl file."""
    return map(json.loads, text(path))
