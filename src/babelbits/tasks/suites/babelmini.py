"""BabelMini, which ships in the package: suites over the same languages, and open prompts."""

from babelbits.tasks.suites.info import SuiteInfo

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
    identifies: bool = False,
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
        identifies=identifies,
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
        identifies=True,
    ),
    _own(
        "extended",
        "long answers: language and repetition by position",
        metric="share in the right language",
        generates=True,
        identifies=True,
    ),
    # Prompts that have no right answer: what judges and people compare.
    SuiteInfo(
        name="open-prompts",
        languages=BABELMINI_LANGUAGES,
        summary="answers to open prompts, for judges and people: bundled, or a local folder",
        generates=True,
        licence="CC0-1.0",
        parallel=True,
        metric="share answered; for judges",
    ),
)
