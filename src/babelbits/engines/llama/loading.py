"""A folder with a GGUF file becomes a model and its tokenizer, or a `ModelError`.

A folder is a variant: its tokenizer is that of the checkpoint, where its files lie beside the GGUF
file, so that prompts are split into the tokens of the baseline; else llama.cpp's own. A file that
is named itself stands alone: what lies beside it may be another model's. Nothing is downloaded, and
no code that comes with a checkpoint is run.
"""

import ctypes
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babelbits.engines.base import SMALL_MODEL, EngineSettings
from babelbits.errors import ModelError
from babelbits.llamacpp import library
from babelbits.llamacpp.gguf_file import open_gguf
from babelbits.llamacpp.vocabulary import Vocabulary
from babelbits.quiet import quiet

_ALL_LAYERS = -1
_FIRST_PART = "-00001-of-"
_LONG_FACTORS = "rope_factors_long"
"""In the name of the tensor with a model's rotary factors for long texts."""
_LONGEST_VALUE = 256
_MATRIX = "imatrix"
"""How the name of an importance matrix begins, which is a GGUF file but no model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedGguf:
    """A model in llama.cpp, and how its text becomes tokens."""

    api: Any
    model: Any
    vocabulary: Vocabulary
    """llama.cpp's own tokenizer."""
    tokenizer: Any
    """The checkpoint's, or `vocabulary`."""
    end_tokens: tuple[int, ...]
    """Tokens that end a generation."""
    device_kind: str
    """'cpu' or 'cuda'."""
    context_length: int
    threads: int
    sharing_limit: int
    """Length in tokens up to which branches may share a trunk; 0 where they never may."""
    short_texts: int | None
    """Tokens of the longest text that the model reads with its rotary factors for short ones; None
    where it has one set of factors. See `engine.LlamaEngine`."""

    def free(self) -> None:
        """Give the model's memory back; nothing may use it afterwards."""
        self.api.llama_model_free(self.model)


def load_model(folder: Path, *, settings: EngineSettings) -> LoadedGguf:
    """Load the GGUF file in `folder` (or that file, if it is one).

    Raises
    ------
    MissingExtraError
        If llama.cpp is not installed.
    ModelError
        If there is no such file, or llama.cpp cannot load it.
    """
    path = find_gguf_file(folder)
    api = library.load()
    device_kind = _device_kind(settings.device, api)
    options = api.llama_model_default_params()
    options.n_gpu_layers = 0 if device_kind == "cpu" else _ALL_LAYERS
    with library.complaints() as said:
        model = api.llama_model_load_from_file(os.fsencode(path), options)
    if not model:
        raise ModelError(f"cannot be loaded: {library.join_last(said)}", where=str(path))
    try:
        return _described(api, model, path, folder, settings=settings, device_kind=device_kind)
    except BaseException:
        api.llama_model_free(model)
        raise


def _described(
    api: Any,
    model: Any,
    path: Path,
    folder: Path,
    *,
    settings: EngineSettings,
    device_kind: str,
) -> LoadedGguf:
    """A model that llama.cpp has loaded, with what is known of it."""
    vocabulary = Vocabulary(api, model, name=path.stem)
    home = None if folder.is_file() else folder
    tokenizer = _tokenizer(home)
    return LoadedGguf(
        api=api,
        model=model,
        vocabulary=vocabulary,
        tokenizer=tokenizer or vocabulary,
        end_tokens=tuple(vocabulary.ends()) if tokenizer is None else _end_tokens(folder),
        device_kind=device_kind,
        context_length=int(api.llama_model_n_ctx_train(model)),
        threads=_threads(int(api.llama_model_n_params(model))),
        sharing_limit=_sharing_limit(api, model, sharing=settings.sharing),
        short_texts=_short_texts(api, model, path),
    )


def find_gguf_file(folder: Path) -> Path:
    """The GGUF file in a folder; of one in parts, the first.

    Raises
    ------
    ModelError
        If there is none, or more than one.
    """
    if folder.is_file():
        return folder
    if not folder.is_dir():
        raise ModelError(
            "there is no such folder", where=str(folder), hint="check the model's path"
        )
    files = [p for p in sorted(folder.glob("*.gguf")) if not p.name.startswith(_MATRIX)]
    whole = [path for path in files if "-of-" not in path.name or _FIRST_PART in path.name]
    if len(whole) != 1:
        names = ", ".join(path.name for path in whole) or "none"
        raise ModelError(
            f"one GGUF file is expected here, found: {names}",
            where=str(folder),
            hint="point to the file itself",
        )
    return whole[0]


def _device_kind(device: str, api: Any) -> str:
    """'cpu' or 'cuda', whichever the library was built for where the device is 'auto'."""
    kind = device.partition(":")[0]
    if kind not in ("auto", "cpu", "cuda"):
        raise ModelError(
            f"there is no device called {device!r}", hint="use 'cpu', 'cuda' or 'auto'"
        )
    offloads = bool(api.llama_supports_gpu_offload())
    if kind == "cuda" and not offloads:
        raise ModelError(
            "llama.cpp was built without support for a GPU",
            hint="use device = 'cpu', or build it with CMAKE_ARGS=-DGGML_CUDA=on",
        )
    if kind == "auto":
        return "cuda" if offloads else "cpu"
    return kind


def _tokenizer(folder: Path | None) -> Any:
    """The checkpoint's tokenizer; None if it is not here, or transformers is not installed."""
    if folder is None or not (folder / "tokenizer_config.json").is_file():
        return None
    try:
        from transformers import AutoTokenizer
    except ImportError:
        return None
    try:
        with quiet():
            return AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"the tokenizer cannot be loaded: {first}", where=str(folder)) from error


def _end_tokens(folder: Path) -> tuple[int, ...]:
    """What ends a generation, as transformers has it: by generation_config, else by the config.

    The tokenizer's end-of-sequence token is added by `Stopping`, for every engine alike.
    """
    path = folder / "generation_config.json"
    if path.is_file():
        try:
            listed = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id")
        except (ValueError, AttributeError) as error:
            raise ModelError(f"is no JSON object: {error}", where=str(path)) from error
    elif (folder / "config.json").is_file():
        listed = _ends_by_config(folder)
    else:
        listed = None
    tokens = listed if isinstance(listed, list) else [listed]
    return tuple(token for token in tokens if isinstance(token, int))


def _ends_by_config(folder: Path) -> Any:
    """End tokens of a checkpoint without generation_config, as transformers reads its config."""
    from transformers import GenerationConfig

    try:
        return GenerationConfig.from_pretrained(
            folder, config_file_name="config.json", local_files_only=True, _from_model_config=True
        ).eos_token_id
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(
            f"does not say what ends a text: {error}", where=str(folder / "config.json")
        ) from error


def _short_texts(api: Any, model: Any, path: Path) -> int | None:
    """Where a model with two sets of rotary factors changes from one to the other, in tokens."""
    architecture = _metadata(api, model, "general.architecture")
    original = _metadata(api, model, f"{architecture}.rope.scaling.original_context_length")
    if original is None:
        return None
    tensors = open_gguf(path).tensors
    return int(original) if any(_LONG_FACTORS in one.name for one in tensors) else None


def _metadata(api: Any, model: Any, key: str) -> str | None:
    buffer = ctypes.create_string_buffer(_LONGEST_VALUE)
    size = api.llama_model_meta_val_str(model, key.encode(), buffer, _LONGEST_VALUE)
    return buffer.value.decode(errors="replace") if size >= 0 else None


def _threads(n_weights: int) -> int:
    """As OMP_NUM_THREADS says; one for a small model, else one a core. Results do not change."""
    return library.count_threads(otherwise=1 if n_weights < SMALL_MODEL else None)


def _sharing_limit(api: Any, model: Any, *, sharing: bool) -> int:
    """Sharing is exact for attention; a sliding window may reuse cells that a branch needs."""
    recurrent = api.llama_model_is_recurrent(model) or api.llama_model_is_hybrid(model)
    if not sharing or recurrent:
        return 0
    window = int(api.llama_model_n_swa(model))
    return window or int(api.llama_model_n_ctx_train(model))
