"""Segments of FLORES and NTREX in one language: from a local folder, or FLORES+ from the hub.

Segment k of every language of a split says the same. Layouts that are known: the FLORES-200 archive
(`devtest/jpn_Jpan.devtest`), FLORES+ (`devtest/jpn_Jpan.jsonl` or `.parquet`), a copy that
`babelbits pull` made (`jpn_Jpan/devtest.parquet`), and NTREX-128 (`newstest2019-ref.jpn.txt`).
Files may be packed (`.xz`).
"""

from collections.abc import Mapping
from pathlib import Path

from babelbits.errors import TaskError, UnknownNameError
from babelbits.tasks import hub_data
from babelbits.tasks.flores_codes import FLORES_PLUS_CODES
from babelbits.tasks.hub_data import HubDataset
from babelbits.tasks.jsonl_task import make_missing_error
from babelbits.tasks.local_data import read_parquet
from babelbits.tasks.reading import Row, read_jsonl, read_lines, text_field
from babelbits.tasks.suites import SuiteInfo, resolve_code
from babelbits.words import plural

ITEMS, EXAMPLES = "devtest", "dev"
"""Splits of FLORES: what is asked, and what few-shot examples are taken from."""
_TEXT_COLUMNS = ("text", "sentence")
"""Of FLORES+, and of facebook/flores."""
_NTREX_SHOTS = "leave out 'shots': NTREX-128 is one set, without a split to take examples from"


def read_segments(
    suite: SuiteInfo, folder: Path | None, language: str, *, split: str
) -> tuple[str, list[str]]:
    """Where a language's segments come from, and the segments in upstream's order.

    Parameters
    ----------
    suite : SuiteInfo
        A translation suite.
    folder : Path or None
        The study's local folder; None: the hub.
    language : str
        Canonical code.
    split : str
        `ITEMS` or `EXAMPLES`.

    Raises
    ------
    TaskError
        If there is no such split, or the data cannot be read or had.
    UnknownNameError
        If the folder lacks the language.
    """
    if suite.data_name == "ntrex":
        return _ntrex(suite, folder, language, split=split)
    if folder is None:
        # A copy of the hub's data is a folder like any other.
        folder = hub_data.get(list_wanted(suite, language)).folder.parent
    return _flores(suite, folder, language, split=split)


def read_documents(
    suite: SuiteInfo, folder: Path | None, language: str, *, split: str, expected: int
) -> list[str] | None:
    """The document that every segment is from; None where the data do not tell.

    NTREX-128 has a file of them; FLORES+ names the web page of each sentence, and the archive of
    FLORES-200 has it in a table beside its splits.
    """
    if suite.data_name == "ntrex":
        known = folder is not None and (folder / DOCUMENT_IDS).is_file()
        return read_document_ids(folder, expected) if folder is not None and known else None
    if folder is None:
        folder = hub_data.get(list_wanted(suite, language)).folder.parent
    path = _split_files(folder, split).get(language)
    pages: list[str] = []
    if path is not None and path.name.removesuffix(".xz").endswith((".jsonl", ".parquet")):
        pages = [str(row.get("url") or "") for row in _rows(path)]
    elif path is not None and (table := path.parent.parent / f"metadata_{split}.tsv").is_file():
        pages = [line.partition("\t")[0] for line in read_lines(table)[1:]]
    return pages if len(pages) == expected and all(pages) else None


def list_wanted(suite: SuiteInfo, language: str) -> HubDataset:
    """The config of FLORES+ that a language is; it has all splits."""
    upstream = suite.upstream[language]
    config = FLORES_PLUS_CODES.get(upstream, upstream)
    return HubDataset(dataset=str(suite.hub_dataset), config=config, revision=suite.revision)


def _ntrex(
    suite: SuiteInfo, folder: Path | None, language: str, *, split: str
) -> tuple[str, list[str]]:
    if split != ITEMS:
        raise TaskError(f"suite '{suite.name}' has no few-shot examples", hint=_NTREX_SHOTS)
    if folder is None or not folder.is_dir():
        raise TaskError("no such folder of data", where=str(folder))
    path = find_ntrex_file(folder, suite.upstream[language])
    if path is None:
        expected = name_ntrex_file(folder, suite.upstream[language])
        raise make_missing_error(suite.name, language, folder, (), expected=expected)
    return str(path), read_lines(path)


# --- FLORES ----------------------------------------------------------------------------------


def _flores(suite: SuiteInfo, folder: Path, language: str, *, split: str) -> tuple[str, list[str]]:
    files = _split_files(folder, split)
    path = files.get(language)
    if path is None:
        expected = folder / split / f"{suite.upstream[language]}.{split}"
        raise make_missing_error(suite.name, language, folder / split, files, expected=expected)
    if path.name.removesuffix(".xz").endswith((".jsonl", ".parquet")):
        return str(path), _texts(_rows(path), str(path))
    return str(path), read_lines(path)


def _split_files(folder: Path, split: str) -> Mapping[str, Path]:
    """Canonical code to file, from the split's folder here or one level below."""
    if not folder.is_dir():
        raise TaskError("no such folder of data", where=str(folder))
    pulled = {
        code: path
        for path in sorted(folder.glob(f"*/{split}.parquet"))
        if (code := _language(path.parent.name)) is not None
    }
    if pulled:
        return pulled
    places = [folder / split, *sorted(folder.glob(f"*/{split}"))]
    place = next((one for one in places if one.is_dir()), None)
    if place is None:
        raise TaskError(
            f"no split '{split}'",
            where=str(folder),
            hint=f"expected {split}/eng_Latn.{split} or {split}/eng_Latn.jsonl in it",
        )
    files: dict[str, Path] = {}
    for path in sorted(place.iterdir()):
        code = _code(path, split)
        if code is not None:
            files.setdefault(code, path)
    return files


def _code(path: Path, split: str) -> str | None:
    stem, _, suffix = path.name.removesuffix(".xz").partition(".")
    return _language(stem) if suffix in (split, "txt", "jsonl", "parquet") else None


def _language(name: str) -> str | None:
    try:
        return resolve_code(name)
    except UnknownNameError:
        return None


def _rows(path: Path) -> list[Row]:
    if path.suffix == ".parquet":
        return read_parquet(path)
    return read_jsonl(path)


def _texts(rows: list[Row], where: str) -> list[str]:
    column = next((name for name in _TEXT_COLUMNS if rows and name in rows[0]), _TEXT_COLUMNS[0])
    return [text_field(row, column, f"{where}: row {k}") for k, row in enumerate(rows, start=1)]


# --- where NTREX-128 keeps a language -------------------------------------------------------------
# github.com/MicrosoftTranslator/NTREX, NTREX-128/. English is the source
# (`newstest2019-src.eng.txt`), all others are translations of it.

DOCUMENT_IDS = "DOCUMENT_IDS.tsv"
"""A line a segment: which news story it is from."""


def name_ntrex_file(folder: Path, code: str) -> Path:
    """Where upstream keeps a language of its code."""
    return folder / f"newstest2019-{'src' if code == 'eng' else 'ref'}.{code}.txt"


def find_ntrex_file(folder: Path, code: str) -> Path | None:
    """The file of upstream's code, packed or not; None where the folder has none."""
    for kind in ("src", "ref"):
        name = f"newstest2019-{kind}.{code}.txt"
        for path in (folder / name, folder / f"{name}.xz"):
            if path.is_file():
                return path
    return None


def read_document_ids(folder: Path, expected: int) -> list[str]:
    """The document of every segment.

    Raises
    ------
    TaskError
        If the file is missing or does not have `expected` lines.
    """
    path = folder / DOCUMENT_IDS
    names = [line.partition("\t")[0] for line in read_lines(path)]
    if len(names) != expected:
        raise TaskError(
            f"{plural(len(names), 'document id')} for {plural(expected, 'segment')}",
            where=str(path),
        )
    return names
