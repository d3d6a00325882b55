"""Translation of single sentences, from or into a language.

The prompt says what to do in a line of English, shows the few-shot pairs (the first of FLORES' dev
split, the same for all items) and ends where the translation must begin, so that models without
instruction tuning can go on. Decoding stops at a line's end. What is written is stripped of spaces,
nothing else; an empty answer is a wrong one and counts.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import cast

from babelbits.errors import StudyError, TaskError
from babelbits.languages import resolve
from babelbits.records import (
    GenerateRequest,
    Generation,
    Item,
    Metric,
    Outcome,
    Reply,
    Request,
    TaskInfo,
)
from babelbits.tasks.base import TaskOptions, own_options
from babelbits.tasks.hub_data import HubDataset
from babelbits.tasks.jsonl_task import OwnTask
from babelbits.tasks.reading import Row, text_field
from babelbits.tasks.suites import SuiteInfo, list_all_suites
from babelbits.tasks.translation.data import (
    EXAMPLES,
    ITEMS,
    list_wanted,
    read_documents,
    read_segments,
)
from babelbits.tasks.translation.metrics import (
    join_signatures,
    list_notes,
    list_segment_metrics,
    measure_chance_level,
)
from babelbits.tasks.translation.suite import TranslationOptions, TranslationSuite
from babelbits.words import plural

MAX_NEW_TOKENS = 256
"""For English, where the longest segment of NTREX has 63 words; see `tasks.token_limits`."""
ENGLISH = "en"
_UNRELATED = 200
"""Segments that the score of unrelated text is measured on."""


def find_source(prompt: str, info: TaskInfo) -> str | None:
    """The sentence that a prompt of a translation task asks for, as a chat or plain.

    Parameters
    ----------
    prompt : str
        As `TranslationTask` builds it; segments hold no line feed.
    info : TaskInfo
        Its task; None comes back for tasks that do not translate.
    """
    suite = list_all_suites().get(info.suite)
    if not isinstance(suite, TranslationSuite):
        return None
    pair = info.name.removeprefix(f"{info.suite}_")
    if suite.translates == "into":
        source, into = pair.removesuffix(f"-{info.language}"), info.language
    else:
        source, into = info.language, pair.removeprefix(f"{info.language}-")
    asked = prompt.rpartition(f"\n{resolve(into).name}:")[0]
    return asked.rpartition(f"\n{resolve(source).name}: ")[2]


class TranslationTask(OwnTask):
    """One suite, one language, one direction; the name says from what into what.

    Raises
    ------
    StudyError
        If the language is the pivot.
    MissingExtraError
        If sacrebleu is not installed.
    """

    output_type = "generation"

    def __init__(
        self, suite: SuiteInfo, language: str, options: TaskOptions, *, folder: Path
    ) -> None:
        super().__init__(suite, language, options, folder=folder)
        if not isinstance(suite, TranslationSuite):
            raise TypeError(f"'{suite.name}' translates nothing")
        pivot = own_options(options, TranslationOptions).pivot
        if language == pivot:
            raise StudyError(f"'{language}' cannot be translated into itself", where=suite.name)
        pair = (pivot, language)
        self.source, self.into = pair if suite.translates == "into" else pair[::-1]
        self.name = f"{suite.name}_{self.source}-{self.into}"
        self._metrics = list_segment_metrics(self.into)
        self.scorer_version = f"translation 1: {join_signatures(self._metrics)}"
        self.notes = list_notes(self.into, self._metrics)

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:  # type: ignore[override]  # known once the data are
        """The metrics, each with its score for unrelated text in the right language as chance."""
        _, references = self._segments(self.into, ITEMS)
        known = references[:_UNRELATED]
        return tuple(
            replace(one.metric, chance=measure_chance_level(one, known)) for one in self._metrics
        )

    def rows(self) -> list[tuple[str, Row]]:
        """Place, source and reference of every segment."""
        rows = [
            (f"{where}: segment {number}", {"source_id": str(number), "source": a, "reference": b})
            for number, (where, a, b) in enumerate(self._pairs(ITEMS), start=1)
        ]
        documents = read_documents(
            self.suite, self.options.data, self.language, split=ITEMS, expected=len(rows)
        )
        if documents is None:
            return rows
        return [
            (place, {**row, "cluster_id": name})
            for (place, row), name in zip(rows, documents, strict=True)
        ]

    def build(self, row: Row, where: str) -> tuple[Sequence[Request], str]:
        """The prompt; the target is the reference."""
        source, reference = (text_field(row, name, where) for name in ("source", "reference"))
        prompt = f"{self._opening}{self._shown(source, '')}"
        request = GenerateRequest(prompt=prompt, max_new_tokens=MAX_NEW_TOKENS, stop=("\n",))
        return (request,), reference

    def judge(self, item: Item, replies: Sequence[Reply]) -> Outcome:
        """Scores of the segment, and its statistics for the corpus."""
        reply = cast(Generation, replies[0])
        hypothesis = reply.texts[0].strip()
        found = {one.metric.name: one for one in self._metrics}
        return Outcome(
            output=reply.texts[0],
            scores={name: one.score(hypothesis, item.target) for name, one in found.items()},
            statistics={
                name: one.statistics(hypothesis, item.target) for name, one in found.items()
            },
            finish_reason=reply.finish_reasons[0],
        )

    def english_pairs(self) -> list[tuple[str, str]]:
        """English and target-language text of every segment: how long translations get."""
        _, english = self._segments(ENGLISH, ITEMS)
        _, written = self._segments(self.into, ITEMS)
        return list(zip(english, written, strict=True))

    def wanted(self) -> tuple[HubDataset, ...]:
        """FLORES+ in both languages, and in English, which token limits are scaled from."""
        if self.options.data is not None or not self.suite.downloads:
            return ()
        codes = dict.fromkeys((self.source, self.into, ENGLISH))
        return tuple(list_wanted(self.suite, code) for code in codes)

    # --- prompts ---

    @cached_property
    def _opening(self) -> str:
        """The instruction and the examples."""
        shots = self.options.shots if self.options.shots is not None else self.suite.shots or 0
        pairs = self._pairs(EXAMPLES) if shots else []
        if len(pairs) < shots:
            raise TaskError(
                f"task '{self.name}' has "
                f"{plural(len(pairs), 'few-shot example')}, {shots} were asked for"
            )
        source, into = self._names
        blocks = [f"Translate from {source} into {into}.\n\n"]
        blocks += [f"{self._shown(a, f' {b}')}\n\n" for _, a, b in pairs[:shots]]
        return "".join(blocks)

    def _shown(self, source: str, translation: str) -> str:
        first, second = self._names
        return f"{first}: {source}\n{second}:{translation}"

    @cached_property
    def _names(self) -> tuple[str, str]:
        return resolve(self.source).name, resolve(self.into).name

    # --- data ---

    def _pairs(self, split: str) -> list[tuple[str, str, str]]:
        """Place, source and reference; TaskError where the two languages differ in length."""
        _, sources = self._segments(self.source, split)
        where, references = self._segments(self.into, split)
        if len(sources) != len(references):
            raise TaskError(
                f"{plural(len(references), 'segment')}, but {len(sources)} in '{self.source}'",
                where=where,
            )
        return [(where, a, b) for a, b in zip(sources, references, strict=True)]

    def _segments(self, language: str, split: str) -> tuple[str, list[str]]:
        return read_segments(self.suite, self.options.data, language, split=split)
