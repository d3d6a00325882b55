"""Compute an importance matrix: windows of text through a model, squares of what its weights see.

As llama-imatrix does (tools/imatrix/imatrix.cpp of llama.cpp): each window by itself, every token
counted, only weights of the transformer blocks, batches under 16 tokens left out. Done by
llama.cpp's own engine on the unquantized GGUF file, through its eval callback, so that it works for
every architecture that llama.cpp runs. Sums are float64 until they are stored.
"""

import ctypes
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from babelbits.errors import CalibrationError, EngineError, ModelError
from babelbits.llamacpp import library
from babelbits.llamacpp.forward import decode
from babelbits.llamacpp.graph import F32, Nodes, Tensor
from babelbits.llamacpp.imatrix_file import ImportanceMatrix
from babelbits.records import ExpertsRecord
from babelbits.words import plural

FEWEST_TOKENS = 16
"""Shorter windows are not counted by llama-imatrix, and not accepted here."""
_LARGEST_BATCH = 2048
_LOGIT_ELEMENTS = 2**26
"""Logits of one forward pass. All are asked for, or the last block would see the last token only,
and a window of a large vocabulary has gigabytes of them: it is passed in pieces."""
_LAST_OF_LAYER = "ffn_down"
_STEP = 64
"""Tokens in a piece, or a multiple."""

Windows = Sequence[Sequence[int]]


def compute_imatrix(
    file: Path,
    windows: Windows,
    *,
    datasets: Sequence[str] = (),
    languages: Sequence[str] = (),
    spoken: Windows = (),
    threads: int = 1,
) -> ImportanceMatrix:
    """The importance matrix of a model on windows of text.

    Parameters
    ----------
    file : Path
        The model, a GGUF file; unquantized, or the matrix describes another model.
    windows : sequence of sequences of int
        Token ids, all of the same length, with what the tokenizer puts before a text.
    datasets : sequence of str
        What the text is called, for the record.
    languages : sequence of str
        Of the text; with them it is counted which experts see which.
    spoken : sequence of sequences of int
        Of each token of `windows`, the index of its language; needed where there are languages.

    Raises
    ------
    CalibrationError
        If there is no window, or they are shorter than 16 tokens.
    ModelError
        If llama.cpp cannot load the file.
    EngineError
        If llama.cpp cannot compute it, or an activation is not finite.
    """
    length = len(windows[0]) if windows else 0
    if length < FEWEST_TOKENS:
        raise CalibrationError(
            f"an importance matrix needs windows of at least {FEWEST_TOKENS} tokens, not {length}",
            hint="raise `tokens`, or name a longer text as `source`",
        )
    llama = library.load()
    collector = _Collector(Nodes(llama), n_languages=len(languages))
    with _context(llama, file, length=length, threads=threads, collector=collector) as context:
        for number, window in enumerate(windows):
            for piece in cut_pieces(length, most=int(llama.llama_n_batch(context))):
                if languages:
                    collector.spoken = np.asarray(spoken[number])[piece.start : piece.stop]
                decode(llama, context, window, piece)
            if collector.error is not None:
                raise collector.error
    return ImportanceMatrix(
        sums={name: sums.astype(np.float32) for name, sums in collector.sums.items()},
        counts={name: counts.astype(np.float32) for name, counts in collector.counts.items()},
        chunks=len(windows),
        chunk_tokens=length,
        datasets=tuple(datasets),
        languages=tuple(languages),
        routes={name: rows.astype(np.float32) for name, rows in collector.routes.items()},
    )


# --- llama.cpp ---------------------------------------------------------------------------------


@contextmanager
def _context(
    llama: Any, file: Path, *, length: int, threads: int, collector: "_Collector"
) -> Iterator[Any]:
    """A context that tells the collector of every node it computes."""
    model = None
    context = None
    with library.complaints() as said:
        try:
            model = llama.llama_model_load_from_file(
                os.fsencode(file), llama.llama_model_default_params()
            )
            if not model:
                raise ModelError(
                    f"llama.cpp cannot load the model: {library.join_last(said)}", where=str(file)
                )
            parameters = llama.llama_context_default_params()
            vocabulary = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
            wanted = min(_LARGEST_BATCH, _LOGIT_ELEMENTS // max(1, vocabulary)) // _STEP * _STEP
            batch = min(length, max(_STEP, wanted))
            parameters.n_ctx = length
            parameters.n_batch = parameters.n_ubatch = batch
            parameters.n_threads = parameters.n_threads_batch = threads
            callback = llama.ggml_backend_sched_eval_callback(collector.see)
            parameters.cb_eval = callback
            context = llama.llama_init_from_model(model, parameters)
            if not context:
                raise EngineError(
                    f"llama.cpp cannot make room for {plural(length, 'token')}: "
                    f"{library.join_last(said)}",
                    where=str(file),
                )
            yield context
        finally:
            if context:
                llama.llama_free(context)
            if model:
                llama.llama_model_free(model)


def cut_pieces(length: int, *, most: int) -> list[range]:
    """A window's positions in pieces of `most`; the last are shorter, but never too short to count.

    In whole multiples of 64 tokens llama.cpp's sums are the same bit for bit.
    """
    edges = [*range(0, length, most), length]
    if len(edges) > 2 and length - edges[-2] < FEWEST_TOKENS:
        edges[-2] = (edges[-3] + length) // 2
    return [range(start, end) for start, end in pairwise(edges)]


# --- sums --------------------------------------------------------------------------------------


class _Collector:
    """Adds up squares; an error is kept, because none may pass through C."""

    def __init__(self, nodes: Nodes, *, n_languages: int) -> None:
        self._nodes = nodes
        self._n_languages = n_languages
        self.spoken: npt.NDArray[np.int64] = np.empty(0, np.int64)
        """Index of the language of each token that is passed now."""
        self.routes: dict[str, npt.NDArray[np.float64]] = {}
        self.sums: dict[str, npt.NDArray[np.float64]] = {}
        self.counts: dict[str, npt.NDArray[np.float64]] = {}
        self.error: Exception | None = None

    def see(self, address: int, ask: bool, _data: int | None) -> bool:  # noqa: FBT001  C calls it
        """llama.cpp's callback: whether a node is wanted (`ask`), then the node when computed."""
        try:
            return self._wanted(address) if ask else self._take(address)
        except Exception as error:  # noqa: BLE001  whatever it is, it must not unwind C frames
            self.error = error
            return False

    def _wanted(self, address: int) -> bool:
        operation = self._nodes.operation(address)
        if operation == "MUL_MAT_ID":
            return True
        if operation != "MUL_MAT":
            return False
        node = self._nodes.node(address)
        inputs = node.src[1].contents
        long_enough = inputs.ne[1] >= FEWEST_TOKENS and inputs.type == F32
        return long_enough and _weight_name(node.src[0].contents).startswith("blk.")

    def _take(self, address: int) -> bool:
        node = self._nodes.node(address)
        weight, inputs = node.src[0].contents, node.src[1].contents
        squares = np.square(self._nodes.values(inputs, np.float32), dtype=np.float64)
        if self._nodes.operation(address) == "MUL_MAT_ID":
            self._add_routed(weight, squares, self._nodes.values(node.src[2].contents, np.int32))
        else:
            self._add_dense(weight, squares)
        return True

    def _add_dense(self, weight: Tensor, squares: npt.NDArray[np.float64]) -> None:
        """Inputs (outer, middle, tokens, channels) of a weight that may stack several matrices."""
        outer, middle = int(weight.ne[3]), int(weight.ne[2])
        tokens = squares.shape[2] * (squares.shape[0] * squares.shape[1]) / (outer * middle)
        split = squares.reshape(-1, outer, squares.shape[1] // middle, middle, *squares.shape[2:])
        self._add(
            weight,
            split.sum(axis=(0, 2, 4)).reshape(outer * middle, -1),
            np.array([tokens], dtype=np.float64),
        )

    def _add_routed(
        self, weight: Tensor, squares: npt.NDArray[np.float64], routes: npt.NDArray[np.int32]
    ) -> None:
        """Inputs (1, tokens, 1 or slots, channels), and the expert of each token and slot."""
        experts = int(weight.ne[2])
        _, tokens, given, channels = squares.shape
        chosen = routes.reshape(tokens, -1)
        sums = np.zeros((experts, channels))
        for slot in range(chosen.shape[1]):
            np.add.at(sums, chosen[:, slot], squares[0, :, slot % given])
        counts = np.bincount(chosen.reshape(-1), minlength=experts).astype(np.float64)
        self._add(weight, sums, counts)
        self._add_routes(_weight_name(weight), chosen, experts)

    def _add_routes(self, name: str, chosen: npt.NDArray[np.int32], experts: int) -> None:
        """Count who speaks to whom; once a layer, since its other weights see the same tokens."""
        if not self._n_languages or _LAST_OF_LAYER not in name or len(chosen) != len(self.spoken):
            return
        rows = self.routes.setdefault(name, np.zeros((self._n_languages, experts)))
        for slot in range(chosen.shape[1]):
            np.add.at(rows, (self.spoken, chosen[:, slot]), 1)

    def _add(
        self, weight: Tensor, sums: npt.NDArray[np.float64], counts: npt.NDArray[np.float64]
    ) -> None:
        name = _weight_name(weight)
        if not np.isfinite(sums).all():
            raise EngineError(
                f"the inputs of '{name}' are not finite",
                hint="half precision may be too narrow for this model: source_type = 'bf16'",
            )
        if name in self.sums:
            self.sums[name] += sums
            self.counts[name] += counts
        else:
            self.sums[name], self.counts[name] = sums, counts


def _weight_name(weight: Tensor) -> str:
    """'blk.0.attn_k.weight' of 'CUDA0#blk.0.attn_k.weight#0'."""
    name = str(ctypes.string_at(weight.name).decode(errors="replace"))
    parts = name.split("#")
    return parts[1] if len(parts) > 1 else name


# --- experts --------------------------------------------------------------------------------------
# Which experts of a mixture the text of an importance matrix reached, layer by layer.
#
# llama.cpp lets the router choose, so an expert that it never chooses has no importance, and all
# its weights count alike. Units: tokens. Pure.

_ALL = "all"

Counts = dict[str, npt.NDArray[np.float32]]


def summarise_experts(matrix: ImportanceMatrix) -> ExpertsRecord | None:
    """The counts in short; None where there are no experts, or it is not known what they saw."""
    together = _counts(matrix)
    if not together:
        return None
    seen: dict[str, list[npt.NDArray[np.float32]]] = {}
    if all(name in matrix.routes for name in together):
        for number, language in enumerate(matrix.languages):
            seen[language] = [matrix.routes[name][number] for name in together]
    if len(seen) != 1:
        seen[_ALL] = list(together.values())
    return ExpertsRecord(
        layers=tuple(together),
        n_experts=tuple(len(counts) for counts in together.values()),
        unrouted={key: tuple(int((row == 0).sum()) for row in rows) for key, rows in seen.items()},
        fewest={key: tuple(int(row.min()) for row in rows) for key, rows in seen.items()},
    )


def _counts(matrix: ImportanceMatrix) -> Counts:
    """Tokens of each expert, by the last weight of each layer that has some."""
    return {
        name: counts
        for name, counts in matrix.counts.items()
        if _LAST_OF_LAYER in name and len(counts) > 1
    }


def refuse_unrouted(matrix: ImportanceMatrix, *, most: float) -> None:
    """Raise if more than a share of a layer's experts saw no token.

    Raises
    ------
    CalibrationError
        Names the layer.
    """
    for name, counts in _counts(matrix).items():
        unrouted = int((counts == 0).sum())
        if unrouted > most * len(counts):
            raise CalibrationError(
                f"the router sends no token of the calibration text to {unrouted} of the "
                f"{len(counts)} experts in '{name}'",
                hint="give more text (`samples`, `tokens`, a longer text as `source`, or more "
                "languages), a matrix of more text, or none where the type does not need it",
            )
