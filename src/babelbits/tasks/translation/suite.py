"""What a translation suite is, and what a study may say of it alone."""

from dataclasses import dataclass
from typing import Literal

from babelbits.tasks.suites.info import SuiteInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationSuite(SuiteInfo):
    """A suite of segments and their translations."""

    translates: Literal["into", "from"]
    """Into the language, or from it; the other side is the study's pivot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationOptions:
    """`[[tasks]]` of a translation suite."""

    pivot: str = "en"
    """The language on the other side."""
