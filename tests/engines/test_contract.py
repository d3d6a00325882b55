"""What the engine relies on in any model, against plain forward passes of transformers."""

from pathlib import Path
from typing import Any

import pytest
import torch

from babelbits.engines.base import EngineSettings
from babelbits.engines.transformers import load
from babelbits.errors import ModelError
from babelbits.records import ScoreRequest
from tiny_models import make_tiny, save_tokenizer

TEXT = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 512, "max_position_embeddings": 256,
}  # fmt: skip
CONTEXT, CONTINUATION = "The quick brown fox jumps", " over the lazy dog"


def save(kind: Any, config: Any, folder: Path) -> Any:
    """A random model with its tokenizer; weights so large that logits differ."""
    tokenizer = save_tokenizer(folder, vocab_size=480)
    torch.manual_seed(0)
    model = kind(config).float().eval()
    for weight in model.parameters():
        if weight.ndim == 2:
            torch.nn.init.normal_(weight, std=0.15)
    model.save_pretrained(folder)
    return tokenizer


def test_a_class_that_ignores_logits_to_keep(tmp_path: Path) -> None:
    """Qwen2-Audio gives the logits of all positions, whatever is asked (transformers 5.17)."""
    from transformers import Qwen2AudioConfig, Qwen2AudioForConditionalGeneration

    audio = {"d_model": 64, "encoder_layers": 1, "encoder_attention_heads": 4}
    config = Qwen2AudioConfig(
        text_config={"model_type": "qwen2", **TEXT},
        audio_config={"model_type": "qwen2_audio_encoder", "encoder_ffn_dim": 64, **audio},
        audio_token_index=500,
    )
    tokenizer = save(Qwen2AudioForConditionalGeneration, config, tmp_path)
    model = Qwen2AudioForConditionalGeneration.from_pretrained(tmp_path, dtype=torch.float32)
    before = tokenizer(CONTEXT)["input_ids"]
    whole = tokenizer(CONTEXT + CONTINUATION)["input_ids"]
    with torch.no_grad():
        log_p = model.eval()(input_ids=torch.tensor([whole])).logits[0].log_softmax(-1)
    expected = sum(log_p[i - 1, whole[i]].item() for i in range(len(before), len(whole)))
    request = ScoreRequest(context=CONTEXT, continuation=CONTINUATION)
    for sharing in (True, False):
        engine = load(tmp_path, settings=EngineSettings(device="cpu", sharing=sharing))
        assert engine.score([request])[0].logprob == pytest.approx(expected, abs=1e-4)


def test_a_model_that_looks_ahead(tmp_path: Path) -> None:
    """A BERT that its config calls a decoder's kin but no decoder: it reads both ways."""
    from transformers import BertConfig, BertLMHeadModel

    sizes = {key: value for key, value in TEXT.items() if key not in _NOT_OF_BERT}
    config = BertConfig(**sizes, is_decoder=False)
    save(BertLMHeadModel, config, tmp_path)
    from babelbits.engines.hf.loading import refuse_look_ahead

    model = BertLMHeadModel.from_pretrained(tmp_path, dtype=torch.float32).eval()
    with pytest.raises(ModelError, match="depends on later ones"):
        refuse_look_ahead(model, where="here")


_NOT_OF_BERT = ("num_key_value_heads", "head_dim")


def test_a_token_without_a_row_fails_alone(tmp_path: Path) -> None:
    """As '<image_soft_token>' in google/gemma-3-1b-it: PyTorch's index error ends a whole cell."""
    from transformers import AutoTokenizer

    folder = make_tiny("llama", tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    tokenizer.save_pretrained(folder)
    engine = load(folder, settings=EngineSettings(device="cpu"))
    good, bad = engine.score(
        [ScoreRequest(context=CONTEXT, continuation=text) for text in (" a", " <image>")]
    )
    assert good.logprob < 0
    assert "'<image>', which the model has no row for" in bad.message


@pytest.mark.parametrize("end", [1, 0], ids=["an EOS is appended", "nothing is appended"])
def test_what_the_tokenizer_appends_is_taken_off(end: int, tmp_path: Path) -> None:
    """Expected: a forward pass over the tokens without the end, which lm-eval would leave in."""
    from tokenizers import processors
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = make_tiny("llama", tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    whole = tokenizer(CONTEXT + CONTINUATION, add_special_tokens=False)["input_ids"]
    before = tokenizer(CONTEXT, add_special_tokens=False)["input_ids"]
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<|bos|> $A" + " <|eos|>" * end,
        special_tokens=[("<|bos|>", bos), ("<|eos|>", eos)],
    )
    tokenizer.save_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        log_p = model(input_ids=torch.tensor([[bos, *whole]])).logits[0].log_softmax(-1)
    expected = sum(log_p[i, whole[i]].item() for i in range(len(before), len(whole)))
    engine = load(folder, settings=EngineSettings(device="cpu"))
    found = engine.score([ScoreRequest(context=CONTEXT, continuation=CONTINUATION)])[0]
    assert found.logprob == pytest.approx(expected, abs=1e-4)
    assert any("taken off" in note for note in engine.notes) == bool(end)
