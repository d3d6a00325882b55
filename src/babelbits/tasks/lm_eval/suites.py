"""Families of suites that lm-eval asks; lm-eval is loaded with a task."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from babelbits.tasks.base import Task, TaskOptions
from babelbits.tasks.lm_eval.suite import LmEvalSuite
from babelbits.tasks.suites.info import SuiteInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class LmEvalSuites:
    """A `tasks.base.SuiteFamily` of lm-eval's tasks.

    Parameters
    ----------
    suites : sequence of LmEvalSuite
        Their tables.
    """

    suites: Sequence[LmEvalSuite] = ()

    def languages(self, suite: SuiteInfo, folder: Path | None) -> tuple[str, ...]:  # noqa: ARG002
        """Those of the table, whatever a folder holds: it stands in for the hub's data."""
        return suite.languages

    def load(self, suite: SuiteInfo, language: str, options: TaskOptions) -> Task:
        """One of lm-eval's tasks in one language, or several as one.

        Raises
        ------
        MissingExtraError
            If lm-eval is not installed.
        """
        if not isinstance(suite, LmEvalSuite):
            raise TypeError(f"'{suite.name}' is no suite of lm-eval's")
        if suite.parts_in(language):
            from babelbits.tasks.lm_eval.group import LmEvalGroup

            return LmEvalGroup(suite, language, options)
        from babelbits.tasks.lm_eval.adapter import LmEvalTask

        return LmEvalTask(suite, language, options)
