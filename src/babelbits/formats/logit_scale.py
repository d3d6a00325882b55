"""The factor on logits of Cohere's text models, which transformers leaves out beside images.

Cohere and Cohere 2 multiply logits by `logit_scale`. The classes of transformers that read images
besides (Aya Vision, Command A Vision) take the text model without its head, and give logits without
the factor: the order of tokens is right, and every probability is of another temperature. llama.cpp
and vLLM multiply. Here the head of a loaded model multiplies as well.

Torch is not imported.
"""

from collections.abc import Mapping
from typing import Any

_WITHOUT = ("aya_vision", "cohere2_vision")
"""Types of checkpoints whose class in transformers leaves the factor out."""


def is_left_out(config: Mapping[str, Any]) -> bool:
    """Whether `config.json` is of a type whose logits transformers does not scale."""
    return config.get("model_type") in _WITHOUT


def scale_logits(model: Any) -> None:
    """Have a loaded model multiply its logits where its class leaves that out.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        Any; one that scales by itself, or has no factor, is left as it is.
    """
    scale = getattr(model.config.get_text_config(), "logit_scale", None)
    if scale in (None, 1) or model.config.model_type not in _WITHOUT:
        return
    model.get_output_embeddings().register_forward_hook(
        lambda _head, _given, logits: logits * scale
    )
