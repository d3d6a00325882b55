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
from importlib import resources
from pathlib import Path
from typing import Any

from babelbits.llamacpp import library
from babelbits.llamacpp.gguf_file import IMATRIX, MODEL, read_tensors
from babelbits.llamacpp.imatrix_file import (
    ImportanceMatrix,
    check_fits,
    read_imatrix,
    write_imatrix,
)
from babelbits.recipes.calibration import Calibration, CalibrationSpec, read_file
from babelbits.recipes.catalogue import RecipeInfo, Value
from babelbits.recipes.gguf_base import is_gguf
from babelbits.recipes.gguf_convert import convert, same_tokens
from babelbits.recipes.gguf_imatrix import compute_imatrix
from babelbits.recipes.gguf_quantize import block_type, quantize, tensor_types
from babelbits.recipes.manifests import model_files, sha256
from babelbits.records import CalibrationRecord, digest
from babelbits.store.atomic import sync_folder

_ALSO_KEPT = ("config.json", "generation_config.json")
"""Of the base model: what engines ask about contexts and ends of texts."""
_COMPARED_WINDOWS = 32
"""Windows of calibration text whose tokens are compared."""


def save_gguf(
    base: Path,
    folder: Path,
    *,
    info: RecipeInfo,
    parameters: Mapping[str, Value],
    calibration: Calibration | None,
    ready: Path | None,
    tokenizer: Any,
    texts: Sequence[str] = (),
    trust_remote_code: bool,
) -> ImportanceMatrix | None:
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
    texts : sequence of str
        What the model will be asked, to compare tokenizers on beside the package's own texts.
    trust_remote_code : bool
        Allow the model's own code.

    Returns
    -------
    The importance matrix that it was quantized with; None if with none.

    Raises
    ------
    RecipeError
        If llama.cpp cannot convert or quantize the model, or reads text otherwise than it does; or
        if the matrix is of another model.
    ModelError
        If a file holds no matrix, or the model brings its own code and that is not trusted.
    StudyError
        If a tensor type is not known.
    OSError
        If the disk is full.
    """
    types = tensor_types(str(parameters.get("tensor_types", "")))
    for name in types.values():
        block_type(library.load(), name)  # or it would be found wrong after all the work
    matrix = None if ready is None else read_imatrix(ready)
    kind = str(parameters["type" if info.method == "convert" else "source_type"])
    with _shared(base, folder.parent, kind=kind) as shared:
        model = base
        if not is_gguf(base):
            model = shared / MODEL
            seen = () if calibration is None else _texts(calibration, tokenizer)
            _convert(
                base,
                model,
                kind=kind,
                tokenizer=tokenizer,
                texts=[*texts, *seen],
                trust_remote_code=trust_remote_code,
            )
        if calibration is not None:
            matrix = _matrix(model, shared, calibration)
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
    return matrix


def _convert(
    base: Path,
    model: Path,
    *,
    kind: str,
    tokenizer: Any,
    texts: Sequence[str],
    trust_remote_code: bool,
) -> None:
    """Have the checkpoint as a GGUF file that reads all texts as its own tokenizer does."""
    if not model.exists():
        with _whole_file(model) as partial:
            convert(base, partial, kind=kind, trust_remote_code=trust_remote_code)
            same_tokens(partial, tokenizer=tokenizer, texts=[*known_texts(), *texts])
    elif texts:
        same_tokens(model, tokenizer=tokenizer, texts=texts)


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
    if matrix is not None:
        check_fits(matrix, {tensor.name: tensor for tensor in read_tensors(model)})
    quantize(
        model,
        target,
        mixture=info.mixture,
        matrix=matrix,
        tensor_types=types,
        requantize=requantize,
        threads=library.n_threads(),
    )


def record_of_file(
    spec: CalibrationSpec, file: Path, matrix: ImportanceMatrix
) -> CalibrationRecord:
    """What is known of the text of a ready matrix: its hash is the file's."""
    return CalibrationRecord(
        language=spec.language,
        source=spec.source,
        text_hash=sha256(file)[:32],
        n_samples=matrix.chunks,
        tokens_per_sample=matrix.chunk_tokens,
        n_tokens=matrix.chunks * matrix.chunk_tokens,
        seed=spec.seed,
    )


# --- what variants share -----------------------------------------------------------------------


@contextmanager
def _shared(base: Path, place: Path, *, kind: str) -> Iterator[Path]:
    """The folder of what variants of a base model share, for one process at a time."""
    found = (base,) if is_gguf(base) else model_files(base)
    files = {file.name: file.stat() for file in found}
    content = {name: [stat.st_size, stat.st_mtime_ns] for name, stat in files.items()}
    key = digest({"files": content, "kind": kind, "llama.cpp": library.VERSION}, length=16)
    folder = place / f".gguf-{key}"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in folder.glob("*.partial"):  # of a process that was killed
            left.unlink()
        yield folder


@contextmanager
def _whole_file(target: Path) -> Iterator[Path]:
    """A name to write to, which becomes `target` if the block succeeds."""
    # The number, because a converter may outlive the process that started it, and go on writing.
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        yield partial
        sync_folder(partial)  # which serves for files as well
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def known_texts() -> tuple[str, ...]:
    """Text in every language of the package, to compare tokenizers on."""
    folder = Path(str(resources.files("babelbits") / "bundled" / "babelmini" / "passages"))
    return tuple(
        document for file in sorted(folder.glob("*.jsonl")) for document in read_file(file)
    )


def _texts(calibration: Calibration, tokenizer: Any) -> list[str]:
    """The calibration text again, which may be in a language that the package has no text in."""
    windows = calibration.windows[:_COMPARED_WINDOWS]
    return [tokenizer.decode(list(window), skip_special_tokens=True) for window in windows]


def _matrix(model: Path, shared: Path, calibration: Calibration) -> ImportanceMatrix:
    key = digest([list(window) for window in calibration.windows], length=16)
    target = shared / f"imatrix-{key}.gguf"
    if not target.exists():
        with _whole_file(target) as partial:
            computed = compute_imatrix(
                model,
                calibration.windows,
                datasets=[_name(calibration)],
                threads=library.n_threads(),
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
