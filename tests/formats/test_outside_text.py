"""The parts that are no text: names in published files, and modules as transformers builds them."""

from typing import Any

import pytest

from babelbits.formats.outside_text import IGNORE, is_outside_text

OUTSIDE = (
    # google/gemma-3-4b-it, in the file and loaded
    "vision_tower.vision_model.encoder.layers.0.self_attn.k_proj.weight",
    "model.vision_tower.vision_model.encoder.layers.0.self_attn.k_proj",
    "multi_modal_projector.mm_input_projection_weight",
    # google/gemma-3n-E4B-it
    "model.audio_tower.conformer.0.attention.attn.k_proj.weight",
    "model.embed_vision.embedding_projection.weight",
    # Qwen/Qwen2.5-VL-7B-Instruct, and Qwen3.5
    "visual.blocks.0.attn.qkv.weight",
    "visual.merger.mlp.0.weight",
    "model.visual.blocks.0.mlp.linear_fc1.weight",
    "mtp.layers.0.self_attn.q_proj.weight",
    # OpenGVLab/InternVL3-8B
    "vision_model.encoder.layers.0.attn.qkv.weight",
    "mlp1.1.weight",
    # HuggingFaceM4/idefics2-8b
    "model.connector.perceiver_resampler.layers.0.mlp.down_proj.weight",
    # microsoft/Phi-4-multimodal-instruct
    "model.embed_tokens_extend.audio_embed.encoder.encoders.0.feed_forward_in.net.0.weight",
    # meta-llama/Llama-4-Scout-17B-16E
    "vision_model.patch_embedding.linear.weight",
    # Qwen/Qwen2-Audio-7B
    "audio_tower.layers.0.fc1.weight",
    # ibm-granite/granite-speech-3.3-2b
    "encoder.layers.0.attn.to_q.weight",
    # deepseek-ai/DeepSeek-V3, the layer that guesses a further token
    "model.layers.61.eh_proj.weight",
)
INSIDE = (
    "lm_head",
    "model.layers.0.self_attn.q_proj.weight",
    "language_model.model.layers.0.mlp.down_proj.weight",
    "model.language_model.layers.0.linear_attn.in_proj_qkv.weight",
    "model.layers.0.mlp.experts.3.gate_proj",
    "model.layers.0.mlp.gate.weight",
    "model.layers.0.per_layer_projection.weight",
    "model.per_layer_model_projection.weight",
    "transformer.h.0.mlp.c_fc.weight",
    "transformer.word_embeddings.weight",
    "transformer.encoder.layers.0.self_attention.dense.weight",  # THUDM/chatglm3-6b
    "gpt_neox.layers.0.attention.query_key_value.weight",
    "backbone.layers.0.mixer.in_proj.weight",
    "model.layers.0.mamba.dt_proj.weight",
)


@pytest.mark.parametrize("name", OUTSIDE)
def test_parts_that_read_no_text(name: str) -> None:
    assert is_outside_text(name)


@pytest.mark.parametrize("name", INSIDE)
def test_parts_of_the_text_model(name: str) -> None:
    assert not is_outside_text(name)


@pytest.mark.parametrize(("names", "outside"), [(OUTSIDE, True), (INSIDE, False)])
def test_compressed_tensors_reads_the_list_alike(names: tuple[str, ...], *, outside: bool) -> None:
    """By its own matching."""
    match_name = pytest.importorskip("compressed_tensors.utils.match").match_name

    for name in names:
        assert any(match_name(name, pattern) for pattern in IGNORE) == outside


FEW = (
    "gemma3",
    "mistral3",
    "aya_vision",
    "qwen3_5",
    "llama4",
    "idefics2",
    "internvl",
    "qwen2_audio",
)
_BROKEN_DEFAULTS = (ValueError, AttributeError, KeyError, TypeError, ImportError, AssertionError)
"""Some default configs describe no model that can be built, or need a library for images."""


def _types() -> list[Any]:
    from transformers.models.auto import modeling_auto

    names = {
        **modeling_auto.MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES,
        **modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
    }
    return [
        pytest.param(kind, name, marks=() if kind in FEW else pytest.mark.slow)
        for kind, name in names.items()
        if kind not in _NO_TEXT_MODEL
    ]


_NO_TEXT_MODEL = {
    "florence2", "pi0", "pix2struct", "pp_formulanet", "t5gemma2", "udop",
    "vision-encoder-decoder", "qwen2_5_omni",
}  # fmt: skip
"""Encoder-decoders, robots, and one whose text model stands beside a second one."""


@pytest.mark.parametrize(("kind", "name"), _types())
def test_all_of_a_model_but_its_decoder_and_head_is_outside(kind: str, name: str) -> None:
    """The decoder is what transformers' `get_decoder` gives, of a model without weights."""
    import torch
    import transformers

    kinds = (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d)
    try:
        model = _empty(getattr(transformers, name))
    except _BROKEN_DEFAULTS as error:
        if kind in ("gemma3", "mistral3", "qwen3_5", "llama4"):
            raise
        pytest.skip(f"the default config of {kind} builds no model: {error}")
    decoder = {id(module) for module in model.get_decoder().modules()}
    head = model.get_output_embeddings()
    for path, module in model.named_modules():
        if isinstance(module, kinds) and module is not head:
            apart = is_outside_text(path)
            assert apart or id(module) in decoder, path
            if kind not in _TOWER_INSIDE:
                assert not (apart and id(module) in decoder), path


_TOWER_INSIDE = ("git", "idefics", "phi4_multimodal")
"""Whose `get_decoder` gives a module that holds the tower as well."""


def _empty(kind: Any) -> Any:
    import torch

    config = kind.config_class()
    for part in ("text_config", "vision_config", "audio_config"):
        inner = getattr(config, part, None)
        for key in ("num_hidden_layers", "depth"):
            if isinstance(getattr(inner, key, None), int) and not hasattr(inner, "layer_types"):
                setattr(inner, key, 2)
    with torch.device("meta"):
        return kind(config)


@pytest.mark.parametrize(
    "name",
    ["GPT2LMHeadModel", "BloomForCausalLM", "FalconForCausalLM", "GPTNeoXForCausalLM",
     "MambaForCausalLM", "XGLMForCausalLM", "BltForCausalLM", "OPTForCausalLM"],
)  # fmt: skip
def test_no_weight_of_a_plain_language_model_is_outside(name: str) -> None:
    """Those of transformers with other names than Llama's."""
    import torch
    import transformers

    kind = getattr(transformers, name)
    with torch.device("meta"):
        names = [path for path, _ in kind(kind.config_class()).named_parameters()]
    assert [path for path in names if is_outside_text(path)] == []
