"""Calibration text: reading, the draw, and what is said when there is too little."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelbits.errors import CalibrationError
from babelbits.recipes.calibration import (
    CalibrationSpec,
    draw,
    find_bundled_file,
    hash_source,
    join_sentences,
    read_documents,
    read_file,
)

EOS, BOS = 257, 256


@dataclass(frozen=True)
class ByteTokenizer:
    """One token a byte, so that lengths can be counted by hand."""

    opens_with_bos: bool = False
    eos_token_id: int | None = EOS

    def __call__(self, text: str, *, add_special_tokens: bool) -> dict[str, list[int]]:
        opening = [BOS] if add_special_tokens and self.opens_with_bos else []
        return {"input_ids": [*opening, *text.encode()]}


def spec(**fields: object) -> CalibrationSpec:
    return CalibrationSpec(**{"language": "en", "source": "text.txt", **fields})  # type: ignore[arg-type]


# --- reading -----------------------------------------------------------------------------------


def test_lines_are_documents_where_no_line_is_blank(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("\ufeffone\r\ntwo  \r\nthree\r\n", encoding="utf-8")
    assert read_file(tmp_path / "t.txt") == ("one", "two", "three")


def test_blank_lines_separate_documents_where_there_are_some(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("one\nmore of one\n \t\n\n\ntwo\n", encoding="utf-8")
    assert read_file(tmp_path / "t.txt") == ("one\nmore of one", "two")


def test_line_separator_u2028_does_not_cut_a_document(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("one\u2028still one\ntwo", encoding="utf-8")
    assert read_file(tmp_path / "t.txt") == ("one\u2028still one", "two")


def test_jsonl_of_sentences_is_running_text(tmp_path: Path) -> None:
    lines = [{"source_id": "c1", "sentences": ["A b.", "C d."]}, {"text": "plain"}]
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    assert read_file(path) == ("A b. C d.", "plain")


def test_japanese_sentences_are_joined_without_a_space() -> None:
    assert join_sentences(["雨が降る。", "猫が寝る。"]) == "雨が降る。猫が寝る。"
    assert join_sentences(["Es regnet.", "Die Katze schläft."]) == "Es regnet. Die Katze schläft."


def test_text_that_is_not_utf8_names_the_byte(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes("blå".encode("latin-1"))
    with pytest.raises(CalibrationError, match="not UTF-8: byte 0xe5 at offset 2"):
        read_file(tmp_path / "t.txt")


@pytest.mark.parametrize(
    ("line", "message"),
    [("{", "t.jsonl:2: not JSON"), ('{"a": 1}', "t.jsonl:2: .*neither"), ("[1]", "t.jsonl:2: ")],
)
def test_bad_jsonl_names_the_line(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "t.jsonl").write_text(f'{{"text": "fine"}}\n{line}\n', encoding="utf-8")
    with pytest.raises(CalibrationError, match=message):
        read_file(tmp_path / "t.jsonl")


def test_missing_and_empty_files_are_said(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=r"no\.txt: .*No such file"):
        read_documents(spec(source="no.txt", folder=tmp_path))
    (tmp_path / "empty.txt").write_text(" \n\n", encoding="utf-8")
    with pytest.raises(CalibrationError, match="empty"):
        read_documents(spec(source="empty.txt", folder=tmp_path))


def test_language_without_bundled_text_names_those_that_have_some() -> None:
    with pytest.raises(CalibrationError, match="no bundled calibration text in 'xx'") as caught:
        read_documents(CalibrationSpec(language="xx"))
    assert caught.value.hint is not None
    assert "source" in caught.value.hint


@pytest.mark.skipif(not find_bundled_file("en").is_file(), reason="the bundled text is not built")
def test_bundled_text_has_at_least_eighty_passages() -> None:
    assert len(read_documents(CalibrationSpec(language="en"))) >= 80


def test_local_folder_stands_in_for_a_hub_dataset(tmp_path: Path) -> None:
    rows = [{"id": index, "text": f"row {index}"} for index in range(3)]
    text = "\n".join(json.dumps(row) for row in rows)
    (tmp_path / "train.jsonl").write_text(text, encoding="utf-8")
    assert read_documents(spec(source=f"hub:{tmp_path}")) == ("row 0", "row 1", "row 2")


def test_unreachable_hub_dataset_is_a_calibration_error(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="cannot be read"):
        read_documents(spec(source=f"hub:{tmp_path / 'nowhere'}"))


# --- the draw ----------------------------------------------------------------------------------


def test_windows_are_consecutive_pieces_of_the_documents_closed_by_eos() -> None:
    drawn = draw(spec(samples=2, tokens=3), ["ab"] * 3, tokenizer=ByteTokenizer(), context=99)
    assert drawn.windows == ((97, 98, EOS), (97, 98, EOS))
    assert drawn.record.n_tokens == 6


def test_blank_line_closes_documents_where_there_is_no_eos() -> None:
    tokenizer = ByteTokenizer(eos_token_id=None)
    drawn = draw(spec(samples=1, tokens=4), ["ab"], tokenizer=tokenizer, context=99)
    assert bytes(drawn.windows[0]) == b"ab\n\n"


def test_every_window_opens_with_what_the_tokenizer_puts_before_a_text() -> None:
    tokenizer = ByteTokenizer(opens_with_bos=True)
    drawn = draw(spec(samples=2, tokens=4), ["ab"] * 3, tokenizer=tokenizer, context=99)
    assert drawn.windows == ((BOS, 97, 98, EOS), (BOS, 97, 98, EOS))


def test_too_little_text_says_how_much_is_missing() -> None:
    """10 documents of 9 bytes and an end token are 100 tokens; 3 windows of 40 need 120."""
    with pytest.raises(CalibrationError) as caught:
        draw(spec(samples=3, tokens=40), ["123456789"] * 10, tokenizer=ByteTokenizer(), context=64)
    assert "has 100 tokens" in caught.value.what
    assert "need 120: 20 are missing" in caught.value.what


def test_defaults_are_128_windows_of_2048_tokens_or_the_context() -> None:
    """So do GPTQ's authors (nsamples 128, seqlen of the model, 2048)."""
    documents = ["x" * 9_999] * 30
    long = draw(spec(), documents, tokenizer=ByteTokenizer(), context=131_072)
    assert (long.record.n_samples, long.record.tokens_per_sample) == (128, 2048)
    short = draw(spec(), documents, tokenizer=ByteTokenizer(), context=512)
    assert (short.record.n_samples, short.record.tokens_per_sample) == (128, 512)


@pytest.mark.parametrize(
    ("have", "samples", "tokens"),
    [(3_000, 11, 256), (130, 1, 128), (1_024, 8, 128), (100_000, 48, 2048), (1_000_000, 128, 2048)],
)
def test_bundled_text_gives_what_it_fills(have: int, samples: int, tokens: int) -> None:
    documents = ["x" * (have - 1)]
    record = draw(spec(source="bundled"), documents, tokenizer=ByteTokenizer(), context=4096).record
    assert (record.n_samples, record.tokens_per_sample) == (samples, tokens)


def test_bundled_text_too_short_for_what_was_asked_is_an_error() -> None:
    with pytest.raises(CalibrationError, match="28 are missing"):
        draw(spec(source="bundled"), ["x" * 99], tokenizer=ByteTokenizer(), context=4096)
    with pytest.raises(CalibrationError, match="missing"):
        draw(
            spec(source="bundled", samples=99), ["x" * 999], tokenizer=ByteTokenizer(), context=999
        )


def test_window_longer_than_the_context_is_refused() -> None:
    with pytest.raises(CalibrationError, match="do not fit the model's context of 64"):
        draw(spec(tokens=65), ["x" * 999], tokenizer=ByteTokenizer(), context=64)


def test_text_is_read_only_as_far_as_it_is_needed_and_hashed_so() -> None:
    """Another unused document changes the source's hash but, drawn after, not the draw's."""
    documents = [f"document {index:02}" for index in range(50)]
    drawn = draw(spec(samples=1, tokens=11), documents, tokenizer=ByteTokenizer(), context=64)
    first = bytes(drawn.windows[0]).decode()
    changed = [text if text == first else f"{text}!" for text in documents]
    again = draw(spec(samples=1, tokens=11), changed, tokenizer=ByteTokenizer(), context=64)
    assert hash_source(documents) != hash_source(changed)
    assert again == drawn
    assert drawn.record.text_hash == hash_source([first])


@given(
    documents=st.lists(
        st.text(alphabet="abc de", min_size=1, max_size=30), min_size=1, max_size=20
    ),
    seed=st.integers(0, 2**32),
    tokens=st.integers(1, 20),
)
def test_law_a_draw_is_a_function_of_its_seed_and_its_windows_are_of_one_length(
    documents: list[str], seed: int, tokens: int
) -> None:
    have = sum(len(text.encode()) + 1 for text in documents)
    wanted = spec(samples=max(1, have // tokens), tokens=min(tokens, have), seed=seed)
    drawn = draw(wanted, documents, tokenizer=ByteTokenizer(), context=999)
    again = draw(wanted, documents, tokenizer=ByteTokenizer(), context=999)
    assert drawn == again
    assert {len(window) for window in drawn.windows} == {min(tokens, have)}
    left = have - drawn.record.n_tokens
    assert 0 <= left < max(tokens, have)


def test_another_seed_draws_other_text() -> None:
    documents = [f"document {index}" for index in range(50)]
    windows = {
        draw(
            spec(samples=4, tokens=12, seed=seed), documents, tokenizer=ByteTokenizer(), context=64
        ).windows
        for seed in range(5)
    }
    assert len(windows) == 5
