"""A TOML file against pydantic models: what it says, and every mistake in it in plain words.

pydantic checks, and none of its wording is shown. What is wrong is left out and the rest is read,
so that the checks that come after find their mistakes in the same go.
"""

import copy
import json
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path as FilePath
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from babelbits.errors import BabelbitsError, StudyError
from babelbits.languages import resolve
from babelbits.study.config.problems import StudyProblem, make_syntax_error, note_unknown_key
from babelbits.study.config.toml_positions import Path
from babelbits.suggest import did_you_mean

M = TypeVar("M", bound=BaseModel)

_ROUNDS = 8
"""Of taking out what is wrong; a value needs two, and three where it had to be there."""


class TomlTable(BaseModel):
    """A table of a TOML file. The docstrings of its fields are the help that editors show."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    def given(self) -> dict[str, Any]:
        """The values that stand in the file and pass."""
        found = {name: getattr(self, name) for name in self.model_fields_set}
        return {name: value for name, value in found.items() if value is not None}


class Wrong(ValueError):  # noqa: N818  not an error of the program: a finding about a value
    """A value does not pass a check; the message follows the name of its key."""


def read_text(path: FilePath, *, hint: str | None = None) -> str:
    """The file's text with line feeds only; a byte-order mark is dropped.

    Parameters
    ----------
    path : Path
        The file.
    hint : str, optional
        What to do about a file that is not there.

    Raises
    ------
    StudyError
        If it cannot be read, or is not UTF-8.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise StudyError("there is no such study file", where=str(path), hint=hint) from None
    except OSError as error:
        raise StudyError(f"cannot be read: {error.strerror}", where=str(path)) from error
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise StudyError(
            f"byte {error.start + 1} (0x{raw[error.start]:02x}) is not UTF-8",
            where=f"{path}:{line}",
            hint="save the file as UTF-8",
        ) from None


def parse(text: str, *, file: str) -> dict[str, Any]:
    """The tables of a TOML text.

    Raises
    ------
    StudyFileError
        If it is not TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise make_syntax_error(error, text=text, file=file) from None


def check(model: type[M], data: Mapping[str, Any]) -> tuple[M | None, list[StudyProblem]]:
    """What the tables of a file say, and what is wrong with them.

    Parameters
    ----------
    model : type
        Of the whole file. A field that must be there is typed `X | None` and has no default: it is
        None where it is missing or wrong.
    data : mapping
        The tables as parsed.

    Returns
    -------
    value : model or None
        What passes. A wrong value is None where its field may be, else the field's default; it is
        among `model_fields_set` in the first case only. None: nothing can be made of the file.
    problems : list of Problem
        Every mistake.
    """
    rest = copy.deepcopy(dict(data))
    problems: list[StudyProblem] = []
    for _ in range(_ROUNDS):
        try:
            return model.model_validate(rest), problems
        except ValidationError as error:
            details = error.errors(include_url=False)
        problems = problems or [_problem(one, model, data) for one in details]
        for one in details:
            _take_out(rest, _path(one, rest), missing=one["type"] == "missing")
    return None, problems


def _take_out(data: dict[str, Any], path: Path, *, missing: bool) -> None:
    """Make a wrong value None, which no TOML holds; drop it if it is None already."""
    while path and isinstance(path[-1], int):
        path = path[:-1]
    here: Any = data
    for part in path[:-1]:
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):  # its table was taken out before it
            return
    if not isinstance(here, dict) or not path:
        return
    if missing or here.get(path[-1]) is not None:
        here[path[-1]] = None
    else:
        here.pop(path[-1], None)


# --- mistakes in words ---------------------------------------------------------------------------

_SENTENCES = {
    "string_type": "must be a text in quotes, not {kind}",
    "bool_type": "must be true or false, not {kind}",
    "int_type": "must be a whole number, not {kind}",
    "float_type": "must be a number, not {kind}",
    "too_large": "must be smaller",
    "finite_number": "must be a number that is finite, not {value}",
    "list_type": "must be an array, not {kind}",
    "too_short": "must name at least one",
    "greater_than": "must be above {gt}, not {value}",
    "greater_than_equal": "must be at least {ge}, not {value}",
    "less_than": "must be below {lt}, not {value}",
    "less_than_equal": "must be at most {le}, not {value}",
    "literal_error": "must be {expected}, not {value!r}",
    "form": "{message}, not {kind}",
}
"""What stands behind the key's name, by pydantic's name of the error."""

_KINDS = {
    str: "a text",
    bool: "a boolean",
    int: "a whole number",
    float: "a number",
    list: "an array",
    dict: "a table",
}


def describe_kind(value: object) -> str:
    """The type of a TOML value in words."""
    return _KINDS.get(type(value), "a date")


def _problem(error: ErrorDetails, model: type[BaseModel], data: Mapping[str, Any]) -> StudyProblem:
    path, kind = _path(error, data), error["type"]
    if kind == "extra_forbidden":
        return note_unknown_key(path, _fields(model, path[:-1]))
    is_key = error["loc"][-1:] == ("[key]",)
    if kind == "literal_error" and is_key:
        return note_unknown_key(path, _options(error))
    hint: str | None
    at = max(number for number, part in enumerate(path) if isinstance(part, str))
    key = str(path[at])
    field = _fields(model, path[:at]).get(key)
    if kind in ("model_type", "list_type") and field is not None and _holds_tables(field):
        message, hint = f"'{key}' must be an array of tables", f"write each as [[{key}]]"
        path = (key,)
    elif kind in ("model_type", "dict_type"):
        names = ".".join(part for part in path if isinstance(part, str))
        message, hint = f"'{key}' must be a table", f"write it as [{names}]"
    elif kind == "missing":
        message, hint = f"'{key}' is missing", _example(key, field)
    else:
        within = "".join(f" [{part}]" for part in path[at + 1 :])
        message, hint = _sentence(error, key=key, within=within)
        if kind in ("form", "list_type") and not within:
            hint = _example(key, field)
    return StudyProblem(path=path, message=message, hint=hint, part="key" if is_key else "value")


def _path(error: ErrorDetails, data: Mapping[str, Any]) -> Path:
    """Where an error is: pydantic's location without the names of alternatives."""
    here: Any = data
    path: list[str | int] = []
    for part in error["loc"]:
        is_element = isinstance(here, list) and isinstance(part, int)
        if is_element or (isinstance(here, dict) and part in here):
            here = here[part]
            path.append(part)
    return (*path, *error["loc"][-1:]) if error["type"] == "missing" else tuple(path)


def _sentence(error: ErrorDetails, *, key: str, within: str) -> tuple[str, str | None]:
    """What is wrong with the value of a key, or of an element `within` it, and advice."""
    context, value = error.get("ctx", {}), error["input"]
    cause = context.get("error")
    if isinstance(cause, BabelbitsError):
        return (f"'{key}'{within}: {cause.what}" if within else cause.what), cause.hint
    if isinstance(cause, Wrong):
        return f"'{key}'{within} {cause}", None
    told = {name: _shown(one) for name, one in context.items()}
    is_too_large = error["type"] == "float_type" and type(value) is int
    sentence = _SENTENCES["too_large" if is_too_large else error["type"]].format(
        **told, message=error["msg"], kind=describe_kind(value), value=_shown(value)
    )
    near = None
    if error["type"] == "literal_error" and isinstance(value, str):
        near = did_you_mean(value, _options(error))
    return f"'{key}'{within} {sentence}", near


def _options(error: ErrorDetails) -> list[str]:
    """What would have been right; pydantic gives it as a sentence: 'a', 'b' or 'c'."""
    return re.findall("'([^']*)'", str(error["ctx"]["expected"]))


def _shown(value: object) -> object:
    return f"{value:g}" if isinstance(value, float) else value


def _example(key: str, field: FieldInfo | None) -> str | None:
    if field is None or not field.examples:
        return None
    return f"for example: {key} = {_toml(field.examples[0])}"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_toml(one)}' for key, one in value.items())} }}"
    return json.dumps(value, ensure_ascii=False)


def _fields(model: type[BaseModel], path: Path) -> Mapping[str, FieldInfo]:
    """The keys that the table at `path` may have; none where any may stand there."""
    for part in path:
        if isinstance(part, str):
            field = model.model_fields.get(part)
            inner = None if field is None else _table_in(field.annotation)
            if inner is None:
                return {}
            model = inner
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _table_in(annotation: object) -> type[BaseModel] | None:
    """The table that a value of this type is, or has."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := _table_in(one))), None)


def _holds_tables(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is list and _table_in(field.annotation) is not None


# --- values --------------------------------------------------------------------------------------


def _text(value: str) -> str:
    if not value.strip():
        raise Wrong("must not be empty")
    if "\0" in value:
        raise Wrong("must not hold a NUL character")
    return value


def _quoted(value: object) -> object:
    if not isinstance(value, str):
        raise Wrong(f"must be a language code in quotes, not {describe_kind(value)}")
    return value


def _code(value: str) -> str:
    return resolve(value).code


def either(message: str, kinds: Callable[[Any], str | None]) -> Discriminator:
    """Which of several forms a value has; `message` says which there are ('must be ...')."""
    return Discriminator(kinds, custom_error_type="form", custom_error_message=message)


Text = Annotated[str, AfterValidator(_text), Field(json_schema_extra={"minLength": 1})]
"""A text that is not empty."""

Code = Annotated[
    str,
    BeforeValidator(_quoted),
    AfterValidator(_code),
    Field(json_schema_extra={"x-kind": "language"}),
]
"""A language in any usual form; canonical once it is read."""

Codes = Annotated[list[Code], Field(min_length=1)]
"""Languages."""

Count = Annotated[int, Field(ge=1)]
