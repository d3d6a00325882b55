"""Which suites there are, in which languages: tables, one module a family of benchmarks.

A suite is a benchmark over languages. Nothing here reads data or loads a library.
"""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from babelbits.tasks.suites import (
    babelmini,
    choices,
    language_confusion,
    mgsm,
    mixeval,
    mmlu,
    translation,
)
from babelbits.tasks.suites.babelmini import BABELMINI_LANGUAGES
from babelbits.tasks.suites.info import SuiteInfo, canonical

__all__ = ["BABELMINI_LANGUAGES", "SuiteInfo", "all_suites", "canonical"]

_FAMILIES = (
    babelmini,
    translation,
    mgsm,
    mmlu,
    choices,
    mixeval,
    language_confusion,
)
"""In the order of the list: what ships in the package comes first."""


@cache
def all_suites() -> Mapping[str, SuiteInfo]:
    """Every suite by name: BabelMini's first, then the public ones."""
    return MappingProxyType({suite.name: suite for family in _FAMILIES for suite in family.SUITES})
