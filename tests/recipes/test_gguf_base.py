"""A GGUF file as the base model: what is said of its weights."""

from babelbits.recipes.gguf_base import main_type, make_note
from babelbits.records import TensorRecord


def test_the_main_type_is_that_of_most_weights_not_of_most_bytes() -> None:
    """768 weights in Q4_K take 432 bytes, 512 in half precision 1024."""
    blocks = TensorRecord(name="blk.0.ffn_up.weight", shape=(3, 256), dtype="q4_k", bytes=432)
    table = TensorRecord(name="token_embd.weight", shape=(2, 256), dtype="fp16", bytes=1024)
    assert main_type([blocks, table]) == "q4_k"
    assert "beyond q4_k" in (make_note({"gguf": "q4_k"}) or "")
    assert make_note({"gguf": "fp16"}) is None
    assert main_type([]) == "none"
