"""Make a GGUF variant: convert, compute the importance matrix, quantize.

Converting is the same work for every variant of a base model, and so is a matrix for every type
that is quantized with it. Both are kept in a hidden folder beside the variants, by the content they
were made from; it can be deleted at any time. A lock lets one process make them and the others
wait. A variant itself never refers to that folder.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babelbits.formats.trust import Trust
from babelbits.llamacpp import library
from babelbits.llamacpp.gguf_file import IMATRIX, MODEL, read_tensors
from babelbits.llamacpp.imatrix_file import (
    ImportanceMatrix,
    fit_matrix,
    list_without_data,
    read_imatrix,
    write_imatrix,
)
from babelbits.recipes.calibration import Calibration, CalibrationSpec
from babelbits.recipes.gguf_base import is_gguf
from babelbits.recipes.gguf_checked import convert_checked, whole_file
from babelbits.recipes.gguf_imatrix import compute_imatrix, refuse_unrouted, summarise_experts
from babelbits.recipes.gguf_quantize import find_block_type, parse_tensor_types, quantize
from babelbits.recipes.gguf_tokens import Texts, make_note
from babelbits.recipes.info import RecipeInfo, Value
from babelbits.recipes.manifests import hash_file, list_model_files
from babelbits.records import (
    CalibrationRecord,
    ConversionRecord,
    ExpertsRecord,
    TensorRecord,
    digest,
)
from babelbits.words import plural

_ALSO_KEPT = ("config.json", "generation_config.json")
"""Of the base model: what engines ask about contexts and ends of texts."""
_REVISION = 2
"""Counts changes of what is made for all variants of a base model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeGguf:
    """What is to be known of how a GGUF variant was made."""

    matrix: ImportanceMatrix | None
    """That it was quantized with; None if with none."""
    conversion: ConversionRecord | None
    """None where the base model is a GGUF file."""
    experts: ExpertsRecord | None
    """Where the routers sent the matrix' text; None where there are no experts, or no matrix."""
    without_data: tuple[str, ...]
    """Quantized weights of which the matrix says nothing."""


def save_gguf(
    base: Path,
    folder: Path,
    *,
    info: RecipeInfo,
    parameters: Mapping[str, Value],
    calibration: Calibration | None,
    ready: Path | None,
    tokenizer: Any,
    texts: Texts,
    config: Mapping[str, Any],
    trust: Trust,
    allow_token_differences: bool,
    most_unrouted: float,
) -> MadeGguf:
    """Fill `folder` with the model's GGUF file, its matrix if it has one, and its config.

    Parameters
    ----------
    base : Path
        Folder of an unquantized checkpoint, or a GGUF file.
    folder : Path
        The variant's, while it is being made.
    info, parameters
        The recipe and all of its parameters.
    calibration : Calibration, optional
        The text that an importance matrix is computed on.
    ready : Path, optional
        A file with a matrix, in place of text. With neither there is none.
    tokenizer : Hugging Face tokenizer or Vocabulary
        Of the base model; the file's own if that is a GGUF file.
    texts : mapping
        What the model will be asked, by language: to compare tokens and numbers on.
    config : mapping
        The base model's `config.json`.
    most_unrouted : float
        Share of a layer's experts that the calibration text may leave without a token, in [0, 1].

    Raises
    ------
    RecipeError
        If llama.cpp cannot convert or quantize the model, computes something else, or reads text
        otherwise than the model does and that is not allowed; or if the matrix is of another model.
    CalibrationError
        If the text reaches too few experts.
    ModelError
        If a file holds no matrix, or the model brings its own code and that is not trusted.
    StudyError
        If a tensor type is not known.
    OSError
        If the disk is full.
    """
    types = parse_tensor_types(str(parameters.get("tensor_types", "")))
    for name in types.values():
        find_block_type(library.load(), name)  # or it would be found wrong after all the work
    matrix = None if ready is None else read_imatrix(ready)
    kind = str(parameters["type" if info.method == "convert" else "source_type"])
    with _shared(base, folder.parent, kind=kind) as shared:
        model, conversion = base, None
        if not is_gguf(base):
            model = shared / MODEL
            conversion = convert_checked(
                base,
                model,
                kind=kind,
                tokenizer=tokenizer,
                texts=texts,
                config=config,
                trust=trust,
                allow_token_differences=allow_token_differences,
            )
        if calibration is not None:
            matrix = _matrix(model, shared, calibration)
    experts = None
    if matrix is not None:
        matrix = fit_matrix(matrix, _by_name(model))
        experts = summarise_experts(matrix)
        refuse_unrouted(matrix, most=most_unrouted)
    _quantize(
        model,
        folder / MODEL,
        info=info,
        matrix=matrix,
        types=types,
        requantize=is_gguf(base),
    )
    if matrix is not None:
        write_imatrix(folder / IMATRIX, matrix)
    for name in _ALSO_KEPT:
        if (base / name).is_file():
            shutil.copyfile(base / name, folder / name)
    silent = [] if matrix is None else list_without_data(matrix, _by_name(folder / MODEL))
    return MadeGguf(
        matrix=matrix, conversion=conversion, experts=experts, without_data=tuple(silent)
    )


def _by_name(file: Path) -> dict[str, TensorRecord]:
    return {tensor.name: tensor for tensor in read_tensors(file)}


def _quantize(
    model: Path,
    target: Path,
    *,
    info: RecipeInfo,
    matrix: ImportanceMatrix | None,
    types: Mapping[str, str],
    requantize: bool,
) -> None:
    """The model in the recipe's mixture; as it is where it has none."""
    if info.mixture is None:
        _link(model, target)
        return
    quantize(
        model,
        target,
        mixture=info.mixture,
        matrix=matrix,
        tensor_types=types,
        requantize=requantize,
        threads=library.count_threads(),
    )


def record_of_file(
    spec: CalibrationSpec, file: Path, matrix: ImportanceMatrix
) -> CalibrationRecord:
    """What is known of the text of a ready matrix: its hash is the file's."""
    return CalibrationRecord(
        language=spec.language,
        source=spec.source,
        text_hash=hash_file(file)[:32],
        n_samples=matrix.chunks,
        tokens_per_sample=matrix.chunk_tokens,
        n_tokens=matrix.chunks * matrix.chunk_tokens,
        seed=spec.seed,
    )


# --- what variants share -----------------------------------------------------------------------


@contextmanager
def _shared(base: Path, place: Path, *, kind: str) -> Iterator[Path]:
    """The folder of what variants of a base model share, for one process at a time."""
    found = (base,) if is_gguf(base) else list_model_files(base)
    files = {file.name: file.stat() for file in found}
    content = {name: [stat.st_size, stat.st_mtime_ns] for name, stat in files.items()}
    made_by = {"llama.cpp": library.VERSION, "revision": _REVISION}
    key = digest({"files": content, "kind": kind, **made_by}, length=16)
    folder = place / f".gguf-{key}"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in folder.glob("*.partial"):  # of a process that was killed
            left.unlink()
        yield folder


def _matrix(model: Path, shared: Path, calibration: Calibration) -> ImportanceMatrix:
    key = digest([list(window) for window in calibration.windows], length=16)
    target = shared / f"imatrix-{key}.gguf"
    if not target.exists():
        with whole_file(target) as partial:
            computed = compute_imatrix(
                model,
                calibration.windows,
                datasets=[_name(calibration)],
                languages=calibration.languages,
                spoken=calibration.spoken,
                threads=library.count_threads(),
            )
            write_imatrix(partial, computed)
    return read_imatrix(target)


def _name(calibration: Calibration) -> str:
    record = calibration.record
    return f"{record.source} {record.language} seed {record.seed} {record.text_hash[:8]}"


def _link(source: Path, target: Path) -> None:
    """The same file under another name; a copy where the file system has no links."""
    with suppress(OSError):
        os.link(source, target)
        return
    shutil.copyfile(source, target)


# --- what a reader of the results should know -----------------------------------------------------

_NAMED = 3
"""Weights that a note names; the others are counted."""


def note_conversion(record: ConversionRecord | None) -> Iterator[str]:
    """Of a conversion: where it is not known to be right, or llama.cpp alone would read otherwise.

    That a conversion was compared and is right is in the record, and no note.
    """
    if record is None:
        return
    if record.not_compared is not None:
        yield f"the converted file was not compared with the checkpoint: {record.not_compared}"
    if record.other_tokens:
        yield make_note(record.other_tokens)


def note_matrix(experts: ExpertsRecord | None, without_data: Sequence[str]) -> Iterator[str]:
    """Of an importance matrix: what it says nothing of."""
    if without_data:
        named = ", ".join(without_data[:_NAMED])
        left = len(without_data) - _NAMED
        more = f" and {plural(left, 'other')}" if left > 0 else ""
        yield (
            f"the importance matrix has no data for {named}{more}: llama.cpp quantized them as if "
            "all inputs mattered alike"
        )
    unrouted = list(_last(experts))
    if any(unrouted) and experts is not None:
        layers = sum(1 for one in unrouted if one)
        yield (
            f"{sum(unrouted)} of {sum(experts.n_experts)} experts (in {layers} of "
            f"{plural(len(unrouted), 'layer')}) are sent no token of the calibration text by their "
            "router: llama.cpp quantized them as if all inputs mattered alike"
        )


def _last(experts: ExpertsRecord | None) -> Sequence[int]:
    """Unrouted experts of each layer by all of the text."""
    return () if experts is None else list(experts.unrouted.values())[-1]
