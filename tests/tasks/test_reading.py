"""Data files with everything that can be wrong with them."""

import lzma
from pathlib import Path

import pytest

from babelbits.errors import TaskError
from babelbits.tasks.reading import read_jsonl, read_lines, read_text


def write(folder: Path, raw: bytes, name: str = "x.jsonl") -> Path:
    path = folder / name
    path.write_bytes(raw)
    return path


def test_non_utf8_names_file_and_offset(tmp_path: Path) -> None:
    path = write(tmp_path, "blåbær".encode("latin-1"))
    with pytest.raises(TaskError, match="byte 0xe5 at offset 2") as caught:
        read_text(path)
    assert caught.value.where == str(path)


def test_lines_end_at_newlines_alone(tmp_path: Path) -> None:
    raw = "a\u2028b\r\nc\x85d\x0be\r\n".encode()
    assert read_lines(write(tmp_path, raw)) == ["a\u2028b", "c\x85d\x0be"]


def test_last_line_without_newline_counts_and_empty_lines_stay(tmp_path: Path) -> None:
    assert read_lines(write(tmp_path, b"a\n\nb")) == ["a", "", "b"]


def test_compressed_reads_the_same(tmp_path: Path) -> None:
    raw = '{"a": "नमस्ते"}\n'.encode()
    packed = write(tmp_path, lzma.compress(raw), "x.jsonl.xz")
    assert read_jsonl(packed) == read_jsonl(write(tmp_path, raw)) == [{"a": "नमस्ते"}]


def test_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    assert read_jsonl(write(tmp_path, b'\xef\xbb\xbf{"a": 1}')) == [{"a": 1}]


@pytest.mark.parametrize(
    "line", ["{", "[1]", '{"a": NaN}', '{"a": Infinity}', '{"a": "\\ud83d"}', "null"]
)
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    path = write(tmp_path, b'{"a": 1}\n\n' + line.encode() + b"\n")
    with pytest.raises(TaskError) as caught:
        read_jsonl(path)
    assert caught.value.where == f"{path}:3"


def test_hostile_text_survives(tmp_path: Path) -> None:
    raw = b'{"a": "<script>\\u001b[31m\\u2028\\u0000\\ud83d\\ude00"}'
    assert read_jsonl(write(tmp_path, raw)) == [{"a": "<script>\x1b[31m\u2028\x00😀"}]


def test_damaged_archive_and_missing_file(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="cannot be read"):
        read_text(write(tmp_path, b"no xz", "x.txt.xz"))
    with pytest.raises(TaskError, match="cannot be read"):
        read_text(tmp_path / "absent.txt")
