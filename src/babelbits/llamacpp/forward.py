"""Windows of tokens through a GGUF model: what log-probability it gives to each next token.

For comparing a model with the checkpoint that it was made from, so everything is as exact as
llama.cpp can: keys and values in float32, no flash attention, one window at a time in an empty
memory. Never generates, never tokenizes. Log-probabilities are in nats.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from babelbits.errors import EngineError, ModelError
from babelbits.llamacpp import library

SMALLEST = 256
"""Tokens that llama.cpp's memory holds at least; it rounds up to a multiple of this."""


def compute_next_logprobs(
    file: Path, windows: Sequence[Sequence[int]], *, threads: int
) -> Iterator[NDArray[np.float64]]:
    """The log-probability of each token of each window but its first, given those before.

    Parameters
    ----------
    file : Path
        A GGUF file.
    windows : sequence of sequences of int
        Token ids, at least two each.

    Yields
    ------
    Arrays of shape (len(window) - 1,), one a window.

    Raises
    ------
    ModelError
        If llama.cpp cannot load the file.
    EngineError
        If it cannot compute a window.
    """
    llama = library.load()
    with open_model(file) as model:
        length = max(map(len, windows))
        with _context(llama, model, length=length, threads=threads) as context:
            size = int(llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model)))
            for window in windows:
                logits = _logits_of(llama, context, window, vocabulary=size)
                yield select_logprobs(logits, window)


def select_logprobs(logits: NDArray[Any], window: Sequence[int]) -> NDArray[np.float64]:
    """Log-probabilities of a window's own next tokens, from logits (tokens, vocabulary).

    A row at a time, because a large vocabulary in float64 is large.
    """
    found = np.empty(len(window) - 1)
    for place, token in enumerate(window[1:]):
        row = logits[place].astype(np.float64)
        top = row.max()
        found[place] = row[token] - top - np.log(np.exp(row - top).sum())
    return found


@contextmanager
def open_model(
    file: Path, *, vocabulary_only: bool = False, pre_tokenizer: str | None = None
) -> Iterator[Any]:
    """A model on the CPU, as llama.cpp's pointer.

    Parameters
    ----------
    file : Path
        A GGUF file.
    pre_tokenizer : str, optional
        Read the vocabulary as if the file had this name in 'tokenizer.ggml.pre'.

    Raises
    ------
    ModelError
        If llama.cpp cannot load it.
    MissingExtraError, EngineError
        If llama.cpp is not installed, or does not run here.
    """
    llama = library.load()
    parameters = llama.llama_model_default_params()
    parameters.vocab_only = vocabulary_only
    parameters.n_gpu_layers = 0
    kept = _set_pre_tokenizer(llama, parameters, pre_tokenizer)
    what = "vocabulary" if vocabulary_only else "model"
    with library.complaints() as said:
        model = llama.llama_model_load_from_file(os.fsencode(file), parameters)
    del kept  # C had pointers into it until here
    if not model:
        raise ModelError(
            f"llama.cpp cannot load the {what}: {library.join_last(said)}", where=str(file)
        )
    try:
        yield model
    finally:
        llama.llama_model_free(model)


def _set_pre_tokenizer(llama: Any, parameters: Any, name: str | None) -> object:
    """Override a text of the file's metadata; returns what must stay in memory."""
    if name is None:
        return None
    overrides = (llama.llama_model_kv_override * 2)()  # the second, all zero, ends the list
    overrides[0].key = b"tokenizer.ggml.pre"
    overrides[0].tag = library.TEXT_OVERRIDE
    overrides[0].value.val_str = name.encode()
    parameters.kv_overrides = overrides
    return overrides


@contextmanager
def _context(llama: Any, model: Any, *, length: int, threads: int) -> Iterator[Any]:
    settings = llama.llama_context_default_params()
    settings.n_ctx = -(-length // SMALLEST) * SMALLEST
    settings.n_batch = settings.n_ubatch = length
    settings.n_threads = settings.n_threads_batch = threads
    settings.type_k = settings.type_v = llama.GGML_TYPE_F32
    settings.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_DISABLED
    settings.swa_full = True
    with library.complaints() as said:
        context = llama.llama_init_from_model(model, settings)
    if not context:
        raise EngineError(
            f"llama.cpp cannot make room for {length} tokens: {library.join_last(said)}"
        )
    try:
        yield context
    finally:
        llama.llama_free(context)


def _logits_of(llama: Any, context: Any, window: Sequence[int], *, vocabulary: int) -> NDArray[Any]:
    """Logits of every token of a window, shape (tokens, vocabulary)."""
    decode(llama, context, window, range(len(window)))
    logits = llama.llama_get_logits(context)
    return np.ctypeslib.as_array(logits, shape=(len(window), vocabulary))


def decode(llama: Any, context: Any, window: Sequence[int], piece: range) -> None:
    """Put a piece of a window through the model; the first forgets the window before.

    Raises
    ------
    EngineError
        With what llama.cpp said, if it cannot compute the piece.
    """
    if piece.start == 0:
        llama.llama_memory_clear(llama.llama_get_memory(context), True)  # noqa: FBT003  C's order
    batch = llama.llama_batch_init(len(piece), 0, 1)
    try:
        batch.n_tokens = len(piece)
        for row, position in enumerate(piece):
            batch.token[row] = window[position]
            batch.pos[row] = position
            batch.n_seq_id[row] = 1
            batch.seq_id[row][0] = 0
            batch.logits[row] = 1
        with library.complaints() as said:
            failed = llama.llama_decode(context, batch)
        if failed:
            raise EngineError(f"llama.cpp cannot compute a window: {library.join_last(said)}")
    finally:
        llama.llama_batch_free(batch)
