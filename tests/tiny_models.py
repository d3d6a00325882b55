"""Tiny random checkpoints of the architectures that people bring, for tests.

They know nothing: their outputs are noise, which is all that plumbing tests need.
"""

from pathlib import Path
from typing import Any

ARCHITECTURES = ("llama", "qwen2", "cohere", "gemma", "mistral")

_TEXT = [
    "The quick brown fox jumps over the lazy dog. 0123456789",
    "Der schnelle braune Fuchs springt über den faulen Hund.",
    "Быстрая коричневая лиса прыгает через ленивую собаку.",
    "すばやい茶色の狐はのろまな犬を飛び越える。",
    "الثعلب البني السريع يقفز فوق الكلب الكسول.",
    "तेज़ भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है।",
    "敏捷的棕色狐狸跳过了懒狗。",
    "Mbweha mwepesi wa kahawia anaruka juu ya mbwa mvivu.",
]


def save_tokenizer(folder: Path, *, vocab_size: int = 512) -> Any:
    """Train and save a small byte-level BPE tokenizer; returns it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<|bos|>", "<|eos|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(_TEXT, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<|bos|>", eos_token="<|eos|>", pad_token="<|eos|>"
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


def make_tiny(
    architecture: str,
    folder: Path,
    *,
    hidden: int = 64,
    layers: int = 2,
    vocab_size: int = 512,
    tokens: int | None = None,
    context: int = 256,
    seed: int = 0,
    dtype: str = "float32",
) -> Path:
    """Write a random causal LM with its tokenizer to `folder` and return it.

    The tokenizer has `tokens` tokens, or as many as the model has rows (`vocab_size`).
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = save_tokenizer(folder, vocab_size=tokens or vocab_size)
    config = AutoConfig.for_model(
        architecture,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=hidden // 4,
        vocab_size=vocab_size,
        max_position_embeddings=context,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        sliding_window=None,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype))
        # The default initialisation is so small that all logits are nearly equal.
        for name, weight in model.named_parameters():
            if weight.ndim == 2:
                torch.nn.init.normal_(weight, std=0.15 if "embed" in name else 1.2 / hidden**0.5)
    model.save_pretrained(folder)
    return folder
