"""A reward model as judge: real checkpoints of two makes, tiny and random."""

import json
from pathlib import Path
from typing import Any

import pytest

from babelbits.cli.main import run as main
from babelbits.errors import ModelError
from babelbits.judge.ledger import Ledger
from babelbits.judge.reward import load_reward_model, reward_pairs
from babelbits.preferences.pair_files import write_pairs
from judging import pair
from tiny_models import save_tokenizer

TEMPLATE = "{% for m in messages %}<|bos|>{{ m.role }}: {{ m.content }}<|eos|>{% endfor %}"
PAIRS = [pair(n, f"an answer {n}", f"another, and longer answer {n} " * (n + 1)) for n in range(5)]


def save(folder: Path, *, labels: int = 1, template: str | None = None) -> Path:
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    tokenizer = save_tokenizer(folder)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    config = AutoConfig.for_model(
        "llama",
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        vocab_size=512,
        max_position_embeddings=128,
        pad_token_id=tokenizer.pad_token_id,
        num_labels=labels,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForSequenceClassification.from_config(config)
        for weight in model.parameters():
            if weight.ndim == 2:
                torch.nn.init.normal_(weight, std=0.3)
    model.save_pretrained(folder)
    return folder


def by_hand(folder: Path, prompt: str, answer: str) -> float:
    """One text at a time through transformers' own class."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    if tokenizer.chat_template:
        turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
        encoded = tokenizer.apply_chat_template(turns, return_tensors="pt", return_dict=True)
    else:
        encoded = tokenizer(prompt, answer, return_tensors="pt")
    with torch.inference_mode():
        logits = model(
            input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"]
        ).logits
    return float(logits[0, 0])


@pytest.mark.parametrize("template", [None, TEMPLATE])
def test_scores_are_those_of_transformers(tmp_path: Path, template: str | None) -> None:
    folder = save(tmp_path / "model", template=template)
    model = load_reward_model(folder)
    assert model.templated == (template is not None)
    with Ledger(tmp_path / "judge", identity={}) as ledger:
        said = reward_pairs(PAIRS, model, ledger=ledger)
    for one in PAIRS[:3]:
        found = said[one.pair_id]
        assert found.baseline == pytest.approx(
            by_hand(folder, one.prompt, one.baseline_answer.strip()), abs=1e-5
        )
        assert found.variant == pytest.approx(
            by_hand(folder, one.prompt, one.variant_answer.strip()), abs=1e-5
        )
        assert found.difference is not None
        assert found.value == (1.0 if found.difference > 0 else -1.0)


def test_a_band_makes_ties_and_long_answers_are_not_cut(tmp_path: Path) -> None:
    model = load_reward_model(save(tmp_path / "model"))
    long = pair(9, "short", "word " * 500)
    with Ledger(tmp_path / "judge", identity={}) as ledger:
        said = reward_pairs([*PAIRS, long], model, ledger=ledger, band=1e6)
    assert {said[one.pair_id].verdict for one in PAIRS[:3]} == {"tie"}
    assert said[long.pair_id].verdict == "refused"
    assert "128 tokens" in said[long.pair_id].reason


def test_scores_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_reward_model(save(tmp_path / "model"))
    with Ledger(tmp_path / "judge", identity={}) as ledger:
        before = reward_pairs(PAIRS, model, ledger=ledger)
    monkeypatch.setattr(model, "score", lambda _: pytest.fail("scored again"))
    with Ledger(tmp_path / "judge", identity={}) as ledger:
        assert reward_pairs(PAIRS, model, ledger=ledger) == before


def test_what_is_no_reward_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has 3 outputs"):
        load_reward_model(save(tmp_path / "three", labels=3))
    with pytest.raises(ModelError, match=r"no config\.json"):
        load_reward_model(tmp_path)
    folder = save(tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "model.bin")
    with pytest.raises(ModelError, match="no weights"):
        load_reward_model(folder)


def test_a_causal_model_without_a_head_is_refused(tmp_path: Path, tiny_model: Any) -> None:
    with pytest.raises(ModelError, match="1 weight is missing"):
        load_reward_model(tiny_model("llama"))


def test_the_command_judges_with_a_reward_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, path = save(tmp_path / "model"), tmp_path / "pairs.jsonl"
    write_pairs(path, PAIRS)
    assert main(["judge", str(path), "--reward", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    [row], [scores] = found["summaries"], found["scores"]
    model = load_reward_model(folder)
    with Ledger(tmp_path / "again", identity={}) as ledger:
        said = reward_pairs(PAIRS, model, ledger=ledger)
    differences = [said[one.pair_id].difference for one in PAIRS]
    known = [value for value in differences if value is not None]
    assert scores["delta"] == pytest.approx(sum(known) / len(known))
    wins = sum(value > 0 for value in known)
    assert row["verdicts"].get("variant", 0) == wins
    assert main(["judge", str(path), "--reward", str(folder)]) == 0
    assert "prompt and answer" in capsys.readouterr().err
