"""A llama.cpp context: its memory of sequences, and the logits of what is decoded into it.

The memory is one pool of cells (`kv_unified`). A cell holds one token at one position and belongs
to one or more *sequences*; a token sees the cells of its own first sequence up to its position.
So tokens that several sequences share are computed and held once, and a copy of a sequence costs
no memory.

With a float32 cache flash attention is off: it would round keys and values to 16 bits. Then a
float32 model gives the numbers of any other float32 implementation, to about 1e-5 nats. With a
float16 cache llama.cpp chooses, as its own tools do. A quantized cache needs flash attention.

Lengths, depths and positions are in tokens. Nothing here knows what is asked.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from babelbits.errors import EngineError
from babelbits.llamacpp import library
from babelbits.words import plural

_REASONS = {1: "its memory is full", 2: "it was interrupted"}
"""What `llama_decode` returns without saying more, see llama.h."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Tokens to decode, each after those it depends on."""

    tokens: Sequence[int]
    positions: Sequence[int]
    sequences: Sequence[Sequence[int]]
    """Those that a token belongs to, at least one."""
    wanted: Sequence[int]
    """Rows whose logits are wanted, in rising order."""


class Session:
    """A context of a loaded model.

    Parameters
    ----------
    model : pointer
        Of the loaded model; not freed here.
    cells : int
        Tokens that the memory holds.
    batch : int
        Tokens that one forward pass takes.
    sequences : int
        Sequences that can be told apart, numbered from 0; at most `llama_max_parallel_sequences`.
    dtype : str
        Of cached keys and values: 'float32' or 'float16'.
    kv_cache : str, optional
        Their type by llama.cpp's name, in place of `dtype`.

    Raises
    ------
    EngineError
        If llama.cpp cannot make it, e.g. for lack of memory.
    """

    def __init__(
        self,
        api: Any,
        model: Any,
        *,
        cells: int,
        batch: int,
        sequences: int,
        threads: int,
        dtype: str,
        kv_cache: str | None = None,
    ) -> None:
        settings = api.llama_context_default_params()
        settings.n_ctx = cells
        settings.n_batch = settings.n_ubatch = batch
        settings.n_seq_max = sequences
        settings.n_threads = settings.n_threads_batch = threads
        settings.kv_unified = True
        settings.swa_full = True
        if kv_cache not in (None, "f32"):
            settings.type_k = settings.type_v = getattr(api, f"GGML_TYPE_{kv_cache.upper()}")
            if kv_cache != "f16":
                settings.flash_attn_type = api.LLAMA_FLASH_ATTN_TYPE_ENABLED
        elif dtype == "float32" or kv_cache == "f32":
            settings.type_k = settings.type_v = api.GGML_TYPE_F32
            settings.flash_attn_type = api.LLAMA_FLASH_ATTN_TYPE_DISABLED
        with library.complaints() as said:
            context = api.llama_init_from_model(model, settings)
        if not context:
            raise EngineError(
                f"llama.cpp cannot make a context of {plural(cells, 'token')}: "
                f"{library.join_last(said)}",
                hint="lower token_budget in [engine] if memory is short",
            )
        self._api = api
        self._context = context
        self._memory = api.llama_get_memory(context)
        self.cells = int(api.llama_n_ctx(context))
        self.batch = int(api.llama_n_batch(context))  # may be less than asked
        self.sequences = sequences
        self.vocabulary = int(api.llama_vocab_n_tokens(api.llama_model_get_vocab(model)))

    def decode(self, batch: Batch) -> NDArray[np.float32]:
        """Logits of the wanted rows, shape (wanted, vocabulary); the next call overwrites them.

        Raises
        ------
        EngineError
            If llama.cpp cannot.
        """
        buffers = _Buffers(self._api, batch)  # held: the batch has bare pointers into it
        with library.complaints() as said:
            status = self._api.llama_decode(self._context, buffers.batch)
        if status != 0:
            why = _REASONS.get(status) or library.join_last(said)
            raise EngineError(
                f"llama.cpp could not decode {plural(len(batch.tokens), 'token')}: {why}"
            )
        if not batch.wanted:
            return np.empty((0, self.vocabulary), np.float32)
        logits = self._api.llama_get_logits(self._context)
        return np.ctypeslib.as_array(logits, shape=(len(batch.wanted), self.vocabulary))

    def copy(self, target: int, *, start: int, end: int) -> None:
        """Let sequence `target` have the tokens of sequence 0 at positions from start to end."""
        self._api.llama_memory_seq_cp(self._memory, 0, target, start, end)

    def cut(self, depth: int) -> None:
        """Forget everything at `depth` and beyond, in all sequences."""
        self._api.llama_memory_seq_rm(self._memory, -1, depth, -1)

    def drop(self, sequence: int) -> None:
        """Forget a sequence; what it shares stays with the others."""
        self._api.llama_memory_seq_rm(self._memory, sequence, -1, -1)

    def wipe(self) -> None:
        """Forget all sequences and zero their cells: a NaN would be read even where masked."""
        data = True
        self._api.llama_memory_clear(self._memory, data)

    def close(self) -> None:
        """Free the context."""
        if self._context:
            self._api.llama_free(self._context)
        self._context = None


class _Buffers:
    """The arrays behind a `llama_batch`, alive as long as this object."""

    def __init__(self, api: Any, batch: Batch) -> None:
        n = len(batch.tokens)
        counts = np.fromiter(map(len, batch.sequences), np.int32, n)
        self._tokens = np.array(batch.tokens, np.int32)
        self._positions = np.array(batch.positions, np.int32)
        self._counts = counts
        self._ids = np.concatenate([np.asarray(ids, np.int32) for ids in batch.sequences])
        starts = np.cumsum(counts, dtype=np.uintp) - counts.astype(np.uintp)
        self._rows = np.uintp(self._ids.ctypes.data) + starts * np.uintp(self._ids.itemsize)
        self._wanted = np.zeros(n, np.int8)
        self._wanted[list(batch.wanted)] = 1
        ints = ctypes.POINTER(ctypes.c_int32)
        self.batch = api.llama_batch(
            n_tokens=n,
            token=self._tokens.ctypes.data_as(ints),
            pos=self._positions.ctypes.data_as(ints),
            n_seq_id=self._counts.ctypes.data_as(ints),
            seq_id=self._rows.ctypes.data_as(ctypes.POINTER(ints)),
            logits=self._wanted.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
        )
