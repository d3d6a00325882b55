"""Find the model of a study on this machine, and refuse what cannot or must not be used.

Reads `config.json`, or a GGUF file's header, and file hashes only: no torch, and no network unless
`download` says so.
"""

from dataclasses import dataclass
from pathlib import Path

from babelbits.errors import MissingExtraError, ModelError
from babelbits.formats.folders import check_folder, check_tokenizer
from babelbits.formats.own_code import refuse_code
from babelbits.formats.quantization_config import check_quantization
from babelbits.formats.quantized import refuse_unreadable
from babelbits.formats.text_model import check_text_model
from babelbits.formats.vocabulary import check_tokens
from babelbits.llamacpp import gguf_file
from babelbits.recipes import gguf_base
from babelbits.recipes.base_loading import read_config, refuse_pickle
from babelbits.recipes.manifests import HashFile, model_files, pickle_files, weights_hash
from babelbits.recipes.tensors import read_tensors, weight_files
from babelbits.records import JSON, digest
from babelbits.study.config.spec import BUNDLED, ModelSpec
from babelbits.study.planning.hashes import FileHashes

NO_FILES = Path("/nonexistent/only a server has the model")
"""The folder of a model that has none here: everything that is looked for in it is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseModel:
    """The unquantized model on this machine."""

    folder: Path
    """Of the checkpoint; or the GGUF file."""
    hash: str
    """Over weights, config, tokenizer and code files; the same wherever the folder lies."""
    config: JSON
    """`config.json`; of a GGUF file what `recipes.gguf_base.read_config` says."""
    label: str
    """What people call it: 'bundled', a folder's name, or 'owner/model@revision'."""


def locate(
    spec: ModelSpec, *, hashes: FileHashes | None = None, download: bool = False
) -> BaseModel:
    """The folder of a study's model, checked, with its hash.

    Parameters
    ----------
    hashes : FileHashes, optional
        Remembers hashes of large files.
    download : bool
        Fetch a hub model that is not on this machine yet.

    Raises
    ------
    ModelError
        If the model is missing, is none yet (an adapter, parts of one), holds no causal language
        model, has no tokenizer or one of another model, is quantized in a format that nobody here
        reads, has pickled weights only, or needs its own code, and the study does not allow that.
    """
    if spec.is_elsewhere:
        return BaseModel(
            folder=NO_FILES, hash=digest(spec.path, length=32), config={}, label=spec.path
        )
    folder = _folder(spec, download=download)
    if spec.is_gguf:
        return _file(spec, folder, hashes=hashes)
    if not folder.is_dir():
        raise ModelError(
            "there is no such model folder", where=str(folder), hint="check `path` in [model]"
        )
    check_folder(folder)
    config = read_config(folder)
    check_text_model(config, where=str(folder))
    check_quantization(config, where=str(folder / "config.json"))
    check_tokenizer(folder)
    refuse_code(folder, trusted=spec.trust_remote_code)
    refuse_unreadable(folder, config)
    if not spec.allow_pickle:
        refuse_pickle(folder)
    check_tokens(folder, config, read_tensors(folder) if weight_files(folder) else None)
    known = FileHashes() if hashes is None else hashes
    return BaseModel(
        folder=folder, hash=hash_of(folder, hash_file=known.of), config=config, label=_label(spec)
    )


def _file(spec: ModelSpec, file: Path, *, hashes: FileHashes | None) -> BaseModel:
    """A GGUF file as base model; its name is not part of its hash."""
    config = gguf_base.read_config(file)
    known = FileHashes() if hashes is None else hashes
    return BaseModel(
        folder=file,
        hash=hash_of(file, hash_file=known.of),
        config=config,
        label=_label(spec),
    )


def hash_of(model: Path, *, hash_file: HashFile) -> str:
    """Hash of an unquantized model: of the names and bytes of the files that matter.

    Parameters
    ----------
    model : Path
        Folder of a checkpoint; or a GGUF file, whose name is not part of its hash.
    hash_file : callable
        Hex SHA-256 of a file.
    """
    if model.is_file():
        return weights_hash({gguf_file.MODEL: hash_file(model)})
    pickles = () if weight_files(model) else pickle_files(model)
    files = model_files(model, pickles=pickles)
    return weights_hash({file.relative_to(model).as_posix(): hash_file(file) for file in files})


def _label(spec: ModelSpec) -> str:
    if spec.path == BUNDLED:
        return BUNDLED
    if spec.folder is not None:
        return spec.folder.name
    return f"{spec.path}@{spec.revision}"


def _folder(spec: ModelSpec, *, download: bool) -> Path:
    if spec.path == BUNDLED:
        from babelbits.bundled import model_folder

        return model_folder()
    if spec.folder is not None:
        return spec.folder
    return _hub_folder(spec, download=download)


def _hub_folder(spec: ModelSpec, *, download: bool) -> Path:
    """Where the hub's cache keeps the model."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingExtraError(
            "hub models need huggingface_hub", hint="pip install 'babelbits[run]'"
        ) from error
    try:
        folder = snapshot_download(spec.path, revision=spec.revision, local_files_only=not download)
    except (OSError, ValueError) as error:  # the library's errors are one of the two
        raise ModelError(
            f"the model '{spec.path}' (revision '{spec.revision}') is not on this machine",
            hint=f"download it: hf download {spec.path} --revision {spec.revision}; or name a "
            "local folder",
        ) from error
    return Path(folder)
