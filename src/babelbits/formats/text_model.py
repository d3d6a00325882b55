"""Whether a checkpoint holds a causal text model, which config is its own, and what loads it.

A plan decides from `config.json` alone, without torch or transformers; who loads the model asks
transformers' own tables besides (`find_auto_class`). A multimodal checkpoint counts as its text
model: what reads images or sound is never run here.
"""

from collections.abc import Mapping
from typing import Any

from babelbits.errors import ModelError

_CAUSAL = ("ForCausalLM", "LMHeadModel", "ModelWithLMHead")
_TEXT_CONFIGS = (
    "text_config",
    "llm_config",
    "language_config",
    "language_model_config",
    "thinker_config",
)
"""Where multimodal configs keep their language model's; they nest."""
_OTHER_SENSES = ("vision_config", "audio_config", "visual", "img_processor", "audio_processor")
"""Keys of multimodal configs whose language model is described beside them, as in Qwen2-VL."""
_ENCODER_DECODERS = (
    "bart", "bigbird_pegasus", "blenderbot", "blenderbot-small", "fsmt", "florence2_language",
    "led", "longt5", "m2m_100", "marian", "mbart", "mt5", "mvp", "nllb-moe", "pegasus", "pegasus_x",
    "plbart", "prophetnet", "seamless_m4t", "switch_transformers", "t5", "t5gemma", "t5gemma2",
    "udop", "umt5", "whisper", "xlm-prophetnet",
)  # fmt: skip
_ENCODERS = (
    "albert", "bert", "camembert", "clip", "clip_text_model", "deberta", "deberta-v2",
    "distilbert", "electra", "ernie", "eurobert", "modernbert", "mpnet", "nomic_bert", "rembert",
    "roberta", "siglip", "siglip2", "siglip2_text_model", "siglip_text_model", "xlm-roberta",
    "xlm-roberta-xl", "xmod",
)  # fmt: skip
_WHOLE_PROMPT = ("paligemma", "colpali", "diffusion_gemma")
"""Types whose tokens see later ones of the prompt."""
_OTHER_HEADS = {
    "MaskedLM": "it fills in masked words",
    "SequenceClassification": "it is a classifier or reward model, with no head for tokens",
    "RewardModel": "it is a reward model, with no head for tokens",
    "TokenClassification": "it labels words",
    "QuestionAnswering": "it marks answers in a text",
    "MultipleChoice": "it chooses among answers",
    "PreTraining": "its heads are those of an encoder's training",
    "ForRetrieval": "it embeds texts for search",
}
"""What a class of transformers does instead, by the end of its name."""


def find_text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of `config.json` that describes the language model; the whole where it is one."""
    for key in _TEXT_CONFIGS:
        inner = config.get(key)
        if isinstance(inner, Mapping):
            return find_text_config(inner)
    return config


def is_multimodal(config: Mapping[str, Any]) -> bool:
    """Whether the checkpoint reads images or sound besides text."""
    nested = find_text_config(config) is not config
    return nested or any(isinstance(config.get(key), Mapping) for key in _OTHER_SENSES)


def check_text_model(config: Mapping[str, Any], *, where: str) -> None:
    """Raise unless `config.json` describes a causal language model, alone or among others.

    Raises
    ------
    ModelError
        Names the architecture, and what it is instead.
    """
    reason = explain_no_text_model(config)
    if reason is None:
        return
    if not _architectures(config) and "model_type" not in config:
        raise ModelError(
            reason, where=where, hint="name a folder with a whole Hugging Face checkpoint"
        )
    architecture = ", ".join(_architectures(config)) or str(config.get("model_type"))
    raise ModelError(
        f"{architecture} is no causal language model: {reason}",
        where=where,
        hint="Babelbits measures decoder-only models (…ForCausalLM), and those inside multimodal "
        "ones",
    )


def explain_no_text_model(config: Mapping[str, Any]) -> str | None:
    """Why there is no causal text model; None where there is one.

    Parameters
    ----------
    config : mapping
        `config.json`, as the file has it or as transformers' `to_dict` writes it.
    """
    architectures = _architectures(config)
    if not architectures and "model_type" not in config:
        return "config.json names no architecture"
    text = find_text_config(config)
    kind = str(text.get("model_type"))
    if config.get("is_encoder_decoder") or text.get("is_encoder_decoder"):
        return "it is an encoder-decoder model"
    if kind in _ENCODER_DECODERS:
        return "it is an encoder-decoder model"
    if kind in _ENCODERS and not text.get("is_decoder"):
        return "its text model is an encoder, which sees the whole text at once"
    if "thinker_config" in config:
        return (
            "its text model is a part of one that speaks: save that part by itself, e.g. "
            "Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(folder).save_pretrained(...)"
        )
    if config.get("model_type") in _WHOLE_PROMPT:
        return "a token sees those that come after it in the prompt"
    if not architectures:
        return None
    reasons = [_why_not_class(name, config) for name in architectures]
    return None if None in reasons else reasons[0]


def _why_not_class(architecture: str, config: Mapping[str, Any]) -> str | None:
    if architecture.endswith(_CAUSAL):
        return None
    for ending, what in _OTHER_HEADS.items():
        if architecture.endswith(ending):
            return what
    bare = architecture.endswith("Model") and not architecture.endswith("ChatModel")
    if bare and "AutoModelForCausalLM" not in (config.get("auto_map") or {}):
        return "the checkpoint has no language-model head"
    return None if is_multimodal(config) else "it has no decoder-only text model"


def _architectures(config: Mapping[str, Any]) -> list[str]:
    names = config.get("architectures")
    return [str(name) for name in names] if isinstance(names, list) else []


# --- with transformers ---------------------------------------------------------------------------


def find_auto_class(config: Any) -> Any:
    """The class of transformers whose `from_pretrained` loads the checkpoint's text model.

    Returns
    -------
    type
        `AutoModelForCausalLM` where transformers has such a model of this type, or the checkpoint
        brings one; else the class for models that read images (`AutoModelForImageTextToText`), or
        sound (`AutoModelForMultimodalLM`), besides text.

    Raises
    ------
    ModelError
        If transformers has none of them.
    """
    import transformers
    from transformers.models.auto import modeling_auto

    tables = {
        "AutoModelForCausalLM": modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        "AutoModelForImageTextToText": modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
        "AutoModelForMultimodalLM": modeling_auto.MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES,
    }
    brought = getattr(config, "auto_map", None) or {}
    for name, table in tables.items():
        if config.model_type in table and not _cannot_return(config, name, tables):
            return getattr(transformers, name)
    for name in tables:
        if name in brought:
            return getattr(transformers, name)
    raise ModelError(
        f"transformers {transformers.__version__} has no causal language model of type "
        f"'{config.model_type}'",
        hint="Babelbits measures decoder-only models (…ForCausalLM), and those inside multimodal "
        "ones",
    )


def _cannot_return(config: Any, name: str, tables: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a class would save a text model of a type that no class here loads again.

    So it is with Llama 3.2 Vision: the causal class saves 'mllama_text_model'.
    """
    if name != "AutoModelForCausalLM":
        return False
    kind, inner = config.model_type, config.get_text_config().model_type
    others = [table[kind] for table in tables.values() if kind in table]
    return inner not in (kind, *tables[name]) and any(one != others[0] for one in others)
