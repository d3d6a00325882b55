"""Find the model of a study on this machine, and refuse what cannot or must not be used.

Reads `config.json`, or a GGUF file's header, and file hashes only: no torch, and no network unless
`download` says so.
"""

from dataclasses import dataclass
from pathlib import Path

from babelbits.errors import ModelError
from babelbits.formats.folders import check_folder, check_tokenizer
from babelbits.formats.own_code import refuse_code
from babelbits.formats.quantization_config import check_quantization
from babelbits.formats.quantized import refuse_unreadable
from babelbits.formats.text_model import check_text_model
from babelbits.formats.vocabulary import check_tokens
from babelbits.llamacpp import gguf_file
from babelbits.llamacpp.gguf_parts import list_parts
from babelbits.recipes import gguf_base
from babelbits.recipes.base_loading import read_config, refuse_pickle
from babelbits.recipes.manifests import HashFile, hash_weights, list_model_files, list_pickle_files
from babelbits.recipes.tensors import list_weight_files, read_tensors
from babelbits.records import JSON, digest
from babelbits.study.config import hub_names
from babelbits.study.config.spec import BUNDLED, ModelSpec
from babelbits.study.planning.hashes import FileHashes
from babelbits.study.planning.hub_models import find_model

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
    folder = find_model_folder(spec, download=download)
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
    refuse_code(folder, trust=spec.trust)
    refuse_unreadable(folder, config)
    if not spec.trust.pickle:
        refuse_pickle(folder)
    check_tokens(folder, config, read_tensors(folder) if list_weight_files(folder) else None)
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
        Folder of a checkpoint; or a GGUF file, the first of its parts, whose name is not part of
        its hash.
    hash_file : callable
        Hex SHA-256 of a file.
    """
    files = hash_files(model, hash_file=hash_file)
    if model.is_dir():
        return hash_weights(files)
    if len(files) == 1:
        return hash_weights({gguf_file.MODEL: files[model.name]})
    return hash_weights({str(number): files[name] for number, name in enumerate(files)})


def hash_files(model: Path, *, hash_file: HashFile) -> dict[str, str]:
    """Names of the files of a model that matter, to their SHA-256; of a GGUF model all parts.

    Parameters
    ----------
    model : Path
        As in `hash_of`.
    """
    if not model.is_dir():
        return {part.name: hash_file(part) for part in list_parts(model)}
    pickles = () if list_weight_files(model) else list_pickle_files(model)
    files = list_model_files(model, pickles=pickles)
    return {file.relative_to(model).as_posix(): hash_file(file) for file in files}


def _label(spec: ModelSpec) -> str:
    if spec.path == BUNDLED:
        return BUNDLED
    if spec.folder is not None:
        return spec.folder.name
    return f"{spec.path}@{spec.revision}"


def find_model_folder(spec: ModelSpec, *, download: bool = False) -> Path:
    """Where the model lies: a folder or a GGUF file, of which nothing is read.

    Raises
    ------
    ModelError
        If a hub model is not on this machine.
    """
    if spec.path == BUNDLED:
        from babelbits.bundled import find_bundled_model

        return find_bundled_model()
    if spec.folder is not None:
        return spec.folder
    name = hub_names.parse(spec.path)
    if name is None:
        raise ModelError(
            f"{spec.path!r} is no name of a model", hint=f"on the hub a model is {hub_names.WAYS}"
        )
    return find_model(name, revision=spec.revision, download=download)
