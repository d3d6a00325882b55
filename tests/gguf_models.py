"""Tiny random checkpoints that llama.cpp's converter takes, with rows that fill its blocks."""

import io
import shutil
from pathlib import Path

from tiny_models import _TEXT, make_tiny

ARCHITECTURES = ("llama", "qwen2", "cohere", "gemma")
ROW = 256
"""Weights in a block of a k-quant, and in a row of these models."""


def make_gguf_base(architecture: str, folder: Path) -> Path:
    """Write a checkpoint with hidden size 256 to `folder` and return it.

    Transformers' own Qwen2 tokenizer adds a token to the trained ones, so the model has spare rows;
    the converter takes Gemma's tokenizer from a SentencePiece model only.
    """
    make_tiny(architecture, folder, hidden=ROW, vocab_size=600, tokens=512)
    if architecture == "gemma":
        _use_sentencepiece(folder)
    return folder


def _use_sentencepiece(folder: Path) -> None:
    import sentencepiece
    from transformers import GemmaTokenizer

    for file in folder.glob("*token*"):
        file.unlink()
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(_TEXT * 20),
        model_writer=model,
        model_type="bpe",
        vocab_size=500,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        pad_id=0,
        eos_id=1,
        bos_id=2,
        unk_id=3,
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    GemmaTokenizer.from_pretrained(folder).save_pretrained(folder)
    (folder / "tokenizer.model").write_bytes(model.getvalue())


def copy_base(folder: Path, target: Path) -> Path:
    """A copy to damage."""
    shutil.copytree(folder, target)
    return target
