"""The bundled model is a real model: it loads, it knows its languages, it can add."""

import json

import pytest

from babelbits.bundled import find_bundled_model, find_mini_folder
from babelbits.engines.base import EngineSettings
from babelbits.engines.transformers import load
from babelbits.stats.binary import wilson
from babelbits.study.execution.evaluate_cell import answer
from babelbits.tasks import catalogue
from babelbits.tasks.base import TaskOptions

LANGUAGES = ("en", "nb", "de", "fr", "es", "ru", "ar", "hi", "ml", "ja", "zh", "ko", "sw")


def test_the_checkpoint_is_small_and_fit_for_every_recipe() -> None:
    """At most 20 MB in bf16, rows in multiples of 256 (k-quants), context of at least 1,024."""
    config = json.loads((find_bundled_model() / "config.json").read_text())
    weights = find_bundled_model() / "model.safetensors"
    assert weights.stat().st_size < 20_000_000
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["dtype"] == "bfloat16"
    assert config["hidden_size"] % 256 == config["intermediate_size"] % 256 == 0
    assert config["max_position_embeddings"] >= 1024


def test_the_card_says_what_people_must_know() -> None:
    card = (find_bundled_model() / "README.md").read_text("utf-8")
    for needed in ("CC BY-SA 4.0", "UD_Norwegian-Bokmaal", "bits per byte", "Common Voice"):
        assert needed in card
    assert "not checked by native speakers" in (find_mini_folder() / "README.md").read_text("utf-8")


def test_every_passage_survives_the_tokenizer() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(find_bundled_model())
    for language in LANGUAGES:
        for line in (
            (find_mini_folder() / "passages" / f"{language}.jsonl").read_bytes().splitlines()
        ):
            text = " ".join(json.loads(line)["sentences"])
            ids = tokenizer.encode(text)
            # Training put this token before every document; without it the model is lost.
            assert ids[0] == tokenizer.bos_token_id
            assert tokenizer.decode(ids[1:]) == text


def share_right(suite: str, language: str) -> tuple[float, int]:
    """Share of right items of the unquantized model, and how many items there are."""
    engine = load(find_bundled_model(), settings=EngineSettings(device="cpu", dtype="float32"))
    task = catalogue.load(suite, language, TaskOptions())
    rows = answer(task, task.items(), engine, variant="baseline")
    scores = [row.scores[task.info.primary] or 0.0 for row in rows]
    return sum(scores) / len(scores), len(scores)


@pytest.mark.slow
def test_the_baseline_beats_chance_on_pairs_in_at_least_ten_languages() -> None:
    """Chance is 50 %; beaten where the 95 % Wilson interval lies above it."""
    beaten = []
    for language in LANGUAGES:
        share, n_items = share_right("pairs", language)
        assert n_items >= 200
        if wilson(share * n_items, n_items).low > 0.5:
            beaten.append(language)
    assert len(beaten) >= 10, beaten


@pytest.mark.slow
def test_the_baseline_can_lose_and_gain_on_math_in_at_least_eight_languages() -> None:
    """Between 20 % and 95 % right, so that harm can show."""
    shares = {}
    for language in LANGUAGES:
        shares[language], n_items = share_right("math", language)
        assert n_items >= 150
    assert sum(0.2 <= share <= 0.95 for share in shares.values()) >= 8, shares
