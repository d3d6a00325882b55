"""From a task's name to its benchmark and language. Nothing is guessed in silence.

In this order: what the user's mapping file says; what the format itself says; the table of
`families`; a dataset's config name that the task's name repeats (`lm-eval` writes it); names that
differ by a two-letter code alone (`mybench_de`, `mybench_sw`). A name that none of these explains
is reported with the others like it, and with the lines that would map it.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from babelbits.errors import StudyError, UnknownNameError
from babelbits.interop.readers.families import ENGLISH, FAMILIES, ONE_LANGUAGE, SUBJECTS
from babelbits.interop.readers.files import read_text
from babelbits.interop.readers.record import DivergenceLog, ForeignTask
from babelbits.languages import resolve
from babelbits.tasks.lm_eval.suite import LmEvalSuite
from babelbits.tasks.suites import list_all_suites
from babelbits.words import plural

_LIGHTEVAL = re.compile(r"(?:[\w-]+\|)?(?P<name>[^|]*[^|\d][^|]*)(?:\|\d+){0,2}")
"""'lighteval|xcopa_swa_mcf|0|0' and 'xcopa_swa_mcf|0' as lighteval writes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPlace:
    """Where a task belongs."""

    suite: str
    """The benchmark across languages."""
    language: str
    """Canonical code."""
    part: str = ""
    """A subject: tasks that differ in this alone are one benchmark in one language."""
    source_columns: tuple[str, ...] | None = None
    """Columns of a document that name a question in every language; () is its row."""
    how: str = ""
    """Where the language was read, when a reader should know."""


LanguageMap = Mapping[str, TaskPlace]
"""Task name to place, from the user's file."""


def read_map(path: Path) -> LanguageMap:
    """The user's mapping file, TOML: `[tasks]` with `name = "de"` or a table.

    Raises
    ------
    StudyError
        If the file is no such TOML; every wrong entry is named.
    UnknownNameError
        If a language is unknown.
    """
    try:
        tables = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise StudyError(f"not TOML: {error}", where=str(path)) from error
    entries = tables.get("tasks")
    if not isinstance(entries, dict) or set(tables) != {"tasks"}:
        raise StudyError(
            "expected one table [tasks]", where=str(path), hint='[tasks]\n  my_task_de = "de"'
        )
    return {name: _entry(name, value, path) for name, value in entries.items()}


def _entry(name: str, value: object, path: Path) -> TaskPlace:
    table = {"language": value} if isinstance(value, str) else value
    if not isinstance(table, dict) or not set(table) <= {"language", "suite", "part"}:
        raise StudyError(
            f"'{name}' is a language's code or a table of language, suite and part",
            where=str(path),
            hint=f'{name} = {{ suite = "mybench", language = "de" }}',
        )
    words = {key: word for key, word in table.items() if isinstance(word, str)}
    if "language" not in words or len(words) < len(table):
        raise StudyError(f"'{name}' needs a language, as text", where=str(path))
    code = resolve(words["language"]).code
    place = find_by_name(name)
    suite = words.get("suite") or (place.suite if place else _without(name, words["language"]))
    return TaskPlace(
        suite=suite,
        language=code,
        part=words.get("part", place.part if place else ""),
        source_columns=place.source_columns if place else None,
    )


def _without(name: str, code: str) -> str:
    """'mybench_de' without '_de'; the name itself where the code is not part of it."""
    pattern = rf"(?:^|[_\-.:]){re.escape(code)}(?=$|[_\-.:])"
    return re.sub(pattern, "", name, count=1, flags=re.IGNORECASE).strip("_-.:") or name


# --- names alone -----------------------------------------------------------------------------


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str, tuple[str, ...] | None], ...]:
    return tuple((re.compile(pattern), suite, source) for pattern, suite, source in FAMILIES)


@cache
def find_by_name(name: str) -> TaskPlace | None:
    """Benchmark and language by the table of families; None for a name that is not in it.

    Examples
    --------
    >>> find_by_name("m_mmlu_de").suite, find_by_name("xwinograd_jp").language
    ('m_mmlu', 'ja')
    """
    bare = _LIGHTEVAL.fullmatch(name)
    word = (bare["name"] if bare else name).rpartition("/")[2]
    own = _own_tasks().get(word)
    if own is not None:
        return own
    place = _by_pattern(word)
    same = place and _own_benchmarks().get(place.suite)
    if place and same:  # a language that our suite does not run
        return replace(place, suite=same.suite, source_columns=same.source_columns)
    return place or _one_language(word)


def _by_pattern(word: str) -> TaskPlace | None:
    for pattern, suite, source in _patterns():
        match = pattern.fullmatch(word)
        place = match and _place(match, suite, source)
        if place:
            return place
    return None


@cache
def _own_tasks() -> Mapping[str, TaskPlace]:
    """Tasks of lm-eval that our own suites run, by their names there."""
    return {
        suite.lm_eval_task.format(upstream): TaskPlace(
            suite=suite.name, language=code, source_columns=suite.source_columns
        )
        for suite in list_all_suites().values()
        if isinstance(suite, LmEvalSuite)
        for code, upstream in suite.upstream.items()
    }


@cache
def _own_benchmarks() -> Mapping[str, TaskPlace]:
    """What the table of families calls a benchmark of ours, to a task of it."""
    found = {}
    for word, own in _own_tasks().items():
        place = _by_pattern(word)
        if place is not None and place.suite != own.suite:
            found[place.suite] = own
    return found


def _place(match: re.Match[str], suite: str, source: tuple[str, ...] | None) -> TaskPlace | None:
    groups = {key: value or "" for key, value in match.groupdict().items()}
    name = suite.format_map(groups).strip("_")
    part = groups.get("part", "")
    if "target" in groups:
        return _translation(name, groups["source"], groups["target"])
    code = _code(groups["lang"]) if "lang" in groups else _named(groups.get("name", ""))
    if code is None:
        return None
    return TaskPlace(suite=name, language=code, part=part, source_columns=source)


def _translation(corpus: str, source: str, target: str) -> TaskPlace | None:
    """The language is the one that is not English; of two such, the one written."""
    codes = _code(source), _code(target)
    if codes[0] is None or codes[1] is None:
        return None
    if codes[1] == "en":
        return TaskPlace(suite=f"{corpus} into en", language=codes[0], source_columns=())
    return TaskPlace(suite=f"{corpus} from {codes[0]}", language=codes[1], source_columns=())


def _one_language(name: str) -> TaskPlace | None:
    for pattern, code in (*ONE_LANGUAGE, (ENGLISH, "en")):
        if re.fullmatch(pattern, name):
            subject = re.fullmatch(SUBJECTS, name)
            if subject:
                return TaskPlace(suite=subject["which"], language=code, part=subject["part"])
            return TaskPlace(suite=name, language=code)
    return None


@cache
def _code(word: str) -> str | None:
    """Canonical code, if the word is a language's."""
    try:
        return resolve(word).code
    except UnknownNameError:
        return None


_NAMES: Mapping[str, str] = {
    "bengali": "bn",
    "chinese": "zh",
    "dutch-flemish": "nl",
    "dutch_flemish": "nl",
    "kirghiz": "ky",
    "north_macedonian": "mk",
    "oriya": "or",
    "persian": "fa",
    "tagalog": "fil",
}
"""What benchmarks call a language whose name is another in CLDR."""


@cache
def _named(name: str) -> str | None:
    """Canonical code of a language's English name, as the INCLUDE benchmark writes it."""
    from babelbits.languages import list_codes

    names = {resolve(code).name.casefold(): code for code in list_codes()}
    return _NAMES.get(name) or names.get(name)


# --- all tasks of all runs -------------------------------------------------------------------


def place_tasks(tasks: Iterable[ForeignTask], mapped: LanguageMap) -> dict[str, TaskPlace]:
    """Where each task belongs, by its name.

    Raises
    ------
    StudyError
        If some cannot be placed; all of them are named, with the lines that would map them.
    """
    places: dict[str, TaskPlace] = {}
    left: dict[str, ForeignTask] = {}
    for task in tasks:
        place = mapped.get(task.name) or _said(task) or find_by_name(task.name) or _hinted(task)
        if place is None:
            left[task.name] = task
        else:
            places[task.name] = place
    places |= _by_ending(list(left))
    unknown = [name for name in left if name not in places]
    if unknown:
        raise StudyError(
            f"the language of {plural(len(unknown), 'task')} is not known: {', '.join(unknown[:8])}"
            f"{' …' if len(unknown) > 8 else ''}",
            hint="say it in a file for --languages:\n    [tasks]\n"
            + "\n".join(f'    "{name}" = "de"' for name in unknown[:3]),
        )
    return places


def _said(task: ForeignTask) -> TaskPlace | None:
    """What the format itself says."""
    if task.language is None:
        return None
    guess = find_by_name(task.name)
    suite = task.suite or (guess.suite if guess else _without(task.name, task.language))
    return TaskPlace(suite=suite, language=resolve(task.language).code)


def _hinted(task: ForeignTask) -> TaskPlace | None:
    """A dataset's config that is a language and that the task's name repeats."""
    hint = task.language_hint
    code = _code(hint) if hint else None
    if hint is None or code is None or _without(task.name, hint) == task.name:
        return None
    how = f"language of {task.name} read from the dataset's config '{hint}'"
    return TaskPlace(suite=_without(task.name, hint), language=code, how=how)


def _by_ending(names: Sequence[str]) -> dict[str, TaskPlace]:
    """Names that share a stem and end in different codes of two letters, or of FLORES' form."""
    endings = {
        name: match
        for name in names
        if (match := re.fullmatch(r"(.+?)[_-]([a-z]{2}|[a-z]{3}_[A-Z][a-z]{3})", name))
    }
    stems = Counter(match[1] for match in endings.values() if _code(match[2]))
    return {
        name: TaskPlace(
            suite=match[1],
            language=code,
            source_columns=("source_id",),
            how=f"languages of {match[1]}_* read from the endings of the names",
        )
        for name, match in endings.items()
        if stems[match[1]] > 1 and (code := _code(match[2]))
    }


def find_log_language(log: DivergenceLog, mapped: LanguageMap) -> str | None:
    """Language of a llama-perplexity log: mapped, or 'q4_k_m.sw.log' says it.

    Only what stands between the last two dots counts: quantizations have names that are codes too.
    """
    if log.name in mapped:
        return mapped[log.name].language
    _, dot, last = log.name.rpartition(".")
    return _code(last) if dot and re.fullmatch(r"[a-z]{2,3}|[a-z]{3}_[A-Z][a-z]{3}", last) else None
