"""The one loader of study files: study.toml to `Study`, every mistake reported at once.

A file is checked against its shape (`file_model`), then resolved (`resolving`); mistakes of both
are shown together, each at its line and column. pydantic is imported when a file is read.
"""

import dataclasses
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from babelbits.errors import OldNameWarning, StudyError
from babelbits.study.config.problems import Findings, locate_problems
from babelbits.study.config.spec import Study, SuiteSpec
from babelbits.study.config.suites import choose_fewer

if TYPE_CHECKING:
    from babelbits.study.config.file_model import StudyFile


def load(path: Path | str, *, limit: int | None = None, stop: bool = False) -> Study:
    """Read, check and resolve a study.

    Parameters
    ----------
    path : Path or str
        The study file; relative paths in it start at its folder.
    limit : int, optional
        First n items of each task only; wins over `[limits] items`.
    stop : bool
        Cells stop when their verdict is known.

    Raises
    ------
    StudyError
        If the file cannot be read; `StudyFileError` with every mistake if it holds any.

    Warns
    -----
    OldNameWarning
        If it has a key by a former name, which the next minor version will not know.
    """
    from babelbits.study.config.toml_reading import read_text

    path = Path(path)
    text = read_text(path, hint=f"write one with: babelbits init {path}")
    tables, study, found = _read(text, file=path)
    if tables is None or study is None or found.problems:
        raise locate_problems(found.problems, text=text, file=str(path))
    if tables.engine.chunk is not None:
        warnings.warn(
            "'chunk' under [engine] is called 'batch_items' now; the old name is read for one "
            "more minor version",
            OldNameWarning,
            stacklevel=1,
        )
    return dataclasses.replace(study if limit is None else _limited(study, limit), stop=stop)


def load_lenient(text: str, *, file: Path) -> Study:
    """What a study says that was read and checked before, perhaps on another machine.

    Parameters
    ----------
    text : str
        As it was run. What is wrong with it now, such as a path, is kept as it is.
    file : Path
        What the study is called after and where its relative paths would start.
    """
    _, study, _ = _read(text, file=file)
    if study is None:
        raise StudyError("the copy of the study cannot be read", where=str(file))
    return study


def _read(text: str, *, file: Path) -> "tuple[StudyFile | None, Study | None, Findings]":
    from babelbits.study.config.file_model import StudyFile
    from babelbits.study.config.resolving import resolve_study
    from babelbits.study.config.toml_reading import check, parse

    tables, problems = check(StudyFile, parse(text, file=str(file)))
    found = Findings(problems)
    study = None if tables is None else resolve_study(tables, found, file=file.resolve())
    return tables, study, found


def _limited(study: Study, limit: int) -> Study:
    """The study with another limit on the number of items."""
    if limit < 1:
        raise StudyError(f"the limit must be at least 1, not {limit}", where="--limit")
    suites = tuple(
        dataclasses.replace(
            suite, options=dataclasses.replace(suite.options, limit=_of_suite(suite, study, limit))
        )
        for suite in study.suites
    )
    return dataclasses.replace(study, limit=limit, limited=True, suites=suites)


def _of_suite(suite: SuiteSpec, study: Study, limit: int) -> int:
    """The limit on one suite: `items` of its table holds beside it, `[limits] items` does not."""
    own = suite.options.limit if study.limit is None else None
    return choose_fewer(limit, own) or limit
