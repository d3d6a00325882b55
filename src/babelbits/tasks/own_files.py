"""Somebody's own benchmark: a table a language, named by one template, without any code.

`questions_{language}.csv` stands for the files of all languages; the braces hold any usual form of
a language's code. Columns say what is asked: `question`, `choices` and `answer` make a choice among
letters, `prompt` and `reference` a short answer. Tables are CSV, TSV or JSONL, in UTF-8.

A choice is scored as MMLU is: the letter that the model finds likeliest after "Answer:"; a tie is
wrong. A short answer is right if its first line is a reference, whatever the case, the width of
characters, and the punctuation around it (NFKC, casefold).
"""

import csv
import io
import json
import re
import string
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from babelbits.errors import TaskError, UnknownNameError
from babelbits.languages import resolve
from babelbits.records import (
    GenerateRequest,
    Generation,
    Item,
    Metric,
    Outcome,
    Reply,
    Request,
    Score,
    ScoreRequest,
    TaskInfo,
)
from babelbits.tasks.base import TaskOptions
from babelbits.tasks.jsonl_task import OwnTask
from babelbits.tasks.reading import Row, read_jsonl, read_text
from babelbits.tasks.suites.info import SuiteInfo

PLACE = "{language}"
ENDINGS = (".csv", ".tsv", ".jsonl")
LETTERS = string.ascii_uppercase
ANSWER_WORD = "Answer:"
_BETWEEN = "|"
"""Between choices, or references, that stand in one cell of a table."""
_SHORTEST, _LONGEST = 24, 512
"""Tokens that an answer may have: twice its longest reference's bytes, within these."""


def is_template(path: Path) -> bool:
    """Whether a path stands for a file a language."""
    return PLACE in path.name and path.suffix in ENDINGS


def find_files(template: Path) -> Mapping[str, Path]:
    """Canonical code to file, for every file that there is.

    Raises
    ------
    TaskError
        If there is no such folder, or two files are of one language.
    """
    home = template.parent
    if not home.is_dir():
        raise TaskError("there is no such folder", where=str(home))
    before, _, after = template.name.partition(PLACE)
    pattern = re.compile(re.escape(before) + r"([A-Za-z0-9_-]+)" + re.escape(after))
    found: dict[str, Path] = {}
    for path in sorted(home.iterdir()):
        match = pattern.fullmatch(path.name)
        if match is None or not path.is_file():
            continue
        try:
            code = resolve(match[1]).code
        except UnknownNameError:
            continue
        if code in found:
            raise TaskError(
                f"two files are of {code}: {found[code].name} and {path.name}", where=str(home)
            )
        found[code] = path
    return found


# --- reading -----------------------------------------------------------------------------------


def read_rows(path: Path) -> list[Row]:
    """Rows of a table, with the names of its columns in lower case.

    Raises
    ------
    TaskError
        If it cannot be read, has no row, or a row has other columns than the head.
    """
    rows = read_jsonl(path) if path.suffix == ".jsonl" else list(_table(path))
    if not rows:
        raise TaskError("there is no row", where=str(path))
    return [{name.strip().lower(): value for name, value in row.items()} for row in rows]


def _table(path: Path) -> Iterator[Row]:
    delimiter = "\t" if path.suffix == ".tsv" else ","
    text = read_text(path)
    first = text.partition("\n")[0]
    if delimiter == "," and ";" in first and "," not in first:
        delimiter = ";"  # as spreadsheets write where a comma stands in numbers
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if None in row or None in row.values():
                raise TaskError(
                    "a row has other columns than the head",
                    where=f"{path}:{reader.line_num}",
                    hint="quote cells that hold the delimiter or a line's end",
                )
            yield row
    except csv.Error as error:
        raise TaskError(f"no readable table: {error}", where=f"{path}:{reader.line_num}") from error


def parse_choices(row: Row, where: str) -> list[str]:
    """The choices of a row: a list, a JSON list in a cell, or cells with '|' between them.

    Raises
    ------
    TaskError
        If there are fewer than two, more than letters, an empty one, or two alike.
    """
    given = row.get("choices")
    if isinstance(given, str) and given.lstrip().startswith("["):
        try:
            given = json.loads(given)
        except ValueError as error:
            raise TaskError(f"'choices' is no list: {error}", where=where) from error
    if isinstance(given, str):
        given = given.split(_BETWEEN)
    if not isinstance(given, list) or not all(isinstance(one, str | int | float) for one in given):
        raise TaskError("'choices' is no list of texts", where=where, hint='e.g. "red|green"')
    found = [str(one).strip() for one in given]
    if not 2 <= len(found) <= len(LETTERS) or not all(found) or len(set(found)) < len(found):
        raise TaskError(f"'choices' must be 2 to 26 different texts: {found}", where=where)
    return found


def find_gold(row: Row, choices: Sequence[str], where: str) -> int:
    """Which choice is right: its text, else its letter.

    Raises
    ------
    TaskError
        If it is neither.
    """
    answer = str(row.get("answer", "")).strip()
    if answer in choices:
        return list(choices).index(answer)
    if len(answer) == 1 and answer.upper() in LETTERS[: len(choices)]:
        return LETTERS.index(answer.upper())
    last = LETTERS[len(choices) - 1]
    raise TaskError(
        f"the answer {answer!r} is no choice",
        where=where,
        hint=f"write its text, or its letter: A to {last}",
    )


def parse_references(row: Row, where: str) -> list[str]:
    """The right answers of a row: a list, or a cell with '|' between them.

    Raises
    ------
    TaskError
        If there is none.
    """
    given = row.get("reference")
    texts = given if isinstance(given, list) else str(given or "").split(_BETWEEN)
    found = [str(one).strip() for one in texts if str(one).strip()]
    if not all(map(simplify_text, found)) or not found:
        raise TaskError("'reference' is empty, or nothing but punctuation", where=where)
    return found


def simplify_text(text: str) -> str:
    """A text as it is compared: NFKC, casefold, single spaces, no punctuation around it."""
    words = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    start, stop = 0, len(words)
    while start < stop and _is_around(words[start]):
        start += 1
    while stop > start and _is_around(words[stop - 1]):
        stop -= 1
    return words[start:stop]


def _is_around(character: str) -> bool:
    """Punctuation and spaces; signs and currencies are part of an answer."""
    return unicodedata.category(character)[0] in "PZ" and character not in "-−%"


# --- the tasks ---------------------------------------------------------------------------------


class OwnFile(OwnTask):
    """What the kinds share: rows from the file of a language."""

    def __init__(self, suite: SuiteInfo, language: str, options: TaskOptions) -> None:
        if options.data is None:
            raise TypeError("a benchmark of one's own has a template")
        super().__init__(suite, language, options, folder=options.data.parent)
        self.template = options.data

    def rows(self) -> list[tuple[str, Row]]:
        """Place and content of every row; a row without an id is called by its number."""
        path = find_files(self.template)[self.language]
        return [
            (f"{path}: row {number}", {"source_id": str(row.get("id") or number), **row})
            for number, row in enumerate(read_rows(path), start=1)
        ]

    def _origin(self) -> str:
        return f"local files {self.template.name}"


class ChoiceTask(OwnFile):
    """`question, choices, answer`: the likeliest letter after the choices."""

    metrics = (Metric(name="acc", kind="binary"),)
    output_type = "choice"
    scorer_version = "own choices 1: likeliest letter"

    @property
    def info(self) -> TaskInfo:
        """As of every task; the chance of a guess is the mean over the items."""
        items = self.items()
        chance = sum(1 / len(item.requests) for item in items) / len(items)
        metric = replace(self.metrics[0], chance=chance)
        return replace(super().info, metrics=(metric,))

    def build(self, row: Row, where: str) -> tuple[Sequence[Request], str]:
        """The question with lettered choices, once for each letter; the right text."""
        choices = parse_choices(row, where)
        question = str(row.get("question", "")).strip()
        if not question:
            raise TaskError("'question' is empty", where=where)
        lines = [f"{letter}. {text}" for letter, text in zip(LETTERS, choices, strict=False)]
        prompt = "\n".join([question, *lines, ANSWER_WORD])
        requests = [
            ScoreRequest(context=prompt, continuation=f" {letter}")
            for letter in LETTERS[: len(choices)]
        ]
        return requests, choices[find_gold(row, choices, where)]

    def judge(self, item: Item, replies: Sequence[Reply]) -> Outcome:
        """1 where the right letter is likelier than every other."""
        values = [cast(Score, one).logprob for one in replies]
        choices = parse_choices(cast(Row, item.doc), "")
        best = max(range(len(values)), key=values.__getitem__)
        gold = choices.index(item.target)
        right = best == gold and values.count(values[gold]) == 1
        return Outcome(
            output=choices[best],
            scores={"acc": float(right)},
            choice_logprobs=tuple(values),
        )


class AnswerTask(OwnFile):
    """`prompt, reference`: the first line of what the model writes."""

    metrics = (Metric(name="exact_match", kind="binary"),)
    output_type = "generation"
    scorer_version = "own answers 1: first line, NFKC, casefold, punctuation around it"

    def build(self, row: Row, where: str) -> tuple[Sequence[Request], str]:
        """The prompt as it stands; the first reference."""
        prompt = str(row.get("prompt", ""))
        if not prompt.strip():
            raise TaskError("'prompt' is empty", where=where)
        references = parse_references(row, where)
        longest = max(len(one.encode()) for one in references)
        limit = min(max(2 * longest, _SHORTEST), _LONGEST)
        return (GenerateRequest(prompt=prompt, max_new_tokens=limit, stop=("\n",)),), references[0]

    def judge(self, item: Item, replies: Sequence[Reply]) -> Outcome:
        """1 where the first line that says something is a reference."""
        reply = cast(Generation, replies[0])
        text = reply.texts[0]
        first = next((line for line in text.splitlines() if line.strip()), "")
        wanted = {simplify_text(one) for one in parse_references(cast(Row, item.doc), "")}
        return Outcome(
            output=text,
            scores={"exact_match": float(simplify_text(first) in wanted)},
            finish_reason=reply.finish_reasons[0],
        )
