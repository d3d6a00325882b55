"""Tokens that the model has no row for."""

import json
from pathlib import Path
from typing import Any

import pytest

from babelbits.errors import ModelError
from babelbits.formats.vocabulary import check_tokens, count_embedding_rows
from babelbits.records import TensorRecord

LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 4}
VOCABULARY = {"a": 0, "b": 1, "c": 2, "d": 3}


def tokenizer(folder: Path, *, added: list[dict[str, Any]], **settings: Any) -> Path:
    parsed = {"model": {"type": "BPE", "vocab": VOCABULARY}, "added_tokens": added}
    (folder / "tokenizer.json").write_text(json.dumps(parsed), "utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")
    return folder


def added(text: str, number: int, *, special: bool) -> dict[str, Any]:
    return {"content": text, "id": number, "special": special}


def embedding(rows: int, name: str = "model.embed_tokens.weight") -> TensorRecord:
    return TensorRecord(name=name, shape=(rows, 8), dtype="bf16", bytes=rows * 16)


def test_as_many_tokens_as_rows(tmp_path: Path) -> None:
    check_tokens(tokenizer(tmp_path, added=[]), LLAMA, [embedding(4)])


def test_an_added_word_without_a_row(tmp_path: Path) -> None:
    folder = tokenizer(tmp_path, added=[added("नमस्ते", 5, special=False)])
    with pytest.raises(ModelError, match=r"1 token more than the model has rows \(4\)") as caught:
        check_tokens(folder, LLAMA, [embedding(4)])
    assert "'नमस्ते' is number 5" in str(caught.value)
    assert "resize_token_embeddings" in str(caught.value.hint)


def test_a_vocabulary_of_another_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="2 tokens more"):
        check_tokens(tokenizer(tmp_path, added=[]), LLAMA, [embedding(2)])


def test_a_vocabulary_that_is_a_list(tmp_path: Path) -> None:
    """As unigram models have it: pairs of token and score."""
    parsed = {"model": {"type": "Unigram", "vocab": [["a", -1.0], ["b", -2.0], ["c", -3.0]]}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(parsed), "utf-8")
    with pytest.raises(ModelError, match="'c' is number 2"):
        check_tokens(tmp_path, LLAMA, [embedding(2)])


def test_a_place_for_images_may_lie_beyond(tmp_path: Path) -> None:
    """As in google/gemma-3-1b-it: '<image_soft_token>' is number 262144 of 262144 rows."""
    check_tokens(
        tokenizer(tmp_path, added=[added("<image_soft_token>", 4, special=True)]),
        LLAMA,
        [embedding(4)],
    )


@pytest.mark.parametrize(
    "settings",
    [{"chat_template": "<|im_start|>user"}, {"eos_token": "<|im_start|>"}],
    ids=["of the template", "of the end"],
)
def test_special_tokens_that_the_model_reads_may_not(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    folder = tokenizer(tmp_path, added=[added("<|im_start|>", 4, special=True)], **settings)
    with pytest.raises(ModelError, match="im_start"):
        check_tokens(folder, LLAMA, [embedding(4)])


def test_tokens_that_only_the_settings_add(tmp_path: Path) -> None:
    decoder = {"9": {"content": "ny", "special": False}}
    folder = tokenizer(tmp_path, added=[], added_tokens_decoder=decoder)
    with pytest.raises(ModelError, match="'ny' is number 9"):
        check_tokens(folder, LLAMA, [embedding(4)])


def test_rows_are_those_of_the_files_before_the_configs(tmp_path: Path) -> None:
    """Embeddings are often padded, and a nested config may not say."""
    assert count_embedding_rows(LLAMA, [embedding(64)]) == 64
    assert count_embedding_rows(LLAMA, [embedding(9, "vision_tower.embeddings.weight")]) == 4
    assert count_embedding_rows({"text_config": {"vocab_size": 7}}, []) == 7
    assert count_embedding_rows({"model_type": "llama"}, []) is None
    check_tokens(tokenizer(tmp_path, added=[]), {"model_type": "llama"}, None)


def test_a_tokenizer_that_is_not_a_table_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("[]", "utf-8")
    check_tokens(tmp_path, LLAMA, [embedding(1)])
