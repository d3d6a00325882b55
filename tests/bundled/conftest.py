"""The bundled benchmark's files, read without the code that wrote them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import babelbits

BABELMINI = Path(babelbits.__file__).parent / "bundled" / "babelmini"
Rows = list[dict[str, object]]


@pytest.fixture(scope="session")
def rows() -> Callable[[str, str], Rows]:
    """Rows of a part of the benchmark in a language."""

    def read(part: str, language: str) -> Rows:
        text = (BABELMINI / part / f"{language}.jsonl").read_text("utf-8")
        return [json.loads(line) for line in text.splitlines()]

    return read
