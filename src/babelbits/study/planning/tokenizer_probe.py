"""Some text in every language that a study asks, from its own items. Pure.

A format that brings its own tokenizer is held against the base model's on it when a variant is
made: the package has passages in a few languages only, and a study may ask others.
"""

from collections.abc import Iterable, Iterator

from babelbits.records import GenerateRequest, Request, ScoreRequest
from babelbits.study.planning.plan_types import CellStep

_TEXTS = 8
"""Of a language."""
_LONGEST = 4000
"""Letters of a text; few-shot prompts repeat themselves."""


def sample_texts(cells: Iterable[CellStep]) -> dict[str, tuple[str, ...]]:
    """By language, the ends of the first prompts and texts of cells whose tasks are built."""
    found: dict[str, dict[str, None]] = {}
    for cell in cells:
        chosen = found.setdefault(cell.language, {})
        if cell.task is None or len(chosen) >= _TEXTS:
            continue
        for item in cell.task.items():
            chosen.update(dict.fromkeys(_texts(item.requests)))
            if len(chosen) >= _TEXTS:
                break
    return {language: tuple(chosen)[:_TEXTS] for language, chosen in found.items()}


def _texts(requests: Iterable[Request]) -> Iterator[str]:
    for request in requests:
        match request:
            case ScoreRequest(context=context, continuation=continuation):
                text = context + continuation
            case GenerateRequest(prompt=prompt):
                text = prompt
            case _:
                text = request.text
        yield text[-_LONGEST:]
