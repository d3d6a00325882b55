"""What a model writes before it answers: thinking between two tags, found and taken away.

Pure text. A block of thinking begins with an opening tag, or with the text itself where the prompt
ends inside a block (many templates open one). Thinking that is never closed leaves no answer:
half a thought must not be scored as one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

Tags = tuple[str, str]
"""An opening and a closing tag."""

USUAL_TAGS: tuple[Tags, ...] = (
    ("<think>", "</think>"),
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
)
"""Of DeepSeek-R1, Qwen 3 and their kin; of OpenAI's harmony format (gpt-oss)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A text taken apart."""

    answer: str
    """Without thinking, and without the white space after it; empty where it never ended."""
    thoughts: tuple[str, ...]
    """Text of each block, without tags."""
    finished: bool
    """False where a block was never closed."""


def split(text: str, tags: Sequence[Tags], *, opened: Tags | None = None) -> Split:
    """Take the thinking out of a text.

    Parameters
    ----------
    text : str
        What the model wrote, special tokens included.
    tags : sequence of Tags
        The blocks to look for. A closing tag that nothing opened closes a block that began with
        the text.
    opened : Tags, optional
        The block in which the prompt ends (see `find_opened_block`).
    """
    kept: list[str] = []
    thoughts: list[str] = []
    rest, block = text, opened
    while True:
        if block is None:
            opening = _first(rest, tags)
            if opening is None:
                return _answer(kept, rest, thoughts)
            before, block, rest = opening
            if before is not None:
                kept.append(before)
        thought, close, rest = rest.partition(block[1])
        thoughts.append(thought)
        if not close:
            return Split(answer="", thoughts=tuple(thoughts), finished=False)
        block = None


def cut_thinking(text: str, tags: Sequence[Tags] = USUAL_TAGS) -> str:
    """What stands after the last closing tag: a finished reply of a model that is only read.

    `split` judges whether there is an answer at all; this looks for no beginning, because a reply
    may quote an opening tag without thinking.
    """
    for _, close in tags:
        text = text.rpartition(close)[2]
    return text


def find_opened_block(prompt: str, tags: Sequence[Tags]) -> Tags | None:
    """The block that a prompt opens and does not close, or None."""
    for pair in tags:
        if prompt.rfind(pair[0]) > prompt.rfind(pair[1]):
            return pair
    return None


def _first(text: str, tags: Sequence[Tags]) -> tuple[str | None, Tags, str] | None:
    """What stands before the first block, its tags, and the text from inside it on.

    Nothing stands before a block that only its closing tag shows.
    """
    places = [(text.find(tag), pair, tag is pair[0]) for pair in tags for tag in pair]
    there = [place for place in places if place[0] >= 0]
    if not there:
        return None
    start, pair, opens = min(there, key=lambda place: place[0])
    return (text[:start], pair, text[start + len(pair[0]) :]) if opens else (None, pair, text)


def _answer(kept: Sequence[str], rest: str, thoughts: Sequence[str]) -> Split:
    if not thoughts:
        return Split(answer=rest, thoughts=(), finished=True)
    whole = "".join((*kept, rest.lstrip()))
    return Split(answer=whole.lstrip(), thoughts=tuple(thoughts), finished=True)
