"""Tables as spreadsheets and scripts write them; values are read off by hand.

Excel's habits: https://support.microsoft.com (text import), RFC 4180, and what LibreOffice writes.
"""

from pathlib import Path

import pytest

from babelbits.cli.main import run as babelbits
from babelbits.errors import ExitCode, TaskError
from babelbits.interop.readers.detect import read_run

HEAD = "item_id,language,score"


def scores(path: Path) -> list[float | None]:
    return [item.scores["score"] for task in read_run(path).tasks for item in task.items]


def table(folder: Path, text: str, *, encoding: str = "utf-8", name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{HEAD}\n1,de,TRUE\n2,de,FALSE\n", [1, 0]),
        (f"{HEAD}\n1,de,true\n2,de,False\n", [1, 0]),
        (f"{HEAD}\n1,de,WAHR\n2,de,FALSCH\n", [1, 0]),
        (f"{HEAD}\n1,ru,ИСТИНА\n2,ru,ЛОЖЬ\n", [1, 0]),
        ("item_id;language;score\n1;de;0,5\n2;de;-1,25\n3;de;1\n", [0.5, -1.25, 1]),
        ("item_id;language;score\r\n1;de;0,5\r\n;;\r\n", [0.5]),
        ("item_id\tlanguage\tscore\n1\tde\t0,5\n", [0.5]),
        ("sep=;\nitem_id;language;score\n1;de;0,5\n", [0.5]),
        (f"\ufeff{HEAD}\n1,de,0.5\n", [0.5]),
        (f'"item_id","language","score"\n"1","de","0.5"\n', [0.5]),  # noqa: F541  as the others
        ("Item_ID, Language , SCORE\n1,de,0.5\n", [0.5]),
        (f"{HEAD},,\n1,de,0.5,,\n,,,,\n", [0.5]),
        (f"{HEAD}\n1,de,85%\n2,de,8.5 %\n", [0.85, 0.085]),
        (f"{HEAD}\n1,de,1.0E+00\n2,de,\u22120.5\n3,de, 0.5 \n", [1, -0.5, 0.5]),
        (f"{HEAD}\n1,de,\n2,de,NA\n3,de,#N/A\n4,de,NaN\n5,de,null\n6,de,None\n", [None] * 6),
        (f"{HEAD}\r1,de,1\r2,de,0\r", [1, 0]),
    ],
)
def test_a_table_is_read_as_people_read_it(
    tmp_path: Path, text: str, expected: list[float | None]
) -> None:
    assert scores(table(tmp_path, text)) == pytest.approx(expected)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_excels_unicode_text(tmp_path: Path, encoding: str) -> None:
    """Excel's 'Unicode Text (*.txt)': UTF-16 with a mark, parted by tabs."""
    mark = "" if encoding == "utf-16" else "\ufeff"
    text = f"{mark}item_id\tlanguage\tscore\toutput\r\n1\tde\t0,5\tgrün\r\n"
    path = table(tmp_path, text, encoding=encoding, name="t.txt")
    assert scores(path) == [0.5]
    assert read_run(path).tasks[0].items[0].output == "grün"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (f"{HEAD}\n1,de,1\n2,de,right\n", r"t\.csv:3: the score 'right' is no number"),
        (f"{HEAD}\n1,de,#DIV/0!\n", r"t\.csv:2: the score '#DIV/0!' is no number"),
        (f'{HEAD}\n1,de,"0,5"\n', r"t\.csv:2: the score '0,5' is no number"),
        (f"{HEAD}\n1,de,0,5\n", r"t\.csv:2: 4 fields, the head has 3\n  a decimal comma"),
        ("sep=;\nitem_id;language;score\n1;de;x\n", r"t\.csv:3: the score 'x'"),
        (f"{HEAD}\n1,klingonisch,1\n", r"t\.csv:2: unknown language"),
    ],
)
def test_the_cell_that_is_wrong_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(TaskError, match=complaint):
        read_run(table(tmp_path, text))


def test_a_long_cell_is_a_cell(tmp_path: Path) -> None:
    """Csv takes 131,072 characters by itself."""
    long = "x" * 200_000
    path = table(tmp_path, f"{HEAD},output\n1,de,1,{long}\n")
    assert read_run(path).tasks[0].items[0].output == long


def test_the_three_columns_are_enough_for_two_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f"{k},{code},{k % 2}\n" for code in ("de", "sw") for k in range(20))
    a, b = (table(tmp_path, f"{HEAD}\n{rows}", name=name) for name in ("fp16.csv", "w4.csv"))
    assert babelbits(["compare", str(a), str(b)]) == ExitCode.DONE
    out, err = capsys.readouterr()
    assert "w4: 40 of 40 items matched, in 2 tasks" in err
    assert "Swahili" in out


def test_files_of_the_same_name_keep_it(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        table(tmp_path / folder, f"{HEAD}\n1,de,1\n", name="quiz.csv")
    assert [task.suite for task in read_run(tmp_path / "a" / "quiz.csv").tasks] == ["quiz"]


def test_several_benchmarks_in_files_without_names_are_not_mixed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("math.csv", "facts.csv", "w4.csv"):
        table(tmp_path, f"{HEAD}\n1,de,1\n", name=name)
    words = [
        f"fp={tmp_path / 'math.csv'}",
        f"fp={tmp_path / 'facts.csv'}",
        f"q={tmp_path / 'w4.csv'}",
    ]
    assert babelbits(["compare", *words]) == ExitCode.USAGE
    assert "no task of the baseline is in another run" in capsys.readouterr().err
