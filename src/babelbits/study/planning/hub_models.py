"""Models on the hub: found in this machine's cache, or fetched; and what to do where neither works.

A repository of GGUF files is never fetched whole: the file that is named, or the one of the type
that is named, and its other parts. The hub is asked only where `download` says so.
"""

import fnmatch
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from babelbits.errors import MissingExtraError, ModelError
from babelbits.formats.description import find_type_in_name
from babelbits.llamacpp.gguf_parts import list_part_names, select_models
from babelbits.study.config.hub_names import HubName

_WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.pth")
_IGNORED = ["*.gguf"]
"""Of a checkpoint's repository: the same model once more."""
_NO_FILE = "no/such/file"
"""A pattern that fits nothing: the folder is asked for, and not whether all files are there."""
_MOST_NAMES = 12


def find_model(name: HubName, *, revision: str, download: bool) -> Path:
    """The folder of a checkpoint, or the GGUF file, in the hub's cache.

    Parameters
    ----------
    name : HubName
        What is asked for.
    revision : str
        Branch, tag or commit.
    download : bool
        Fetch what is not there.

    Raises
    ------
    ModelError
        If it is not on this machine and not to be had: no such repository, revision or file, a
        licence to accept, no network; or if the type that is named fits no file, or several.
    MissingExtraError
        If the hub's library is not installed.
    """
    if not name.is_gguf:
        return _checkpoint(name.repo, revision, download=download)
    if not download:
        return _kept(name, revision)
    try:
        with _asking(name.repo, revision):
            listed = _hub().HfApi().list_repo_files(name.repo, revision=revision)
    except ModelError:
        if _kept_folder(name.repo, revision) is None:
            raise
        return _kept(name, revision)  # without a network what is here will do
    chosen = _choose(name, listed)
    with _asking(name.repo, revision):
        paths = [
            _hub().hf_hub_download(name.repo, part, revision=revision) for part in _parts(chosen)
        ]
    return Path(paths[0])


def _kept(name: HubName, revision: str) -> Path:
    """The GGUF file in this machine's cache."""
    folder = _kept_folder(name.repo, revision)
    if folder is None:
        raise _not_here(name, revision)
    try:
        chosen = _choose(name, _files_below(folder))
    except ModelError as error:
        raise _not_here(name, revision) from error
    return folder / chosen


def _hub() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingExtraError(
            "hub models need huggingface_hub", hint="pip install 'babelbits[run]'"
        ) from error
    return huggingface_hub


def _checkpoint(repo: str, revision: str, *, download: bool) -> Path:
    """The snapshot of a repository with a checkpoint."""
    hub = _hub()
    if not download:
        try:
            return Path(
                hub.snapshot_download(
                    repo, revision=revision, ignore_patterns=_IGNORED, local_files_only=True
                )
            )
        except (OSError, ValueError) as error:
            raise _not_here(HubName(repo=repo), revision) from error
    try:
        with _asking(repo, revision):
            listed = hub.HfApi().list_repo_files(repo, revision=revision)
    except ModelError:
        listed = []  # said again below, unless the cache has all
    _refuse_gguf_only(repo, listed)
    with _asking(repo, revision):
        return Path(hub.snapshot_download(repo, revision=revision, ignore_patterns=_IGNORED))


def _refuse_gguf_only(repo: str, files: Sequence[str]) -> None:
    """A repository of GGUF files holds a model in many types: nobody wants them all."""
    models = select_models(files)
    if models and not any(fnmatch.fnmatch(name, one) for name in files for one in _WEIGHTS):
        raise ModelError(
            f"'{repo}' holds GGUF files and no checkpoint",
            hint=f"name one of them:\n  {_ways(repo, models)}",
        )


# --- GGUF files of a repository ----------------------------------------------------------------


def _kept_folder(repo: str, revision: str) -> Path | None:
    """Where the cache keeps what was fetched of a repository; None if that is nothing."""
    try:
        found = _hub().snapshot_download(  # whatever part of it is here
            repo, revision=revision, allow_patterns=[_NO_FILE], local_files_only=True
        )
    except (OSError, ValueError):
        return None
    return Path(found)


def _files_below(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*.gguf")]


def _parts(file: str) -> tuple[str, ...]:
    """The names of all parts of a file in a repository."""
    folder, slash, name = file.rpartition("/")
    return tuple(f"{folder}{slash}{part}" for part in list_part_names(name))


def _choose(name: HubName, files: Iterable[str]) -> str:
    """The file that is asked for.

    Raises
    ------
    ModelError
        If it is not there, or several fit; lists what there is.
    """
    models = select_models(files)
    if name.file is not None:
        first = _parts(name.file)[0]
        fits = [one for one in models if one == first]
        what = f"the file '{name.file}'"
    else:
        fits = select_type(str(name.type), models)
        what = f"a GGUF file of type {name.type}"
    if len(fits) == 1:
        return fits[0]
    if len(fits) > 1:
        raise ModelError(
            f"'{name.repo}' has several files of type {name.type}",
            hint=f"name one of them:\n  {_ways(name.repo, fits, by_type=False)}",
        )
    raise ModelError(
        f"'{name.repo}' lacks {what}",
        hint=f"it has:\n  {_ways(name.repo, models)}" if models else "it has no GGUF file at all",
    )


def select_type(asked: str, models: Sequence[str]) -> list[str]:
    """The files of a type, as llama.cpp and Ollama users name it: upper or lower case.

    Examples
    --------
    >>> select_type("q4_k_m", ["a-Q4_K_M.gguf", "a-Q4_K_S.gguf"])
    ['a-Q4_K_M.gguf']
    """
    exact = [one for one in models if find_type_in_name(one) == asked.upper()]
    if exact:
        return exact
    ends = tuple(f"{mark}{asked.casefold()}" for mark in "-._")
    return [one for one in models if _stem(one).casefold().endswith(ends)]


def _stem(file: str) -> str:
    name = file.rpartition("/")[2].removesuffix(".gguf")
    return name[: -len("-00001-of-00002")] if len(list_part_names(f"{name}.gguf")) > 1 else name


def _ways(repo: str, models: Sequence[str], *, by_type: bool = True) -> str:
    """How to name the files of a repository in a study, a line each."""
    kinds = [find_type_in_name(one) for one in models]
    lines = [
        f'path = "{repo}:{kind}"'
        if by_type and kind is not None and kinds.count(kind) == 1
        else f'path = "hub:{repo}/{one}"'
        for one, kind in zip(models, kinds, strict=True)
    ]
    more = [f"and {len(lines) - _MOST_NAMES} more"] if len(lines) > _MOST_NAMES else []
    return "\n  ".join([*lines[:_MOST_NAMES], *more])


# --- what goes wrong ---------------------------------------------------------------------------


def _not_here(name: HubName, revision: str) -> ModelError:
    if name.is_gguf:
        what = f"{name.repo}/{name.file}" if name.file else f"{name.repo}:{name.type}"
        fetch = f"hf download {name.repo} --revision {revision} " + (
            name.file or f"--include '*{name.type}*.gguf'"
        )
    else:
        what, fetch = name.repo, f"hf download {name.repo} --revision {revision}"
    return ModelError(
        f"the model '{what}' (revision '{revision}') is not on this machine",
        hint=f"download it: babelbits pull STUDY, or {fetch}; or name a local folder",
    )


@contextmanager
def _asking(repo: str, revision: str) -> Iterator[None]:
    """Say what a refusal of the hub means, and what to do."""
    from httpx import HTTPError
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise ModelError(
            f"'{repo}' is open only to those who accept its licence",
            hint=f"accept it at https://huggingface.co/{repo}, then log in with a token of that "
            "account: hf auth login (or set HF_TOKEN)",
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ModelError(
            f"'{repo}' has no revision '{revision}'", hint="check `revision` in the study"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise ModelError(
            f"the hub has no model '{repo}', or does not show it to you",
            hint="check the name; where it is private, log in: hf auth login (or set HF_TOKEN)",
        ) from error
    except errors.HfHubHTTPError as error:
        raise _by_status(error, repo, revision) from error
    except (OSError, ValueError, HTTPError) as error:  # no network, offline, a disk that is full
        told = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"the model '{repo}' (revision '{revision}') is not on this machine, and was not got: "
            f"{told}",
            hint=f"where there is a network: hf download {repo} --revision {revision}; or name a "
            "local folder",
        ) from error


def _by_status(error: Any, repo: str, revision: str) -> ModelError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return ModelError(
            f"the hub refuses '{repo}' ({status})",
            hint=f"accept its licence at https://huggingface.co/{repo} if it has one, and log in: "
            "hf auth login (or set HF_TOKEN)",
        )
    return ModelError(
        f"the model '{repo}' (revision '{revision}') was not got: the hub answers {status}",
        hint="try again later; what was got so far is kept",
    )
