"""What a variant holds of a checkpoint that is more than a text model."""

from babelbits.formats.parts import TEXT_ONLY, is_kept, is_run, list_notes
from babelbits.formats.text_model import find_auto_class
from babelbits.records import TensorRecord
from published_configs import GEMMA3_4B_NEW, QWEN35

DEEPSEEK_V3 = {
    "architectures": ["DeepseekV3ForCausalLM"],
    "model_type": "deepseek_v3",
    "num_hidden_layers": 61,
    "num_nextn_predict_layers": 1,
}


def weights(*names: str) -> list[TensorRecord]:
    """Matrices of 4 by 6."""
    return [TensorRecord(name=name, shape=(4, 6), dtype="bf16", bytes=48) for name in names]


LAYER = "model.layers.0.self_attn.q_proj.weight"
TOWER = "vision_tower.vision_model.encoder.layers.0.fc1.weight"


def test_the_layer_behind_the_last_guesses_further_tokens() -> None:
    """DeepSeek-V3's layers are numbered 0 to 60; its file holds a layer 61."""
    assert is_run("model.layers.60.mlp.experts.0.up_proj.weight", DEEPSEEK_V3)
    assert not is_run("model.layers.61.mlp.experts.0.up_proj.weight", DEEPSEEK_V3)
    assert not is_kept("model.layers.61.embed_tokens.weight", DEEPSEEK_V3, text_model_only=False)
    without = {**DEEPSEEK_V3, "num_nextn_predict_layers": 0}
    assert is_run("model.layers.61.mlp.up_proj.weight", without)


def test_who_keeps_a_tower() -> None:
    """AutoModel saves Gemma 3's, and loads Qwen3.5 without it; llama.cpp's file is text only."""
    assert is_kept(TOWER, GEMMA3_4B_NEW, text_model_only=False)
    assert not is_kept(TOWER, GEMMA3_4B_NEW, text_model_only=True)
    assert not is_kept("model.visual.blocks.0.attn.qkv.weight", QWEN35, text_model_only=False)
    assert not is_kept("mtp.fc.weight", QWEN35, text_model_only=False)
    assert is_kept(LAYER, QWEN35, text_model_only=True)


def test_types_whose_causal_class_is_the_text_model_alone() -> None:
    """By transformers' tables: multimodal types that load as another class than their own."""
    from transformers import CONFIG_MAPPING
    from transformers.models.auto import modeling_auto

    causal = modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    apart = set()
    for kind, name in {
        **modeling_auto.MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES,
        **modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
    }.items():
        if causal.get(kind, name) == name:
            continue
        if find_auto_class(CONFIG_MAPPING[kind]()).__name__ == "AutoModelForCausalLM":
            apart.add(kind)
    assert apart == set(TEXT_ONLY)


def test_what_a_variant_leaves_as_it_is() -> None:
    both = weights(LAYER, TOWER, "multi_modal_projector.mm_input_projection_weight")
    (said,) = list_notes(both, both, GEMMA3_4B_NEW)
    assert "unquantized" in said
    assert "vision_tower, multi_modal_projector (48 weights)" in said


def test_what_a_variant_leaves_out() -> None:
    before = weights(LAYER, "model.visual.blocks.0.attn.qkv.weight", "mtp.fc.weight")
    (said,) = list_notes(before, weights(LAYER), QWEN35)
    assert "the text model only" in said
    assert "visual, mtp (48 weights)" in said
    assert "left out" in said


def test_a_language_model_without_its_guessing_layer() -> None:
    before = weights(LAYER, "model.layers.61.mlp.up_proj.weight")
    (said,) = list_notes(before, weights(LAYER), DEEPSEEK_V3)
    assert "the language model only" in said
    assert "layers for further tokens (24 weights)" in said


def test_nothing_to_say_of_a_plain_language_model() -> None:
    plain = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": 2}
    assert list_notes(weights(LAYER), weights(LAYER), plain) == ()
