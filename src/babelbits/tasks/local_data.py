"""Local folders that stand in for a hub dataset: upstream's files in the hub's columns and splits.

Known layouts are those of the repositories that the datasets come from: MGSM, XCOPA, XWinograd, and
MMLU and SIB-200 of `local_tables`. Everything else is read from `<config>/<split>.jsonl` or
`.parquet`, from `<config>.jsonl` (Belebele's own files), or from `<split>.jsonl` where there is one
config. Prompts and scoring remain those of the lm-eval task.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babelbits.errors import TaskError
from babelbits.libraries import load
from babelbits.tasks import local_tables
from babelbits.tasks.reading import Row, read_jsonl, read_lines, read_text
from babelbits.words import plural

Splits = Mapping[str, list[Row]]

_XCOPA_TRUSTED = ("et", "ht", "qu", "ta", "vi", "zh")
"""Languages whose `question` agree with each other; th, tr, sw, id and it differ from them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalData:
    """What a folder holds for one config of a dataset."""

    splits: Splits
    notes: tuple[str, ...] = ()
    """What was repaired or differs from the hub, for people."""


def read_local(dataset: str, config: str | None, folder: Path) -> LocalData:
    """Rows of every split of a dataset's config, as the hub would give them.

    Parameters
    ----------
    dataset : str
        Hub id that the folder stands in for, e.g. 'juletxara/mgsm'.
    config : str or None
        The dataset's config, mostly a language, e.g. 'ja'.
    folder : Path
        The upstream repository's data, or files named by split.

    Raises
    ------
    TaskError
        If there is no such folder, or nothing in it for this config, or it is damaged.
    """
    if not folder.is_dir():
        raise TaskError("no such folder of data", where=str(folder))
    layout = _LAYOUTS.get(dataset)
    if layout is not None and config is not None and layout.applies(config, folder):
        splits = layout.read(config, folder)
        if not any(splits.splits.values()):
            raise make_missing_error(dataset, config, folder)
        return splits
    return _read_generic(dataset, config, folder)


# --- MGSM: github.com/google-research/url-nlp, mgsm/ -----------------------------------------


def _mgsm_applies(config: str, folder: Path) -> bool:
    return (folder / f"mgsm_{config}.tsv").is_file()


def _read_mgsm(config: str, folder: Path) -> LocalData:
    path = folder / f"mgsm_{config}.tsv"
    test = [
        _mgsm_row(line, f"{path}:{number}") for number, line in enumerate(read_lines(path), start=1)
    ]
    exemplars = folder / "exemplars.json"
    if not exemplars.is_file():
        return LocalData(splits={"test": test}, notes=("no exemplars.json: no few-shot examples",))
    return LocalData(splits={"train": _mgsm_exemplars(exemplars, config), "test": test})


def _mgsm_row(line: str, where: str) -> Row:
    question, tab, answer = line.rpartition("\t")
    try:
        number = int(answer.replace(",", ""))
    except ValueError as error:
        raise TaskError(f"the answer {answer!r:.80} is no whole number", where=where) from error
    if not tab:
        raise TaskError("expected a question, a tab and an answer", where=where)
    return {
        "question": question,
        "answer": None,
        "answer_number": number,
        "equation_solution": None,
    }


def _mgsm_exemplars(path: Path, config: str) -> list[Row]:
    try:
        held = json.loads(read_text(path))
        examples = held["MGSM_EXEMPLARS"][config]
        columns = (held["EXEMPLAR_NUMBER_ANSWERS"], held["EXEMPLAR_EQUATION_SOLUTIONS"])
        return [
            {
                "question": examples[str(number)]["q"],
                "answer": examples[str(number)]["a"],
                "answer_number": answer,
                "equation_solution": equation,
            }
            for number, (answer, equation) in enumerate(zip(*columns, strict=True), start=1)
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise TaskError(f"not MGSM's exemplars: {error!r}", where=str(path)) from error


# --- XCOPA: github.com/cambridgeltl/xcopa, data/ ---------------------------------------------


def _xcopa_file(config: str, folder: Path, split: str) -> Path:
    root = folder / "data" if (folder / "data").is_dir() else folder
    return root / config / f"{split}.{config}.jsonl"


def _xcopa_applies(config: str, folder: Path) -> bool:
    return _xcopa_file(config, folder, "test").is_file()


def _read_xcopa(config: str, folder: Path) -> LocalData:
    splits: dict[str, list[Row]] = {}
    notes: list[str] = []
    for name, split in (("validation", "val"), ("test", "test")):
        path = _xcopa_file(config, folder, split)
        if path.is_file():
            splits[name], repaired = _repair_xcopa(read_jsonl(path), config, folder, split)
            notes += [f"{name}: {repaired}"] if repaired else []
    return LocalData(splits=splits, notes=tuple(notes))


def _repair_xcopa(
    rows: list[Row], config: str, folder: Path, split: str
) -> tuple[list[Row], str | None]:
    """Rows with `question` as the trusted languages have it, and what was done."""
    if config in _XCOPA_TRUSTED:
        return rows, None
    votes = _xcopa_votes(folder, split)
    if not votes:
        return (
            rows,
            "`question` (cause or effect) is not checked: et, ht, qu, ta, vi, zh are absent",
        )
    repaired = [row | _majority(votes, row.get("idx")) for row in rows]
    wrong = sum(row != better for row, better in zip(rows, repaired, strict=True))
    note = (
        f"`question` (cause or effect) repaired in {wrong} of {plural(len(rows), 'item')}: "
        "upstream's file disagrees with the other languages"
    )
    return repaired, note if wrong else None


def _majority(votes: Mapping[Any, Counter[str]], idx: object) -> Row:
    """The `question` most languages have for item `idx`; empty where none has the item."""
    return {"question": votes[idx].most_common(1)[0][0]} if idx in votes else {}


def _xcopa_votes(folder: Path, split: str) -> dict[Any, Counter[str]]:
    """What the trusted languages that are there say `question` is, by idx."""
    votes: dict[Any, Counter[str]] = {}
    for language in _XCOPA_TRUSTED:
        path = _xcopa_file(language, folder, split)
        for row in read_jsonl(path) if path.is_file() else []:
            votes.setdefault(row.get("idx"), Counter())[str(row.get("question"))] += 1
    return votes


# --- XWinograd: github.com/yandex-research/crosslingual_winograd -----------------------------


_QUOTES = ("``", "''")
"""How the Penn Treebank's tokens write a double quote."""


def _xwinograd_file(folder: Path) -> Path | None:
    return local_tables.find_table(folder, "dataset.tsv")


def _read_xwinograd(config: str, folder: Path) -> LocalData:
    path = _xwinograd_file(folder)
    if path is None:
        raise TaskError("no dataset.tsv", where=str(folder))
    rows = [
        _xwinograd_row(fields, f"{path}:{number}")
        for number, line in enumerate(read_lines(path), start=1)
        if (fields := line.split("\t"))[0] == config
    ]
    notes = ("zh: upstream's 16 sentences; the hub's zh is another set",) if config == "zh" else ()
    return LocalData(splits={"test": rows}, notes=notes)


def _xwinograd_row(fields: list[str], where: str) -> Row:
    try:
        sentence, tokens, pronoun, options = fields[3], *map(json.loads, fields[4:7])
        gap = _with_gap(sentence, tokens, pronoun[1])
        right = [index for index, option in enumerate(options, start=1) if option[3]]
        ((first, *_), (second, *_)), (answer,) = options, right
    except (ValueError, IndexError, TypeError) as error:
        raise TaskError(f"not a line of XWinograd: {error}", where=where) from error
    return {"sentence": gap, "option1": first, "option2": second, "answer": str(answer)}


def _with_gap(sentence: str, tokens: list[str], span: list[int]) -> str:
    """The sentence with '_' for the tokens from span[0] up to span[1]; ValueError if not found."""
    ends = []
    position = 0
    for token in tokens:
        written = '"' if token in _QUOTES and token not in sentence else token
        start = sentence.index(written, position)
        position = start + len(written)
        ends.append((start, position))
    return sentence[: ends[span[0]][0]] + "_" + sentence[ends[span[1] - 1][1] :]


# --- any other dataset -----------------------------------------------------------------------


def _read_generic(dataset: str, config: str | None, folder: Path) -> LocalData:
    alone = folder / f"{config}.jsonl"
    if config is not None and alone.is_file():
        return LocalData(splits={"test": read_jsonl(alone)})
    place = folder if config is None or not (folder / config).is_dir() else folder / config
    splits: dict[str, list[Row]] = {}
    for path in sorted(place.iterdir()):
        split = path.name.partition(".")[0].partition("-")[0]
        reader = _GENERIC_READERS.get(path.name.removesuffix(".xz").rpartition(".")[2])
        if reader is not None and path.is_file():
            splits.setdefault(split, []).extend(reader(path))
    if not splits:
        raise make_missing_error(dataset, config, folder)
    return LocalData(splits=splits)


_UPSTREAM_FILES = {
    "juletxara/mgsm": "mgsm_{}.tsv",
    "cambridgeltl/xcopa": "{0}/test.{0}.jsonl",
    "Davlan/sib200": "{}/test.tsv",
    "facebook/belebele": "{}.jsonl",
}
"""Where the repositories of datasets keep a config."""


def make_missing_error(
    dataset: str, config: str | None, folder: Path, *, split: str = "test"
) -> TaskError:
    """The error for a folder that lacks a config's file; names the file."""
    if config is None:
        return TaskError(f"there is no file {split}.jsonl", where=str(folder))
    usual = _UPSTREAM_FILES.get(dataset, f"{{}}/{split}.jsonl").format(config)
    hint = f"expected {folder / usual}"
    if dataset in _UPSTREAM_FILES:
        hint += f", or {folder / config / f'{split}.jsonl'}"
    return TaskError(
        f"no data for config '{config}': there is no file {usual}", where=str(folder), hint=hint
    )


def read_parquet(path: Path) -> list[Row]:
    """Rows of a Parquet file.

    Raises
    ------
    TaskError
        If it cannot be read.
    """
    parquet = load("pyarrow.parquet", of="pyarrow", what="a Parquet file")
    damage = load("pyarrow", of="pyarrow", what="a Parquet file").ArrowException
    try:
        rows: list[Row] = parquet.read_table(path).to_pylist()
    except (OSError, damage) as error:
        raise TaskError(f"data cannot be read: {error}", where=str(path)) from error
    return rows


_GENERIC_READERS: Mapping[str, Callable[[Path], list[Row]]] = {
    "jsonl": read_jsonl,
    "parquet": read_parquet,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """How an upstream repository lays out its files."""

    applies: Callable[[str, Path], bool]
    read: Callable[[str, Path], LocalData]


_LAYOUTS: Mapping[str, _Layout] = {
    "juletxara/mgsm": _Layout(applies=_mgsm_applies, read=_read_mgsm),
    "cambridgeltl/xcopa": _Layout(applies=_xcopa_applies, read=_read_xcopa),
    "Muennighoff/xwinograd": _Layout(
        applies=lambda _, folder: _xwinograd_file(folder) is not None, read=_read_xwinograd
    ),
    "cais/mmlu": _Layout(
        applies=local_tables.is_mmlu,
        read=lambda config, folder: LocalData(splits=local_tables.read_mmlu(config, folder)),
    ),
    "Davlan/sib200": _Layout(
        applies=local_tables.is_sib200,
        read=lambda config, folder: LocalData(splits=local_tables.read_sib200(config, folder)),
    ),
}
