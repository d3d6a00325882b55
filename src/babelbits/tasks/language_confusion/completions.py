"""Ready-made responses to pass rates: the benchmark's own outputs, or anyone's in its format.

A CSV file (also `.csv.xz`) with a row a response: `completion`, `language`, `source`, and, where
there are both settings, `task` ('monolingual' or 'crosslingual'); `id` names the prompt within its
source; `model` labels the file. Rates are macro means, over the sources within a language, then
over languages. Sources and languages without a verdict are left out of them (the benchmark's own
script counts these as passed).

Intervals are about other prompts of the same kind: across languages the responses to one prompt
count as one unit, within a language every response is its own. They know nothing of the
identifier's errors.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from babelbits.errors import TaskError, UnknownNameError
from babelbits.languages import resolve
from babelbits.records import Interval
from babelbits.stats.cluster import cluster_scores, cluster_share_interval
from babelbits.tasks.language_confusion import rules, words
from babelbits.tasks.language_confusion.rules import Verdict
from babelbits.tasks.language_id import Identifier
from babelbits.tasks.reading import read_text

RateName = Literal["line_pass", "word_pass"]
CROSSLINGUAL = "crosslingual"
_REQUIRED = ("completion", "language", "source")
_LARGEST_FIELD = 10_000_000
"""Characters of a response; the csv module's own limit is 131,072."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One row of a file."""

    setting: str
    """'monolingual', 'crosslingual', or '' where the file does not say."""
    source: str
    language: str
    prompt: str
    """Name of the prompt within its source."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A response and what was made of it."""

    response: Response
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A pass rate of a model."""

    setting: str
    name: RateName
    language: str | None
    """None: all languages of the setting."""
    estimate: float
    interval: Interval
    n_judged: int
    """Responses with a verdict."""
    n_responses: int
    """All responses; of the word pass rate, those whose lines pass."""
    n_prompts: int
    """Independent units."""


def read_completions(path: Path) -> tuple[str, tuple[Response, ...]]:
    """The model's label and the responses of a file.

    Raises
    ------
    TaskError
        If it cannot be read, is no CSV, lacks a column, has no rows or an unknown language.
    """
    rows = _read_csv(path)
    if not rows:
        raise TaskError("no responses", where=str(path))
    lacking = [name for name in _REQUIRED if name not in rows[0]]
    if lacking:
        raise TaskError(
            f"no column {', '.join(lacking)}",
            where=str(path),
            hint=f"a file of responses has the columns {', '.join(_REQUIRED)}",
        )
    seen: dict[tuple[str, str, str], int] = defaultdict(int)
    completions = []
    for number, row in enumerate(rows, start=1):
        completions.append(_response(row, seen, where=f"{path}: row {number}"))
    stem = path.name.removesuffix(".xz").removesuffix(".csv")
    return rows[0].get("model") or stem, tuple(completions)


def _response(
    row: Mapping[str, str | None], seen: dict[tuple[str, str, str], int], *, where: str
) -> Response:
    if None in row or any(row[name] is None for name in _REQUIRED):
        raise TaskError("the row has too many or too few fields", where=where)
    try:
        language = resolve(str(row["language"])).code
    except UnknownNameError as error:
        raise TaskError(error.what, where=where, hint=error.hint) from error
    setting, source = row.get("task") or "", str(row["source"])
    key = (setting, source, language)
    prompt = row.get("id") or str(seen[key])
    seen[key] += 1
    return Response(
        setting=setting,
        source=source,
        language=language,
        prompt=prompt,
        text=str(row["completion"]),
    )


def _read_csv(path: Path) -> list[dict[str, str | None]]:
    csv.field_size_limit(_LARGEST_FIELD)
    try:
        return list(csv.DictReader(io.StringIO(read_text(path), newline="")))
    except csv.Error as error:
        raise TaskError(f"not a CSV file: {error}", where=str(path)) from error


def judge_all(
    responses: Sequence[Response], *, identifier: Identifier, english: frozenset[str] | None
) -> tuple[Judged, ...]:
    """Judge every response.

    Raises
    ------
    UnknownNameError
        If the identifier cannot name one of the languages.
    MissingExtraError
        If a library that splits lines of a language is not installed.
    """
    languages = dict.fromkeys(one.language for one in responses)
    unknown = [code for code in languages if not identifier.knows(code)]
    if unknown:
        raise UnknownNameError(
            f"the identifier '{identifier.name}' cannot tell {', '.join(unknown)}",
            hint="choose another identifier: lite knows 176 languages",
        )
    tokenizers = {code: words.make_tokenizer(code) for code in languages}
    return tuple(
        Judged(
            response=one,
            verdict=rules.judge(
                one.text,
                one.language,
                identifier=identifier,
                tokenize=tokenizers[one.language],
                english=english,
            ),
        )
        for one in responses
    )


# --- rates -----------------------------------------------------------------------------------


def compute_rates(judged: Sequence[Judged], *, level: float = 0.95) -> tuple[Rate, ...]:
    """Both pass rates of every setting, over all languages first, then language by language."""
    settings = dict.fromkeys(one.response.setting for one in judged)
    found: list[Rate | None] = []
    for setting in settings:
        ours = [one for one in judged if one.response.setting == setting]
        found += _pair(ours, None, level)
        for code in sorted({one.response.language for one in ours}):
            found += _pair([one for one in ours if one.response.language == code], code, level)
    return tuple(one for one in found if one is not None)


def _pair(judged: Sequence[Judged], language: str | None, level: float) -> list[Rate | None]:
    worded = [one for one in judged if one.verdict.line_pass and _has_words(one)]
    return [
        _rate(judged, "line_pass", language, level, value=lambda verdict: verdict.line_pass),
        _rate(worded, "word_pass", language, level, value=lambda verdict: verdict.word_pass),
    ]


def _has_words(one: Judged) -> bool:
    return rules.has_word_rate(one.response.language)


def _rate(
    judged: Sequence[Judged],
    name: RateName,
    language: str | None,
    level: float,
    *,
    value: Callable[[Verdict], bool | None],
) -> Rate | None:
    """None where no response has a verdict."""
    known = [(one.response, rated) for one in judged if (rated := value(one.verdict)) is not None]
    if not known:
        return None
    responses = [response for response, _ in known]
    scores = cluster_scores(
        [float(rated) for _, rated in known],
        clusters=_numbers([_unit(one) for one in responses]),
        strata=_numbers([(one.language, one.source) for one in responses]),
        layers=_numbers([one.language for one in responses]),
    )
    return Rate(
        setting=responses[0].setting,
        name=name,
        language=language,
        estimate=scores.estimate,
        interval=cluster_share_interval(scores, level=level),
        n_judged=len(known),
        n_responses=len(judged),
        n_prompts=scores.n_clusters,
    )


def _unit(response: Response) -> tuple[str, ...]:
    """What varies as one: a prompt, across languages in all languages together."""
    if response.setting == CROSSLINGUAL:
        return response.source, response.prompt
    return response.source, response.prompt, response.language


def _numbers(keys: Sequence[object]) -> np.ndarray:
    """Equal keys get equal numbers."""
    seen: dict[object, int] = {}
    return np.array([seen.setdefault(key, len(seen)) for key in keys], np.intp)
