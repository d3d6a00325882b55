"""Prompts that have no right answer: what judges and people compare."""

from collections.abc import Sequence

from babelbits.tasks.folder_suites import FolderSuites
from babelbits.tasks.open_prompts import OpenPromptsOptions, OpenPromptsTask
from babelbits.tasks.suites.babelmini import BABELMINI_LANGUAGES
from babelbits.tasks.suites.info import SuiteInfo

SUITES: Sequence[SuiteInfo] = (
    SuiteInfo(
        name="open-prompts",
        languages=BABELMINI_LANGUAGES,
        summary="answers to open prompts, for judges and people: bundled, or a local folder",
        generates=True,
        licence="CC0-1.0",
        parallel=True,
        metric="share answered; for judges",
        own_options=OpenPromptsOptions,
    ),
)

FAMILY = FolderSuites(suites=SUITES, tasks={"open-prompts": OpenPromptsTask})
