"""Language confusion: whether the model goes on in the language of the prompt.

After the Line-level Pass Rate of Marchisio et al. 2024 (arXiv 2406.20052), with one line an item
that may be short: the score is 1 where the continuation is identified as the prompt's language,
else 0. A continuation without a letter shows no language and scores 0, and so does one whose
language the identifier is not sure of. Identifiers mistake near relatives (Danish for Norwegian)
now and then, for every variant alike.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import cast

from babelbits.records import GenerateRequest, Generation, Item, Metric, Outcome, Reply, Request
from babelbits.tasks.base import TaskOptions
from babelbits.tasks.jsonl_task import OwnTask
from babelbits.tasks.language_confusion.task import choose_identifier
from babelbits.tasks.language_id import Guess, Identifier, is_same_language
from babelbits.tasks.language_id.errors import note_errors
from babelbits.tasks.reading import Row, text_field
from babelbits.tasks.suites import SuiteInfo

MAX_NEW_TOKENS = 40


class ConfusionTask(OwnTask):
    """`{"source_id", "prompt"}` a line."""

    metrics = (Metric(name="language_match", kind="binary"),)
    output_type = "generation"

    def __init__(
        self, suite: SuiteInfo, language: str, options: TaskOptions, *, folder: Path
    ) -> None:
        super().__init__(suite, language, options, folder=folder)
        self._identifier = choose_identifier(language, options)
        self.notes = (note_errors(self._identifier, language),)

    @cached_property
    def scorer_version(self) -> str:  # type: ignore[override]  # read-only, not known to the class
        """Rule and identifier: another one may identify otherwise."""
        return f"confusion 2; {self._identifier.recipe}"

    def build(self, row: Row, where: str) -> tuple[Sequence[Request], str]:
        """The prompt, to be continued; the target is the language."""
        prompt = text_field(row, "prompt", where)
        return (GenerateRequest(prompt=prompt, max_new_tokens=MAX_NEW_TOKENS),), self.language

    def judge(self, item: Item, replies: Sequence[Reply]) -> Outcome:
        """1 where the continuation is in the prompt's language."""
        reply = cast(Generation, replies[0])
        guess = identify_text(reply.texts[0], self._identifier)
        matches = guess is not None and is_same_language(guess.code, item.language)
        return Outcome(
            output=reply.texts[0],
            scores={"language_match": float(matches)},
            finish_reason=reply.finish_reasons[0],
            remark="" if matches else _remark(guess, item.language),
        )


def identify_text(text: str, identifier: Identifier) -> Guess | None:
    """The identifier's guess; None without a letter."""
    shown = _printable(text)
    return None if shown is None else identifier.guess(shown)


def _printable(text: str) -> str | None:
    """Without control characters; None without a letter."""
    shown = "".join(char if char.isprintable() else " " for char in text).strip()
    return shown if any(char.isalpha() for char in shown) else None


def _remark(guess: Guess | None, language: str) -> str:
    return "no letter" if guess is None else f"{guess.said}, not {language}"
