"""Real sentences in four scripts for the benchmarks: those that ship with the package."""

import json
from importlib.resources import files

SCRIPTS = {"Latin": "en", "Cyrillic": "ru", "Devanagari": "hi", "Han": "zh"}


def sentences(script: str) -> list[str]:
    """Sentences in a script, from the bundled passages."""
    name = f"babelmini/passages/{SCRIPTS[script]}.jsonl"
    lines = files("babelbits.bundled").joinpath(name).read_text(encoding="utf-8").split("\n")
    found: list[str] = []
    for line in filter(None, lines):
        found += json.loads(line)["sentences"]
    return found
