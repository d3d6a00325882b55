"""The suites `language-confusion` and `language-confusion-cross`, one language at a time.

Scores are 0 or 1 a response: `line_pass`, and `word_pass` where the lines pass. The mean of
`line_pass` over a language's items is its line-level pass rate; as the prompt sets of a language
have the same number of prompts, it is also the mean over the sets, which the benchmark reports, but
for responses that have no line to judge (they have no score and are counted). With several samples
a prompt, the score is the mean over its samples that have a verdict.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import cast

from babelbits.errors import MissingExtraError, UnknownNameError
from babelbits.records import (
    Failure,
    GenerateRequest,
    Generation,
    Item,
    Metric,
    Outcome,
    Reply,
    Request,
)
from babelbits.tasks.base import TaskOptions, own_options
from babelbits.tasks.jsonl_task import OwnTask
from babelbits.tasks.language_confusion import rules, words
from babelbits.tasks.language_confusion.data import Setting, read_rows
from babelbits.tasks.language_id import (
    LITE,
    Absent,
    Identifier,
    IdentifierOptions,
    open_identifier,
)
from babelbits.tasks.language_id.errors import note_errors
from babelbits.tasks.reading import Row, text_field
from babelbits.tasks.suites import SuiteInfo

MAX_NEW_TOKENS = 100
TEMPERATURE = 0.3
TOP_P = 0.75
"""The benchmark's decoding (arXiv 2406.20052, section 4)."""
STOP = ("\nQ:",)
"""What follows is cut anyway."""
_LINE_PASS = Metric(name="line_pass", kind="binary")
_WORD_PASS = Metric(name="word_pass", kind="binary")
_SETTINGS: Mapping[str, Setting] = {
    "language-confusion": "monolingual",
    "language-confusion-cross": "crosslingual",
}


class LanguageConfusionTask(OwnTask):
    """One setting of the benchmark in one language.

    Raises
    ------
    UnknownNameError
        If the identifier cannot name the language.
    MissingExtraError
        If the identifier, or the library that splits the language's lines, is not installed.
    """

    output_type = "generation"

    def __init__(
        self, suite: SuiteInfo, language: str, options: TaskOptions, *, folder: Path
    ) -> None:
        super().__init__(suite, language, options, folder=folder)
        self._identifier = choose_identifier(language, options)
        self._english = words.read_english_words(folder) if rules.has_word_rate(language) else None
        self.metrics = (_LINE_PASS,) if self._english is None else (_LINE_PASS, _WORD_PASS)
        self.notes = tuple(self._notes())

    @cached_property
    def scorer_version(self) -> str:  # type: ignore[override]  # read-only, not known to the class
        """Rules, identifier, tokenizer and word list."""
        parts = [f"language confusion {rules.VERSION}", self._identifier.recipe]
        parts.append(words.describe_tokenizer(self.language))
        if self._english is not None:
            parts.append(words.describe_words(self._english))
        return "; ".join(parts)

    @property
    def prompt_language(self) -> str:
        """English where another language is asked for."""
        return "en" if _SETTINGS[self.suite.name] == "crosslingual" else self.language

    def rows(self) -> list[tuple[str, Row]]:
        """The prompts of all sets that the language has, taking turns."""
        return read_rows(_SETTINGS[self.suite.name], self.language, self.folder)

    def build(self, row: Row, where: str) -> tuple[Sequence[Request], str]:
        """The prompt as it is; the target is the language."""
        request = GenerateRequest(
            prompt=text_field(row, "prompt", where),
            max_new_tokens=MAX_NEW_TOKENS,
            stop=STOP,
            temperature=TEMPERATURE,
            top_p=TOP_P,
            seed=self.options.seed,
        )
        return (request,), self.language

    def judge(self, item: Item, replies: Sequence[Reply]) -> Outcome:
        """Judge every sample; without a verdict on any, there is no score."""
        reply = cast(Generation, replies[0])
        found = [self._verdict(text, item.language) for text in reply.texts]
        scores = {metric.name: _mean(found, metric.name) for metric in self.metrics}
        remark = _remark(found)
        failure = Failure(kind="nothing_to_score", message=remark)
        return Outcome(
            output=reply.texts[0],
            scores=scores,
            finish_reason=reply.finish_reasons[0],
            failure=failure if scores["line_pass"] is None else None,
            remark=remark,
        )

    def _verdict(self, text: str, language: str) -> rules.Verdict:
        return rules.judge(
            text,
            language,
            identifier=self._identifier,
            tokenize=words.make_tokenizer(language),
            english=self._english,
        )

    def _notes(self) -> Sequence[str]:
        notes = [note_errors(self._identifier, self.language)]
        if rules.has_word_rate(self.language) and self._english is None:
            notes.append(
                f"no word pass rate: the folder has no word list ({', '.join(words.WORD_FILES)})"
            )
        return notes


def choose_identifier(language: str, options: TaskOptions) -> Identifier:
    """The identifier that a study chose, if it can name the language.

    Raises
    ------
    UnknownNameError
        If there is no such identifier, or the language is none of its languages.
    MissingExtraError
        If its library is not installed; 'lite' raises it when it is asked for a language.
    """
    chosen = own_options(options, IdentifierOptions).identifier
    try:
        identifier = open_identifier(chosen)
    except MissingExtraError as error:
        if chosen not in (None, LITE):
            raise
        # It comes with everything else that a run needs: whoever only plans has not got it.
        return Absent(LITE, error)
    if not identifier.knows(language):
        raise UnknownNameError(
            f"the identifier '{identifier.name}' cannot tell the language '{language}'",
            hint="leave the language out, or choose another identifier: lite knows 176 languages",
        )
    return identifier


def _mean(found: Sequence[rules.Verdict], name: str) -> float | None:
    values = [value for verdict in found if (value := getattr(verdict, name)) is not None]
    return sum(values) / len(values) if values else None


def _remark(found: Sequence[rules.Verdict]) -> str:
    """The remark of the only sample, or of the first that has one, with its number."""
    for number, verdict in enumerate(found, start=1):
        if verdict.remark:
            return verdict.remark if len(found) == 1 else f"sample {number}: {verdict.remark}"
    return ""
