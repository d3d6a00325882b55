"""Whether a written answer holds a gold answer: MixEval's rule parser for free-form questions.

Lenient as upstream's: the parts of the answer that follow a word like "is" or "therefore" are
searched for a gold answer's text, and their numbers are held against gold numbers (two decimals).
Stricter in two places: a GSM8k gold is the number after "####", not the whole solution (which no
answer ever contains), and LaTeX around a gold number or word is taken off.
"""

import re
from collections.abc import Sequence
from decimal import Decimal

from babelbits.tasks.mixeval.prompts import Wording, list_letters
from babelbits.tasks.numbers import find_all_numbers

_LATEX = re.compile(r"\\(?:text|mathrm|mbox|boxed)\{([^{}]*)\}|\\[!,;: ]|\\(?=[$%])|\$")


def matches(answer: str, golds: Sequence[str], *, words: Wording) -> bool:
    """Whether `answer` holds any of the gold answers.

    References
    ----------
    github.com/Psycoy/MixEval, `mix_eval/utils/metric_utils.py` (`parse_freeform_response_rule`,
    `eval_freeform_rule`), read for its rules.
    """
    parts = _answer_parts(_first_answer(answer, words), words)
    found = {number for part in parts for number in _numbers(part)}
    return any(_held(gold, parts, found) for gold in golds)


def _held(gold: str, parts: Sequence[str], found: set[Decimal]) -> bool:
    text = strip_gold(gold).lower()
    number = _whole_number(text)
    if number is not None:
        return number in found
    if len(text) == 1:  # one letter is in every text
        return any(text in part.split() for part in parts)
    return bool(text) and any(text in part for part in parts)


def strip_gold(gold: str) -> str:
    """A gold answer without its derivation and without LaTeX around it."""
    return _LATEX.sub(lambda match: match[1] or "", gold.rpartition("####")[2]).strip()


def _first_answer(answer: str, words: Wording) -> str:
    """Up to where a base model asks the next question."""
    first = answer.split(f"\n{words.question.strip()}")[0]
    return first if any(char.isalnum() for char in first) else answer


def _answer_parts(answer: str, words: Wording) -> list[str]:
    """Lower-case ends of lines that an answer word introduces; the whole if there are none."""
    lines = [line for line in answer.strip().strip(".").lower().split("\n") if line.strip()]
    parts = []
    for place, line in enumerate(lines):
        marks = (*words.answer_words, "=") if place == len(lines) - 1 else words.answer_words
        ends = [line.rsplit(mark, 1)[1].strip() for mark in marks if mark in line]
        ends = [end for end in ends if any(char.isalnum() for char in end)]
        if ends:
            parts.append(min(ends, key=len))
    return parts or [strip_gold(answer).lower()]


def _numbers(part: str) -> list[Decimal]:
    return [round(number, 2) for number in find_all_numbers(strip_gold(part))]


def _whole_number(text: str) -> Decimal | None:
    """The number that `text` is, perhaps with a unit sign; None if it says anything else."""
    numbers = find_all_numbers(text)
    rest = re.sub(r"[\W\d_]", "", text)
    return round(numbers[0], 2) if len(numbers) == 1 and not rest else None


# --- letters of options ---------------------------------------------------------------------------
# Which option a written answer chooses: MixEval's rule parser, without its dice.
#
# A letter counts where it stands alone, in brackets or in bold; the first one wins. An answer of
# more than five words without such a letter is searched for the options' own text. Upstream then
# draws a letter at random; here an answer that chooses nothing is None, and the task says what
# that is worth.

_EDGES = ",.!?;:'"
_WORDS_OF_A_SENTENCE = 5


def find_chosen(answer: str, options: Sequence[str]) -> int | None:
    """Place of the option that `answer` chooses; None if it chooses none.

    Only the answer's first paragraph counts: what follows a blank line is, with a base model, the
    next question.

    References
    ----------
    github.com/Psycoy/MixEval, `mix_eval/utils/metric_utils.py` (`parse_multi_choice_response_rule`
    with `extract_basemodel_response_2e`), read for its rules.
    """
    text = f" {_first_paragraph(answer).strip().strip(_EDGES)} "
    places = [
        (match.start(), place)
        for place, letter in enumerate(list_letters(options))
        for match in re.finditer(_alone(letter), text)
    ]
    if not places and len(text.split()) > _WORDS_OF_A_SENTENCE:
        lower = text.lower()
        places = [
            (lower.index(option.lower()), place)
            for place, option in enumerate(options)
            if option.strip() and option.lower() in lower
        ]
    return min(places)[1] if places else None


def _alone(letter: str) -> str:
    return rf"(?<=[\s(*]){letter}(?=\.?[\s*)]|\)|:)"


def _first_paragraph(answer: str) -> str:
    first = answer.strip().split("\n\n")[0]
    return first if any(char.isalnum() for char in first) else answer
