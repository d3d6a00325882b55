"""Short texts and prompts to rehearse with: few, in several scripts, some with a common beginning.

Pure. Results depend on nothing here but the texts' tokens.
"""

from collections.abc import Mapping, Sequence

from babelbits.recipes.gguf_tokens import read_known_texts
from babelbits.records import GenerateRequest, ScoreRequest, TextRequest

_LETTERS = 160
"""Of a text: some forty tokens."""
_TEXTS = 6
_LENGTHS = (2, 9, 3, 9, 5, 2, 9, 7)
"""Tokens to generate, row by row, so that rows end at different times."""


def choose_texts(asked: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """A few texts: the first of each language that is asked, then of those the package knows."""
    first = [found[0].strip()[:_LETTERS] for found in asked.values() if found]
    known = [found[0].strip()[:_LETTERS] for found in read_known_texts().values() if found]
    found = [text for text in (*first[: _TEXTS - 1], *known) if text]
    return tuple(dict.fromkeys(found))[:_TEXTS]


def make_prompts(from_texts: Sequence[str]) -> tuple[GenerateRequest, ...]:
    """Prompts that share a beginning, two of them the same, with ends at different times."""
    shared = from_texts[0][:48]
    tails = [text[20:44] for text in (*from_texts, *from_texts)]
    return tuple(
        GenerateRequest(prompt=f"{shared} {tails[i % len(tails)]}", max_new_tokens=length)
        for i, length in enumerate(_LENGTHS)
    )


def make_questions(from_texts: Sequence[str]) -> tuple[ScoreRequest, ...]:
    """Continuations of contexts that share a beginning."""
    shared = from_texts[0][:48]
    return tuple(
        ScoreRequest(context=f"{shared} {text[20:44]}", continuation=f" {ending}")
        for text in from_texts[:3]
        for ending in (text[50:70], text[70:84])
    )


def make_text_requests(from_texts: Sequence[str]) -> tuple[TextRequest, ...]:
    """The texts themselves, to be scored."""
    return tuple(TextRequest(text=text) for text in from_texts)
