"""The process in which llama.cpp's converter runs: `python -m babelbits.llamacpp.convert_child`.

    convert_child FOLDER FALLBACK FORCED TRUST ARGUMENTS...

The converter knows byte-level tokenizers by a hash of what they make of one text, and gives up on
those it never saw. Here it takes the pre-tokenizer FALLBACK instead of giving up, or FORCED in any
case ('' where there is none); the caller compares what comes of it with the original on real text.
Code that a checkpoint brings is run only with TRUST, whatever the converter asks for.

Layers that predict several tokens ahead are left out: no text is measured with them, no importance
matrix sees them, and transformers does not save them. Settings are given the names that the
converter asks for, where transformers has renamed them.
"""

import runpy
import sys
from collections.abc import Collection
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


def refuse_code() -> None:
    """Let transformers' auto classes run no code of a checkpoint in this process."""
    import transformers

    for auto in (transformers.AutoConfig, transformers.AutoTokenizer):
        real = auto.from_pretrained

        def without(*given: Any, _real: Any = real, **named: Any) -> Any:
            return _real(*given, **{**named, "trust_remote_code": False})

        auto.from_pretrained = without


def rename(settings: dict[str, Any]) -> None:
    """Add settings under their older names, and put older values for newer ones."""
    rope = settings.get("rope_parameters") or {}
    rope = rope.get("full_attention", rope)
    settings.setdefault("rotary_pct", rope.get("partial_rotary_factor", 1.0))
    if settings.get("model_type") == "granitemoehybrid" and settings.get("layer_types"):
        settings["layer_types"] = [_LAYER_KINDS.get(k, k) for k in settings["layer_types"]]
    if settings.get("multi_query") and not settings.get("new_decoder_architecture"):
        settings["num_kv_heads"] = 1  # Falcon 7B; transformers writes the number of all heads


if __name__ == "__main__":
    end_with_parent()
    main(*sys.argv[1:])
