"""BabelMini, which ships in the package: four suites over the same languages."""

from babelbits.tasks.confusion import ConfusionTask
from babelbits.tasks.extended import ExtendedTask, TalkOptions
from babelbits.tasks.folder_suites import FolderSuites
from babelbits.tasks.language_id import IdentifierOptions
from babelbits.tasks.math import MathTask
from babelbits.tasks.pairs import PairsTask
from babelbits.tasks.suites.info import SuiteInfo
from babelbits.tasks.text import TextTask

BABELMINI_LANGUAGES = (
    *("en", "nb", "de", "fr", "es", "ru", "ar", "hi", "ml", "ja", "zh", "ko", "sw"),
)
"""Languages that every BabelMini suite has; the data folder may hold more."""


def _own(
    name: str,
    summary: str,
    *,
    metric: str = "accuracy",
    choices: int | None = None,
    generates: bool,
    own_options: type | None = None,
) -> SuiteInfo:
    return SuiteInfo(
        name=name,
        languages=BABELMINI_LANGUAGES,
        summary=summary,
        generates=generates,
        licence="CC0-1.0",
        parallel=True,
        chance=None if choices is None else 1 / choices,
        choices=choices,
        metric=metric,
        own_options=own_options,
    )


SUITES = (
    _own(
        "text",
        "bits per byte of parallel text: bundled, or a local folder",
        metric="bits per byte",
        generates=False,
    ),
    _own(
        "pairs",
        "which of two versions of a sentence is intact",
        metric="accuracy",
        choices=2,
        generates=False,
    ),
    _own("math", "one- and two-step sums in words", metric="exact match", generates=True),
    _own(
        "confusion",
        "does the model go on in the prompt's language",
        metric="share in the right language",
        generates=True,
        own_options=IdentifierOptions,
    ),
    _own(
        "extended",
        "long answers: language and repetition by position",
        metric="share in the right language",
        generates=True,
        own_options=TalkOptions,
    ),
)

FAMILY = FolderSuites(
    suites=SUITES,
    tasks={
        "text": TextTask,
        "pairs": PairsTask,
        "math": MathTask,
        "confusion": ConfusionTask,
        "extended": ExtendedTask,
    },
)
