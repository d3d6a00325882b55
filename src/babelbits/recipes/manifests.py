"""A variant folder's manifest: written last, read back, and checked against the files.

A folder without `manifest.json` is no variant: the manifest says that all the rest is there.
Nothing here imports torch, save for the shapes in a pickled base model.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from babelbits.errors import ModelError, StoreError
from babelbits.recipes import tensors as checkpoint
from babelbits.records import (
    JSON,
    CalibrationRecord,
    ConversionRecord,
    ExpertsRecord,
    Manifest,
    TensorRecord,
    digest,
)
from babelbits.store.atomic import write_atomically

MANIFEST = "manifest.json"
_MEND = "`babelbits doctor FOLDER --fix` sets the variant aside; the next run makes it again"
_FOUND = (
    "its results stay; put the file back to run more of them, or run the study with what is there, "
    "as another variant"
)
_MODEL_FILES = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.py", "*.model", "*.tiktoken")
"""What of a base folder can change what the model computes; README and pictures cannot."""


def hash_file(file: Path) -> str:
    """Hex SHA-256 of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


HashFile = Callable[[Path], str]
"""Hex SHA-256 of a file: `hash_file`, or something that remembers."""


def hash_weights(files: Mapping[str, str]) -> str:
    """Hash over (name, sha256) of every file but the manifest."""
    return digest({name: value for name, value in files.items() if name != MANIFEST}, length=32)


# --- writing -----------------------------------------------------------------------------------


def hash_files(folder: Path, *, hash_file: HashFile = hash_file) -> dict[str, str]:
    """SHA-256 of every file in a variant folder, folders below it too, but the manifest."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: hash_file(path) for name, path in names.items() if name != MANIFEST}


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json`, whole or not at all: the last file of a variant."""
    text = json.dumps(asdict(manifest), ensure_ascii=False, indent=1, allow_nan=False)
    write_atomically(folder / MANIFEST, f"{text}\n".encode())


# --- reading -----------------------------------------------------------------------------------


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a variant folder; None where there is no folder or no manifest.

    Raises
    ------
    StoreError
        If there is a manifest and it cannot be read.
    """
    path = folder / MANIFEST
    try:
        fields: JSON = json.loads(path.read_text(encoding="utf-8"))
        calibration = fields.pop("calibration")
        tensors = fields.pop("tensors")
        notes = tuple(fields.pop("notes", ()))
        conversion = fields.pop("conversion", None)
        return Manifest(
            calibration=_calibration(calibration) if calibration else None,
            tensors=tuple(_tensor(tensor) for tensor in tensors),
            conversion=_conversion(conversion) if conversion else None,
            notes=notes,
            **fields,
        )
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StoreError(
            f"the manifest is damaged: {error}",
            where=str(path),
            hint=_MEND,
        ) from error


def _conversion(fields: JSON) -> ConversionRecord:
    return ConversionRecord(**{**fields, "other_tokens": tuple(fields["other_tokens"])})


def _calibration(fields: JSON) -> CalibrationRecord:
    experts = fields.pop("experts", None)
    if experts is None:
        return CalibrationRecord(**fields)
    read = ExpertsRecord(
        layers=tuple(experts["layers"]),
        n_experts=tuple(experts["n_experts"]),
        unrouted={key: tuple(row) for key, row in experts["unrouted"].items()},
        fewest={key: tuple(row) for key, row in experts["fewest"].items()},
    )
    return CalibrationRecord(experts=read, **fields)


def _tensor(fields: JSON) -> TensorRecord:
    return TensorRecord(**{**fields, "shape": tuple(fields["shape"])})


def verify(folder: Path, *, hash_file: HashFile = hash_file) -> None:
    """Compare every file of a variant with its manifest.

    Parameters
    ----------
    hash_file : callable
        Reads each file anew by default.

    Raises
    ------
    StoreError
        If the folder is no variant, or a file is missing, added or changed; names the file.
    ModelError
        The same of files that somebody else made, which lie elsewhere.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise StoreError("not a finished variant: it has no manifest", where=str(folder))
    if manifest.place is not None:
        _verify_place(Path(manifest.place), manifest, hash_file=hash_file)
        return
    hashes = hash_files(folder, hash_file=hash_file)
    for name in sorted({*manifest.files, *hashes}):
        if name not in hashes:
            raise _damaged(folder / name, "the file is missing")
        if name not in manifest.files:
            raise _damaged(folder / name, "the manifest does not know this file")
        if hashes[name] != manifest.files[name]:
            raise _damaged(folder / name, "the file is not the one that was written")


def _verify_place(place: Path, manifest: Manifest, *, hash_file: HashFile) -> None:
    """Compare somebody else's files, where they lie, with what was measured."""
    home = place.parent if place.suffix == ".gguf" else place
    for name, expected in manifest.files.items():
        file = home / name
        if not file.is_file():
            raise ModelError("the file is not there any more", where=str(file), hint=_FOUND)
        if hash_file(file) != expected:
            raise ModelError("the file is not the one that was measured", where=str(file),
                             hint=_FOUND)  # fmt: skip


def _damaged(file: Path, what: str) -> StoreError:
    return StoreError(what, where=str(file), hint=_MEND)


# --- the baseline ------------------------------------------------------------------------------


def describe_base(folder: Path, *, label: str | None = None) -> Manifest:
    """The manifest of an unquantized model where it lies; nothing is written.

    Parameters
    ----------
    label : str, optional
        What people call the model; the folder's name if not given.

    Raises
    ------
    ModelError
        If the folder holds no model.
    """
    if not (folder / "config.json").is_file():
        raise ModelError("not a model folder: it has no config.json", where=str(folder))
    pickles = () if checkpoint.list_weight_files(folder) else list_pickle_files(folder)
    tensors = _pickled_tensors(pickles) if pickles else checkpoint.read_tensors(folder)
    files = _base_files(folder, pickles)
    bits = checkpoint.bits_per_weight(tensors)
    if bits is None:
        raise ModelError("the checkpoint holds no weights", where=str(folder))
    return Manifest(
        variant_id="baseline",
        recipe="baseline",
        parameters={},
        calibration=None,
        base_model=label if label is not None else folder.name,
        base_hash=hash_weights(files),
        weights_hash=hash_weights(files),
        bits_per_weight=bits,
        quantized_bits_per_weight=None,
        n_weights=checkpoint.count(tensors),
        bytes_on_disk=sum((folder / name).stat().st_size for name in files),
        tensors=tensors,
        seconds=0.0,
        library_versions={},
        files=files,
        format="hf",
    )


def list_pickle_files(folder: Path) -> tuple[Path, ...]:
    """Weights in PyTorch's pickle format, which can run code when they are loaded."""
    return tuple(sorted(folder.glob("pytorch_model*.bin")))


def list_model_files(folder: Path, *, pickles: Iterable[Path] = ()) -> tuple[Path, ...]:
    """The files of an unquantized model that can change what it computes; its hash is of these.

    Shards that an index names in folders below are among them.
    """
    known = {path for pattern in _MODEL_FILES for path in folder.glob(pattern)}
    known.update(path for path in checkpoint.list_weight_files(folder) if path.is_file())
    return tuple(path for path in sorted({*known, *pickles}) if path.name != MANIFEST)


def _base_files(folder: Path, pickles: Iterable[Path]) -> dict[str, str]:
    files = list_model_files(folder, pickles=pickles)
    return {path.relative_to(folder).as_posix(): hash_file(path) for path in files}


def _pickled_tensors(files: Iterable[Path]) -> tuple[TensorRecord, ...]:
    """Records of pickled tensors, unpickled by torch's restricted reader: no code runs."""
    import torch

    words = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}
    state: dict[str, torch.Tensor] = {}
    for file in files:
        state |= torch.load(file, map_location="meta", weights_only=True, mmap=True)
    return tuple(
        TensorRecord(
            name=name,
            shape=tuple(tensor.shape),
            dtype=words.get(tensor.dtype, str(tensor.dtype).removeprefix("torch.")),
            bytes=tensor.numel() * tensor.element_size(),
        )
        for name, tensor in sorted(state.items())
    )
