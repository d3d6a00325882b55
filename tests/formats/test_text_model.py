"""Which checkpoints hold a causal text model, by published configs and by transformers' tables."""

from typing import Any

import pytest

from babelbits.errors import ModelError
from babelbits.formats.text_model import (
    check_text_model,
    explain_no_text_model,
    find_auto_class,
    find_text_config,
    is_multimodal,
)
from babelbits.recipes.base_loading import find_context_length
from published_configs import (
    GEMMA3_4B_NEW,
    GEMMA3_4B_OLD,
    LLAMA,
    QWEN25_OMNI,
    QWEN25_VL_OLD,
    WITH_TEXT_MODEL,
    WITHOUT_TEXT_MODEL,
)


@pytest.mark.parametrize("name", WITH_TEXT_MODEL)
def test_published_models_with_a_text_model(name: str) -> None:
    assert explain_no_text_model(WITH_TEXT_MODEL[name]) is None


@pytest.mark.parametrize("name", WITHOUT_TEXT_MODEL)
def test_published_models_without_say_why(name: str) -> None:
    config, reason = WITHOUT_TEXT_MODEL[name]
    with pytest.raises(ModelError, match=reason) as caught:
        check_text_model(config, where="here")
    assert caught.value.where == "here"
    assert caught.value.hint


def test_a_decoder_made_of_an_encoder_says_so_in_its_config() -> None:
    config = {"architectures": ["BertLMHeadModel"], "model_type": "bert", "is_decoder": True}
    assert explain_no_text_model(config) is None


def test_the_text_models_config_is_found_in_every_nesting() -> None:
    assert find_text_config(LLAMA) is LLAMA
    assert find_text_config(GEMMA3_4B_OLD)["model_type"] == "gemma3_text"
    assert find_text_config(QWEN25_VL_OLD) is QWEN25_VL_OLD
    assert find_text_config(QWEN25_OMNI)["model_type"] == "qwen2_5_omni_text"
    assert not is_multimodal(LLAMA)
    assert is_multimodal(QWEN25_VL_OLD)


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("Gemma 3 4B, new", 131072),
        ("Gemma 3 4B, old", 131072),
        ("Qwen2.5-VL, old", 128000),
        ("Qwen3.5", 262144),
        ("InternVL3", 32768),
        ("GPT-2", 1024),
    ],
)
def test_the_context_is_the_text_models(name: str, tokens: int) -> None:
    """The numbers stand in the published files, or in the class of the config they name."""
    assert find_context_length(WITH_TEXT_MODEL[name]) == tokens


# --- transformers' own tables --------------------------------------------------------------------


def _table(name: str) -> dict[str, Any]:
    from transformers.models.auto import modeling_auto

    found = getattr(modeling_auto, f"MODEL_FOR_{name}_MAPPING_NAMES")
    return {
        kind: one
        for kind, entry in found.items()
        for one in (entry if isinstance(entry, tuple) else (entry,))
    }


_ENCODERS_WITH_A_HEAD = {
    "bert", "bert-generation", "camembert", "data2vec-text", "electra", "ernie", "megatron-bert",
    "rembert", "roberta", "roberta-prelayernorm", "roc_bert", "roformer", "xlm-roberta",
    "xlm-roberta-xl", "xmod",
}  # fmt: skip
"""Of MODEL_FOR_CAUSAL_LM: classes that warn 'add `is_decoder=True`' (their modeling files)."""
_DECODERS_OF_PAIRS = {
    "bart", "bigbird_pegasus", "blenderbot", "blenderbot-small", "marian", "mbart", "mvp",
    "pegasus", "plbart", "prophetnet", "trocr", "whisper", "musicgen", "musicgen_melody", "moshi",
}  # fmt: skip
"""Decoders that are run behind an encoder."""


def test_every_causal_class_of_transformers_is_taken() -> None:
    for kind, architecture in _table("CAUSAL_LM").items():
        config: dict[str, Any] = {"architectures": [architecture], "model_type": kind}
        if kind in _ENCODERS_WITH_A_HEAD | _DECODERS_OF_PAIRS:
            continue
        if architecture.endswith("ForConditionalGeneration"):
            config["text_config"] = {"model_type": f"{kind}_text"}
        if kind == "got_ocr2":
            config["vision_config"] = {}
        assert explain_no_text_model(config) is None, architecture


def test_no_encoder_decoder_class_of_transformers_is_taken() -> None:
    for kind, architecture in _table("SEQ_TO_SEQ_CAUSAL_LM").items():
        if architecture.endswith("ForConditionalGeneration") and kind not in _table(
            "MULTIMODAL_LM"
        ):
            assert (
                explain_no_text_model({"architectures": [architecture], "model_type": kind})
                is not None
            )


@pytest.mark.parametrize(
    "table", ["SEQUENCE_CLASSIFICATION", "TOKEN_CLASSIFICATION", "QUESTION_ANSWERING", "MASKED_LM"]
)
def test_no_class_with_another_head_is_taken(table: str) -> None:
    for kind, architecture in _table(table).items():
        if architecture.endswith(("ForConditionalGeneration", "LMHeadModel")):
            continue  # a class with several heads, which the other tests judge
        config = {"architectures": [architecture], "model_type": kind}
        assert explain_no_text_model(config) is not None, architecture


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("llama", "AutoModelForCausalLM"),
        ("gemma3", "AutoModelForCausalLM"),
        ("qwen3_5", "AutoModelForCausalLM"),
        ("mistral3", "AutoModelForImageTextToText"),
        ("aya_vision", "AutoModelForImageTextToText"),
        ("qwen2_5_vl", "AutoModelForImageTextToText"),
        ("qwen2_audio", "AutoModelForMultimodalLM"),
    ],
)
def test_the_class_that_loads_it_has_the_type_in_its_table(kind: str, name: str) -> None:
    from transformers import CONFIG_MAPPING

    assert find_auto_class(CONFIG_MAPPING[kind]()).__name__ == name


def test_a_type_that_nobody_loads() -> None:
    from transformers import CONFIG_MAPPING

    with pytest.raises(ModelError, match="no causal language model of type 'vit'"):
        find_auto_class(CONFIG_MAPPING["vit"]())


def test_gemma_3s_new_and_old_config_are_one_model() -> None:
    assert find_text_config(GEMMA3_4B_NEW).items() >= find_text_config(GEMMA3_4B_OLD).items()
