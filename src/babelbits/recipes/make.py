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
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any

from babelbits.errors import CalibrationError, RecipeError, StoreError
from babelbits.formats.own_code import brings_code
from babelbits.formats.quantized import refuse_quantized
from babelbits.formats.trust import UNTRUSTED, Trust
from babelbits.libraries import need
from babelbits.quiet import quiet
from babelbits.recipes import gguf_base
from babelbits.recipes import tensors as checkpoint
from babelbits.recipes.base_loading import read_config, refuse_pickle
from babelbits.recipes.calibration import Calibration, CalibrationSpec
from babelbits.recipes.catalogue import RecipeInfo, find, settle
from babelbits.recipes.experts import MOST_UNROUTED
from babelbits.recipes.family import Job, Made, find_family
from babelbits.recipes.fit import check, check_shapes
from babelbits.recipes.linear_weights import SMALL_SHARE
from babelbits.recipes.manifests import (
    describe_base,
    hash_files,
    hash_weights,
    read_manifest,
    verify,
    write_manifest,
)
from babelbits.recipes.scope import check_promise
from babelbits.records import JSON, Manifest
from babelbits.store.atomic import store_errors, sync_folder

__all__ = ["check", "describe_base", "make", "read_manifest", "verify"]


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
    drawn: Calibration | None = None,
    texts: Mapping[str, Sequence[str]] = MappingProxyType({}),
    notes: Sequence[str] = (),
    trust: Trust = UNTRUSTED,
    allow_token_differences: bool = False,
    device: str = "auto",
    most_unrouted: float = MOST_UNROUTED,
    most_left: float = SMALL_SHARE,
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
    variant_id, base_label, base_hash, notes
        Recorded as given; the notes before those of what is found here.
    seed : int
        Of the libraries' own randomness; the draw of the text has its own in `calibration`.
    drawn : Calibration, optional
        The text of `calibration` as windows of this model's tokens, if it was drawn before.
    texts : mapping
        What the model will be asked, by language: where a format brings its own tokenizer and its
        own computation, it must read these as the base model does, and give the same numbers.
    trust : Trust
        Whether the model's own code and pickled weights are allowed. Both can run anything.
    allow_token_differences : bool
        Allow a format whose own tokenizer reads some of these languages otherwise; engines give it
        the base model's tokens, and the manifest's notes name the languages.
    device : str
        'cpu', 'cuda', 'cuda:1' or 'auto'. GPTQ's codes can differ between kinds of devices.
    most_unrouted : float
        Share of a layer's experts that the router may send no calibration text, in [0, 1].
    most_left : float
        Share of the weights that may lie in layers that the group size does not fit, in [0, 1).

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
    config = _checked_base(base, info, parameters, calibration, trust=trust)
    own_code = trust.remote_code and not gguf_base.is_gguf(base) and brings_code(base)
    job = Job(
        base=base,
        info=info,
        parameters=settle(info.name, parameters),
        calibration=calibration if info.sees_text else None,
        config=config,
        device=device,
        seed=seed,
        texts=texts,
        notes=notes,
        trust=replace(trust, remote_code=own_code),
        allow_token_differences=allow_token_differences,
        most_unrouted=most_unrouted,
        most_left=most_left,
        drawn=drawn if info.sees_text else None,
    )
    family = find_family(info.name)
    need(family.libraries(base), what=f"the recipe '{info.name}'")
    with _whole_folder(out) as folder:
        _check_stored_shapes(job)
        with quiet(), _write_errors():
            made = family.make(job, folder)
        manifest = _describe(
            folder, job=job, made=made, variant_id=variant_id, base_label=base_label,
            base_hash=base_hash, seconds=time.perf_counter() - started,
        )  # fmt: skip
        write_manifest(folder, manifest)
    return manifest


def _check_stored_shapes(job: Job) -> None:
    """Refuse a group size that the stored weights' shapes do not allow."""
    if checkpoint.list_weight_files(job.base):
        tensors = checkpoint.read_tensors(job.base)
        check_shapes(tensors, job.info.name, job.parameters, most_left=job.most_left)


def _checked_base(
    base: Path,
    info: RecipeInfo,
    parameters: Mapping[str, Any],
    calibration: CalibrationSpec | None,
    *,
    trust: Trust,
) -> JSON:
    """The base's config, once nothing speaks against making the variant from it."""
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
    if not (trust.pickle or from_file):
        refuse_pickle(base)
    return config


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


# --- the manifest ------------------------------------------------------------------------------


def _describe(
    folder: Path,
    *,
    job: Job,
    made: Made,
    variant_id: str,
    base_label: str,
    base_hash: str,
    seconds: float,
) -> Manifest:
    family = find_family(job.info.name)
    tensors, quantized = family.tensors(folder)
    bits = checkpoint.bits_per_weight(tensors)
    if bits is None or (family.quantizes(job.info) and not quantized):
        raise RecipeError(f"'{job.info.name}' left no quantized weights", where=str(job.base))
    if made.scope is not None:
        check_promise(made.scope, quantized, recipe=job.info.name)
    for path in folder.rglob("*"):
        sync_folder(path)  # which serves for files as well
    files = hash_files(folder)
    notes = (*job.notes, *family.notes(job, made, tensors))
    used = ("babelbits", *family.libraries(job.base), *family.packages)
    return Manifest(
        variant_id=variant_id,
        recipe=job.info.name,
        parameters=job.parameters,
        calibration=made.calibration,
        conversion=made.conversion,
        base_model=base_label,
        base_hash=base_hash,
        weights_hash=hash_weights(files),
        bits_per_weight=bits,
        quantized_bits_per_weight=checkpoint.bits_per_weight(quantized),
        n_weights=checkpoint.count(tensors),
        bytes_on_disk=sum((folder / name).stat().st_size for name in files),
        tensors=tensors,
        seconds=seconds,
        library_versions={name: metadata.version(name) for name in dict.fromkeys(used)},
        files=files,
        format=family.format,
        notes=tuple(filter(None, notes)),
        device=made.device,
        n_threads=family.n_threads(),
    )
