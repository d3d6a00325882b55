"""Families of suites whose items are in files of a folder, one a language: all but lm-eval's.

A suite's items are in the folder that the study names under [data], else in the hub's copy, else in
the family's own folder. What a family of another package needs is imported from here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from babelbits.errors import StudyError, TaskError
from babelbits.tasks.base import Task, TaskOptions, own_options
from babelbits.tasks.jsonl_task import OwnTask
from babelbits.tasks.reading import text_field
from babelbits.tasks.suites.info import SuiteInfo
from babelbits.words import plural

__all__ = [
    "FolderSuites",
    "OwnTask",
    "SuiteInfo",
    "find_babelmini_folder",
    "own_options",
    "text_field",
]


def find_babelmini_folder() -> Path:
    """The folder of the mini benchmark that ships in the package."""
    return Path(str(files("babelbits").joinpath("bundled", "babelmini")))


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSuites:
    """A `tasks.base.SuiteFamily` of items in files."""

    suites: Sequence[SuiteInfo]
    tasks: Mapping[str, type[OwnTask]]
    """Suite name to the task that asks it."""
    folder: Path = field(default_factory=find_babelmini_folder)
    """Where the items are that ship with the suites."""

    def languages(self, suite: SuiteInfo, folder: Path | None) -> tuple[str, ...]:
        """Those that a folder has files for; of published benchmarks all that they have.

        Raises
        ------
        TaskError
            If there is no such folder.
        """
        if suite.upstream or (suite.downloads and folder is None):
            return suite.languages
        place = self.folder if folder is None else folder
        return self.tasks[suite.name].languages(suite, place) or suite.languages

    def load(self, suite: SuiteInfo, language: str, options: TaskOptions) -> Task:
        """A suite in one language.

        Raises
        ------
        StudyError
            If more few-shot examples are asked for than the suite has.
        TaskError
            If the suite is read from a folder, and none is named.
        """
        if suite.most_shots is not None and (options.shots or 0) > suite.most_shots:
            raise _too_many_shots(suite, suite.most_shots)
        if options.data is None and suite.upstream and not suite.downloads:
            raise TaskError(
                f"suite '{suite.name}' is read from a local folder, and the study names none",
                hint=f'under [data] write: {suite.data_name or suite.name} = "path/to/folder"',
            )
        folder = self.folder if options.data is None else options.data
        return self.tasks[suite.name](suite, language, options, folder=folder)


def _too_many_shots(suite: SuiteInfo, count: int) -> StudyError:
    there = plural(count, "few-shot example") if count else "no few-shot examples"
    return StudyError(
        f"suite '{suite.name}' has {there}",
        hint="ask for fewer 'shots'" if count else "leave out 'shots' for it",
    )
