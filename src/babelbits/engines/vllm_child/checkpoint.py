"""A folder becomes what is known of a model on this side of the border, and what vLLM is told.

The tokenizer and the rules of texts stay here; the weights are read by the worker alone. What a
checkpoint may run or hold is refused here, as the transformers engine refuses it.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from babelbits.engines.base import EngineSettings
from babelbits.errors import ModelError
from babelbits.quiet import quiet
from babelbits.words import plural

_GIB = 2**30
_SEQUENCES = 8
"""Whole contexts that the cache has room for, at least."""
_BLOCK = 32
"""Tokens that are kept together; the smallest at which vLLM's CPU kernels are fast. What is not a
whole block is computed again by each request behind a shared prefix."""
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedFolder:
    """A causal language model, without its weights."""

    folder: Path
    config: Any
    tokenizer: Any
    context_length: int
    end_tokens: tuple[int, ...]
    """Of generation_config; `Stopping` adds the tokenizer's."""
    rows: int
    """Tokens that the model knows."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Where vLLM is known to compute such a model otherwise, one sentence each."""
        text = self.config.get_text_config()
        window = getattr(text, "sliding_window", None)
        if text.model_type != "cohere2" or not window or window >= self.context_length:
            return ()
        told = (
            f"in texts of more than {plural(window, 'token')} a window of attention reaches one "
            "token further back in vLLM than in transformers, and numbers are others"
        )
        return (told,)


def read_folder(folder: Path, *, settings: EngineSettings) -> LoadedFolder:
    """Read configuration and tokenizer of the checkpoint in `folder`.

    Raises
    ------
    ModelError
        If it is no checkpoint of a causal language model, or must not be loaded under these
        settings.
    """
    from babelbits.engines.hf.loading import find_context_length, read_checkpoint

    if settings.dtype not in _BYTES:
        raise ModelError(
            f"unknown dtype {settings.dtype!r}", hint=f"use one of {', '.join(_BYTES)}, or 'auto'"
        )
    config, tokenizer = read_checkpoint(folder, settings=settings)
    return LoadedFolder(
        folder=folder,
        config=config,
        tokenizer=tokenizer,
        context_length=find_context_length(config, tokenizer),
        end_tokens=_end_tokens(folder, config),
        rows=int(config.get_text_config().vocab_size),
    )


def _end_tokens(folder: Path, config: Any) -> tuple[int, ...]:
    """What ends a generation, as transformers has it: by generation_config, else by the config."""
    from transformers import GenerationConfig

    if (folder / "generation_config.json").is_file():
        with quiet():
            listed = GenerationConfig.from_pretrained(folder, local_files_only=True).eos_token_id
    else:
        listed = getattr(config.get_text_config(), "eos_token_id", None)
    tokens = listed if isinstance(listed, list) else [listed]
    return tuple(token for token in tokens if isinstance(token, int))


def make_options(loaded: LoadedFolder, *, settings: EngineSettings) -> dict[str, Any]:
    """What vLLM is told of the model, arguments of `vllm.LLM`."""
    cpu = settings.device.startswith("cpu")
    return {
        "model": str(loaded.folder),
        "skip_tokenizer_init": True,  # tokens come from here
        "generation_config": "vllm",  # no repetition penalty that nobody asked for
        "dtype": settings.dtype,
        "max_model_len": loaded.context_length + 1,  # the token after a full context is only read
        "max_num_batched_tokens": max(settings.token_budget, loaded.context_length + 1),
        "max_logprobs": -1,
        "enable_prefix_caching": settings.sharing,
        "trust_remote_code": settings.trust.remote_code,
        "enforce_eager": cpu,  # compiling takes longer than most studies of a CPU
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
        "seed": 0,
        **({"block_size": _BLOCK} if cpu else {}),
        **_parallel(settings),
    }


def _parallel(settings: EngineSettings) -> dict[str, Any]:
    """Over how many GPUs the model is split; its processes are children of the worker ("mp")."""
    if settings.n_devices == 1:
        return {}
    return {
        "tensor_parallel_size": settings.tensor_parallel or 1,
        "pipeline_parallel_size": settings.pipeline_parallel or 1,
        "distributed_executor_backend": "mp",
    }


def make_environment(loaded: LoadedFolder, *, settings: EngineSettings) -> Mapping[str, str]:
    """Variables of the worker's process; where the user has set one of taste, it stays."""
    kind, _, number = settings.device.partition(":")
    own = {
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the model is in the worker, which ends with us
        "VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1",
        "HF_HUB_OFFLINE": "1",
    }
    usual = {
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if kind == "cpu":
        own["CUDA_VISIBLE_DEVICES"] = ""
        usual |= {
            "TORCHDYNAMO_DISABLE": "1",  # compiling one small function takes some 10 s
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "VLLM_CPU_KVCACHE_SPACE": str(size_cache(loaded, dtype=settings.dtype)),
        }
    elif number:
        own["CUDA_VISIBLE_DEVICES"] = number
    missing = {name: value for name, value in usual.items() if name not in os.environ}
    return MappingProxyType(missing | own)


def size_cache(loaded: LoadedFolder, *, dtype: str) -> int:
    """Host memory for keys and values, in GiB: room for some whole contexts."""
    text = loaded.config.get_text_config()
    heads = int(getattr(text, "num_key_value_heads", None) or text.num_attention_heads)
    width = int(getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads)
    a_token = 2 * int(text.num_hidden_layers) * heads * width * _BYTES[dtype]
    return max(1, math.ceil(_SEQUENCES * (loaded.context_length + _BLOCK) * a_token / _GIB))
