"""Extended use: whether a model keeps its language, and finds new words, in long answers and chats.

The model goes on from an open prompt for up to some hundred tokens, or over several turns in which
the user asks it to go on. Every answer is cut into pieces of equally many tokens. Of each piece and
of each turn: is it in the prompt's language (`language`, 1 or 0 a piece), and which share of its
4-grams stands earlier in the answer (`repeated`; lower is better). A piece that an answer does not
reach has no score: effects by position are about the items whose answers reach it in both arms.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

from babelbits.engines.templates import ChatTemplate, Message, load_tokenizer
from babelbits.errors import TaskError
from babelbits.records import (
    GenerateRequest,
    Generation,
    Item,
    Metric,
    Outcome,
    Reply,
    Request,
)
from babelbits.tasks import language_consistency
from babelbits.tasks.base import TaskOptions, own_options
from babelbits.tasks.chat_wrapper import TurnsAlone, find_template, make_system_message
from babelbits.tasks.confusion import identify_text
from babelbits.tasks.jsonl_task import OwnTask
from babelbits.tasks.language_confusion.task import choose_identifier
from babelbits.tasks.language_id import IdentifierOptions, is_same_language
from babelbits.tasks.language_id.errors import note_errors
from babelbits.tasks.reading import Row, text_field
from babelbits.tasks.suites import SuiteInfo
from babelbits.words import agreeing, plural

LANGUAGE, REPEATED = "language", "repeated"

GO_ON = {
    "ar": "تابع من فضلك.",
    "de": "Bitte mach weiter.",
    "en": "Please go on.",
    "es": "Continúa, por favor.",
    "fr": "Continue, s'il te plaît.",
    "hi": "कृपया आगे बताइए।",
    "ja": "続けてください。",
    "ko": "계속해 주세요.",
    "ml": "ദയവായി തുടരൂ.",
    "nb": "Fortsett, er du snill.",
    "ru": "Продолжай, пожалуйста.",
    "sw": "Tafadhali endelea.",
    "zh": "请继续。",
}
"""What the user says after the first answer where the data say nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkOptions(IdentifierOptions):
    """`[[tasks]]` of this suite: how long, how often, and cut into which pieces."""

    tokens: int = 512
    """Most new tokens of one answer."""
    bucket: int = 64
    """Tokens of a piece that is looked at alone."""
    turns: int = 1
    """Answers an item; more than one needs a chat template."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """The pieces of one answer, and whether each is in the wanted language."""

    pieces: list[language_consistency.AnswerPiece]
    matches: list[float]


class ExtendedTask(OwnTask):
    """`{"source_id", "prompt"}` a line; `"follow_ups": [...]` are the user's later turns."""

    output_type = "generation"
    renders_chat: Literal[True] = True

    def __init__(
        self, suite: SuiteInfo, language: str, options: TaskOptions, *, folder: Path
    ) -> None:
        super().__init__(suite, language, options, folder=folder)
        self._talk = own_options(options, TalkOptions)
        self._identifier = choose_identifier(language, options)
        self.notes = (note_errors(self._identifier, language),)

    @property
    def metrics(self) -> tuple[Metric, ...]:  # type: ignore[override]  # depends on the settings
        """Of the whole, of each position, and of each turn where there are several."""
        talk = self._talk
        places = [
            "",
            *(f" {name}" for name in language_consistency.name_pieces(talk.tokens, talk.bucket)),
        ]
        if talk.turns > 1:
            places += [f" turn {turn + 1}" for turn in range(talk.turns)]
        return tuple(
            Metric(name=name + place, kind="bounded", higher_is_better=name == LANGUAGE)
            for place in places
            for name in (LANGUAGE, REPEATED)
        )

    @property
    def scorer_version(self) -> str:  # type: ignore[override]  # read-only, not known to the class
        """Rule, identifier, and how the answer is cut."""
        talk = self._talk
        return (
            f"extended 1: pieces of {talk.bucket} of {talk.tokens} tokens, {talk.turns} turns; "
            f"{self._identifier.recipe}"
        )

    def build(self, row: Row, where: str) -> tuple[Sequence[Request], str]:
        """The first turn; the target is the language."""
        talk = self._talk
        prompt = text_field(row, "prompt", where)
        if talk.turns > 1:
            self._check_turns(row, talk, where)
        return (self._request([{"role": "user", "content": prompt}]),), self.language

    def follow(self, item: Item, replies: Sequence[Reply]) -> Request | None:
        """The next turn of the user, while there are turns left and the model answers."""
        talk, last = self._talk, replies[-1]
        if len(replies) >= talk.turns or not isinstance(last, Generation):
            return None
        if not last.texts[0].strip():
            return None
        said = [str(item.doc["prompt"]), *self._later_turns(item.doc)]
        messages: list[Message] = []
        for turn, reply in enumerate(replies):
            messages.append({"role": "user", "content": said[turn]})
            messages.append({"role": "assistant", "content": cast(Generation, reply).texts[0]})
        messages.append({"role": "user", "content": said[len(replies)]})
        return self._request(messages)

    def judge(
        self,
        item: Item,  # noqa: ARG002  of the signature: all that counts is in the replies
        replies: Sequence[Reply],
    ) -> Outcome:
        """Language and repetition of the whole, of each position and of each turn."""
        answers = [cast(Generation, reply) for reply in replies]
        turns = [self._turn(answer.texts[0]) for answer in answers]
        scores: dict[str, float | None] = dict.fromkeys(metric.name for metric in self.metrics)
        scores |= _scores("", turns)
        talk = self._talk
        for number, name in enumerate(language_consistency.name_pieces(talk.tokens, talk.bucket)):
            scores |= _scores(f" {name}", [_only(turn, number) for turn in turns])
        if talk.turns > 1:
            for number, turn in enumerate(turns, start=1):
                scores |= _scores(f" turn {number}", [turn])
        cut = any(answer.finish_reasons[0] == "length" for answer in answers)
        return Outcome(
            output="\n\n".join(answer.texts[0] for answer in answers),
            scores=scores,
            finish_reason="length" if cut else answers[-1].finish_reasons[0],
        )

    def _turn(self, text: str) -> _Turn:
        encoded = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        pieces = language_consistency.cut(
            text,
            encoded["input_ids"],
            encoded["offset_mapping"],
            size=self._talk.bucket,
        )
        return _Turn(pieces=pieces, matches=[self._matches(piece.text) for piece in pieces])

    def _matches(self, text: str) -> float:
        guess = identify_text(text, self._identifier)
        return float(guess is not None and is_same_language(guess.code, self.language))

    def _request(self, messages: Sequence[Message]) -> GenerateRequest:
        if self._template is None:
            prompt = messages[0]["content"]
            return GenerateRequest(prompt=prompt, max_new_tokens=self._talk.tokens)
        turns = [*make_system_message(self.options.chat), *messages]
        return GenerateRequest(
            prompt=self._template.render(turns),
            max_new_tokens=self._talk.tokens,
            messages=tuple((turn["role"], turn["content"]) for turn in turns),
        )

    def _later_turns(self, row: Any) -> list[str]:
        """What the user says after the first answer; the last of the row's turns repeats."""
        given = [str(text) for text in row.get("follow_ups") or ()]
        wanted = self._talk.turns - 1
        usual = given[-1] if given else GO_ON.get(self.language.partition("-")[0], "")
        return (given + [usual] * wanted)[:wanted]

    def _check_turns(self, row: Row, talk: TalkOptions, where: str) -> None:
        if self._template is None:
            raise TaskError(
                f"{plural(talk.turns, 'turn')} "
                f"{agreeing(talk.turns, 'needs', 'need')} a chat template",
                where=self.name,
                hint="set template = true in [chat], or turns = 1",
            )
        if self.options.sampling is not None:
            raise TaskError(
                "a conversation of several turns cannot be sampled",
                where=self.name,
                hint="leave out 'samples', or set turns = 1",
            )
        if not all(text.strip() for text in self._later_turns(row)):
            raise TaskError(
                f"nobody wrote what the user says after the first answer in '{self.language}'",
                where=where,
                hint='write it into the data: "follow_ups": ["..."]',
            )

    @cached_property
    def _template(self) -> ChatTemplate | TurnsAlone | None:
        return find_template(self.options)

    @cached_property
    def _tokenizer(self) -> Any:
        if self.options.model is None:
            raise TaskError("positions are counted with a model's tokenizer, and none is named")
        return load_tokenizer(self.options.model)


def _only(turn: _Turn, number: int) -> _Turn:
    """One piece of a turn, if the answer reaches it."""
    kept = slice(number, number + 1)
    return _Turn(pieces=turn.pieces[kept], matches=turn.matches[kept])


def _scores(place: str, turns: Sequence[_Turn]) -> dict[str, float | None]:
    return {
        LANGUAGE + place: language_consistency.average_known(
            [match for turn in turns for match in turn.matches]
        ),
        REPEATED + place: language_consistency.average_known(
            [p.repeated for turn in turns for p in turn.pieces]
        ),
    }
