"""Random weights under which a model is no longer near uniform: every part of it is felt.

The usual initialisation is so small that all next tokens are nearly equally likely, attention is
flat, and soft caps, sinks, biases and offsets of norms change nothing that a test could see.
"""

from typing import Any

from zoo.architecture import HIDDEN, Architecture

LOGIT_STD = 2.5
"""Of the logits over the vocabulary: 1,500 tokens then have an entropy of some 4 nats."""
_GAIN = 1.2
_EMBEDDING = 0.25
_NOISE = 0.1
_KEPT = ("A_log", "dt_bias", "dt_proj.bias")
"""Parameters of state spaces, whose own initialisation has a meaning."""
_FINAL_NORMS = (
    *("norm", "final_layernorm", "final_layer_norm", "final_norm", "embedding_norm", "ln_f"),
    "layer_norm",
)


def randomize(model: Any, architecture: Architecture, *, seed: int) -> None:
    """Draw all weights anew and set the scale of the logits."""
    import torch

    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        offset = 1.0 - float(_final_norm(model).weight.mean().round())
        # Tied weights are drawn once, as an embedding.
        for full_name, weight in model.named_parameters():
            module_name = full_name.rpartition(".")[0]
            _draw(full_name, model.get_submodule(module_name), weight, architecture)
        for name, buffer in model.named_buffers():
            if name.endswith("e_score_correction_bias"):
                buffer.normal_(std=0.05)
        _scale_logits(model, offset)


def _draw(name: str, module: Any, weight: Any, architecture: Architecture) -> None:
    import torch

    factor = dict(architecture.sharper).get(".".join(name.split(".")[-2:]), 1.0)
    if name.endswith(_KEPT):
        return
    if name.endswith("sinks"):
        weight.normal_(mean=2.0)
    elif weight.ndim < 2:
        weight.add_(_NOISE * torch.randn_like(weight)).mul_(factor)
    elif isinstance(module, torch.nn.Embedding):
        weight.normal_(std=_EMBEDDING / architecture.embedding_scale)
    else:
        weight.normal_(std=factor * _GAIN / _fan_in(module, weight) ** 0.5)


def _fan_in(module: Any, weight: Any) -> int:
    """Inputs of one output; experts in one tensor count as `HIDDEN`, whichever way they lie."""
    if type(module).__name__ == "Conv1D":
        return int(weight.shape[0])
    if weight.ndim == 3 and not type(module).__name__.startswith("Conv"):
        return HIDDEN
    return int(weight[0].numel())


def _final_norm(model: Any) -> Any:
    decoder = model.get_decoder()
    decoder = getattr(decoder, "model", decoder)
    for name in _FINAL_NORMS:
        if hasattr(decoder, name):
            return getattr(decoder, name)
    raise LookupError(f"no final norm in {type(decoder).__name__}")


def _scale_logits(model: Any, offset: float) -> None:
    """Set the final norm so that logits have the wanted spread, with and without tied weights.

    `offset` is 1 where a norm multiplies with 1 + its weight.
    """
    import torch

    size = model.config.get_text_config().vocab_size
    ids = torch.randint(8, size - 64, (1, 48))
    spread = float(model.eval()(input_ids=ids).logits.std(dim=-1).mean())
    factor = LOGIT_STD / spread
    norm = _final_norm(model)
    norm.weight.copy_((norm.weight + offset) * factor - offset)
    if getattr(norm, "bias", None) is not None:
        norm.bias.mul_(factor)
