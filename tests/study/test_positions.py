"""The scanner against `tomllib`: every key it finds is where its text stands."""

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babelbits.study.config.toml_positions import Path, find_line_and_column, scan

# --- random TOML texts, with the styles people use -----------------------------------------------

_bare = st.text("abcz019_-", min_size=1, max_size=6)
_odd = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=5)


def _basic(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


_key = st.one_of(_bare, _odd.map(_basic), _bare.map(lambda text: f"'{text}'"))
_space = st.sampled_from(["", " ", "  ", "\t"])
_blank = st.sampled_from(["", " ", "\n", ' # a [comment] = "x\n', "\n\n\t"])
_scalar = st.one_of(
    st.integers().map(str),
    st.floats(allow_nan=False).map(repr),
    st.sampled_from(
        ["true", "false", "inf", "0x1F", "1_000", "1979-05-27", "1979-05-27 07:32:00Z"]
    ),
    st.sampled_from(["07:32:00", "1979-05-27T07:32:00-08:00"]),
    _odd.map(_basic),
    _odd.filter(lambda text: "'" not in text).map(lambda text: f"'{text}'"),
    st.sampled_from(['"""a\n"b" # no\n"""', '"""\\""""', '""""quoted"""""', "'''it''s\n[x]'''"]),
    st.sampled_from(["'''two''''", '"""x = 1\\\n   y"""', '"#]}"', "',='"]),
)


@st.composite
def _array(draw: Any, inner: st.SearchStrategy[str]) -> str:
    items = draw(st.lists(inner, max_size=3))
    parts = [draw(_blank) + item + draw(_blank) for item in items]
    comma = "," + draw(_blank) if items and draw(st.booleans()) else draw(_blank)
    return "[" + ",".join(parts) + comma + "]"


@st.composite
def _inline(draw: Any, inner: st.SearchStrategy[str]) -> str:
    keys = draw(st.lists(_bare, max_size=3, unique=True))
    pairs = [f"{draw(_space)}{key}{draw(_space)}={draw(_space)}{draw(inner)}" for key in keys]
    return "{" + ",".join(pairs) + draw(st.sampled_from(["", " "])) + "}"


_value = st.recursive(_scalar, lambda inner: st.one_of(_array(inner), _inline(inner)), max_leaves=6)


@st.composite
def _line(draw: Any) -> str:
    parts = draw(st.lists(_key, min_size=1, max_size=2))
    dot = draw(st.sampled_from([".", " . "]))
    key = dot.join(parts)
    end = draw(st.sampled_from(["", "  # note ] } \" '"]))
    return f"{draw(_space)}{key}{draw(_space)}={draw(_space)}{draw(_value)}{end}\n"


@st.composite
def _document(draw: Any) -> str:
    text = "".join(draw(st.lists(_line(), max_size=3)))
    for _ in range(draw(st.integers(0, 3))):
        name = ".".join(draw(st.lists(_key, min_size=1, max_size=2)))
        header = draw(st.sampled_from(["[{}]", "[[{}]]", "[ {} ]  # note", "  [[ {} ]]"]))
        text += header.format(name) + "\n" + draw(_blank) + "\n"
        text += "".join(draw(st.lists(_line(), max_size=3)))
    return text


def _valid(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _paths(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        yield (*path, key), inner
        if isinstance(inner, dict | list):
            yield from _paths(inner, (*path, key))


def _parse(literal: str) -> Any:
    try:
        return tomllib.loads(f"value = {literal}")["value"]
    except tomllib.TOMLDecodeError:
        return tomllib.TOMLDecodeError


@settings(max_examples=150, deadline=None)
@given(_document().filter(_valid))
def test_every_key_of_tomllib_is_found_where_it_stands(text: str) -> None:
    found = dict(_paths(tomllib.loads(text)))
    places = scan(text)
    assert set(places) == set(found)
    for path, value in found.items():
        key, literal = (
            text[span.start : span.stop] for span in (places[path].key, places[path].value)
        )
        if not isinstance(value, dict | list):
            assert repr(_parse(literal)) == repr(value)
            if isinstance(path[-1], str):
                assert list(_keys_of(key))[-1] == path[-1]
        elif isinstance(value, list) and repr(_parse(literal)) != repr(value):
            assert literal.startswith("[["), "only an array of tables stands at its header"
        # A table stands at its header, its braces, or the dotted key that made it.
        assert key and literal


def _keys_of(key: str) -> Iterator[str]:
    value: Any = tomllib.loads(f"{key} = 1")
    while isinstance(value, dict):
        name, value = next(iter(value.items()))
        yield name


STUDY = """\
[study]
name = "x"   # the name

[[variants]]
recipe = "w8"
[[variants]]
recipe = "w4-g"
calibration = { language = "nb", samples = 3 }
[variants.more]
deep.er = [1,
   [2, 3]]
"""


@pytest.mark.parametrize(
    ("path", "line", "column", "text"),
    [
        (("study",), 1, 1, "[study]"),
        (("study", "name"), 2, 8, '"x"'),
        (("variants", 0), 4, 1, "[[variants]]"),
        (("variants", 1), 6, 1, "[[variants]]"),
        (("variants", 1, "recipe"), 7, 10, '"w4-g"'),
        (("variants", 1, "calibration", "samples"), 8, 44, "3"),
        (("variants", 1, "more", "deep", "er", 1, 0), 11, 5, "2"),
    ],
)
def test_places_counted_by_hand(path: Path, line: int, column: int, text: str) -> None:
    span = scan(STUDY)[path].value
    assert STUDY[span.start : span.stop] == text
    assert find_line_and_column(STUDY, span.start) == (line, column)
