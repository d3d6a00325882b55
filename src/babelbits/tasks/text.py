"""Log-likelihood of parallel text: bits per byte, and bits per unit of meaning.

Bits per byte compares a variant with its baseline. Across languages bytes are not comparable (a
Thai letter takes three, a Latin one one), but an aligned segment says the same in all of them, so
bits per unit is: the bits that the model needs for one aligned segment or passage.

Bits per byte of a language are all its bits over all its bytes, as everybody means it, so that a
long document counts for more than a short one. The mean over documents has a name of its own.

The items are passages (BabelMini), segments or whole documents in their order (NTREX-128).
"""

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import cast

from babelbits.languages import resolve
from babelbits.records import Item, Metric, Outcome, Reply, Request, TextRequest, TextScore
from babelbits.tasks.jsonl_task import OwnTask, make_missing_error
from babelbits.tasks.reading import Row, read_lines, text_field
from babelbits.tasks.translation.data import (
    DOCUMENT_IDS,
    find_ntrex_file,
    name_ntrex_file,
    read_document_ids,
)

_UNSPACED = ("Jpan", "Hans", "Hant")
"""Scripts that put nothing between two sentences."""


class TextTask(OwnTask):
    """Whole texts; a row is `{"source_id", "text", "units"}` once read."""

    metrics = (
        Metric(
            name="bits_per_byte",
            kind="real",
            higher_is_better=False,
            unit="bits/byte",
            corpus="ratio",
        ),
        Metric(name="mean_bits_per_byte", kind="real", higher_is_better=False, unit="bits/byte"),
        Metric(name="bits_per_unit", kind="real", higher_is_better=False, unit="bits/unit"),
    )
    output_type = "text"
    scorer_version = "text 2"

    def rows(self) -> list[tuple[str, Row]]:
        """Passages of a JSONL file, or lines of a text file, as rows of one shape."""
        file = self.file()
        if ".jsonl" in file.suffixes:
            return [(where, self._passage(row, where)) for where, row in super().rows()]
        lines = read_lines(file)
        by_document = self.suite.name == "ntrex"
        names = read_document_ids(self.folder, len(lines)) if by_document else _numbers(lines)
        rows = _documents(names, lines)
        if self.suite.name == "ntrex-segments" and (self.folder / DOCUMENT_IDS).is_file():
            documents = read_document_ids(self.folder, len(lines))
            rows = [{**row, "cluster_id": name} for row, name in zip(rows, documents, strict=True)]
        return [(f"{file}: {row['source_id']}", row) for row in rows]

    def file(self) -> Path:
        """The language's file; upstream's own file name first."""
        if self.language in self.suite.upstream:
            file = find_ntrex_file(self.folder, self.suite.upstream[self.language])
            if file is not None:
                return file
            expected = name_ntrex_file(self.folder, self.suite.upstream[self.language])
            raise make_missing_error(
                self.suite.name, self.language, self.folder, (), expected=expected
            )
        return super().file()

    def build(self, row: Row, where: str) -> tuple[Sequence[Request], str]:
        """The text itself; there is no answer, so there is no target."""
        return (TextRequest(text=text_field(row, "text", where)),), ""

    def kept(self, row: Row) -> Row:
        """How many aligned units the text has; the text is in the request."""
        return {"units": row["units"]}

    def judge(self, item: Item, replies: Sequence[Reply]) -> Outcome:
        """Bits over bytes and over aligned units; bits and bytes for the total."""
        reply = cast(TextScore, replies[0])
        bits = -math.fsum(reply.logprobs) / math.log(2)
        each = bits / reply.n_bytes
        return Outcome(
            output="",
            scores={
                "bits_per_byte": each,
                "mean_bits_per_byte": each,
                "bits_per_unit": bits / item.doc["units"],
            },
            statistics={"bits_per_byte": (bits, float(reply.n_bytes))},
        )

    def _passage(self, row: Row, where: str) -> Row:
        sentences = row.get("sentences")
        if isinstance(sentences, list) and all(isinstance(one, str) for one in sentences):
            separator = "" if resolve(self.language).script in _UNSPACED else " "
            text = separator.join(sentences)
        else:
            text = text_field(row, "text", where)
        shared = {name: row[name] for name in ("cluster_id",) if name in row}
        return {"source_id": row.get("source_id"), "text": text, "units": 1, **shared}


def _numbers(lines: Sequence[str]) -> list[str]:
    return [str(number) for number in range(1, len(lines) + 1)]


def _documents(names: Iterable[str], lines: Iterable[str]) -> list[Row]:
    """Runs of lines with the same name, joined by newlines."""
    rows = []
    for name, group in groupby(zip(names, lines, strict=True), key=lambda pair: pair[0]):
        segments = [line for _, line in group]
        rows.append({"source_id": name, "text": "\n".join(segments), "units": len(segments)})
    return rows
