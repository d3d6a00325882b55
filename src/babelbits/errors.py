"""The error tree. Every error says what happened, where, and what to do about it.

    BabelbitsError
    ├── StudyError            a study file or an option is wrong (exit 2)
    ├── UnknownNameError      a language, task, recipe or command that nobody knows (exit 2)
    ├── ModelError            a model cannot be loaded, or must not be (exit 2)
    ├── CalibrationError      calibration text is missing or too short (exit 2)
    ├── RecipeError           a recipe does not fit the model, or quantizing failed (exit 3)
    ├── TrainingError         the loss of a training is no number any more (exit 3)
    ├── TaskError             a task is empty, or an item has no gold answer (exit 2)
    │   └── MissingDataError      a hub dataset is not on this machine (exit 2)
    ├── EngineError           a loaded model gave something unusable (exit 3)
    │   └── ServedModelChangedError   a server runs another model than before (exit 3)
    ├── StoreError            the run folder cannot be used (exit 4)
    │   ├── StoreLockedError      another process is writing to it (exit 2)
    │   ├── NothingThereError     it is whole, and does not hold what is asked for (exit 2)
    │   └── CorruptRecordError    a record's checksum differs
    ├── UnpairedItemsError    two score vectors are not about the same items (exit 2)
    ├── MissingExtraError     an optional dependency is not installed (exit 2)
    └── Interrupted           the user pressed Ctrl-C; what was recorded is kept (exit 130)

This module imports nothing of the package and never prints.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the command's exit status means. Tested, documented in the README."""

    DONE = 0
    GATE_FAILED = 1
    USAGE = 2
    INCOMPLETE = 3
    STORE_DAMAGED = 4
    UNDECIDED = 5
    LOSS_SHOWN = 6
    INTERRUPTED = 130
    TERMINATED = 143
    """SIGTERM, which schedulers send before they kill: the batch was finished and recorded."""


class BabelbitsError(Exception):
    """Root of all errors that Babelbits raises on purpose.

    Parameters
    ----------
    what : str
        One sentence: what is wrong.
    where : str, optional
        File, `file:line:column`, key, or item the sentence is about.
    hint : str, optional
        What to do about it.
    """

    exit_code = ExitCode.USAGE

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f"\n  {self.hint}" if self.hint else ""
        return f"{place}{self.what}{advice}"


class StudyError(BabelbitsError, ValueError):
    """A study file or a command-line option is wrong."""


class UnknownNameError(StudyError):
    """A language, task, recipe or group that is not known; `hint` suggests the nearest."""


class ModelError(BabelbitsError, ValueError):
    """A model cannot be loaded (missing, not causal) or must not be (pickle, remote code)."""


class CalibrationError(BabelbitsError, ValueError):
    """Calibration text is missing or shorter than the recipe needs; says how much is missing."""


class RecipeError(BabelbitsError, RuntimeError):
    """A recipe does not fit the model, or the quantization library failed."""

    exit_code = ExitCode.INCOMPLETE


class TrainingError(BabelbitsError, RuntimeError):
    """The loss of a training is no number any more; says at which step and learning rate."""

    exit_code = ExitCode.INCOMPLETE


class TaskError(BabelbitsError, ValueError):
    """A task has no items, an item has no gold answer, or its data cannot be read."""


class MissingDataError(TaskError):
    """A hub dataset is neither on this machine nor to be had now."""


class EngineError(BabelbitsError, RuntimeError):
    """A loaded model gave something unusable."""

    exit_code = ExitCode.INCOMPLETE


class ServedModelChangedError(EngineError):
    """A server runs another model than when the cell began."""


class StoreError(BabelbitsError, OSError):
    """The run folder cannot be read or written."""

    exit_code = ExitCode.STORE_DAMAGED


class StoreLockedError(StoreError):
    """Another process is writing to this run folder."""

    exit_code = ExitCode.USAGE


class NothingThereError(StoreError):
    """A folder is whole, and does not hold what is asked for (yet), or holds another thing."""

    exit_code = ExitCode.USAGE


class CorruptRecordError(StoreError):
    """A record's checksum differs from its bytes; `where` is file:line."""


class UnpairedItemsError(BabelbitsError, ValueError):
    """Two score vectors are not about the same items."""


class MissingExtraError(BabelbitsError, ImportError):
    """An optional dependency is missing; `hint` is the command that installs it."""


class OldNameWarning(FutureWarning):
    """A key or an option was given by a former name."""


class Interrupted(BabelbitsError):  # noqa: N818  it is no error
    """The user asked to stop. Everything recorded so far is kept."""

    exit_code = ExitCode.INTERRUPTED
