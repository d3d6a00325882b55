"""translate.toml to a job and the model that does it, every mistake reported at once."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babelbits.engines.endpoint import EndpointSettings
from babelbits.errors import StudyError
from babelbits.languages import resolve
from babelbits.study.config.endpoint import read_endpoint
from babelbits.study.config.problems import StudyProblem, located, syntax_error
from babelbits.study.config.toml_table import Table, Wrong, array, integer, number, text
from babelbits.translate.job import BACK_TRANSLATION, Job

ANSWERS = "answers.sqlite"
"""In a job's work folder."""
_NO_COLUMNS: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A job, and which model does it: one of the two is there."""

    job: Job
    endpoint: EndpointSettings | None = None
    folder: str | None = None
    """A local checkpoint, or 'bundled'."""


def read_order(path: Path) -> Order:
    """Read a translate.toml; paths in it start at its folder.

    Raises
    ------
    StudyError
        If the file cannot be read, or holds mistakes.
    """
    try:
        source = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"cannot be read: {error}", where=str(path)) from error
    try:
        data = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise syntax_error(error, text=source, file=str(path)) from None
    problems: list[StudyProblem] = []
    root = Table(data, path=(), problems=problems)
    order = _order(root, path.parent)
    if problems or order is None:
        raise located(problems, text=source, file=str(path))
    return order


def _order(root: Table, home: Path) -> Order | None:
    table = root.table("translate")
    source = table.need("source", text, example='source = "items.jsonl"')
    target = table.need("to", _code, example='to = "nb"')
    output = table.need("output", text, example='output = "items-nb"')
    chosen: dict[str, Any] = {
        "source_language": table.get("from", _code, "en"),
        "columns": table.get("columns", array(text, what="columns"), _NO_COLUMNS),
        "back_translation": table.get("back_translation", _back, BACK_TRANSLATION),
        "max_new_tokens": table.get("max_new_tokens", integer(minimum=1), 4096),
        "limit": table.get("limit", integer(minimum=1), 0) or None,
    }
    if table.data.get("back_translation") is False:
        chosen["back_translation"] = None
    table.close(what="[translate]")
    if ("endpoint" in root.data) == ("model" in root.data):
        root.complain("there must be either [endpoint] or [model]", hint="docs/translate.md")
    job = None
    if source and target and output:
        try:
            job = Job(
                source=home / Path(source).expanduser(),
                output=home / Path(output).expanduser(),
                target_language=target,
                **chosen,
            )
        except StudyError as error:
            table.complain(error.what, error.where or "to", hint=error.hint)
    endpoint = folder = None
    if "endpoint" in root.data:
        cache = None if job is None else job.work / ANSWERS
        endpoint = read_endpoint(root.table("endpoint"), cache=cache)
    if "model" in root.data:
        model = root.table("model")
        folder = model.need("path", text, example='path = "bundled"')
        model.close(what="[model]")
    root.close(what="the file")
    if job is None or (endpoint is None and folder is None):
        return None
    if folder is not None and folder != "bundled":
        folder = str(home / Path(folder).expanduser())
    return Order(job=job, endpoint=endpoint, folder=folder)


def _code(value: Any) -> str:
    return resolve(text(value)).code


def _back(value: Any) -> float:
    if value is True:
        raise Wrong("must be a number (least chrF) or false")
    return 0.0 if value is False else number(above=0, below=100, closed=True)(value)
