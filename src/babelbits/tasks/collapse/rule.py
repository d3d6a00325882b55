"""Which signs of collapse hold for a task, and what they say of an item's row.

Every arm is judged by itself and by the same rule, from what is stored: nothing of the baseline's
answer is looked at when a variant's is judged. An item has as many answers as were drawn or as the
conversation has turns; its value is the share of them that collapsed.

The language and the script are looked at only where the item says which language is written: its
target is the language itself, or a text in it. Reasoning in English about a question in Swahili is
no collapse where the gold answer is a number. A token limit is a sign only where there is a gold
answer: a text that just goes on ends there by design.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from babelbits.errors import MissingExtraError, UnknownNameError
from babelbits.languages import resolve
from babelbits.records import ItemRow, TaskInfo
from babelbits.tasks.collapse import human_text, signs
from babelbits.tasks.collapse.human_text import FalseAlarms
from babelbits.tasks.language_id import Identifier, open_identifier
from babelbits.tasks.open_prompts import OpenPromptsTask


def open_usual_identifier() -> Identifier | None:
    """The identifier that the measured rates are about; None where its library is not here."""
    try:
        return open_identifier()
    except MissingExtraError:
        return None


@dataclass(frozen=True, kw_only=True)
class CollapseRule:
    """The signs that hold for one task: a suite in one language."""

    info: TaskInfo
    identifier: Identifier | None
    """None: no language is identified."""

    @cached_property
    def off(self) -> Mapping[str, str]:
        """Sign to why it is off in this task."""
        found = {}
        if self._is_open:
            found[signs.CUT] = "the suite has no gold answer: its texts end at the limit by design"
        measured = self._measured
        for sign in (signs.LOOP, signs.SCRIPT, signs.LANGUAGE):
            why = self._why_off(sign, measured)
            if why is not None:
                found[sign] = why
        return found

    @cached_property
    def not_told_apart(self) -> tuple[str, ...]:
        """Codes of languages that the identifier mistakes this one for: never a sign."""
        return () if self._measured is None else self._measured.not_told_apart

    def judge(self, row: ItemRow) -> tuple[tuple[str, ...], ...] | None:
        """The signs that each answer of an item shows; None where there is no answer to judge.

        An answer without a sign is `()`. An item that could not be scored because of what was
        written has an answer; one that the engine failed on has none.
        """
        if not _has_answer(row):
            return None
        answers: list[tuple[str, str | None]] = [
            (one.text, one.finish_reason) for one in row.answers
        ]
        language = self._wanted(row)
        return tuple(
            self._signs(text, reason, row=row, language=language)
            for text, reason in answers or [(row.output, row.finish_reason)]
        )

    def signs_of(self, text: str, reason: str | None, *, prompt: str) -> tuple[str, ...]:
        """The signs that one answer shows by itself: language, script and gold are not asked for.

        Parameters
        ----------
        text : str
            What the model wrote.
        reason : str or None
            Why it ended.
        prompt : str
            As it was asked.
        """
        shown = []
        if signs.is_empty(text):
            shown.append(signs.EMPTY)
        if self._on(signs.LOOP) and signs.is_loop(text):
            shown.append(signs.LOOP)
        if signs.is_copy(text, prompt):
            shown.append(signs.COPIED)
        if reason == "length" and self._on(signs.CUT):
            shown.append(signs.CUT)
        return tuple(shown)

    def _signs(
        self, text: str, reason: str | None, *, row: ItemRow, language: str | None
    ) -> tuple[str, ...]:
        shown = set(self.signs_of(text, reason, prompt=row.prompt))
        if self._gold_is_quoted(row):
            shown.discard(signs.COPIED)
        if language is not None and self._on(signs.SCRIPT):
            script = resolve(language).script
            if signs.is_other_script(text, script):
                shown.add(signs.SCRIPT)
        if language is not None and self._is_other_language(text, language):
            shown.add(signs.LANGUAGE)
        return tuple(sign for sign in signs.SIGNS if sign in shown)

    def _on(self, sign: str) -> bool:
        return sign not in self.off

    @cached_property
    def _measured(self) -> FalseAlarms | None:
        return human_text.read_false_alarms(self.identifier).get(self.info.language)

    def _why_off(self, sign: str, measured: FalseAlarms | None) -> str | None:
        if sign == signs.LANGUAGE:
            if self.identifier is None:
                return "the language identifier is not installed"
            if not self.identifier.knows(self.info.language):
                return "the language identifier does not know the language"
            if measured is None or sign not in measured.wrong:
                return "how often the identifier errs on human text is not on record"
        if measured is None or measured.allows(sign):
            return None
        return f"takes {measured.rate(sign):.1%} of human texts for collapsed"

    @cached_property
    def _is_open(self) -> bool:
        """Whether the suite asks for a text to which nothing is right."""
        return self._has_language_targets or self._asks_openly or self._is_judged_by_rules

    @property
    def _has_language_targets(self) -> bool:
        """A suite about the language itself; its items' target is the language's code."""
        return any(
            metric.name in ("language", "language_match", "line_pass")
            for metric in self.info.metrics
        )

    @property
    def _is_judged_by_rules(self) -> bool:
        """A suite of prompts that are refused or followed: rules judge what has no gold answer."""
        return self.info.primary in ("refused", "prompt_strict")

    @property
    def _asks_openly(self) -> bool:
        own = [metric.name for metric in OpenPromptsTask.metrics]
        return [metric.name for metric in self.info.metrics] == own

    def _wanted(self, row: ItemRow) -> str | None:
        """The language that the answer should be written in, where the item says so."""
        language = self.info.language
        if row.target == language:
            return language
        if self._is_judged_by_rules:
            return None
        if signs.count_letters(row.target) < signs.FEWEST_LETTERS:
            return None
        other_script = signs.is_other_script(row.target, resolve(language).script)
        return None if other_script or self._is_other_language(row.target, language) else language

    def _is_other_language(self, text: str, language: str) -> bool:
        if self.identifier is None or not self._on(signs.LANGUAGE):
            return False
        other = signs.find_other_language(text, language, self.identifier)
        return other is not None and other not in self.not_told_apart

    def _gold_is_quoted(self, row: ItemRow) -> bool:
        """Whether a right answer stands in the prompt.

        The target of an open prompt is the prompt itself, and no answer to it.
        """
        if self._asks_openly:
            return False
        return any(signs.is_copy(gold, row.prompt) for gold in row.golds or (row.target,))


def find_rule(info: TaskInfo, identifier: Identifier | None) -> CollapseRule | None:
    """The rule of a task; None where nothing is written in it, or its language is unknown."""
    if info.output_type != "generation":
        return None
    try:
        resolve(info.language)
    except UnknownNameError:
        return None
    return CollapseRule(info=info, identifier=identifier)


def _has_answer(row: ItemRow) -> bool:
    """Whether the model wrote something, if only what could not be scored."""
    return row.failure is None or row.failure.kind == "nothing_to_score" or bool(row.output)


def measure_collapse(answers: Sequence[Sequence[str]]) -> float:
    """Share of an item's answers that show a sign."""
    return sum(bool(shown) for shown in answers) / len(answers)
