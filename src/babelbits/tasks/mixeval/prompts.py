"""How MixEval asks, language by language: question, options, and an instruction at the end.

The English prompts are upstream's, letter by letter. Those of other languages are translations of
the instruction alone; a language without one is asked in English. No file is read here.
"""

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

STEP_BY_STEP = frozenset({"BBH", "GSM8k", "MATH"})
"""Source benchmarks whose free-form answers are reasoned out first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What MixEval says besides the question itself."""

    letter: str
    short: str
    stepwise: str
    question: str
    answer_words: tuple[str, ...]
    """Lower case: what often stands right before an answer (see `freeform`)."""


_WORDINGS: Mapping[str, Wording] = {
    "en": Wording(
        letter="Answer with the option letter from the given choices directly.",
        short="Answer the question shortly.",
        stepwise="Answer the question. \nLet's think step by step.",
        question="Question: ",
        answer_words=(
            *("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result "),
        ),
    ),
    "nb": Wording(
        letter="Svar direkte med bokstaven til riktig svaralternativ.",
        short="Svar kort på spørsmålet.",
        stepwise="Svar på spørsmålet. \nLa oss tenke steg for steg.",
        question="Spørsmål: ",
        answer_words=(
            *("kan være ", "så ", "er ", "dermed ", "derfor ", "altså ", "endelige ", "svaret "),
            *("svar: ", "resultatet "),
        ),
    ),
}


def find_wording(language: str) -> Wording:
    """The wording of a language; English where there is none of its own."""
    return _WORDINGS.get(language, _WORDINGS["en"])


def has_wording(language: str) -> bool:
    """Whether the instruction is in the language itself."""
    return language in _WORDINGS


def list_letters(options: Sequence[str]) -> tuple[str, ...]:
    """'A', 'B', ... for the options."""
    return tuple(string.ascii_uppercase[: len(options)])


def write_choice_prompt(
    prompt: str, *, context: str | None, options: Sequence[str], words: Wording
) -> str:
    """A multiple-choice question as upstream writes it."""
    listed = [
        f"{letter}. {option}" for letter, option in zip(list_letters(options), options, strict=True)
    ]
    return "\n".join([*_given(context), prompt, *listed, words.letter])


def write_freeform_prompt(
    prompt: str, *, context: str | None, benchmark: str, words: Wording
) -> str:
    """A free-form question as upstream writes it."""
    instruction = words.stepwise if benchmark in STEP_BY_STEP else words.short
    return words.question + "\n".join([*_given(context), prompt, instruction])


def _given(context: str | None) -> tuple[str, ...]:
    """Upstream writes a missing context as null, 'None' or blanks."""
    absent = context is None or context.strip().lower() in ("", "none", "null")
    return () if absent or context is None else (context,)
