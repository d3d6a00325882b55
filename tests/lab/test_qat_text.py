"""The text of the QAT lab: what is held out, which tokens come in which order, what is refused."""

import lzma
from pathlib import Path

import numpy as np
import pytest

from babelbits.errors import StudyError
from babelbits.lab.qat_text import LanguageText, read_texts, read_token_stream


def lines_of(language: str, count: int) -> list[str]:
    return [f"{language} sentence number {number}" for number in range(count)]


def write(folder: Path, language: str, lines: list[str]) -> None:
    (folder / f"{language}.txt").write_text("\n".join(lines) + "\n", "utf-8")


def encode(line: str) -> list[int]:
    return list(line.encode())


def text(language: str, count: int) -> LanguageText:
    return LanguageText(language=language, train=tuple(lines_of(language, count)), held_out=())


def test_the_first_lines_are_held_out_and_never_trained_on(tmp_path: Path) -> None:
    lines = lines_of("en", 40)
    write(tmp_path, "en", ["short", *lines, lines[0]])  # the last line is a held-out one again
    raw = lzma.compress("\n".join(lines_of("nb", 40)).encode())
    (tmp_path / "nb.txt.xz").write_bytes(raw)
    found = read_texts(tmp_path, ["en", "nb"], held_out=10)
    assert found["en"].held_out == tuple(lines[:10])
    assert found["en"].train == tuple(lines[10:])
    assert found["nb"].train == tuple(lines_of("nb", 40)[10:])


def test_languages_without_text_are_all_named(tmp_path: Path) -> None:
    write(tmp_path, "en", lines_of("en", 40))
    with pytest.raises(StudyError, match=r"no text in Swahili \(sw\), Malayalam \(ml\)") as raised:
        read_texts(tmp_path, ["en", "sw", "ml"], held_out=5)
    assert "sw.txt or sw.txt.xz" in str(raised.value.hint)


def test_too_little_text_is_said_with_its_file(tmp_path: Path) -> None:
    write(tmp_path, "en", lines_of("en", 29))
    with pytest.raises(StudyError, match="29 lines of 9 characters or more: too few") as raised:
        read_texts(tmp_path, ["en"], held_out=10)
    assert raised.value.where == str(tmp_path / "en.txt")


def test_a_file_that_is_no_utf8_is_said(tmp_path: Path) -> None:
    (tmp_path / "en.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(StudyError, match="cannot be read"):
        read_texts(tmp_path, ["en"], held_out=1)


def test_the_same_seed_gives_the_same_batches_and_another_gives_others() -> None:
    streams = [
        read_token_stream([text("en", 50)], encode, start=0, n_tokens=1000, seed=seed)
        for seed in (1, 1, 2)
    ]
    assert streams[0].id == streams[1].id != streams[2].id
    first, again = (one.batch(2, rows=4, length=24) for one in streams[:2])
    np.testing.assert_array_equal(first, again)
    assert first.shape == (4, 25)
    np.testing.assert_array_equal(first.ravel(), streams[0].tokens[200:300])


def test_a_mix_gives_every_language_as_many_tokens_though_their_lines_differ() -> None:
    """Swahili has few lines and long ones: they come again, and its tokens are as many."""
    few = LanguageText(language="sw", train=("maneno " * 9, "mengine " * 7), held_out=())
    found = read_token_stream([text("en", 500), few], encode, start=0, n_tokens=4000, seed=0)
    longest = max(len(encode(line)) for line in few.train) + 1
    assert abs(found.by_language["en"] - found.by_language["sw"]) <= longest
    assert found.passes["sw"] > 10
    assert found.passes["en"] < 1


def test_every_line_comes_once_before_any_comes_again() -> None:
    corpus = text("en", 12)
    one_pass = sum(len(encode(line)) + 1 for line in corpus.train)
    found = read_token_stream([corpus], encode, start=0, n_tokens=one_pass, seed=3)
    documents = bytes(found.tokens.astype(np.uint8)).split(b"\x00")[1:]
    assert sorted(one.decode() for one in documents) == sorted(corpus.train)
