"""What a file of one's own asks, by its columns: a choice, an answer, refusals, instructions.

A kind is a set of columns and the task that asks them. The columns of one file decide; that all
files of a template ask the same is told by `own_checks`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from babelbits.errors import TaskError
from babelbits.records import Item
from babelbits.tasks.base import Task, TaskOptions
from babelbits.tasks.instructions.instructions_task import InstructionsTask
from babelbits.tasks.own_files import (
    PLACE,
    AnswerTask,
    ChoiceTask,
    OwnFile,
    find_files,
    parse_choices,
    read_rows,
)
from babelbits.tasks.reading import Row
from babelbits.tasks.refusal.refusal_task import RefusalTask
from babelbits.tasks.suites.info import SuiteInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnKind:
    """A way to ask the rows of a file."""

    asks: str
    """For people: 'a short answer'."""
    columns: frozenset[str]
    """That a file must have."""
    task: type[OwnFile]
    metric: str
    """As `SuiteInfo.metric`."""

    @property
    def chooses(self) -> bool:
        """Whether the model only scores what it is given."""
        return self.task is ChoiceTask

    def said(self, items: Sequence[Item]) -> str:
        """What it asks of these items: 'a choice of 4', 'a choice of 2 to 5', 'a short answer'."""
        if not self.chooses:
            return self.asks
        counts = sorted({len(item.requests) for item in items})
        ends = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        return f"{self.asks} of {ends}"


KINDS = (
    OwnKind(
        asks="a choice",
        columns=frozenset({"question", "choices", "answer"}),
        task=ChoiceTask,
        metric="accuracy",
    ),
    OwnKind(
        asks="whether it refuses",
        columns=frozenset({"prompt", "should"}),
        task=RefusalTask,
        metric="share refused",
    ),
    OwnKind(
        asks="instructions to follow",
        columns=frozenset({"prompt", "instruction_id_list", "kwargs"}),
        task=InstructionsTask,
        metric="prompts followed",
    ),
    OwnKind(
        asks="instructions to follow",
        columns=frozenset({"turn_1_prompt", "turn_1_instruction_id_list", "turn_1_kwargs"}),
        task=InstructionsTask,
        metric="prompts followed",
    ),
    OwnKind(
        asks="a short answer",
        columns=frozenset({"prompt", "reference"}),
        task=AnswerTask,
        metric="exact match",
    ),
)
"""In the order in which columns are looked for."""
_FORMS = (
    "question, choices, answer; prompt, reference; prompt, should; "
    "or prompt, instruction_id_list, kwargs"
)


def find_kind(columns: set[str], where: str) -> OwnKind:
    """What rows ask.

    Raises
    ------
    TaskError
        If they have the columns of no kind.
    """
    for kind in KINDS:
        if columns >= kind.columns:
            return kind
    raise TaskError(
        f"the columns are {', '.join(sorted(columns))}", where=where, hint=f"needed: {_FORMS}"
    )


def make_suite(name: str, template: Path) -> SuiteInfo:
    """What a template's suite is: its languages, and what it asks, as the first file says.

    Raises
    ------
    TaskError
        If there is no file, or its columns are none of ours.
    """
    files = find_files(template)
    if not files:
        raise TaskError(
            f"there is no file for {template.name}",
            where=str(template.parent),
            hint=f"e.g. {template.name.replace(PLACE, 'nb')}",
        )
    rows = {code: read_rows(path) for code, path in files.items()}
    path, first = next(iter(files.values())), next(iter(rows.values()))
    kind = find_kind(set(first[0]), str(path))
    choices = _only_count(first, path) if kind.chooses else None
    return SuiteInfo(
        name=name,
        languages=tuple(files),
        summary=f"your own: {template.name}",
        generates=not kind.chooses,
        licence="unknown",
        parallel=_is_parallel(rows),
        choices=choices,
        chance=None if choices is None else 1 / choices,
        metric=kind.metric,
        cluster_columns=("cluster_id",),
    )


def load(suite: SuiteInfo, language: str, options: TaskOptions) -> Task:
    """A benchmark of one's own in one language, which its file's columns say how to ask.

    Raises
    ------
    TaskError
        If the file cannot be read, or has the columns of no kind.
    """
    if options.data is None:
        raise TypeError("a benchmark of one's own has a template")
    path = find_files(options.data)[language]
    kind = find_kind(set(read_rows(path)[0]), str(path))
    return kind.task(suite, language, options)


def _only_count(rows: Sequence[Row], path: Path) -> int | None:
    """How many choices every row has; None where they differ."""
    counts = {len(parse_choices(row, f"{path}: row {n}")) for n, row in enumerate(rows, start=1)}
    return counts.pop() if len(counts) == 1 else None


def _is_parallel(rows: Mapping[str, Sequence[Row]]) -> bool:
    return all("id" in one[0] for one in rows.values())
