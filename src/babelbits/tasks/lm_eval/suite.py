"""What a suite is that lm-eval asks. A table: lm-eval is not loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from babelbits.tasks.suites.info import SuiteInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class LmEvalSuite(SuiteInfo):
    """A suite that lm-eval asks."""

    lm_eval_task: str
    """Name of the lm-eval task with `{}` for upstream's language."""
    parts: tuple[str, ...] = ()
    """Names of the lm-eval tasks, with `{}`, that one language consists of: MMLU's subjects."""
    parts_by_language: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The same by canonical code, where languages have other parts: INCLUDE's domains."""
    packaged: str | None = None
    """YAML file of the task in this package, where lm-eval does not have it."""
    source_columns: tuple[str, ...] | None = None
    """Columns that name a question in every language; () is the row; None: not parallel."""
    native_numbers: bool = False
    """True where lm-eval reads ASCII digits only: `native_match` is scored beside its metrics."""
    most_shots: int | None = None
    loads_library: bool = True

    def parts_in(self, language: str) -> tuple[str, ...]:
        """Names of the lm-eval tasks, with `{}`, that a language consists of; () for one alone."""
        return self.parts_by_language.get(language, self.parts)

    @property
    def downloads(self) -> bool:
        """Always, unless the study names a folder: a task names the dataset that it is from."""
        return True
