"""Which suites there are, in which languages: tables, one module a family of benchmarks.

A suite is a benchmark over languages; a family (`tasks.base.SuiteFamily`) knows how to ask its
suites. Which families there are says `babelbits.registry.TASKS`. Nothing here reads data.
"""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from babelbits.errors import StudyError
from babelbits.registry import TASKS
from babelbits.tasks.suites.info import SuiteInfo, resolve_code

if TYPE_CHECKING:
    from babelbits.tasks.base import SuiteFamily

__all__ = ["SuiteInfo", "list_all_suites", "map_families", "resolve_code"]


def list_all_suites() -> Mapping[str, SuiteInfo]:
    """Every suite by name: BabelMini's first, then the public ones, then those of packages.

    Raises
    ------
    StudyError
        If two families have a suite of the same name, or another package's cannot be imported.
    """
    return _suites(tuple(TASKS))


def map_families() -> "Mapping[str, SuiteFamily]":
    """Suite name to the family that asks it. Raises as `list_all_suites`."""
    return _owners(tuple(TASKS))


@cache
def _suites(names: tuple[str, ...]) -> Mapping[str, SuiteInfo]:
    _owners(names)
    return MappingProxyType({one.name: one for name in names for one in TASKS.get(name).suites})


@cache
def _owners(names: tuple[str, ...]) -> "Mapping[str, SuiteFamily]":
    owners: dict[str, str] = {}
    found: dict[str, SuiteFamily] = {}
    for name in names:
        family: SuiteFamily = TASKS.get(name)
        for suite in family.suites:
            if suite.name in owners:
                first, second = (TASKS.owner(one) for one in (owners[suite.name], name))
                raise StudyError(
                    f"two packages have a suite '{suite.name}': {first} and {second}",
                    where=f"entry points '{TASKS.group}'",
                    hint="a suite's name belongs to one family: rename one, or uninstall it",
                )
            owners[suite.name] = name
            found[suite.name] = family
    return MappingProxyType(found)
