"""translate.toml to a job and the model that does it, every mistake reported at once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, Tag

from babelbits.engines.endpoint import EndpointSettings
from babelbits.errors import StudyError
from babelbits.study.config.endpoint import EndpointTable, make_endpoint_settings
from babelbits.study.config.problems import Findings, locate_problems
from babelbits.study.config.toml_reading import (
    Code,
    Count,
    Text,
    TomlTable,
    check,
    either,
    parse,
    read_text,
)
from babelbits.translate.job import BACK_TRANSLATION, TranslationJob

ANSWERS = "answers.sqlite"
"""In a job's work folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A job, and which model does it: one of the two is there."""

    job: TranslationJob
    endpoint: EndpointSettings | None = None
    folder: str | None = None
    """A local checkpoint, or 'bundled'."""


def _back(value: Any) -> str | None:
    if isinstance(value, bool):
        return None if value else "off"
    return "number" if isinstance(value, int | float) else None


class TranslateTable(TomlTable):
    """As `TranslationJob`, which says what each is."""

    source: Text | None = Field(examples=["items.jsonl"])
    to: Code | None = Field(examples=["nb"])
    output: Text | None = Field(examples=["items-nb"])
    source_language: Code = Field(default="en", alias="from")
    columns: Annotated[list[Text], Field(min_length=1)] | None = None
    back_translation: Annotated[
        Annotated[Literal[False], Tag("off")]
        | Annotated[float, Field(ge=0, lt=100), Tag("number")],
        either("must be a number (least chrF) or false", _back),
    ] = BACK_TRANSLATION
    max_new_tokens: Count = 4096
    limit: Count | None = None


class LocalModelTable(TomlTable):
    """A checkpoint on this machine."""

    path: Text | None = Field(examples=["bundled"])


class TranslateFile(TomlTable):
    """One file into one language."""

    translate: TranslateTable | None = Field(
        examples=[{"source": "items.jsonl", "to": "nb", "output": "items-nb"}]
    )
    endpoint: EndpointTable | None = None
    model: LocalModelTable | None = None


def read_order(path: Path) -> Order:
    """Read a translate.toml; paths in it start at its folder.

    Raises
    ------
    StudyError
        If the file cannot be read, or holds mistakes.
    """
    text = read_text(path)
    tables, problems = check(TranslateFile, parse(text, file=str(path)))
    found = Findings(problems)
    order = None if tables is None else _order(tables, found, path.parent)
    if order is None or found.problems:
        raise locate_problems(found.problems, text=text, file=str(path))
    return order


def _order(tables: TranslateFile, found: Findings, home: Path) -> Order | None:
    if len(tables.model_fields_set & {"endpoint", "model"}) != 1:
        found.note("there must be either [endpoint] or [model]", hint="docs/translate.md")
    job = None if tables.translate is None else _job(tables.translate, found, home)
    endpoint = folder = None
    if tables.endpoint is not None:
        cache = None if job is None else job.work / ANSWERS
        endpoint = make_endpoint_settings(tables.endpoint, found.at("endpoint"), cache=cache)
    if tables.model is not None:
        folder = tables.model.path
    if job is None or (endpoint is None and folder is None):
        return None
    if folder is not None and folder != "bundled":
        folder = str(home / Path(folder).expanduser())
    return Order(job=job, endpoint=endpoint, folder=folder)


def _job(table: TranslateTable, found: Findings, home: Path) -> TranslationJob | None:
    if table.source is None or table.to is None or table.output is None:
        return None
    try:
        return TranslationJob(
            source=home / Path(table.source).expanduser(),
            output=home / Path(table.output).expanduser(),
            target_language=table.to,
            source_language=table.source_language,
            columns=tuple(table.columns or ()),
            back_translation=None if table.back_translation is False else table.back_translation,
            max_new_tokens=table.max_new_tokens,
            limit=table.limit,
        )
    except StudyError as error:
        found.note(error.what, "translate", error.where or "to", hint=error.hint)
        return None
