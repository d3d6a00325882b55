"""A benchmark of one's own, checked file by file before anything is run.

What is wrong in one file keeps nobody from hearing of the others. Notes are no mistakes: they are
what a reader of the numbers should know.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from babelbits.errors import BabelbitsError
from babelbits.records import Item
from babelbits.tasks import own_files, own_kinds
from babelbits.tasks.base import TaskOptions, find_prompt
from babelbits.tasks.suites.info import SuiteInfo
from babelbits.words import listed, plural

_SKEWED = 0.5
"""Share of one letter among the right ones above which it is told, of four choices or more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFileCheck:
    """What a file of one language holds."""

    language: str
    file: Path
    items: int = 0
    asks: str = ""
    """'a choice of 4', 'a choice of 2 to 5', 'a short answer', 'whether it refuses'."""
    prompt: str = ""
    """Of the first item, as it is asked."""
    target: str = ""
    notes: tuple[str, ...] = ()
    error: str = ""
    """What is wrong with it; '' where nothing is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCheck:
    """All files of a template."""

    files: tuple[OwnFileCheck, ...]
    notes: tuple[str, ...] = field(default=())
    """Of the files together."""

    @property
    def is_right(self) -> bool:
        """Whether every file can be asked."""
        return not any(one.error for one in self.files)


def check_template(name: str, template: Path) -> OwnCheck:
    """Read every file that a template stands for.

    Parameters
    ----------
    name : str
        What the suite is called.
    template : Path
        E.g. questions_{language}.csv.

    Raises
    ------
    TaskError
        If there is no folder, or no file.
    """
    files = own_files.find_files(template)
    if not files:
        own_kinds.make_suite(name, template)  # says what is missing
    found = tuple(_check(name, template, code, path) for code, path in files.items())
    return OwnCheck(files=found, notes=_together(files, found))


def _check(name: str, template: Path, language: str, path: Path) -> OwnFileCheck:
    try:
        rows = own_files.read_rows(path)
        kind = own_kinds.find_kind(set(rows[0]), str(path))
        info = SuiteInfo(
            name=name, languages=(language,), summary="", generates=not kind.chooses,
            licence="unknown", parallel=False,
        )  # fmt: skip
        task = own_kinds.load(info, language, TaskOptions(data=template))
        items = task.items()
        notes = (*_repeated(items), *(_skew(items) if kind.chooses else ()), *task.info.notes)
    except BabelbitsError as error:
        return OwnFileCheck(language=language, file=path, error=str(error))
    return OwnFileCheck(
        language=language,
        file=path,
        items=len(items),
        asks=kind.said(items),
        prompt=find_prompt(items[0]),
        target=items[0].target,
        notes=notes,
    )


def _repeated(items: Sequence[Item]) -> tuple[str, ...]:
    prompts = Counter(find_prompt(item) for item in items)
    again = sum(count - 1 for count in prompts.values())
    return (f"{plural(again, 'row')} asked before, letter by letter",) if again else ()


def _skew(items: Sequence[Item]) -> tuple[str, ...]:
    """A letter that is right far too often: a model that likes it would seem to know."""
    golds: Counter[str] = Counter()
    for item in items:
        golds[own_files.LETTERS[_place(item)]] += 1
    letter, count = golds.most_common(1)[0]
    if len(items) < 20 or min(len(item.requests) for item in items) < 4:
        return ()
    share = count / len(items)
    return (f"{letter} is right in {share:.0%} of the rows",) if share > _SKEWED else ()


def _place(item: Item) -> int:
    doc = item.doc if isinstance(item.doc, Mapping) else {}
    return own_files.parse_choices(dict(doc), "").index(item.target)


def _together(files: Mapping[str, Path], found: Sequence[OwnFileCheck]) -> tuple[str, ...]:
    """Whether the files are translations of each other, as far as ids and kinds tell."""
    right = [one for one in found if not one.error]
    notes = []
    kinds = sorted({one.asks.partition(" of ")[0] for one in right})
    if len(kinds) > 1:
        notes.append(f"the files ask different things ({listed(kinds)}): they cannot be compared")
    ids = {code: _ids(path) for code, path in files.items() if code in {o.language for o in right}}
    if ids and all(one is None for one in ids.values()):
        notes.append("no column 'id': rows of different languages are not taken for translations")
    elif len({one for one in ids.values() if one is not None}) > 1:
        notes.append("the files have different ids: only the shared ones are translations")
    counts = {one.items for one in right}
    if len(counts) > 1:
        notes.append(f"from {min(counts)} to {plural(max(counts), 'item')} a language")
    return tuple(notes)


def _ids(path: Path) -> frozenset[str] | None:
    rows = own_files.read_rows(path)
    return frozenset(str(row["id"]) for row in rows) if "id" in rows[0] else None
