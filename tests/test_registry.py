"""Parts by name: ours, other packages', and those that a program adds."""

from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest

from babelbits import registry
from babelbits.errors import StudyError, UnknownNameError
from babelbits.registry import Registry, get_named, register


def one(**rows: str) -> Registry:
    return Registry("babelbits.nothing", kind="thing", rows=rows)


def with_points(monkeypatch: pytest.MonkeyPatch, *points: tuple[str, str]) -> None:
    found = [EntryPoint(name, value, "babelbits.nothing") for name, value in points]
    monkeypatch.setattr(registry, "entry_points", lambda **_: found)


def test_a_row_is_imported_when_it_is_asked_for() -> None:
    parts = one(join="os.path:join", gone="no_such_module:x")
    assert list(parts) == ["join", "gone"]
    assert parts.get("join")("a", "b") == "a/b"
    assert parts.owner("join") == "babelbits"


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="there is no thing 'jion'") as caught:
        one(join="os.path:join").get("jion")
    assert "'join'" in str(caught.value)


def test_a_package_adds_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    with_points(monkeypatch, ("split", "os.path:split"))
    parts = one(join="os.path:join")
    assert list(parts) == ["join", "split"]
    assert parts.get("split")("a/b") == ("a", "b")


def test_two_owners_of_a_name_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with_points(monkeypatch, ("join", "os.path:split"))
    with pytest.raises(StudyError, match="two packages have a thing 'join': babelbits and"):
        list(one(join="os.path:join"))


def test_a_part_that_cannot_be_imported_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    with_points(monkeypatch, ("broken", "no_such_module:part"))
    with pytest.raises(StudyError, match="'broken' of an unnamed package cannot be imported"):
        one().get("broken")


def test_a_program_registers_a_part_once() -> None:
    parts, part = one(join="os.path:join"), object()
    register(parts, "mine", part)
    assert parts.get("mine") is part
    assert parts.owner("mine") == "this program"
    with pytest.raises(StudyError, match="there is a thing 'join' already"):
        register(parts, "join", part)


def test_a_part_has_the_name_of_its_row() -> None:
    parts = one(path="pathlib:Path")
    register(parts, "mine", SimpleNamespace(name="mine"))
    register(parts, "other", SimpleNamespace(name="mine"))
    assert get_named(parts, "mine").name == "mine"
    with pytest.raises(StudyError, match="the thing 'other' says that its name is 'mine'"):
        get_named(parts, "other")
