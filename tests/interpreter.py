"""An endpoint that really translates: BabelMini's passages are the same in both languages.

A text is translated by that table where the table has it; faults are asked for by words in it.
"""

import json
from typing import Any

from babelbits.recipes.calibration import find_bundled_file, read_file
from fake_endpoint import Answer, says


def passages(language: str) -> tuple[str, ...]:
    """The bundled passages, in the same order in every language."""
    return read_file(find_bundled_file(language))


EN, NB = passages("en"), passages("nb")
TABLE = dict(zip(EN, NB, strict=True)) | dict(zip(NB, EN, strict=True))
WORDS = {"House": "Hus", "Boat": "Båt", "Tree": "Tre", "What is this?": "Hva er dette?"}
TABLE |= WORDS | {theirs: ours for ours, theirs in WORDS.items()}


def translated(text: str) -> str:
    """By the table, paragraph by paragraph; unknown text word by word, backwards."""
    paragraphs = text.split("\n")
    return "\n".join(
        TABLE.get(paragraph, " ".join(word[::-1] for word in paragraph.split()))
        for paragraph in paragraphs
    )


def translate(request: dict[str, Any], _times: int) -> Answer:
    """What the endpoint answers to a request of `babelbits translate`."""
    asked = request["messages"][1]["content"]
    if "JSON object" in request["messages"][0]["content"]:
        values = json.loads(asked)
        reply = json.dumps({name: translated(text) for name, text in values.items()})
        return says(f"```json\n{reply}\n```")
    return says(translated(asked))
