"""How often the signs of collapse are wrong: on text that people wrote, language by language.

A sign whose rate of false alarms on human text exceeds one percent in a language is off there, and
a language that nothing was measured in has no sign that rests on an identifier. `false_alarms.json`
holds what was measured: on NTREX-128 (professional translations of news, segments and whole
documents) and on BabelMini. `bench/collapse.py` measures it anew. It holds counts and no text.

An identifier that mistakes a language for its neighbours there (Norwegian for Danish) can still
tell it from all others: its most frequent mistakes are taken off the sign one after the other until
the rest is rare enough, and the table names them.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from babelbits.tasks.collapse import signs
from babelbits.tasks.language_id import Identifier

FILE = "false_alarms.json"
MOST = 0.01
"""Share of human texts that a sign may take for collapsed."""
FEWEST = 100
"""Texts of a language; fewer say nothing about one percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseAlarms:
    """What the signs say of texts that people wrote in one language."""

    n_texts: int
    wrong: Mapping[str, int]
    """Sign to texts that show it; `language` after `not_told_apart` was taken off."""
    not_told_apart: tuple[str, ...] = ()
    """Codes of languages that the identifier takes too many of the texts for."""

    def rate(self, sign: str) -> float:
        """Share of the texts that show a sign."""
        return self.wrong.get(sign, 0) / self.n_texts

    def allows(self, sign: str) -> bool:
        """Whether a sign is rare enough on human text, and there was text enough to say so."""
        return self.n_texts >= FEWEST and self.rate(sign) <= MOST


def measure(
    texts: Sequence[str],
    language: str,
    script: str,
    identifier: Identifier | None,
    *,
    not_told_apart: Iterable[str] = (),
) -> FalseAlarms:
    """Every sign that a text alone can show, on texts that people wrote.

    Parameters
    ----------
    language, script : str
        Canonical code of the texts' language, ISO 15924 code of their script.
    identifier : Identifier or None
        None: the language is not looked at.
    not_told_apart : iterable of str
        Languages that are taken off the sign before it is counted.
    """
    found: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for text in texts:
        found[signs.EMPTY] += signs.is_empty(text)
        found[signs.LOOP] += signs.is_loop(text)
        found[signs.SCRIPT] += signs.is_other_script(text, script)
        if identifier is not None and identifier.knows(language):
            other = signs.find_other_language(text, language, identifier)
            others[other or ""] += other is not None
    excused = list(not_told_apart)
    for code in excused:
        others.pop(code, None)
    for code, _ in others.most_common():
        if others.total() <= MOST * len(texts):
            break
        excused.append(code)
        others.pop(code)
    if identifier is not None and identifier.knows(language):
        found[signs.LANGUAGE] = others.total()
    return FalseAlarms(
        n_texts=len(texts),
        wrong={sign: found[sign] for sign in signs.SIGNS if sign in found},
        not_told_apart=tuple(excused),
    )


def read_false_alarms(identifier: Identifier | None) -> Mapping[str, FalseAlarms]:
    """What was measured, by language; without the language sign for another identifier.

    Parameters
    ----------
    identifier : Identifier or None
        The table is about one identifier, library and version; None: none is here.
    """
    table = _table()
    same = identifier is not None and identifier.recipe == table["identifier"]
    return {code: _from_row(row, with_language=same) for code, row in table["languages"].items()}


def to_row(found: FalseAlarms) -> list[Any]:
    """As `false_alarms.json` holds it."""
    return [found.n_texts, dict(found.wrong), list(found.not_told_apart)]


def _from_row(row: list[Any], *, with_language: bool) -> FalseAlarms:
    n_texts, wrong, excused = row
    kept = {str(k): int(v) for k, v in wrong.items() if with_language or k != signs.LANGUAGE}
    return FalseAlarms(n_texts=n_texts, wrong=kept, not_told_apart=tuple(map(str, excused)))


@cache
def _table() -> dict[str, Any]:
    text = files("babelbits.tasks.collapse").joinpath(FILE).read_text("utf-8")
    table: dict[str, Any] = json.loads(text)
    return table
