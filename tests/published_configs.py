"""`config.json` of published models, cut to the keys that tell what kind of model it is.

From the files on the Hugging Face hub; `old` is what transformers 4 wrote (`torch_dtype`,
`rope_theta`, text keys beside `vision_config`), `new` what transformers 5 writes.
"""

from typing import Any

JSON = dict[str, Any]

GEMMA3_4B_OLD: JSON = {
    "architectures": ["Gemma3ForConditionalGeneration"],
    "model_type": "gemma3",
    "text_config": {
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "model_type": "gemma3_text",
        "num_hidden_layers": 34,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "sliding_window": 1024,
    },
    "torch_dtype": "bfloat16",
    "vision_config": {"hidden_size": 1152, "model_type": "siglip_vision_model"},
}
GEMMA3_4B_NEW: JSON = {
    **{key: value for key, value in GEMMA3_4B_OLD.items() if key != "torch_dtype"},
    "dtype": "bfloat16",
    "text_config": {
        **GEMMA3_4B_OLD["text_config"],
        "max_position_embeddings": 131072,
        "vocab_size": 262208,
    },
}
QWEN25_VL_OLD: JSON = {
    "architectures": ["Qwen2_5_VLForConditionalGeneration"],
    "hidden_size": 3584,
    "max_position_embeddings": 128000,
    "model_type": "qwen2_5_vl",
    "num_hidden_layers": 28,
    "vision_config": {"depth": 32, "hidden_size": 1280},
    "vocab_size": 152064,
}
QWEN35: JSON = {
    "architectures": ["Qwen3_5ForConditionalGeneration"],
    "model_type": "qwen3_5",
    "text_config": {
        "model_type": "qwen3_5_text",
        "max_position_embeddings": 262144,
        "mtp_num_hidden_layers": 1,
        "num_hidden_layers": 32,
        "vocab_size": 248320,
    },
    "vision_config": {"depth": 27, "model_type": "qwen3_5"},
}
MISTRAL_SMALL_31: JSON = {
    "architectures": ["Mistral3ForConditionalGeneration"],
    "model_type": "mistral3",
    "text_config": {"max_position_embeddings": 131072, "model_type": "mistral"},
    "vision_config": {"model_type": "pixtral"},
}
PIXTRAL: JSON = {
    "architectures": ["LlavaForConditionalGeneration"],
    "model_type": "llava",
    "text_config": {"hidden_size": 5120, "model_type": "mistral", "vocab_size": 131072},
    "vision_config": {"model_type": "pixtral"},
}
INTERNVL3: JSON = {
    "architectures": ["InternVLChatModel"],
    "auto_map": {"AutoModelForCausalLM": "modeling_internvl_chat.InternVLChatModel"},
    "llm_config": {"architectures": ["Qwen2ForCausalLM"], "max_position_embeddings": 32768},
    "model_type": "internvl_chat",
    "vision_config": {"model_type": "intern_vit_6b"},
}
PHI4_MM: JSON = {
    "architectures": ["Phi4MMForCausalLM"],
    "auto_map": {"AutoModelForCausalLM": "modeling_phi4mm.Phi4MMForCausalLM"},
    "audio_processor": {"name": "cascades"},
    "max_position_embeddings": 131072,
    "model_type": "phi4mm",
}
QWEN2_AUDIO: JSON = {
    "architectures": ["Qwen2AudioForConditionalGeneration"],
    "audio_config": {"model_type": "qwen2_audio_encoder"},
    "model_type": "qwen2_audio",
    "text_config": {"model_type": "qwen2"},
}
QWEN25_OMNI: JSON = {
    "architectures": ["Qwen2_5OmniModel"],
    "model_type": "qwen2_5_omni",
    "thinker_config": {
        "architectures": ["Qwen2OmniNaViTThinkerForConditionalGeneration"],
        "text_config": {"max_position_embeddings": 32768, "model_type": "qwen2_5_omni_text"},
    },
}
LLAMA: JSON = {
    "architectures": ["LlamaForCausalLM"],
    "max_position_embeddings": 8192,
    "model_type": "llama",
}
GPT2: JSON = {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_positions": 1024}
REFORMER: JSON = {"architectures": ["ReformerModelWithLMHead"], "model_type": "reformer"}

WITH_TEXT_MODEL: dict[str, JSON] = {
    "Gemma 3 4B, old": GEMMA3_4B_OLD,
    "Gemma 3 4B, new": GEMMA3_4B_NEW,
    "Qwen2.5-VL, old": QWEN25_VL_OLD,
    "Qwen3.5": QWEN35,
    "Mistral Small 3.1": MISTRAL_SMALL_31,
    "Pixtral": PIXTRAL,
    "InternVL3": INTERNVL3,
    "Phi-4-multimodal": PHI4_MM,
    "Qwen2-Audio": QWEN2_AUDIO,
    "Llama": LLAMA,
    "GPT-2": GPT2,
    "Reformer": REFORMER,
}

WITHOUT_TEXT_MODEL: dict[str, tuple[JSON, str]] = {
    "T5": (
        {
            "architectures": ["T5ForConditionalGeneration"],
            "is_encoder_decoder": True,
            "model_type": "t5",
        },
        "encoder-decoder",
    ),
    "NLLB": (
        {
            "architectures": ["M2M100ForConditionalGeneration"],
            "is_encoder_decoder": True,
            "model_type": "m2m_100",
        },
        "encoder-decoder",
    ),
    "Whisper": (
        {
            "architectures": ["WhisperForConditionalGeneration"],
            "is_encoder_decoder": True,
            "model_type": "whisper",
        },
        "encoder-decoder",
    ),
    "BLIP-2 with T5": (
        {
            "architectures": ["Blip2ForConditionalGeneration"],
            "model_type": "blip-2",
            "text_config": {"model_type": "t5"},
            "vision_config": {},
        },
        "encoder-decoder",
    ),
    "BERT": ({"architectures": ["BertForMaskedLM"], "model_type": "bert"}, "encoder"),
    "BERT with a head": ({"architectures": ["BertLMHeadModel"], "model_type": "bert"}, "encoder"),
    "CLIP": (
        {
            "architectures": ["CLIPModel"],
            "model_type": "clip",
            "text_config": {"model_type": "clip_text_model"},
            "vision_config": {"model_type": "clip_vision_model"},
        },
        "encoder",
    ),
    "a reward model": (
        {"architectures": ["LlamaForSequenceClassification"], "model_type": "llama"},
        "classifier or reward model",
    ),
    "a multimodal reward model": (
        {**GEMMA3_4B_NEW, "architectures": ["Gemma3ForSequenceClassification"]},
        "classifier or reward model",
    ),
    "an embedding model": (
        {"architectures": ["Qwen3Model"], "model_type": "qwen3"},
        "no language-model head",
    ),
    "a multimodal embedding model": (
        {
            "architectures": ["Qwen3VLModel"],
            "model_type": "qwen3_vl",
            "text_config": {"model_type": "qwen3_vl_text"},
        },
        "no language-model head",
    ),
    "Qwen2.5-Omni": (QWEN25_OMNI, "save that part by itself"),
    "PaliGemma": (
        {
            "architectures": ["PaliGemmaForConditionalGeneration"],
            "model_type": "paligemma",
            "text_config": {"model_type": "gemma"},
        },
        "come after it",
    ),
    "nothing": ({"hidden_size": 64}, "names no architecture"),
}
