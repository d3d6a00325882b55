"""How often the signs of a collapsed answer are wrong on text that people wrote.

    python bench/collapse.py NTREX_FOLDER [LANGUAGE ...]

Writes `src/babelbits/tasks/collapse/false_alarms.json`: for each language the texts, the false
alarms by sign, and the languages that the identifier does not tell apart. The texts are the
segments and the documents of NTREX-128 and, in its languages, the passages and the calibration
text of BabelMini. Counts only; no text is kept.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from babelbits.bundled import find_mini_folder
from babelbits.languages import resolve
from babelbits.records import TextRequest
from babelbits.tasks import catalogue
from babelbits.tasks.base import TaskOptions
from babelbits.tasks.collapse import human_text, signs
from babelbits.tasks.language_id import open_identifier
from babelbits.tasks.reading import read_jsonl

TABLE = Path(__file__).parent.parent / "src/babelbits/tasks/collapse" / human_text.FILE


def ntrex(folder: Path, language: str) -> Iterator[str]:
    """Segments, then documents."""
    for suite in ("ntrex-segments", "ntrex"):
        task = catalogue.load(suite, language, TaskOptions(data=folder))
        for item in task.items():
            yield from (ask.text for ask in item.requests if isinstance(ask, TextRequest))


def babelmini(language: str) -> Iterator[str]:
    """Passages and calibration text."""
    for kind in ("passages", "calibration"):
        file = find_mini_folder() / kind / f"{language}.jsonl"
        if file.is_file():
            yield from (" ".join(row["sentences"]) for row in read_jsonl(file))


def main(folder: Path, languages: list[str]) -> None:
    """Measure, say, and write."""
    identifier = open_identifier()
    found = {}
    for code in languages or catalogue.find_info("ntrex-segments").languages:
        texts = [*ntrex(folder, code), *babelmini(code)]
        measured = human_text.measure(texts, code, resolve(code).script, identifier)
        found[code] = human_text.to_row(measured)
        off = [sign for sign in measured.wrong if not measured.allows(sign)]
        print(code, measured.n_texts, measured.wrong, measured.not_told_apart, "OFF" if off else "")
    if not languages:
        rows = ",\n  ".join(f"{json.dumps(code)}: {json.dumps(row)}" for code, row in found.items())
        head = (
            f'"version": {signs.VERSION},\n "identifier": {json.dumps(identifier.recipe)},\n'
            ' "texts": "NTREX-128 segments and documents; BabelMini passages and calibration",\n'
        )
        TABLE.write_text(f'{{{head} "languages": {{\n  {rows}\n}}}}\n', "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
