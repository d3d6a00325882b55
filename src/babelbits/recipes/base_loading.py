"""Load a base model to quantize it: safetensors only and no code of the model's, unless asked for.

Torch and transformers are imported inside the functions.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from babelbits.errors import MissingExtraError, ModelError
from babelbits.formats.logit_scale import scale_logits
from babelbits.formats.own_code import brings_code, model_brings_code
from babelbits.formats.text_model import find_auto_class, find_text_config
from babelbits.formats.trust import Trust
from babelbits.recipes import tensors as checkpoint
from babelbits.recipes.manifests import list_pickle_files
from babelbits.records import JSON
from babelbits.words import plural

FALLBACK_CONTEXT = 2048
"""Context of a model whose config does not say."""


def read_config(base: Path) -> JSON:
    """The base model's `config.json`.

    Raises
    ------
    ModelError
        If there is no such folder or its config is no JSON object.
    """
    path = base / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(
            "there is no model: config.json cannot be read",
            where=str(path),
            hint="name a folder with a Hugging Face checkpoint",
        ) from error
    except ValueError as error:
        raise ModelError(f"config.json is not JSON: {error}", where=str(path)) from error
    if not isinstance(config, dict):
        raise ModelError("config.json is not a JSON object", where=str(path))
    return config


def refuse_pickle(base: Path) -> None:
    """Raise if the weights are only there as pickles, which can run code when loaded.

    Raises
    ------
    ModelError
        If there are no safetensors.
    """
    if checkpoint.list_weight_files(base):
        return
    if not list_pickle_files(base):
        raise ModelError("the folder holds no weights", where=str(base))
    raise ModelError(
        "the weights are pickled (pytorch_model.bin), and a pickle can run code when it is loaded",
        where=str(base),
        hint="convert them to safetensors, or set `allow_pickle = true` if you trust their source",
    )


def find_context_length(config: JSON) -> int:
    """The longest sequence the model's config allows, tokens."""
    found = _written_context(find_text_config(config))
    return found or _written_context(_with_defaults(config)) or FALLBACK_CONTEXT


def _written_context(text: Mapping[str, Any]) -> int | None:
    for key in ("max_position_embeddings", "n_positions", "n_ctx", "seq_length"):
        if isinstance(text.get(key), int):
            return int(text[key])
    return None


def _with_defaults(config: JSON) -> Mapping[str, Any]:
    """The text model's config with what transformers adds to one that does not say, as Gemma 3's.

    Nothing where transformers is not there or does not know the type.
    """
    try:
        from transformers import CONFIG_MAPPING
    except ImportError:
        return {}
    if config.get("model_type") not in CONFIG_MAPPING:
        return {}
    known = CONFIG_MAPPING[config["model_type"]].from_dict(dict(config))
    return find_text_config(known.get_text_config().to_dict())


def load_tokenizer(base: Path, *, trust: Trust) -> Any:
    """The base model's tokenizer.

    Raises
    ------
    ModelError
        If there is none, or it needs code that is not trusted.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(
            base, trust_remote_code=trust.remote_code and brings_code(base)
        )
    except (OSError, ValueError, ImportError) as error:
        raise make_loading_error(base, "tokenizer", error) from error


def load_model(
    base: Path,
    *,
    trust: Trust,
    quantization: Any = None,
    device: str = "cpu",
    dtype: str = "auto",
) -> Any:
    """The base model, for evaluation.

    Parameters
    ----------
    trust : Trust
        What the study allows.
    quantization : transformers quantization config, optional
        For libraries that quantize while loading.
    dtype : str
        'float32', or 'auto': the checkpoint's own.

    Raises
    ------
    ModelError
        If there is no causal language model, or loading it would need what is not allowed.
    """
    from safetensors import SafetensorError
    from transformers import AutoConfig

    own_code = trust.remote_code and model_brings_code(base)
    try:
        config = AutoConfig.from_pretrained(base, trust_remote_code=own_code)
        model, loading = find_auto_class(config).from_pretrained(
            base,
            output_loading_info=True,
            dtype=_stored_dtype(base) if dtype == "auto" else dtype,
            device_map={"": device},
            quantization_config=quantization,
            trust_remote_code=own_code,
            use_safetensors=None if trust.pickle else True,
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise make_loading_error(base, "causal language model", error) from error
    except ImportError as error:
        raise MissingExtraError(str(error), hint="pip install 'babelbits[run]'") from error
    missing = sorted(loading["missing_keys"])
    if missing:
        raise ModelError(
            "the checkpoint is no whole causal language model: it lacks "
            f"{plural(len(missing), 'tensor')}, "
            f"'{missing[0]}' first",
            where=str(base),
            hint="name a decoder-only model with its language-modelling head",
        )
    scale_logits(model)
    return model.eval()


def _stored_dtype(base: Path) -> str:
    """The type of most weights in the files; 'auto' where they are pickles or not floating point.

    A config may say another: transformers believes the one of a multimodal model's text part.
    """
    if not checkpoint.list_weight_files(base):
        return "auto"
    weights: Counter[str] = Counter()
    for tensor in checkpoint.read_tensors(base):
        weights[tensor.dtype] += math.prod(tensor.shape)
    most = weights.most_common(1)[0][0]
    return {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}.get(most, "auto")


def make_loading_error(base: Path, what: str, error: Exception) -> ModelError:
    """What transformers says of a folder that it cannot load, as our own error."""
    reason = str(error).strip().split("\n")[0]
    hint = None
    if "trust_remote_code" in str(error):
        hint = "it brings its own code: set `trust_remote_code = true` if you have read that code"
    return ModelError(f"the {what} cannot be loaded: {reason}", where=str(base), hint=hint)
