"""Five fixed examples that go before a question when a base model is asked: English and Norwegian.

Upstream shows base models five examples, too; these are written for this project (CC0) and say the
same in both languages, so that the language is all that differs. The same for all items and
variants, and in a fixed order: the prefix is computed once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from babelbits.tasks.mixeval import prompts

N_SHOTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceShot:
    """A multiple-choice question with its answer."""

    prompt: str
    options: tuple[str, ...]
    gold: int
    context: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeFormShot:
    """A free-form question with its answer; `benchmark` decides how it is asked."""

    prompt: str
    answer: str
    benchmark: str = "TriviaQA"
    context: str | None = None


Shot = TypeVar("Shot")

_CHOICES: Mapping[str, tuple[ChoiceShot, ...]] = {
    "en": (
        ChoiceShot(
            prompt="Which of these metals is liquid at room temperature?",
            options=("Iron", "Copper", "Mercury", "Tin"),
            gold=2,
        ),
        ChoiceShot(
            context="The library opens at ten on weekdays and stays closed on Sundays.",
            prompt="Can a book be borrowed there on a Sunday morning?",
            options=("No", "Yes"),
            gold=0,
        ),
        ChoiceShot(
            context="How to keep bread from drying out",
            prompt="Which solution is correct?",
            options=("Leave it uncovered by the window.", "Keep it in a closed bread box."),
            gold=1,
        ),
        ChoiceShot(
            context="Ida lent her umbrella to a stranger and walked home in the rain.",
            prompt="How would you describe Ida?",
            options=("careless", "helpful", "angry"),
            gold=1,
        ),
        ChoiceShot(
            prompt="What would you use to look at a distant star?",
            options=("a microscope", "a thermometer", "a stethoscope", "a telescope", "a ruler"),
            gold=3,
        ),
    ),
    "nb": (
        ChoiceShot(
            prompt="Hvilket av disse metallene er flytende ved romtemperatur?",
            options=("Jern", "Kobber", "Kvikksølv", "Tinn"),
            gold=2,
        ),
        ChoiceShot(
            context="Biblioteket åpner klokken ti på hverdager og holder stengt på søndager.",
            prompt="Kan man låne en bok der en søndag formiddag?",
            options=("Nei", "Ja"),
            gold=0,
        ),
        ChoiceShot(
            context="Hvordan hindre at brød tørker ut",
            prompt="Hvilken løsning er riktig?",
            options=("La det ligge udekket ved vinduet.", "Oppbevar det i en lukket brødboks."),
            gold=1,
        ),
        ChoiceShot(
            context="Ida lånte bort paraplyen sin til en fremmed og gikk hjem i regnet.",
            prompt="Hvordan vil du beskrive Ida?",
            options=("uforsiktig", "hjelpsom", "sint"),
            gold=1,
        ),
        ChoiceShot(
            prompt="Hva ville du brukt for å se på en fjern stjerne?",
            options=("et mikroskop", "et termometer", "et stetoskop", "et teleskop", "en linjal"),
            gold=3,
        ),
    ),
}

_FREE_FORM: Mapping[str, tuple[FreeFormShot, ...]] = {
    "en": (
        FreeFormShot(
            benchmark="GSM8k",
            prompt="A shelf holds 4 rows of 6 jars. Then 5 jars are sold. How many are left?",
            answer="4 rows of 6 jars are 24 jars.\n24 - 5 = 19.\nSo the final answer is: 19.",
        ),
        FreeFormShot(
            context="The northern ferry carries 120 cars, the southern one 85.",
            prompt="Which ferry carries more cars?",
            answer="the northern ferry",
        ),
        FreeFormShot(
            benchmark="BBH",
            prompt="Sort the following words alphabetically: List: pear fig apple",
            answer="apple comes before fig, and fig before pear.\n"
            "So the final answer is: apple fig pear.",
        ),
        FreeFormShot(prompt="Which planet is closest to the sun?", answer="Mercury"),
        FreeFormShot(
            context="The home team scored in the 12th minute and again in the 70th.",
            prompt="How many minutes lay between the two goals?",
            answer="58",
        ),
    ),
    "nb": (
        FreeFormShot(
            benchmark="GSM8k",
            prompt="En hylle har 4 rader med 6 glass. Så selges 5 glass. Hvor mange er igjen?",
            answer="4 rader med 6 glass er 24 glass.\n24 - 5 = 19.\nDermed er svaret: 19.",
        ),
        FreeFormShot(
            context="Den nordlige fergen tar 120 biler, den sørlige 85.",
            prompt="Hvilken ferge tar flest biler?",
            answer="den nordlige fergen",
        ),
        FreeFormShot(
            benchmark="BBH",
            prompt="Sorter følgende ord alfabetisk: Liste: pære fiken eple",
            answer="eple kommer før fiken, og fiken før pære.\nDermed er svaret: eple fiken pære.",
        ),
        FreeFormShot(prompt="Hvilken planet er nærmest solen?", answer="Merkur"),
        FreeFormShot(
            context="Hjemmelaget scoret i det 12. minuttet og igjen i det 70.",
            prompt="Hvor mange minutter gikk det mellom målene?",
            answer="58",
        ),
    ),
}


def write_choice_prefix(language: str, shots: int) -> str:
    """The first `shots` multiple-choice examples as text that goes before the question."""
    words = prompts.find_wording(language)
    return "".join(
        f"{_choice_question(shot, words)}\n{prompts.list_letters(shot.options)[shot.gold]}\n\n"
        for shot in _of(_CHOICES, language)[:shots]
    )


def write_freeform_prefix(language: str, shots: int) -> str:
    """The first `shots` free-form examples as text that goes before the question."""
    words = prompts.find_wording(language)
    return "".join(
        f"{_freeform_question(shot, words)}\n{shot.answer}\n\n\n"
        for shot in _of(_FREE_FORM, language)[:shots]
    )


def without_examples(prompt: str, *, language: str) -> str:
    """A prompt without the examples that it may begin with, for those who read its answer."""
    found = next((prefix for prefix in _prefixes(language) if prefix in prompt), "")
    return prompt.replace(found, "", 1) if found else prompt


@cache
def _prefixes(language: str) -> tuple[str, ...]:
    """All that a prompt may begin with, the longest first."""
    return tuple(
        make(language, shots)
        for shots in range(N_SHOTS, 0, -1)
        for make in (write_choice_prefix, write_freeform_prefix)
    )


def _choice_question(shot: ChoiceShot, words: prompts.Wording) -> str:
    return prompts.write_choice_prompt(
        shot.prompt, context=shot.context, options=shot.options, words=words
    )


def _freeform_question(shot: FreeFormShot, words: prompts.Wording) -> str:
    return prompts.write_freeform_prompt(
        shot.prompt, context=shot.context, benchmark=shot.benchmark, words=words
    )


def _of(table: Mapping[str, tuple[Shot, ...]], language: str) -> tuple[Shot, ...]:
    return table.get(language, table["en"])
