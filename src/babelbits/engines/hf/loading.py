"""A folder becomes a model and its tokenizer, or a `ModelError` that says what to do.

Pickle files run code when they are read, and a checkpoint may bring its own Python: both are
refused unless the settings allow them. Nothing is downloaded.

compressed-tensors checkpoints run as exact emulation on a CPU: weights are decompressed to float,
activation quantization is applied in the forward pass. GPTQ and AWQ run unpacked, and torchao's
weights are widened. bitsandbytes checkpoints may repack their weights in the first forward pass and
must not be saved after it; this module never saves.
"""

import inspect
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from babelbits import devices
from babelbits.engines.base import SMALL_MODEL, EngineSettings
from babelbits.engines.hf import device_map as device_map_module
from babelbits.engines.hf.device_map import DeviceMap
from babelbits.engines.hf.unpacked_loading import load_unpacked
from babelbits.engines.placement import CARD_SHARE, find_free_memory
from babelbits.errors import BabelbitsError, ModelError
from babelbits.formats.linear import linear_loading
from babelbits.formats.logit_scale import scale_logits
from babelbits.formats.own_code import brings_code, model_brings_code, refuse_code
from babelbits.formats.quantized_forward import prepare_forward, widen_torchao
from babelbits.formats.text_model import check_text_model, find_auto_class
from babelbits.formats.unpacked import UNPACKED
from babelbits.quiet import quiet
from babelbits.words import agreeing, plural

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_OF_LIBRARIES = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    RuntimeError,
    ImportError,
    SafetensorError,
)
"""What they raise on files that are bad, or that need a library which is not here."""
_DEFAULT_CONTEXT = 2048
_MOST_UNPACKED = 8
"""So many times as large as its files a model is at most: 4 bits that are computed in 32."""
_NO_LIMIT = 10**30
"""What tokenizers without a maximal length report, `transformers.tokenization_utils_base`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A causal language model in evaluation mode on its device, and its tokenizer."""

    model: Any
    tokenizer: Any
    device: torch.device
    dtype: torch.dtype
    context_length: int
    notes: tuple[str, ...] = ()
    """What a user should know of where its weights lie, one sentence each."""

    @property
    def vocabulary(self) -> int:
        """Length of a row of logits."""
        return int(self.model.config.get_text_config().vocab_size)


def load_model(
    folder: Path, *, settings: EngineSettings, device_map: DeviceMap | None = None
) -> LoadedModel:
    """Load the checkpoint in `folder`.

    Parameters
    ----------
    device_map : DeviceMap, optional
        Where its layers go; None: on one device, or on several where the settings leave the choice
        and one GPU does not hold it.

    Raises
    ------
    ModelError
        If it cannot be loaded, or must not be under these settings, or if no devices hold it.
    """
    device = torch.device(devices.resolve_torch_device(settings.device))
    dtype = _dtype(settings.dtype, device)
    config, tokenizer = read_checkpoint(folder, settings=settings)
    note: str | None = None
    with _as_model_errors(folder), quiet(), linear_loading():
        if device_map is None and settings.may_split and device.type == "cuda":
            device_map, note = _split(folder, config, settings=settings, dtype=dtype)
        device = device if device_map is None else device_map.first
        model = _model(
            folder, config, settings=settings, device=device, dtype=dtype, device_map=device_map
        )
    if device.type == "cpu":
        _fit_threads(sum(weight.numel() for weight in model.parameters()))
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        device=device,
        dtype=dtype,
        context_length=find_context_length(model.config, tokenizer),
        notes=() if note is None else (note,),
    )


def _split(
    folder: Path, config: Any, *, settings: EngineSettings, dtype: torch.dtype
) -> tuple[DeviceMap | None, str | None]:
    """Where the layers go of a model that the first GPU does not hold, and what to know of it."""
    free = [torch.cuda.mem_get_info(number)[0] for number in range(torch.cuda.device_count())]
    stored = sum(one.stat().st_size for one in _weight_files(folder))
    method = _method(getattr(config, "quantization_config", None) or {})
    # What is unpacked here is loaded from memory, for which transformers places no layers.
    if method in UNPACKED or stored * _MOST_UNPACKED < free[0] * CARD_SHARE:
        return None, None
    skeleton = device_map_module.build_skeleton(
        config,
        auto=find_auto_class(config),
        trust_remote_code=settings.trust.remote_code and model_brings_code(folder),
    )
    return device_map_module.find_split(
        skeleton,
        dtype=dtype,
        stored=stored if method else None,
        unpacks=method != "bitsandbytes",
        cards=free,
        host=find_free_memory(),
        where=str(folder),
    )


def _weight_files(folder: Path) -> list[Path]:
    found = list(folder.glob("*.safetensors"))
    return found or [one for pattern in ("*.bin", "*.pt", "*.pth") for one in folder.glob(pattern)]


def read_checkpoint(folder: Path, *, settings: EngineSettings) -> tuple[Any, Any]:
    """Configuration and tokenizer of the checkpoint in `folder`, without its weights.

    Raises
    ------
    ModelError
        If it cannot be loaded, or must not be under these settings.
    """
    _check_files(folder, settings)
    with _as_model_errors(folder), quiet():
        return _config(folder, settings), _tokenizer(folder, settings)


def _fit_threads(n_weights: int) -> None:
    """One thread for a small model, unless the user chose a number.

    Products of a few million weights are too short to share: two threads that wait for each other
    took the bundled model 1.9 times as long as one on a busy machine. Results do not change.
    """
    if n_weights < SMALL_MODEL and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


def find_context_length(config: Any, tokenizer: Any) -> int:
    """Largest input in tokens, found where lm-eval's `resolve_max_length` looks for it."""
    text = config.get_text_config()
    for name in ("n_positions", "max_position_embeddings", "n_ctx"):
        value = getattr(text, name, None)
        if value is not None:
            return int(value)
    limit = getattr(tokenizer, "model_max_length", None)
    return _DEFAULT_CONTEXT if limit is None or limit >= _NO_LIMIT else int(limit)


def _dtype(name: str, device: torch.device) -> torch.dtype:
    if name == "auto":
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    if name not in _DTYPES:
        raise ModelError(
            f"unknown dtype {name!r}", hint=f"use one of {', '.join(_DTYPES)}, or 'auto'"
        )
    return _DTYPES[name]


def _check_files(folder: Path, settings: EngineSettings) -> None:
    """Refuse what is not there, and pickle files, before anything is read."""
    if not folder.is_dir():
        raise ModelError(
            "there is no such folder", where=str(folder), hint="check the model's path"
        )
    if not (folder / "config.json").is_file():
        raise ModelError(
            "no config.json here: not a transformers checkpoint",
            where=str(folder),
            hint="point to the folder that 'save_pretrained' wrote",
        )
    if any(folder.glob("*.safetensors")):
        return
    pickles = sorted(one.name for one in _weight_files(folder))
    if not pickles:
        raise ModelError("no weights (*.safetensors) here", where=str(folder))
    if not settings.trust.pickle:
        raise ModelError(
            f"the weights are pickle files ({pickles[0]}), which can run code when they are read",
            where=str(folder),
            hint="convert them to safetensors, or set allow_pickle = true if you trust them",
        )


def _config(folder: Path, settings: EngineSettings) -> Any:
    """The configuration of a causal language model, or of one that holds such a model."""
    from transformers import AutoConfig

    raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    check_text_model(raw, where=str(folder))
    refuse_code(folder, trust=settings.trust)
    config = AutoConfig.from_pretrained(
        folder,
        local_files_only=True,
        trust_remote_code=settings.trust.remote_code and model_brings_code(folder),
    )
    check_text_model(config.to_dict(), where=str(folder))
    return config


def _tokenizer(folder: Path, settings: EngineSettings) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(
        folder,
        local_files_only=True,
        trust_remote_code=settings.trust.remote_code and brings_code(folder),
    )


def _model(
    folder: Path,
    config: Any,
    *,
    settings: EngineSettings,
    device: torch.device,
    dtype: torch.dtype,
    device_map: DeviceMap | None,
) -> Any:
    quantization = getattr(config, "quantization_config", None) or {}
    method = _method(quantization)
    placed: dict[str, Any] = {}
    if device_map is not None:
        placed = device_map.arguments()
    elif method == "bitsandbytes":
        placed = {"device_map": {"": str(device)}}
    own_code = settings.trust.remote_code and model_brings_code(folder)
    if method in UNPACKED:
        model, report = load_unpacked(folder, config, method=method, dtype=dtype, own_code=own_code)
    else:
        model, report = find_auto_class(config).from_pretrained(
            folder,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=None if settings.trust.pickle else True,
            trust_remote_code=own_code,
            output_loading_info=True,
            **placed,
        )
    missing = sorted(report["missing_keys"])
    if missing:
        raise ModelError(
            f"{plural(len(missing), 'weight')} "
            f"{agreeing(len(missing), 'is', 'are')} missing from the checkpoint, e.g. {missing[0]}",
            where=str(folder),
            hint="the files are incomplete, or belong to another kind of model",
        )
    if method == "torchao":
        widen_torchao(model, dtype)
    _widen(model, dtype)
    prepare_forward(model)
    keep_logits(model)
    scale_logits(model)
    if device_map is not None:
        device_map_module.keep_positions_on_host(model)
    model = (model if placed else model.to(device)).eval()
    if not quantization:  # else a scale may be of the whole text, and the base was tried
        refuse_look_ahead(model, where=str(folder))
    return model


def _widen(model: Any, dtype: torch.dtype) -> None:
    """Have plain weights in float32 where that is asked for.

    Of a quantized checkpoint transformers leaves every weight that it renames in the type that it
    is stored in: routers of mixtures, and all norms and embeddings of multimodal models.
    """
    if dtype != torch.float32:
        return
    for weight in (*model.parameters(), *model.buffers()):
        if weight.dtype in (torch.bfloat16, torch.float16):
            weight.data = weight.data.float()


def _method(quantization: Any) -> str:
    """'bitsandbytes', 'compressed-tensors', ... or ''."""
    if isinstance(quantization, dict):
        return str(quantization.get("quant_method", ""))
    method = getattr(quantization, "quant_method", "")
    return str(getattr(method, "value", method))


@contextmanager
def _as_model_errors(folder: Path) -> Iterator[None]:
    """Turn what the libraries raise on bad files into our own error."""
    try:
        yield
    except _OF_LIBRARIES as error:
        if isinstance(error, BabelbitsError):
            raise
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"cannot be loaded: {first}", where=str(folder)) from error


# --- what the engine relies on in any model -------------------------------------------------------
# Logits where they are asked for, and no look ahead: classes of transformers promise both, and some
# break it in silence. Qwen2-Audio ignores `logits_to_keep` and gives the logits of other positions,
# and PaliGemma lets a token see those that come after it. A checkpoint's own code may not know the
# argument at all.

_TOKENS = 8
_LOOK_AHEAD = 0.05
"""Mean change of log-probabilities, nats, that rounding of activations alone does not explain."""


def keep_logits(model: Any) -> None:
    """Have `forward(logits_to_keep=...)` give what was asked, where the class does not."""
    forward = model.forward
    if "logits_to_keep" in inspect.signature(forward).parameters:
        return

    @wraps(forward)
    def asked(*args: Any, logits_to_keep: int | torch.Tensor = 0, **named: Any) -> Any:
        output = forward(*args, **named)
        output.logits = _kept(output.logits, logits_to_keep)
        return output

    model.forward = asked


def _kept(logits: torch.Tensor, keep: int | torch.Tensor) -> torch.Tensor:
    """The last `keep` positions (0: all), or those with the numbers in `keep`."""
    return logits[:, -keep:] if isinstance(keep, int) else logits[:, keep]


@torch.inference_mode()
def refuse_look_ahead(model: Any, *, where: str) -> None:
    """Raise if a token's logits depend on the tokens that follow it.

    Raises
    ------
    ModelError
        If they do: a score would be of a text that the model has read already.
    """
    size = int(model.config.get_text_config().vocab_size)
    device = device_map_module.find_input_device(model)
    tokens = torch.arange(1, _TOKENS + 1, device=device)[None] * max(1, size // 32) % size
    other = tokens.clone()
    other[0, -1] = (other[0, -1] + size // 2) % size
    first, second = (
        model(input_ids=row, use_cache=False).logits[0, :-1].float().log_softmax(-1)
        for row in (tokens, other)
    )
    change = (first - second).abs().mean().item()
    if change > _LOOK_AHEAD:
        raise ModelError(
            f"no causal language model: what it says of a token depends on later ones (by "
            f"{change:.2g} nats)",
            where=where,
            hint="Babelbits measures models that read from the first token to the last",
        )
