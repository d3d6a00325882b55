"""Items of a table in columns are the items that its rows say; expected values are read off."""

from pathlib import Path

from babelbits.interop.join import join
from babelbits.interop.readers.detect import read_run
from babelbits.interop.readers.item_columns import ByName, ItemColumns
from babelbits.interop.readers.naming import place_tasks
from babelbits.interop.readers.record import ForeignItem
from babelbits.interop.run_index import index_run

TEXT = """item_id,language,metric,score,output,target,source_id,passage
a,de,acc,1,yes,A,s1,
b,de,acc,0,no,B,s2,
a,de,f1,0.25,yes,A,s1,
c,de,acc,NA,,C,s3,
"""


def items(folder: Path, text: str = TEXT, *, name: str = "t.csv") -> ItemColumns:
    path = folder / name
    path.write_text(text)
    [task] = read_run(path).tasks
    assert isinstance(task.items, ItemColumns)
    return task.items


def test_an_item_is_what_its_rows_say(tmp_path: Path) -> None:
    first, second, third = items(tmp_path)
    assert first == ForeignItem(
        content="a",
        order=0,
        where=f"{tmp_path / 't.csv'}:2",
        scores={"acc": 1.0, "f1": 0.25},
        target="A",
        output="yes",
        source_id="s1",
    )
    assert second.scores == {"acc": 0.0}
    assert (third.scores, third.output, third.where[-2:]) == ({"acc": None}, "", ":5")


def test_columns_are_a_sequence(tmp_path: Path) -> None:
    found = items(tmp_path)
    assert len(found) == 3
    assert found[-1] == found[2]
    assert [one.content for one in found[1:]] == ["b", "c"]
    assert [one.scores for one in found[::-1]] == [
        {"acc": None},
        {"acc": 0.0},
        {"acc": 1.0, "f1": 0.25},
    ]
    assert list(found.scores("f1")) == [0.25, None, None]
    assert list(found.scores("bleu")) == [None, None, None]


def test_items_by_their_names(tmp_path: Path) -> None:
    named = ByName(items(tmp_path))
    assert list(named) == ["a", "b", "c"]
    assert "b" in named
    assert "d" not in named
    assert named["c"].target == named.texts("c").target == "C"
    assert [one.content for one in named.picked(["c", "a"])] == ["c", "a"]
    assert [one.scores for one in named.picked(["c", "a"])] == [
        {"acc": None},
        {"acc": 1.0, "f1": 0.25},
    ]


def test_rows_are_paired_whatever_the_order(tmp_path: Path) -> None:
    head, *rows = TEXT.splitlines()
    base = tmp_path / "base.csv"
    base.write_text(TEXT)
    other = tmp_path / "other.csv"
    other.write_text("\n".join([head, *reversed(rows)]) + "\n")
    ours, theirs = join(read_run(base), {"w4": read_run(other)}).cells
    assert [row.item_id for row in ours.rows] == [row.item_id for row in theirs.rows]
    assert [row.target for row in theirs.rows] == ["A", "B", "C"]
    assert [row.scores["acc"] for row in theirs.rows] == [1.0, 0.0, None]
    failure = theirs.rows[2].failure
    assert failure is not None
    assert failure.message == f"no acc at {other}:2"
    assert [row.variant for row in ours.rows[:1]] == ["baseline"]


def test_a_shelf_of_a_table_makes_no_items(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(TEXT)
    tasks = read_run(path).tasks
    [book] = index_run(tasks, place_tasks(tasks, {})).values()
    assert isinstance(book.items, ByName)
    assert list(book.scores("acc")) == [1.0, 0.0, None]
    assert book.repeated == 0
