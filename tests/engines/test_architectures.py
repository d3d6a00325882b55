"""Where a shortcut is not exact it is not used; quantized checkpoints score alike on both paths."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from babelbits.engines.base import EngineSettings
from babelbits.engines.transformers import load
from babelbits.records import GenerateRequest, ScoreRequest
from tiny_models import save_tokenizer

REQUESTS = [
    ScoreRequest(context=f"{'der schnelle Fuchs ' * 8}{i} {item}", continuation=choice)
    for i, item in enumerate(["狐狸跳", "der Hund", "лиса " * 6])
    for choice in (" A", " B", " lazy dog")
]
PROMPTS = [GenerateRequest(prompt=r.context, max_new_tokens=12) for r in REQUESTS[::3]]


def random_model(folder: Path, architecture: str, **options: Any) -> Path:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = save_tokenizer(folder)
    config = AutoConfig.for_model(
        architecture,
        vocab_size=512,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **options,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        for weight in model.parameters():
            if weight.ndim == 2:
                torch.nn.init.normal_(weight, std=0.15)
    model.save_pretrained(folder)
    return folder


def both(folder: Path, **settings: Any) -> tuple[Any, Any]:
    return tuple(
        load(folder, settings=EngineSettings(device="cpu", sharing=sharing, **settings))
        for sharing in (True, False)
    )


def transformers_text(loaded: Any, request: GenerateRequest) -> str:
    """What transformers itself generates greedily for one prompt."""
    ids = loaded.tokenizer(request.prompt, return_tensors="pt")["input_ids"]
    made = loaded.model.generate(ids, do_sample=False, max_new_tokens=request.max_new_tokens)
    return loaded.tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)


SMALL = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 256,
}


@pytest.mark.parametrize(
    ("architecture", "options", "limit", "cache"),
    [
        ("mistral", SMALL | {"sliding_window": 40}, 40, "padded"),
        ("gemma3_text", SMALL | {"sliding_window": 32}, 32, "padded"),
        ("gemma2", SMALL | {"sliding_window": 64}, 64, "padded"),
        ("bloom", {"hidden_size": 64, "n_layer": 2, "n_head": 4}, 0, "padded"),
        ("gpt2", {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 256}, 256, "padded"),
        pytest.param(
            "mamba",
            {"hidden_size": 64, "num_hidden_layers": 2, "state_size": 8},
            0,
            "even",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_both_paths_agree_whatever_the_architecture_allows(
    architecture: str, options: dict[str, Any], limit: int, cache: str, tmp_path: Path
) -> None:
    """Windows limit sharing to sequences inside them; ALiBi and state-space models get none."""
    shared, plain = both(random_model(tmp_path, architecture, **options))
    assert shared.sharing_limit == limit
    expected = [reply.logprob for reply in plain.score(REQUESTS)]
    assert [r.logprob for r in shared.score(REQUESTS)] == pytest.approx(expected, abs=1e-4)
    assert shared._shortcuts.cache == cache
    texts = [reply.texts[0] for reply in shared.generate(PROMPTS)]
    assert texts == [reply.texts[0] for reply in plain.generate(PROMPTS)]
    assert texts == [transformers_text(plain.loaded, prompt) for prompt in PROMPTS]


@pytest.mark.slow
def test_w8a8_scores_alike_on_both_paths(tiny_model: Callable[[str], Path], tmp_path: Path) -> None:
    """Activations are quantized per token, so neighbours do not matter.

    A last bit can tip a rounding, one step of 1/127.5 of one activation: hence the tolerance.
    """
    from llmcompressor import oneshot
    from llmcompressor.modifiers.quantization import QuantizationModifier
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tiny_model("llama")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
    oneshot(
        model=model,
        recipe=[QuantizationModifier(targets="Linear", scheme="W8A8", ignore=["lm_head"])],
    )
    model.save_pretrained(tmp_path, save_compressed=True)
    AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path)
    shared, plain = both(tmp_path)
    assert shared.sharing_limit == shared.context_length
    expected = [reply.logprob for reply in plain.score(REQUESTS)]
    assert [r.logprob for r in shared.score(REQUESTS)] == pytest.approx(expected, abs=0.02)
    unquantized = load(folder, settings=EngineSettings(device="cpu")).score(REQUESTS)
    assert [r.logprob for r in unquantized] != pytest.approx(expected, abs=1e-3)


@pytest.mark.slow
def test_nf4_checkpoint_loads_and_scores(tiny_model: Callable[[str], Path], tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    folder = tiny_model("llama")
    config = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32
    )
    AutoModelForCausalLM.from_pretrained(
        folder, quantization_config=config, device_map="cpu", dtype=torch.float32
    ).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path)
    shared, plain = both(tmp_path)
    expected = [reply.logprob for reply in plain.score(REQUESTS)]
    assert [r.logprob for r in shared.score(REQUESTS)] == pytest.approx(expected, abs=0.05)


def test_bfloat16_stays_near_float32(tiny_model: Callable[[str], Path]) -> None:
    """8 bits of mantissa: log-probabilities of a few nats agree to some hundredths."""
    folder = tiny_model("llama")
    full = load(folder, settings=EngineSettings(device="cpu", dtype="float32")).score(REQUESTS)
    half = load(folder, settings=EngineSettings(device="cpu", dtype="bfloat16"))
    assert half.identity.dtype == "bfloat16"
    assert half.sharing_limit == half.context_length
    per_token = [
        abs(h.logprob - f.logprob) / f.continuation_tokens
        for h, f in zip(half.score(REQUESTS), full, strict=True)
    ]
    assert max(per_token) < 0.5


# --- against one forward pass a sequence, attention written out -----------------------------------


def direct(folder: Path) -> Any:
    """The checkpoint as transformers loads it, with eager attention."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        folder, dtype="float32", attn_implementation="eager"
    ).eval()


def direct_scores(model: Any, tokenizer: Any, requests: list[ScoreRequest]) -> list[float]:
    import torch

    found = []
    for request in requests:  # no context ends in a space
        before = tokenizer(request.context)["input_ids"]
        whole = tokenizer(request.context + request.continuation)["input_ids"]
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([whole[:-1]]), use_cache=False).logits[0]
        rows = torch.log_softmax(logits, dim=-1)[len(before) - 1 :]
        found.append(sum(float(r[t]) for r, t in zip(rows, whole[len(before) :], strict=True)))
    return found


def direct_text(model: Any, tokenizer: Any, request: GenerateRequest) -> str:
    """Greedy text from a whole forward pass for every token."""
    import torch

    ids = tokenizer(request.prompt)["input_ids"]
    start = len(ids)
    while len(ids) < start + request.max_new_tokens:
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits
        ids.append(int(logits[0, -1].argmax()))
        if ids[-1] == tokenizer.eos_token_id:
            break
    text: str = tokenizer.decode(ids[start:], skip_special_tokens=True)
    return text


def assert_direct(folder: Path) -> tuple[Any, Any]:
    """Scores within 1e-4 nats and equal greedy texts, on both paths."""
    model = direct(folder)
    engines = both(folder)
    tokenizer = engines[0].loaded.tokenizer
    asked = [replace(r, context=r.context.rstrip()) for r in REQUESTS]
    scores = direct_scores(model, tokenizer, asked)
    lengths = (3, 9, 30)  # rows end at different times
    prompts = [
        GenerateRequest(prompt=r.prompt, max_new_tokens=n)
        for r, n in zip(PROMPTS, lengths, strict=True)
    ]
    texts = [direct_text(model, tokenizer, prompt) for prompt in prompts]
    for engine in engines:
        assert [r.logprob for r in engine.score(asked)] == pytest.approx(scores, abs=1e-4)
        assert [r.texts[0] for r in engine.generate(prompts)] == texts
    return engines


def test_soft_caps_that_sdpa_ignores_are_computed(tmp_path: Path) -> None:
    """Gemma 2: `softcap` is handed to attention, and PyTorch's has no such argument."""
    options = SMALL | {"sliding_window": 128, "query_pre_attn_scalar": 1}
    shared, _plain = assert_direct(random_model(tmp_path, "gemma2", **options))
    assert shared.loaded.model.config._attn_implementation == "eager"
    assert "would ignore attn_logit_softcapping, softcap" in shared.notes[0]


def test_alibi_that_sdpa_drops_is_computed(tmp_path: Path) -> None:
    """Falcon's ALiBi is missing from transformers 5.17's SDPA branch; nothing announces it."""
    options = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    folder = random_model(tmp_path, "falcon", **options, alibi=True, multi_query=False)
    shared, _plain = assert_direct(folder)
    assert "would ignore alibi" in shared.notes[0]


def test_sinks_stay_in_decoding_behind_a_shared_prompt(tmp_path: Path) -> None:
    """gpt-oss: `s_aux` is handed to attention; our own attention to a shared trunk knows none."""
    import torch
    from safetensors.torch import load_file, save_file

    options = SMALL | {"num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 200}
    rope = {"rope_type": "default", "rope_theta": 10000.0}
    folder = random_model(tmp_path, "gpt_oss", **options, rope_parameters=rope)
    weights = load_file(folder / "model.safetensors")
    sinks = [name for name in weights if name.endswith("sinks")]
    weights.update({name: torch.full_like(weights[name], 2.0) for name in sinks})
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert sinks
    shared, _plain = assert_direct(folder)
    assert shared._shortcuts.decoding_limit == shared.sharing_limit == 200
    assert not shared._shortcuts.cascade


MLA = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "moe_intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "q_lora_rank": 32,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 8,
    "v_head_dim": 12,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
    "first_k_dense_replace": 1,
    "max_position_embeddings": 256,
}


def test_a_cache_whose_two_parts_are_of_other_widths_is_shared(tmp_path: Path) -> None:
    """Multi-head latent attention, as in DeepSeek-V3: a latent of 16 and a rotary key of 8."""
    shared, _plain = assert_direct(random_model(tmp_path, "deepseek_v3", **MLA))
    assert shared._shortcuts.decoding_limit == shared.context_length
    assert not shared._shortcuts.cascade  # the trunk holds latents, not keys


def test_rows_on_both_sides_of_longer_rotary_frequencies(tmp_path: Path) -> None:
    """Phi-3's longrope: one long row changes the frequencies of a whole batch, and of old keys.

    Prompts end before, at and behind the change, and grow over it.
    """
    factors = {"short_factor": [1.0] * 8, "long_factor": [2.0 + i for i in range(8)]}
    rope = {
        "rope_type": "longrope",
        "rope_theta": 10000.0,
        "original_max_position_embeddings": 60,
        **factors,
    }
    options = SMALL | {"sliding_window": None, "original_max_position_embeddings": 60}
    folder = random_model(tmp_path, "phi3", **options, rope_parameters=rope)
    shared, _plain = assert_direct(folder)
    lengths = [shared.count_tokens(request.prompt) for request in PROMPTS]
    assert min(lengths) < 60 < max(lengths)


HYBRID = SMALL | {
    "num_hidden_layers": 2,
    "layer_types": ["linear_attention", "full_attention"],
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
}


def test_states_of_a_hybrid_follow_the_rows_that_are_left(tmp_path: Path) -> None:
    """Qwen3.5: a layer with a state instead of keys and values; it says why nothing is shared."""
    shared, _plain = assert_direct(random_model(tmp_path, "qwen3_5_text", **HYBRID))
    assert shared._shortcuts.cache == "padded"
    assert shared.sharing_limit == 0
    assert [note for note in shared.notes if "prompts are not shared" in note and "state" in note]


def test_a_path_that_breaks_in_its_trial_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache whose rows cannot be chosen: generation goes on, by whole forward passes."""
    from transformers.cache_utils import DynamicLayer

    def refuse(*_args: Any) -> None:
        raise AttributeError("no such method")

    folder = random_model(tmp_path, "llama", **SMALL)
    monkeypatch.setattr(DynamicLayer, "reorder_cache", refuse)
    shared, plain = assert_direct(folder)
    assert shared._shortcuts.cascade  # its rows are our own
    assert plain._shortcuts.cache == "none"
    assert [note for note in plain.notes if "whole text again" in note]


def test_attention_that_counts_columns_sees_no_padding(tmp_path: Path) -> None:
    """Llama 4 scales queries by their column in the batch, here in steps of 16 tokens."""
    options = SMALL | {
        "intermediate_size_mlp": 128,
        "num_local_experts": 4,
        "num_experts_per_tok": 1,
        "attention_chunk_size": 64,
        "no_rope_layers": [1, 0],
        "layer_types": ["chunked_attention", "full_attention"],
        "floor_scale": 16,
        "attn_scale": 0.5,
    }
    shared, _plain = assert_direct(random_model(tmp_path, "llama4_text", **options))
    assert shared.sharing_limit == 0
