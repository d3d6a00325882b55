"""Pairs as campaigns of Pearmut (github.com/zouharvi/pearmut), one a language.

Pearmut puts the names of models into the page that raters see, so they are replaced by codes; a
file beside says which code is which variant, and is not for raters. It renders HTML in texts, and
answers of models are hostile: every text is escaped. Identical answers are left out.
"""

import html
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from babelbits.errors import TaskError
from babelbits.languages import resolve
from babelbits.preferences.answer_pairs import AnswerPair
from babelbits.records import digest
from babelbits.store.atomic import store_errors, write_atomically

BASELINE = "baseline"
PROTOCOL = "DA"
"""A score from 0 to 100 for each answer; raters see all answers to a prompt together."""
_CODE = 6
"""Hexadecimal digits of a code."""


def write_campaigns(path: Path, pairs: Iterable[AnswerPair], *, name: str) -> tuple[Path, ...]:
    """Write a campaign a language, and the names of the models; returns the files.

    Parameters
    ----------
    path : Path
        The campaign; with several languages each has its code before the ending.
    name : str
        Of the campaigns, e.g. the study's.

    Raises
    ------
    TaskError
        If no pair has two different answers.
    StoreError
        If a file cannot be written.
    """
    told = [one for one in pairs if one.baseline_answer != one.variant_answer]
    if not told:
        raise TaskError("no pair has two different answers: there is nothing to rate")
    codes = make_model_codes(one.variant for one in told)
    languages = list(dict.fromkeys(one.language for one in told))
    files: list[Path] = []
    for language in languages:
        file = path if len(languages) == 1 else path.with_name(f"{path.stem}.{language}.json")
        here = [one for one in told if one.language == language]
        _write(file, make_campaign(here, codes=codes, name=f"{name}_{language}"))
        files.append(file)
    names = path.with_name(f"{path.stem}.names.json")
    _write(names, {code: label for label, code in codes.items()})
    return (*files, names)


def make_model_codes(variants: Iterable[str]) -> dict[str, str]:
    """Label to a code that says nothing; the same for the same set of labels."""
    labels = [BASELINE, *sorted(set(variants))]
    return {label: f"m{digest([label, labels], length=_CODE)}" for label in labels}


def make_campaign(
    pairs: Sequence[AnswerPair], *, codes: dict[str, str], name: str
) -> dict[str, Any]:
    """Pearmut's JSON of one language: a document a prompt, with every answer to it.

    Raters draw from one pool, and Pearmut shuffles the answers of each prompt.
    """
    language = resolve(pairs[0].language).name
    items: dict[tuple[str, str], dict[str, Any]] = {}
    for one in pairs:
        item = items.setdefault(
            (one.task, one.source_id),
            {
                "instructions": f"Which answers in {language} are good?",
                "src": html.escape(one.prompt),
                "tgt": {codes[BASELINE]: html.escape(one.baseline_answer)},
                "item_id": f"{one.task}/{one.language}/{one.source_id}",
            },
        )
        item["tgt"][codes[one.variant]] = html.escape(one.variant_answer)
    return {
        "info": {"assignment": "single-stream", "protocol": PROTOCOL, "users": 1, "shuffle": True},
        "campaign_id": name,
        "data": [[item] for item in items.values()],
    }


def _write(path: Path, value: object) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=1) + "\n"
    with store_errors(path):
        write_atomically(path, text.encode())
