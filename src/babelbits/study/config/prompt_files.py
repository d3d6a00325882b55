"""A file of prompts in many languages becomes the folder of data that a task reads.

One JSON object a line: `{"id": "7", "language": "nb", "prompt": "..."}`. Prompts that are
translations of each other share an id. The copy lies in the run folder, by the hash of its content,
so that one can see later what was asked.
"""

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

from babelbits.errors import StudyError, TaskError, UnknownNameError
from babelbits.languages import resolve
from babelbits.records import canonical_json, digest
from babelbits.store.atomic import write_atomically
from babelbits.study.config.spec import Study, SuiteSpec
from babelbits.tasks import catalogue
from babelbits.tasks.base import TaskOptions
from babelbits.tasks.open_prompts import OpenPromptsOptions
from babelbits.tasks.reading import Row, read_jsonl, text_field

OPEN_PROMPTS = "open-prompts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """Prompts by language."""

    rows: dict[str, tuple[Row, ...]]
    """Canonical code to `{"source_id", "prompt"}`."""

    @property
    def languages(self) -> tuple[str, ...]:
        """In the order of the file."""
        return tuple(self.rows)

    def write(self, parent: Path) -> Path:
        """Write one file a language to a folder in `parent`; returns the folder.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        folder = parent / digest({code: list(rows) for code, rows in self.rows.items()})
        for code, rows in self.rows.items():
            lines = "".join(f"{canonical_json(row)}\n" for row in rows)
            write_atomically(folder / f"{code}.jsonl", lines.encode())
        return folder


def read_prompts(path: Path) -> Prompts:
    """Read and check a file of prompts.

    Raises
    ------
    TaskError
        If it holds no prompt, a line lacks a field or names no known language, or an id is used
        twice in one language.
    """
    rows: dict[str, dict[str, Row]] = defaultdict(dict)
    for number, row in enumerate(read_jsonl(path), start=1):
        where = f"{path}: row {number}"
        name = str(row["id"]) if isinstance(row.get("id"), int) else text_field(row, "id", where)
        code = _code(text_field(row, "language", where), where)
        if name in rows[code]:
            raise TaskError(
                f"the id {name!r} is used twice in {code}",
                where=where,
                hint="only translations of a prompt share its id",
            )
        rows[code][name] = {"source_id": name, "prompt": text_field(row, "prompt", where)}
    if not rows:
        raise TaskError(
            "holds no prompt",
            where=str(path),
            hint='a line is {"id": "1", "language": "nb", "prompt": "..."}',
        )
    return Prompts(rows={code: tuple(by_id.values()) for code, by_id in rows.items()})


def ask_prompts(study: Study, prompts: Prompts | None, *, max_new_tokens: int | None) -> Study:
    """The study with open prompts as its only task; the bundled ones where `prompts` is None.

    Raises
    ------
    StoreError
        If the run folder cannot be written.
    StudyError
        If no prompts are given and none ship in the study's languages.
    """
    asked = study.suites[0].options  # as a chat or not: the first task's way, greedy
    usual = TaskOptions(
        limit=study.limit,
        seed=study.seed,
        chat=asked.chat,
        model=asked.model,
        own=None if max_new_tokens is None else OpenPromptsOptions(max_new_tokens=max_new_tokens),
    )
    if prompts is None:
        suite = SuiteSpec(suite=OPEN_PROMPTS, languages=_bundled(study), options=usual)
    else:
        data = prompts.write(study.folder / "answers" / "prompts")
        suite = SuiteSpec(
            suite=OPEN_PROMPTS, languages=prompts.languages, options=replace(usual, data=data)
        )
    return replace(study, suites=(suite,), answers=True, stop=False)


def _bundled(study: Study) -> tuple[str, ...]:
    """Languages of the study in which prompts ship in the package."""
    there = catalogue.find_info(OPEN_PROMPTS).languages
    found = tuple(code for code in study.languages if code in there)
    if not found:
        raise StudyError(
            "no prompts ship in the study's languages",
            where=str(study.file),
            hint=f"give your own with --prompts; there are prompts in {', '.join(there)}",
        )
    return found


def _code(name: str, where: str) -> str:
    try:
        return resolve(name).code
    except UnknownNameError as error:
        raise TaskError(error.what, where=where, hint=error.hint) from error
