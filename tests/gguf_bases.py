"""Tiny random checkpoints that llama.cpp's converter takes, with rows that fill its blocks."""

import io
from pathlib import Path

from tiny_models import _TEXT, make_tiny, save_tokenizer

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


def make_mixture(folder: Path, *, experts: int = 8) -> Path:
    """Write a tiny Mixtral, whose experts each see some of the tokens, and return its folder."""
    import torch
    from transformers import MixtralConfig, MixtralForCausalLM

    tokenizer = save_tokenizer(folder)
    config = MixtralConfig(
        hidden_size=ROW,
        intermediate_size=ROW,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=512,
        max_position_embeddings=512,
        num_local_experts=experts,
        num_experts_per_tok=2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        sliding_window=None,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = MixtralForCausalLM(config)
        for weight in model.parameters():
            if weight.ndim > 1:
                torch.nn.init.normal_(weight, std=0.08)
    model.save_pretrained(folder)
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
