"""Make a variant: base model and recipe in, a folder with a manifest out, whole or not at all.

The work happens in a hidden folder beside the target, which is synced to disk and renamed when its
manifest is written. A kill at any moment leaves no folder of the target's name; what it leaves
under the hidden name is removed by the next try. One process makes a variant at a time (the
caller's lock sees to that).
"""

import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any

from babelbits.errors import CalibrationError, MissingExtraError, RecipeError, StoreError
from babelbits.formats import parts
from babelbits.formats.own_code import brings_code
from babelbits.formats.quantized import refuse_quantized
from babelbits.llamacpp import library
from babelbits.llamacpp.vocabulary import open_vocabulary
from babelbits.quiet import quiet
from babelbits.recipes import bnb, gguf_base, gguf_blocks
from babelbits.recipes import tensors as checkpoint
from babelbits.recipes.base_loading import (
    context_length,
    load_model,
    load_tokenizer,
    read_config,
    refuse_pickle,
    resolve_device,
)
from babelbits.recipes.calibration import (
    Calibration,
    CalibrationSpec,
    draw,
    matrix_file,
    read_documents,
)
from babelbits.recipes.catalogue import RecipeInfo, Value, find, settle
from babelbits.recipes.experts import MOST_UNROUTED, note_of
from babelbits.recipes.fit import check, check_shapes
from babelbits.recipes.gguf import conversion_notes, matrix_notes
from babelbits.recipes.manifests import (
    describe_base,
    hash_files,
    read_manifest,
    verify,
    weights_hash,
    write_manifest,
)
from babelbits.recipes.scope import Scope, check_promise, intended, notes_of, skeleton
from babelbits.records import (
    JSON,
    CalibrationRecord,
    ConversionRecord,
    ExpertsRecord,
    Manifest,
    TensorRecord,
)
from babelbits.store.atomic import store_errors, sync_folder

__all__ = ["check", "describe_base", "make", "read_manifest", "verify"]

_LIBRARIES: dict[str, tuple[str, ...]] = {
    "compressed-tensors": ("torch", "transformers", "llmcompressor", "compressed-tensors"),
    "bitsandbytes": ("torch", "transformers", "bitsandbytes"),
    "gguf": ("torch", "transformers", "gguf", "llama-cpp-python"),
}
_FOR_GGUF_FILES = ("gguf", "llama-cpp-python")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What one call of `make` was asked for, with everything resolved."""

    base: Path
    info: RecipeInfo
    parameters: Mapping[str, Value]
    calibration: CalibrationSpec | None
    config: JSON
    device: str
    seed: int
    texts: Mapping[str, Sequence[str]]
    notes: Sequence[str]
    trust_remote_code: bool
    allow_pickle: bool
    allow_token_differences: bool
    most_unrouted: float

    @property
    def libraries(self) -> tuple[str, ...]:
        """Distributions that make the variant."""
        if gguf_base.is_gguf(self.base):
            return _FOR_GGUF_FILES
        return _LIBRARIES[self.info.family]


def make(
    base: Path,
    *,
    recipe: str,
    parameters: Mapping[str, Any],
    calibration: CalibrationSpec | None,
    out: Path,
    variant_id: str,
    base_label: str,
    base_hash: str,
    seed: int,
    texts: Mapping[str, Sequence[str]] = MappingProxyType({}),
    notes: Sequence[str] = (),
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
    allow_token_differences: bool = False,
    device: str = "auto",
    most_unrouted: float = MOST_UNROUTED,
) -> Manifest:
    """Quantize the model in `base` and leave a complete variant in `out`.

    Parameters
    ----------
    base : Path
        Folder of an unquantized Hugging Face checkpoint, or a GGUF file.
    recipe : str
        Name or alias; see `catalogue.RECIPES`.
    parameters : mapping
        The recipe's parameters that differ from the defaults.
    calibration : CalibrationSpec, optional
        Needed by recipes that see text; ignored, and recorded as none, by the others.
    out : Path
        Folder to make; must not exist (an empty one may).
    variant_id, base_label, base_hash : str
        Recorded as given.
    seed : int
        Of the libraries' own randomness; the draw of the text has its own in `calibration`.
    texts : mapping
        What the model will be asked, by language: where a format brings its own tokenizer and its
        own computation, it must read these as the base model does, and give the same numbers.
    notes : sequence of str
        For the manifest, as given, before what is found here.
    trust_remote_code, allow_pickle : bool
        Allow the model's own code, and pickled weights. Both can run anything.
    allow_token_differences : bool
        Allow a format whose own tokenizer reads some of these languages otherwise; engines give it
        the base model's tokens, and the manifest's notes name the languages.
    device : str
        'cpu', 'cuda', 'cuda:1' or 'auto'. GPTQ's codes can differ between kinds of devices.
    most_unrouted : float
        Share of a layer's experts that the router may send no calibration text, in [0, 1].

    Raises
    ------
    StudyError, UnknownNameError
        If the recipe or a parameter is unknown or out of range.
    ModelError
        If the base model is missing, not causal, pickled, or needs its own code.
    CalibrationError
        If text is needed and missing or too short.
    RecipeError
        If the recipe does not fit the model, or quantizing failed.
    StoreError
        If `out` is taken or cannot be written.
    MissingExtraError
        If the libraries that quantize are not installed.
    """
    started = time.perf_counter()
    info = find(recipe)
    if info.method == "none":
        raise RecipeError("the baseline is not made: `describe_base` gives its manifest")
    if info.needs_calibration and calibration is None:
        raise CalibrationError(
            f"the recipe '{info.name}' needs calibration text",
            hint='give the variant a `calibration`, e.g. calibration = "en"',
        )
    from_file = gguf_base.is_gguf(base)
    config = gguf_base.read_config(base) if from_file else read_config(base)
    if not from_file:
        refuse_quantized(base, config)
    check(config, info.name, parameters)
    job = _Job(
        base=base,
        info=info,
        parameters=settle(info.name, parameters),
        calibration=calibration if info.sees_text else None,
        config=config,
        device=device,
        seed=seed,
        texts=texts,
        notes=notes,
        trust_remote_code=trust_remote_code and not from_file and brings_code(base),
        allow_pickle=allow_pickle,
        allow_token_differences=allow_token_differences,
        most_unrouted=most_unrouted,
    )
    if not (allow_pickle or from_file):
        refuse_pickle(base)
    _need_libraries(job)
    with _whole_folder(out) as folder:
        if checkpoint.weight_files(base):
            check_shapes(checkpoint.read_tensors(base), info.name, job.parameters)
        with quiet(), _write_errors():
            made = _quantize(job, folder)
        manifest = _describe(
            folder,
            job=job,
            made=made,
            variant_id=variant_id,
            base_label=base_label,
            base_hash=base_hash,
            seconds=time.perf_counter() - started,
        )
        write_manifest(folder, manifest)
    return manifest


def _need_libraries(job: _Job) -> None:
    """Raise before any work if the libraries of the optional extra are not installed."""
    missing = [name for name in job.libraries if not _is_installed(name)]
    if missing:
        extra = "gguf" if job.info.family == "gguf" else "run"
        raise MissingExtraError(
            f"the recipe '{job.info.name}' needs {' and '.join(missing)}",
            hint=f"pip install 'babelbits[{extra}]'",
        )


def _is_installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


# --- the folder --------------------------------------------------------------------------------


@contextmanager
def _whole_folder(out: Path) -> Iterator[Path]:
    """A hidden folder to write into, which takes the name `out` if the block succeeds."""
    _refuse_taken(out)
    hidden = out.with_name(f".{out.name}.partial")
    with store_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        if hidden.exists():
            shutil.rmtree(hidden)
        hidden.mkdir()
        try:
            yield hidden
            sync_folder(hidden)
            hidden.replace(out)
            sync_folder(out.parent)
        finally:
            shutil.rmtree(hidden, ignore_errors=True)


def _refuse_taken(out: Path) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    what = "a finished variant" if read_manifest(out) is not None else "something else"
    raise StoreError(
        f"the folder already holds {what}", where=str(out), hint="delete it to make it again"
    )


@contextmanager
def _write_errors() -> Iterator[None]:
    """Failures to write weights as what they are: safetensors hides the system's error number."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        raise OSError(int(number[1]) if number else 0, str(error)) from error


# --- the work ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """What is known of a variant's making beside its files."""

    calibration: CalibrationRecord | None
    conversion: ConversionRecord | None = None
    scope: Scope | None = None
    """What the recipe means on the model; None for llama.cpp's types."""
    notes: tuple[str, ...] = ()
    device: str = "cpu"
    """llama.cpp quantizes on the CPU."""


def _quantize(job: _Job, folder: Path) -> _Made:
    """Fill `folder` with a checkpoint and its tokenizer."""
    if gguf_base.is_gguf(job.base):
        with open_vocabulary(job.base) as vocabulary:
            return _llama(job, folder, tokenizer=vocabulary)
    tokenizer = load_tokenizer(job.base, trust_remote_code=job.trust_remote_code)
    if job.info.family == "gguf":
        tokenizer.save_pretrained(folder)
        return _llama(job, folder, tokenizer=tokenizer)
    calibration = _draw(job, tokenizer)
    record = None if calibration is None else calibration.record
    device = resolve_device(job.device)
    if job.info.family == "bitsandbytes":
        from babelbits.recipes.bnb import save_bitsandbytes

        scope = save_bitsandbytes(
            job.base,
            folder,
            info=job.info,
            parameters=job.parameters,
            config=job.config,
            device=device,
            trust_remote_code=job.trust_remote_code,
            allow_pickle=job.allow_pickle,
        )
    else:
        scope, experts = _compress(
            job, folder, calibration=calibration, tokenizer=tokenizer, device=device
        )
        record = None if record is None else replace(record, experts=experts)
    tokenizer.save_pretrained(folder)
    return _Made(calibration=record, scope=scope, device=device)


def _compress(
    job: _Job, folder: Path, *, calibration: Calibration | None, tokenizer: Any, device: str
) -> tuple[Scope, ExpertsRecord | None]:
    from babelbits.recipes.compressed import save_compressed

    empty = skeleton(job.base, trust_remote_code=job.trust_remote_code)
    intended(empty, recipe=job.info.name, settled=job.parameters)  # which may refuse
    # llm-compressor moves one block at a time to the device, so the model stays in main memory.
    model = load_model(
        job.base, trust_remote_code=job.trust_remote_code, allow_pickle=job.allow_pickle
    )
    return save_compressed(
        model,
        folder,
        info=job.info,
        parameters=job.parameters,
        calibration=calibration,
        tokenizer=tokenizer,
        device=device,
        seed=job.seed,
        trust_remote_code=job.trust_remote_code,
        most_unrouted=job.most_unrouted,
    )


def _llama(job: _Job, folder: Path, *, tokenizer: Any) -> _Made:
    from babelbits.recipes.gguf import record_of_file, save_gguf

    ready = matrix_file(job.calibration) if job.calibration is not None else None
    calibration = None if ready is not None else _draw(job, tokenizer)
    made = save_gguf(
        job.base,
        folder,
        info=job.info,
        parameters=job.parameters,
        calibration=calibration,
        ready=ready,
        tokenizer=tokenizer,
        texts=job.texts,
        config=job.config,
        trust_remote_code=job.trust_remote_code,
        allow_pickle=job.allow_pickle,
        allow_token_differences=job.allow_token_differences,
        most_unrouted=job.most_unrouted,
    )
    record = None if calibration is None else calibration.record
    if ready is not None and job.calibration is not None and made.matrix is not None:
        record = record_of_file(job.calibration, ready, made.matrix)
    return _Made(
        calibration=None if record is None else replace(record, experts=made.experts),
        conversion=made.conversion,
        notes=(
            *conversion_notes(made.conversion),
            *matrix_notes(made.experts, made.without_data),
        ),
    )


def _draw(job: _Job, tokenizer: Any) -> Calibration | None:
    if job.calibration is None:
        return None
    documents = read_documents(job.calibration)
    context = context_length(job.config)
    return draw(job.calibration, documents, tokenizer=tokenizer, context=context)


# --- the manifest ------------------------------------------------------------------------------


def _describe(
    folder: Path,
    *,
    job: _Job,
    made: _Made,
    variant_id: str,
    base_label: str,
    base_hash: str,
    seconds: float,
) -> Manifest:
    tensors, quantized = _tensors(folder, family=job.info.family)
    bits = checkpoint.bits_per_weight(tensors)
    if bits is None or not (quantized or job.info.method == "convert"):
        raise RecipeError(f"'{job.info.name}' left no quantized weights", where=str(job.base))
    if made.scope is not None:
        check_promise(made.scope, quantized, recipe=job.info.name)
    for path in folder.rglob("*"):
        sync_folder(path)  # which serves for files as well
    files = hash_files(folder)
    notes = (
        *job.notes,
        gguf_base.note(job.config),
        gguf_blocks.found(tensors, job.info.name),
        *made.notes,
        *_parts(job, tensors),
        *_notes(made),
        bnb.note(job.info.method, job.parameters),
    )
    return Manifest(
        variant_id=variant_id,
        recipe=job.info.name,
        parameters=job.parameters,
        calibration=made.calibration,
        conversion=made.conversion,
        base_model=base_label,
        base_hash=base_hash,
        weights_hash=weights_hash(files),
        bits_per_weight=bits,
        quantized_bits_per_weight=checkpoint.bits_per_weight(quantized),
        n_weights=checkpoint.count(tensors),
        bytes_on_disk=sum((folder / name).stat().st_size for name in files),
        tensors=tensors,
        seconds=seconds,
        library_versions={name: metadata.version(name) for name in ("babelbits", *job.libraries)},
        files=files,
        format=job.info.family,
        notes=tuple(filter(None, notes)),
        device=made.device,
        n_threads=_n_threads(job.info.family),
    )


def _n_threads(family: str) -> int:
    """Threads that quantized: llama.cpp's own, or torch's."""
    if family == "gguf":
        return library.n_threads()
    import torch

    return torch.get_num_threads()


def _parts(job: _Job, tensors: tuple[TensorRecord, ...]) -> tuple[str, ...]:
    """What the variant leaves out of a checkpoint that is more than a text model."""
    if not checkpoint.weight_files(job.base):
        return ()
    return parts.notes(checkpoint.read_tensors(job.base), tensors, job.config)


def _notes(made: _Made) -> Iterator[str | None]:
    if made.scope is not None:
        yield from notes_of(made.scope)
        if made.calibration is not None and made.calibration.experts is not None:
            yield note_of(made.calibration.experts)


def _tensors(
    folder: Path, *, family: str
) -> tuple[tuple[TensorRecord, ...], tuple[TensorRecord, ...]]:
    """All weights of a finished variant, and those of them that are quantized."""
    if family == "gguf":
        from babelbits.llamacpp import gguf_file

        tensors = gguf_file.read_tensors(folder / gguf_file.MODEL)
        return tensors, tuple(filter(gguf_file.is_quantized, tensors))
    tensors = checkpoint.read_tensors(folder)
    return tensors, tuple(filter(checkpoint.is_quantized, tensors))
