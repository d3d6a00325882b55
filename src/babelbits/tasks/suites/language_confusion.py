"""The Language Confusion Benchmark: answering in the prompt's language, and in one asked for.

Two suites, because their pass rates are never averaged: within a language and across languages.
"""

from babelbits.tasks.folder_suites import FolderSuites
from babelbits.tasks.language_confusion.task import LanguageConfusionTask
from babelbits.tasks.language_id import IdentifierOptions
from babelbits.tasks.suites.info import SuiteInfo, map_languages


def _suite(name: str, summary: str, codes: str, *, parallel: bool) -> SuiteInfo:
    upstream = map_languages(codes)
    return SuiteInfo(
        name=name,
        languages=tuple(upstream),
        summary=summary,
        generates=True,
        licence="Apache-2.0; Dolly prompts CC-BY-SA-3.0",
        parallel=parallel,
        upstream=upstream,
        metric="line-level pass rate",
        own_options=IdentifierOptions,
    )


SUITES = (
    _suite(
        "language-confusion",
        "does the answer stay in the prompt's language, line by line",
        "ar de en es fr hi id it ja ko pt ru tr vi zh",
        parallel=False,
    ),
    _suite(
        "language-confusion-cross",
        "does the answer to an English prompt come in the language it asks for",
        "ar de es fr hi id it ja ko pt ru tr vi zh",
        parallel=True,
    ),
)

FAMILY = FolderSuites(
    suites=SUITES, tasks=dict.fromkeys((one.name for one in SUITES), LanguageConfusionTask)
)
