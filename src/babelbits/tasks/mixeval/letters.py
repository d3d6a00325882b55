"""Which option a written answer chooses: MixEval's rule parser, without its dice.

A letter counts where it stands alone, in brackets or in bold; the first one wins. An answer of more
than five words without such a letter is searched for the options' own text. Upstream then draws a
letter at random; here an answer that chooses nothing is None, and the task says what that is worth.
"""

import re
from collections.abc import Sequence

from babelbits.tasks.mixeval.prompts import letters

_EDGES = ",.!?;:'"
_WORDS_OF_A_SENTENCE = 5


def chosen(answer: str, options: Sequence[str]) -> int | None:
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
        for place, letter in enumerate(letters(options))
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
