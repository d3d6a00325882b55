"""The process in which llama.cpp's converter runs: `python -m babelbits.llamacpp.convert_child`.

    convert_child FOLDER FALLBACK FORCED TRUST ARGUMENTS...

The converter knows byte-level tokenizers by a hash of what they make of one text, and gives up on
those it never saw. Here it takes the pre-tokenizer FALLBACK instead of giving up, or FORCED in any
case ('' where there is none); the caller compares what comes of it with the original on real text.
Code that a checkpoint brings is run only with TRUST, whatever the converter asks for.

Layers that predict several tokens ahead are left out: no text is measured with them, no importance
matrix sees them, and transformers does not save them. Settings are given the names that the
converter asks for, where transformers has renamed them, and said where it or llama.cpp guesses
them: the router of GLM-4.7-Flash, which llama.cpp knows by the published sizes. Bamba turns one
half of each head by position, and the converter orders rows as if all were turned. Gemma 3n's last
layers use the keys and values of others; llama.cpp asks for their own all the same, which
transformers no longer saves.
"""

import runpy
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from babelbits.children import end_with_parent

_LAYER_KINDS = {"full_attention": "attention", "linear_attention": "mamba"}
"""What transformers 5 calls the layers of Granite 4, and what the converter looks for."""


def main(folder: str, fallback: str, forced: str, trust: str, *arguments: str) -> None:
    """Run the converter of `folder` with the command line `arguments`."""
    script = Path(folder) / "convert_hf_to_gguf.py"
    sys.path[:0] = [folder, str(Path(folder) / "gguf-py")]
    from conversion import TEXT_MODEL_MAP  # type: ignore[import-not-found]  # just above
    from conversion.base import ModelBase, TextModel  # type: ignore[import-not-found]  # just above

    recognised, read = TextModel.get_vocab_base_pre, ModelBase.load_hparams

    def pre_tokenizer(model: Any, tokenizer: Any) -> str:
        if forced:
            return forced
        try:
            return str(recognised(model, tokenizer))
        except NotImplementedError:
            if not fallback:
                raise
            return fallback

    def load_hparams(*given: Any, **named: Any) -> dict[str, Any]:
        found: dict[str, Any] = read(*given, **named)
        for part in (found, found.get("text_config")):
            if isinstance(part, dict):
                rename(part)
        name_text_model(found, known=TEXT_MODEL_MAP)
        if found.get("model_type") == "bamba":
            order_turned_rows(found["attn_rotary_emb"])
        if "gemma3n" in str(found.get("model_type")):
            fill_shared_layers()
        return found

    TextModel.get_vocab_base_pre = pre_tokenizer
    ModelBase.load_hparams = staticmethod(load_hparams)
    ModelBase.no_mtp = True
    if not trust:
        refuse_code()
    sys.argv = [str(script), *arguments]
    runpy.run_path(str(script), run_name="__main__")


def name_text_model(config: dict[str, Any], *, known: Collection[str]) -> None:
    """Say which causal model a multimodal checkpoint holds, where the converter knows only that."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    text, own = config.get("text_config"), config.get("architectures") or [None]
    if not isinstance(text, dict) or text.get("architectures") or own[0] in known:
        return
    name = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(text.get("model_type", ""))
    if name in known:
        text["architectures"] = [name]


def order_turned_rows(turned: int) -> None:
    """Have the converter pair the rows of queries and keys among the `turned` first of a head."""
    from conversion.llama import LlamaModel  # type: ignore[import-not-found]  # of the folder

    def permute(weights: Any, n_head: int, n_head_kv: int | None) -> Any:
        return pair_rows(weights, heads=n_head_kv or n_head, turned=turned)

    LlamaModel.permute = staticmethod(permute)


def fill_shared_layers() -> None:
    """Have the converter write zeros for the keys and values that no layer of Gemma 3n reads."""
    from conversion.gemma import Gemma3NModel  # type: ignore[import-not-found]  # of the folder

    if "generate_extra_tensors" in vars(Gemma3NModel):  # settings are read more than once
        return
    extra = Gemma3NModel.generate_extra_tensors

    def generate_extra_tensors(model: Any) -> Iterator[tuple[str, Any]]:
        yield from extra(model)
        yield from add_absent(model.model_tensors, model.hparams["num_hidden_layers"])

    Gemma3NModel.generate_extra_tensors = generate_extra_tensors


def add_absent(stored: Mapping[str, Callable[[], Any]], layers: int) -> Iterator[tuple[str, Any]]:
    """Zeros in the shape of the first layer's keys and values, for the layers that have none."""
    import torch

    for part in ("k_proj", "k_norm", "v_proj"):
        ending = f"layers.0.self_attn.{part}.weight"
        first = next((name for name in stored if name.endswith(ending)), None)
        if first is None:
            continue
        zeros = torch.zeros(tuple(stored[first]().shape))
        names = [first.replace("layers.0.", f"layers.{layer}.") for layer in range(layers)]
        yield from ((name, zeros) for name in names if name not in stored)


def pair_rows(weights: Any, *, heads: int, turned: int) -> Any:
    """Rows i and i + turned / 2 of each head side by side, and the rest of the head after them.

    Parameters
    ----------
    weights : torch.Tensor
        Of queries or keys, (heads * width, ...), as transformers has them.
    heads : int
        Their number.
    turned : int
        Rows of a head that its position turns; the whole width gives the converter's own order.
    """
    import torch

    rows = weights.reshape(heads, weights.shape[0] // heads, *weights.shape[1:])
    first = rows[:, :turned]
    pairs = first.reshape(heads, 2, turned // 2, *weights.shape[1:]).swapaxes(1, 2)
    whole = torch.cat((pairs.reshape(first.shape), rows[:, turned:]), dim=1)
    return whole.reshape(weights.shape)


def refuse_code() -> None:
    """Let transformers' auto classes run no code of a checkpoint in this process."""
    import transformers

    for auto in (transformers.AutoConfig, transformers.AutoTokenizer):
        real = auto.from_pretrained

        def without(*given: Any, _real: Any = real, **named: Any) -> Any:
            return _real(*given, **{**named, "trust_remote_code": False})

        auto.from_pretrained = without


def rename(settings: dict[str, Any]) -> None:
    """Add settings under their older names, put older values for newer ones, and say defaults."""
    rope = settings.get("rope_parameters") or {}
    rope = rope.get("full_attention", rope)
    settings.setdefault("rotary_pct", rope.get("partial_rotary_factor", 1.0))
    if settings.get("model_type") == "granitemoehybrid" and settings.get("layer_types"):
        settings["layer_types"] = [_LAYER_KINDS.get(k, k) for k in settings["layer_types"]]
    if settings.get("multi_query") and not settings.get("new_decoder_architecture"):
        settings["num_kv_heads"] = 1  # Falcon 7B; transformers writes the number of all heads
    if settings.get("model_type") == "glm4_moe_lite":
        settings.setdefault("scoring_func", "sigmoid")
    if settings.get("model_type") == "bamba":  # transformers reads no other
        settings["attn_rotary_emb"] = (
            settings["hidden_size"] // settings["num_attention_heads"] // 2
        )


if __name__ == "__main__":
    end_with_parent()
    main(*sys.argv[1:])
