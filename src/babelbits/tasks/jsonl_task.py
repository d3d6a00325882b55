"""What our own tasks share: rows from one file a language, items made once, none of them missing.

The file of a language is found by resolving the end of its name (`nb.jsonl`, `nob_Latn.txt`,
`newstest2019-ref.nob.txt.xz`), so that any usual form of a code will do.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

from babelbits.errors import TaskError, UnknownNameError
from babelbits.records import Failure, Item, Metric, Outcome, Reply, Request, TaskInfo
from babelbits.tasks.base import TaskOptions
from babelbits.tasks.clusters import find_cluster_ids
from babelbits.tasks.hub_data import NO_CONFIG, HubDataset, find
from babelbits.tasks.identity import make_distinct, make_item
from babelbits.tasks.reading import Row, read_jsonl, text_field
from babelbits.tasks.script_note import note_script
from babelbits.tasks.suites import SuiteInfo, resolve_code

OutputType = Literal["choice", "text", "generation", "loglikelihood"]
BUNDLED = "bundled"
_SUBFOLDERS = {"text": "passages", "open-prompts": "confusion", "extended": "confusion"}
"""Suites whose items are in a folder of another name."""


class OwnTask(ABC):
    """One of our suites in one language.

    Parameters
    ----------
    suite : SuiteInfo
        Which suite.
    language : str
        Canonical code.
    options : TaskOptions
        Choices of the study; `data` is where `folder` came from, or None for the bundled items.
    folder : Path
        Where the items are: `<folder>/<suite>/<code>.jsonl`, or `<folder>/<code>.jsonl`.
    """

    metrics: tuple[Metric, ...]
    output_type: OutputType
    scorer_version: str
    notes: tuple[str, ...] = ()
    origin = BUNDLED
    """Where the items come from that are neither a study's own nor the hub's."""

    def __init__(
        self, suite: SuiteInfo, language: str, options: TaskOptions, *, folder: Path
    ) -> None:
        self.suite = suite
        self.language = language
        self.options = options
        self.folder = folder
        self.name = f"{suite.name}_{language}"

    @property
    def info(self) -> TaskInfo:
        """What this task is; the first metric is the primary one."""
        return TaskInfo(
            name=self.name,
            suite=self.suite.name,
            language=self.language,
            metrics=self.metrics,
            primary=self.metrics[0].name,
            output_type=self.output_type,
            parallel=self.suite.parallel,
            scorer_version=self.scorer_version,
            origin=self._origin(),
            licence=self._licence(),
            notes=(*self.notes, *self._script_note()),
        )

    @classmethod
    def languages(cls, suite: SuiteInfo, folder: Path) -> tuple[str, ...]:
        """Languages that a folder has for a suite."""
        return list_languages(suite, folder)

    def items(self) -> tuple[Item, ...]:
        """All items in the order of the file, or the first few in a smoke run."""
        return self._items

    @abstractmethod
    def build(self, row: Row, where: str) -> tuple[Sequence[Request], str]:
        """Requests and target of a row; `where` is for error messages."""

    @abstractmethod
    def judge(self, item: Item, replies: Sequence[Reply]) -> Outcome:
        """Score replies of which none failed."""

    def kept(self, row: Row) -> Row:
        """What of a row the item keeps as its document; its cluster is no part of it."""
        return {name: value for name, value in row.items() if name != "cluster_id"}

    def clusters(self, rows: Sequence[Row], names: Sequence[str]) -> list[str | None]:
        """What each row shares with others beside translations of it."""
        return find_cluster_ids(rows, names=names, columns=self.suite.cluster_columns or ())

    def score(self, item: Item, replies: Sequence[Reply]) -> Outcome:
        """Score the replies to `item.requests`, in the same order."""
        failure = next((reply for reply in replies if isinstance(reply, Failure)), None)
        if failure is not None:
            return make_failed(failure, self.metrics)
        return self.judge(item, replies)

    def rows(self) -> list[tuple[str, Row]]:
        """Place and content of every row."""
        file = self.file()
        return [
            (f"{file}: row {number}", row) for number, row in enumerate(read_jsonl(file), start=1)
        ]

    @property
    def prompt_language(self) -> str:
        """What the items are written in; the language of the task unless it is about another."""
        return self.language

    def file(self) -> Path:
        """The data file of this task's language."""
        files = find_language_files(self.suite.name, self.folder)
        if self.language not in files:
            expected = name_expected_file(self.suite.name, self.language, self.folder)
            raise make_missing_error(
                self.suite.name, self.language, self.folder, files, expected=expected
            )
        return files[self.language]

    @cached_property
    def _items(self) -> tuple[Item, ...]:
        rows = self.rows()[: self.options.limit]
        if not rows:
            raise TaskError(f"task '{self.name}' has no items", where=str(self.folder))
        names = [text_field(row, "source_id", where) for where, row in rows]
        clusters = self.clusters([row for _, row in rows], names)
        return tuple(
            self._item(source, cluster, row, where)
            for source, cluster, (where, row) in zip(
                make_distinct(names), clusters, rows, strict=True
            )
        )

    def _item(self, source_id: str, cluster_id: str | None, row: Row, where: str) -> Item:
        requests, target = self.build(row, where)
        return make_item(
            task=self.name,
            language=self.language,
            source_id=source_id,
            requests=requests,
            target=target,
            doc=self.kept(row),
            cluster_id=cluster_id,
        )

    def _script_note(self) -> tuple[str, ...]:
        """Of a user's own texts; the bundled ones are what they say."""
        return () if self.options.data is None else note_script(self._items, self.prompt_language)

    def wanted(self) -> tuple[HubDataset, ...]:
        """The hub datasets that the items come from, if they do; loads no data."""
        return ()

    def _origin(self) -> str:
        if self.options.data is not None:
            return f"local folder {self.options.data.name}"
        copies = [copy for one in self.wanted() if (copy := find(one)) is not None]
        if not copies:
            return self.origin
        configs = "+".join(copy.wanted.config or NO_CONFIG for copy in copies)
        return f"{copies[0].wanted.dataset}/{configs}@{copies[0].commit[:12]}"

    def _licence(self) -> str:
        """The suite's; nobody knows that of a user's own texts."""
        is_published = bool(self.suite.upstream) or self.suite.downloads
        is_known = self.options.data is None or is_published
        return self.suite.licence if is_known else "unknown"


def make_failed(failure: Failure, metrics: Iterable[Metric]) -> Outcome:
    """The outcome of an item that has no answer: no score, and the reason."""
    return Outcome(output="", scores={metric.name: None for metric in metrics}, failure=failure)


def list_languages(suite: SuiteInfo, folder: Path) -> tuple[str, ...]:
    """Languages that a folder of data has for a suite; those the suite usually has come first."""
    found = find_language_files(suite.name, folder)
    usual = [code for code in suite.languages if code in found]
    return (*usual, *sorted(set(found) - set(usual)))


def find_language_files(suite: str, folder: Path) -> Mapping[str, Path]:
    """Canonical code to data file, from the suite's subfolder if there is one, else from `folder`.

    Raises
    ------
    TaskError
        If there is no such folder.
    """
    subfolder = folder / _SUBFOLDERS.get(suite, suite)
    place = subfolder if subfolder.is_dir() else folder
    if not place.is_dir():
        raise TaskError("no such folder of data", where=str(place))
    files: dict[str, Path] = {}
    for path in sorted(place.iterdir()):
        code = find_language(path)
        if code is not None:
            files.setdefault(code, path)
    return files


def name_expected_file(suite: str, language: str, folder: Path) -> Path:
    """Where the items of a language would be in a folder of data."""
    subfolder = folder / _SUBFOLDERS.get(suite, suite)
    return (subfolder if subfolder.is_dir() else folder) / f"{language}.jsonl"


def make_missing_error(
    suite: str, language: str, folder: Path, found: Iterable[str], *, expected: Path
) -> UnknownNameError:
    """The error for a folder that has no file of a language; names the file."""
    there = ", ".join(found)
    return UnknownNameError(
        f"suite '{suite}' has no data in language '{language}': there is no file {expected.name}",
        where=str(folder),
        hint=f"expected {expected}" + (f"; the folder has {there}" if there else ""),
    )


def find_language(path: Path) -> str | None:
    """The language that a file's name ends in, before .txt or .jsonl and perhaps .xz."""
    stem = path.name.removesuffix(".xz")
    for suffix in (".jsonl", ".txt"):
        if stem.endswith(suffix) and path.is_file():
            try:
                return resolve_code(stem.removesuffix(suffix).rpartition(".")[2])
            except UnknownNameError:
                return None
    return None
