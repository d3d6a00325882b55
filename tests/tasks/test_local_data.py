"""Upstream's files as the hub's rows.

Expected counts come from the data sets' own papers and from an independent check of the files.
"""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from babelbits.errors import TaskError
from babelbits.tasks.local_data import read_local

MGSM, XCOPA, XWINOGRAD = "juletxara/mgsm", "cambridgeltl/xcopa", "Muennighoff/xwinograd"


@pytest.mark.shared_data
def test_mgsm_answers_are_those_of_gsm8k(shared_data: Path) -> None:
    """MGSM is GSM8K's first 250 test questions; answers with thousands commas are numbers."""
    for language in ("bn", "te", "zh"):
        held = read_local(MGSM, language, shared_data / "mgsm").splits
        numbers = [row["answer_number"] for row in held["test"]]
        assert len(numbers) == 250
        assert {2125, 114200, 276000, 5600} <= set(numbers)
        assert numbers[:3] == [18, 3, 70000]  # GSM8K test: ducks, robe, house
        assert [row["answer_number"] for row in held["train"]] == [11, 29, 39, 9, 33, 8, 8, 5]
        assert held["train"][0]["equation_solution"] == "5 + 6 = 11."
        assert all(row["answer"] is None for row in held["test"])


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("language", "wrong_test", "wrong_validation"),
    [("th", 250, 52), ("tr", 51, 52), ("sw", 37, 6), ("id", 4, 5), ("it", 4, 5), ("zh", 0, 0)],
)
def test_xcopa_questions_are_repaired_and_counted(
    shared_data: Path, language: str, wrong_test: int, wrong_validation: int
) -> None:
    """Counts of wrong rows from the data's SOURCE note, checked there against Chinese."""
    folder = shared_data / "xcopa"
    held = read_local(XCOPA, language, folder)
    chinese = read_local(XCOPA, "zh", folder).splits
    for split, wrong in (("test", wrong_test), ("validation", wrong_validation)):
        assert [r["question"] for r in held.splits[split]] == [
            r["question"] for r in chinese[split]
        ]
        notes = [note for note in held.notes if note.startswith(split)]
        assert (f"in {wrong} of" in notes[0]) if wrong else not notes


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("config", "rows"), [("en", 2325), ("jp", 959), ("ru", 315), ("pt", 263), ("fr", 83)]
)
def test_xwinograd_has_the_hubs_rows(shared_data: Path, config: str, rows: int) -> None:
    """Row counts of Muennighoff/xwinograd's dataset card."""
    held = read_local(XWINOGRAD, config, shared_data / "xwinograd").splits["test"]
    assert len(held) == rows
    assert all(row["sentence"].count("_") == 1 and row["answer"] in "12" for row in held)


@pytest.mark.shared_data
def test_xwinograd_row_is_the_dataset_cards_example(shared_data: Path) -> None:
    held = read_local(XWINOGRAD, "en", shared_data / "xwinograd").splits["test"]
    row = {
        "sentence": "The city councilmen refused the demonstrators a permit "
        "because _ feared violence.",
        "option1": "The city councilmen",
        "option2": "the demonstrators",
        "answer": "1",
    }
    assert held[0] == row


def test_xcopa_without_its_siblings_says_so(tmp_path: Path) -> None:
    (tmp_path / "th").mkdir()
    row = {"premise": "p.", "choice1": "a", "choice2": "b", "question": "effect", "label": 0}
    (tmp_path / "th" / "test.th.jsonl").write_text(json.dumps(row | {"idx": 0}))
    held = read_local(XCOPA, "th", tmp_path)
    assert held.splits["test"][0]["question"] == "effect"
    assert "not checked" in held.notes[0]


def test_mgsm_with_crlf_and_a_bad_answer(tmp_path: Path) -> None:
    path = tmp_path / "mgsm_sw.tsv"
    path.write_bytes(b"Swali\tmoja?\t1,234\r\n")
    held = read_local(MGSM, "sw", tmp_path)
    assert held.splits["test"][0]["answer_number"] == 1234
    assert held.splits["test"][0]["question"] == "Swali\tmoja?"
    path.write_bytes(b"q\tone\n")
    with pytest.raises(TaskError, match="no whole number") as caught:
        read_local(MGSM, "sw", tmp_path)
    assert caught.value.where == f"{path}:1"


def test_generic_layouts_agree(tmp_path: Path) -> None:
    rows = [{"q": "a", "n": 1}, {"q": "<b>\u2028", "n": 2}]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (tmp_path / "deep" / "xx").mkdir(parents=True)
    (tmp_path / "deep" / "xx" / "test.jsonl").write_text(lines, encoding="utf-8")
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "test.jsonl").write_text(lines, encoding="utf-8")
    (tmp_path / "shards").mkdir()
    for number, row in enumerate(rows):
        name = f"test-0000{number}-of-00002.parquet"
        parquet.write_table(pa.Table.from_pylist([row]), tmp_path / "shards" / name)
    for folder in ("deep", "flat", "shards"):
        assert read_local("some/data", "xx", tmp_path / folder).splits == {"test": rows}


def test_nothing_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="no such folder"):
        read_local("some/data", "xx", tmp_path / "absent")
    with pytest.raises(TaskError, match="no data for config"):
        read_local("some/data", "xx", tmp_path)
    (tmp_path / "test.parquet").write_bytes(b"not parquet")
    with pytest.raises(TaskError, match="cannot be read"):
        read_local("some/data", "xx", tmp_path)


@pytest.mark.parametrize(
    ("dataset", "file"),
    [
        (MGSM, "mgsm_sw.tsv"),
        (XCOPA, "sw/test.sw.jsonl"),
        ("Davlan/sib200", "sw/test.tsv"),
        ("facebook/belebele", "sw.jsonl"),
        ("someone/else", "sw/test.jsonl"),
    ],
)
def test_a_language_without_a_file_names_the_file(dataset: str, file: str, tmp_path: Path) -> None:
    """Names of files as in the repositories of the datasets' makers."""
    with pytest.raises(TaskError) as caught:
        read_local(dataset, "sw", tmp_path)
    assert str(tmp_path / file) in str(caught.value)
