"""Rotations that are merged into weights before they are quantized: SpinQuant's R1 and R2.

Liu et al. 2024 (arXiv 2405.16406), without learning: R1 turns the hidden states of all blocks, R2
the values of each head, by random Hadamard matrices, so that outliers are spread over all columns.
Both are multiplied into weights once (in float64), so that the files are those of any other
checkpoint and every engine runs them. The function is the same; a weight is not, and cannot be held
against the base model's weight of that name.

The mapping is llm-compressor's, the matrices are compressed-tensors'. What is ours: the seed, which
they do not hand on; no centring of embeddings, which llm-compressor's `SpinQuantModifier` does
for every model and which changes what one with RMS norms computes; no `transform_config` in the
files, since nothing is left to do at run time; and a check that the function is the same.

R3 and R4 (which turn keys and the inputs of `down_proj` at run time) are not offered.

Torch, compressed-tensors and llm-compressor are imported inside the functions.
"""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from babelbits.errors import RecipeError
from babelbits.formats.text_model import find_text_config
from babelbits.recipes.info import RecipeInfo
from babelbits.records import TensorRecord

METHOD = "spinquant"
_TYPES = ("llama", "mistral", "qwen2", "qwen3")
"""Models whose blocks are Llama's: two RMS norms, q, k, v, o, gate, up and down."""
_LARGEST = 256
"""Hadamard matrices of every multiple of 4 up to this are known (Sloane's library)."""
_TOLERANCE = {"torch.float32": 1e-4, "torch.float16": 0.05, "torch.bfloat16": 0.15}
"""Largest relative change of the logits that rounding rotated weights explains, by their dtype."""
_HINT = "use a recipe without rotation, e.g. 'w4a8' or 'w4-g'"
NOTE = (
    "weights are rotated (SpinQuant's R1 and R2, random Hadamard matrices): they cannot be held "
    "against the base model's weights of the same names, and the output layer is no longer the "
    "embedding"
)


def refuse_rotation(config: Mapping[str, Any], info: RecipeInfo) -> None:
    """Raise if a model with this `config.json` cannot be rotated.

    Raises
    ------
    RecipeError
        Says why.
    """
    if info.method != METHOD:
        return
    text = find_text_config(config)
    kind = text.get("model_type")
    if kind not in _TYPES or text is not config:
        raise RecipeError(
            f"'{info.name}' cannot be made from this model: llm-compressor's mapping is that of "
            f"Llama's blocks (RMS norms before attention and MLP, which multiply by their weight), "
            f"and is known to be right for {', '.join(_TYPES)}, not for '{kind}'",
            hint=_HINT,
        )
    for name, size in _list_sizes(text).items():
        if not has_hadamard(size):
            raise RecipeError(
                f"'{info.name}' cannot be made from this model: no Hadamard matrix of its {name} "
                f"({size}) is known",
                hint=_HINT,
            )


def _list_sizes(text: Mapping[str, Any]) -> dict[str, int]:
    """Sides of both rotations, as far as a config tells them."""
    hidden, heads = text.get("hidden_size"), text.get("num_attention_heads")
    head = text.get("head_dim")
    if head is None and isinstance(hidden, int) and isinstance(heads, int) and heads:
        head = hidden // heads
    sizes = {"hidden size": hidden, "head size": head}
    return {name: size for name, size in sizes.items() if isinstance(size, int)}


def has_hadamard(size: int) -> bool:
    """Whether compressed-tensors builds a Hadamard matrix of this side.

    It doubles a known one: of sides 1, 2 and all multiples of 4 up to 256.
    """
    while size > _LARGEST and size % 2 == 0:
        size //= 2
    return size in (1, 2) or (size % 4 == 0 and 0 < size <= _LARGEST)


def count_untied_bytes(tensors: Sequence[TensorRecord]) -> int:
    """Bytes of the output layer that a rotated model has beside its embedding; 0 if it had one."""
    if any("lm_head" in one.name for one in tensors):
        return 0
    return sum(one.bytes for one in tensors if one.name.endswith("embed_tokens.weight"))


def rotate(model: Any, *, seed: int, tokens: Sequence[int]) -> None:
    """Merge R1 and R2 into a model's weights, in place; its output layer is untied first.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        Of a type that `refuse_rotation` lets pass.
    seed : int
        Of the signs of both Hadamard matrices.
    tokens : sequence of int
        On which the logits must stay as they were.

    Raises
    ------
    RecipeError
        If the rotated model computes something else.
    """
    before = _compute_logits(model, tokens)
    _merge(model, seed=seed)
    changed = ((_compute_logits(model, tokens) - before).norm() / before.norm()).item()
    if not changed <= _TOLERANCE.get(str(model.dtype), 0.15):
        raise RecipeError(
            f"rotating changed what the model computes (its logits by {changed:.1%}): "
            f"llm-compressor has no right mapping for '{model.config.model_type}'",
            hint=_HINT,
        )


def _compute_logits(model: Any, tokens: Sequence[int]) -> Any:
    import torch

    with torch.no_grad():
        return model(torch.tensor([tokens], device=model.device)).logits.float().cpu()


def _merge(model: Any, *, seed: int) -> None:
    import torch
    from compressed_tensors.transform import TransformFactory
    from llmcompressor.modifiers.transform.spinquant import SpinQuantModifier
    from llmcompressor.utils import untie_word_embeddings

    modifier = SpinQuantModifier(rotations=["R1", "R2"], transform_type="random-hadamard")
    modifier.on_initialize(SimpleNamespace(model=model))
    untie_word_embeddings(model)
    with torch.no_grad():
        modifier._fuse_norms(model)
        for number, (name, scheme) in enumerate(modifier.transform_config.config_groups.items()):
            factory = TransformFactory.from_scheme(scheme, name=name, seed=2 * seed + number)
            factory.apply_to_model(model, use_tqdm=False)
