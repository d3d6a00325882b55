"""Quantize a GGUF file with llama.cpp's own quantizer, called as a function of its library.

A type such as Q4_K_S is a mixture: llama.cpp chooses a block type for each tensor by its role and
falls back to another where a row is no multiple of the block. What each tensor really got is read
back from the file (`llamacpp.gguf_file`), never assumed here.
"""

import ctypes
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from babelbits.errors import RecipeError, StudyError
from babelbits.llamacpp import library
from babelbits.llamacpp.imatrix_file import ImportanceMatrix
from babelbits.store.atomic import check_growth
from babelbits.suggest import did_you_mean

_LONGEST_TEXT = 127


def quantize(
    source: Path,
    target: Path,
    *,
    mixture: str,
    matrix: ImportanceMatrix | None = None,
    tensor_types: Mapping[str, str] | None = None,
    requantize: bool = False,
    threads: int = 1,
) -> None:
    """Write `source` quantized to `target`.

    Parameters
    ----------
    source : Path
        A GGUF file.
    target : Path
        File to write; the caller sees to it that it is whole or not there.
    mixture : str
        llama.cpp's name of the type, e.g. 'Q4_K_S'.
    tensor_types : mapping, optional
        Block types that win over the mixture, by a pattern of the tensor's name, e.g.
        {'attn_v': 'q8_0'}; regular expressions as for `llama-quantize --tensor-type`.
    requantize : bool
        Take a source that is quantized itself, which llama.cpp refuses otherwise.
    threads : int
        They change no bit of the result.

    Raises
    ------
    StudyError
        If a block type is not known.
    RecipeError
        If llama.cpp refuses, e.g. because the type needs a matrix and there is none.
    OSError
        If the disk is full.
    """
    llama = library.load()
    parameters = llama.llama_model_quantize_default_params()
    parameters.nthread = threads
    parameters.allow_requantize = requantize
    parameters.ftype = getattr(llama, f"LLAMA_FTYPE_MOSTLY_{mixture}")
    kept = [
        _set_matrix(llama, parameters, matrix),
        _set_tensor_types(llama, parameters, tensor_types or {}),
    ]

    def call() -> tuple[int, object]:
        paths = (os.fsencode(source), os.fsencode(target))
        failed = llama.llama_model_quantize(*paths, ctypes.byref(parameters))
        return failed, kept  # into which C has pointers until here

    with library.complaints() as said:
        failed, _ = library.run_interruptibly(call)
    if failed:
        try:
            check_growth(target)
        finally:
            target.unlink(missing_ok=True)
        raise RecipeError(
            f"llama.cpp cannot quantize to {mixture}: {library.join_last(said)}", where=str(source)
        )


def _set_matrix(llama: Any, parameters: Any, matrix: ImportanceMatrix | None) -> object:
    """Hand a matrix over; returns what must stay in memory until the call is over."""
    if matrix is None:
        return None
    entry = llama.llama_model_imatrix_data
    entries = (entry * (len(matrix.sums) + 1))()  # one more, all zero, ends the list
    arrays = []
    for slot, name in zip(entries, sorted(matrix.sums), strict=False):
        means = np.ascontiguousarray(matrix.means(name), dtype=np.float32)
        slot.name = name.encode()
        slot.data = means.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        slot.size = means.size
        arrays.append(means)
    parameters.imatrix = ctypes.cast(entries, ctypes.POINTER(entry))
    return entries, arrays, _set_notes(llama, parameters, matrix)


def _set_notes(llama: Any, parameters: Any, matrix: ImportanceMatrix) -> object:
    """Say in the file's metadata what matrix it was made with, as llama-quantize does."""
    notes: dict[str, str | int] = {
        "quantize.imatrix.dataset": ", ".join(matrix.datasets),
        "quantize.imatrix.entries_count": len(matrix.sums),
        "quantize.imatrix.chunks_count": matrix.chunks,
    }
    kind = llama.llama_model_kv_override
    overrides = (kind * (len(notes) + 1))()
    for slot, (key, value) in zip(overrides, notes.items(), strict=False):
        slot.key = key.encode()
        if isinstance(value, str):
            slot.tag, slot.value.val_str = library.TEXT_OVERRIDE, _cut(value)
        else:
            slot.tag, slot.value.val_i64 = library.INTEGER_OVERRIDE, value
    parameters.kv_overrides = ctypes.cast(overrides, ctypes.POINTER(kind))
    return overrides


def _cut(text: str) -> bytes:
    """As many whole characters as a metadata value of llama.cpp's interface holds."""
    return text.encode()[:_LONGEST_TEXT].decode(errors="ignore").encode()


def _set_tensor_types(llama: Any, parameters: Any, types: Mapping[str, str]) -> object:
    if not types:
        return None
    kind = llama.llama_model_tensor_override
    overrides = (kind * (len(types) + 1))()
    for slot, (pattern, name) in zip(overrides, types.items(), strict=False):
        slot.pattern, slot.type = pattern.encode(), find_block_type(llama, name)
    parameters.tt_overrides = ctypes.cast(overrides, ctypes.POINTER(kind))
    return overrides


def find_block_type(llama: Any, name: str) -> int:
    """llama.cpp's number of a block type such as 'q8_0'.

    Raises
    ------
    StudyError
        If it has none of that name; the hint names the nearest.
    """
    prefix = "GGML_TYPE_"
    known = {
        key.removeprefix(prefix).casefold(): int(value)
        for key, value in vars(llama).items()
        if key.startswith(prefix) and key != f"{prefix}COUNT"
    }
    kind = known.get(name.casefold())
    if kind is None:
        raise StudyError(
            f"llama.cpp has no tensor type '{name}'",
            hint=did_you_mean(name, known) or f"it has: {', '.join(known)}",
        )
    return kind


def parse_tensor_types(written: str) -> dict[str, str]:
    """'token_embd=q8_0,attn_v=q6_k' as a mapping.

    Raises
    ------
    StudyError
        If a part is not of the form pattern=type.
    """
    types = {}
    for part in filter(None, (part.strip() for part in written.split(","))):
        pattern, _, name = part.rpartition("=")
        if not pattern or not name:
            raise StudyError(
                f"'tensor_types' has {part!r}, which is no pattern=type",
                hint="for example: tensor_types = 'token_embd=q8_0,attn_v=q6_k'",
            )
        types[pattern] = name.casefold()
    return types
