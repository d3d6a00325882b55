"""Keys of `[[tasks]]` that one suite alone has: those that the suite's own options declare.

A suite says what it can be told in a frozen dataclass, `SuiteInfo.own_options`. A field of it whose
type has pydantic's `Field` beside it is a key: with that type, those limits, that description. Such
keys are checked as ours are, and pass for that suite only. What a key does is the suite's business.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import create_model
from pydantic.fields import FieldInfo

from babelbits.errors import StudyError
from babelbits.study.config.file_model import TaskTable
from babelbits.study.config.problems import Findings, note_unknown_key
from babelbits.study.config.toml_reading import TomlTable, check
from babelbits.tasks.suites import SuiteInfo


def make_key_model(suite: SuiteInfo) -> type[TomlTable] | None:
    """The keys that a suite alone has, as a table of a study file; None where it has none.

    Raises
    ------
    StudyError
        If one is called as a key that every task has.
    """
    kind: Any = suite.own_options
    if kind is None:
        return None
    types = get_type_hints(kind, include_extras=True)
    keys = {one.name: one for one in fields(kind) if _is_key(types[one.name])}
    taken = sorted(keys.keys() & TaskTable.model_fields.keys())
    if taken:
        raise StudyError(
            f"the suite '{suite.name}' has a key '{taken[0]}' of its own, which all tasks have",
            where=f"{kind.__module__}.{kind.__qualname__}",
            hint="give the key another name",
        )
    declared: dict[str, Any] = {name: (types[name], one.default) for name, one in keys.items()}
    return create_model(kind.__name__, __base__=TomlTable, **declared) if declared else None


def _is_key(kind: Any) -> bool:
    """Whether a type has pydantic's `Field` beside it."""
    beside = get_args(kind)[1:] if get_origin(kind) is Annotated else ()
    return any(isinstance(one, FieldInfo) for one in beside)


def read_suite_keys(
    table: TaskTable, suite: SuiteInfo | None, found: Findings, *, suites: Iterable[SuiteInfo]
) -> Mapping[str, Any]:
    """The values that stand in the file for the suite's own keys and pass.

    Parameters
    ----------
    table : TaskTable
        Of one task.
    suite : SuiteInfo or None
        None: nobody knows the task. Keys that any suite has are not complained of then.
    found : Findings
        About the table.
    suites : iterable of SuiteInfo
        All that are known.
    """
    given = table.model_extra or {}
    if not given:
        return {}
    if suite is None:
        others = {key for one in suites for key in _names(make_key_model(one))}
        _refuse(given.keys() - others, (), found)
        return {}
    model = make_key_model(suite)
    known = _names(model)
    _refuse(given.keys() - set(known), known, found)
    if model is None:
        return {}
    value, problems = check(model, {key: one for key, one in given.items() if key in known})
    found.problems.extend(replace(one, path=(*found.path, *one.path)) for one in problems)
    return {} if value is None else value.given()


def _refuse(keys: Iterable[str], own: Iterable[str], found: Findings) -> None:
    for key in sorted(keys):
        found.problems.append(note_unknown_key((*found.path, key), (*TaskTable.model_fields, *own)))


def _names(model: type[TomlTable] | None) -> tuple[str, ...]:
    return () if model is None else tuple(model.model_fields)
