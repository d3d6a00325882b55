"""Where a shortcut is not exact it is not used; quantized checkpoints score alike on both paths."""

from collections.abc import Callable
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
    ("architecture", "options", "limit", "cached"),
    [
        ("mistral", SMALL | {"sliding_window": 40}, 40, True),
        ("gemma3_text", SMALL | {"sliding_window": 32}, 32, True),
        ("gemma2", SMALL | {"sliding_window": 64}, 64, True),
        ("bloom", {"hidden_size": 64, "n_layer": 2, "n_head": 4}, 0, True),
        ("gpt2", {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 256}, 256, True),
        pytest.param(
            "mamba",
            {"hidden_size": 64, "num_hidden_layers": 2, "state_size": 8},
            0,
            False,
            marks=pytest.mark.slow,
        ),
    ],
)
def test_both_paths_agree_whatever_the_architecture_allows(
    architecture: str, options: dict[str, Any], limit: int, cached: bool, tmp_path: Path
) -> None:
    """Windows limit sharing to sequences inside them; ALiBi and state-space models get none."""
    shared, plain = both(random_model(tmp_path, architecture, **options))
    assert shared.sharing_limit == limit
    expected = [reply.logprob for reply in plain.score(REQUESTS)]
    assert [r.logprob for r in shared.score(REQUESTS)] == pytest.approx(expected, abs=1e-4)
    assert shared._shortcuts.cached == cached
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
