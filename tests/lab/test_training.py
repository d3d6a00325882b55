"""Training by steps: the same seed, killed or not, gives the same weights; NaN is said."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from babelbits.errors import NothingThereError, StudyError, TrainingError
from babelbits.lab.training import CHECKPOINT, LOG, TrainingSettings, hash_weights, train_model

torch = pytest.importorskip("torch")

VOCABULARY, ROWS, LENGTH = 64, 4, 16
SETTINGS = TrainingSettings(steps=40, warmup_steps=4, checkpoint_every=7, log_every=5)


def tiny_llama(seed: int = 0) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, vocab_size=VOCABULARY, max_position_embeddings=LENGTH,
        tie_word_embeddings=True,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def counting(step: int) -> Any:
    """Rows that count upwards from a start which depends on the step: easy to learn."""
    generator = torch.Generator().manual_seed(step)
    starts = torch.randint(0, VOCABULARY, (ROWS, 1), generator=generator)
    return (starts + torch.arange(LENGTH + 1)) % VOCABULARY


class KilledError(Exception):
    pass


def test_it_learns_within_its_budget_of_tokens_and_logs_each_step_once(tmp_path: Path) -> None:
    """An untrained model over 64 tokens is near ln 64 = 4.16 nats; counting is learnable."""
    record = train_model(tiny_llama(), counting, settings=SETTINGS, folder=tmp_path)
    rows = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(5, 41, 5))
    assert record.tokens == rows[-1]["tokens"] == 40 * ROWS * LENGTH
    assert abs(rows[0]["loss"] - math.log(VOCABULARY)) < 1
    assert rows[-1]["loss"] < rows[0]["loss"] - 0.5
    assert not (tmp_path / CHECKPOINT).exists()


def test_a_training_cut_short_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    whole = train_model(tiny_llama(), counting, settings=SETTINGS, folder=tmp_path / "whole")

    def stop(at: int) -> Any:
        def look(now: Any) -> None:
            if now.step >= at:
                raise KilledError

        return look

    for at in (15, 30):
        with pytest.raises(KilledError):
            train_model(
                tiny_llama(),
                counting,
                settings=SETTINGS,
                folder=tmp_path / "cut",
                progress=stop(at),
            )
    model = tiny_llama()
    cut = train_model(model, counting, settings=SETTINGS, folder=tmp_path / "cut")
    assert cut.weights_hash == whole.weights_hash == hash_weights(model)
    assert (cut.resumed, cut.tokens) == (2, whole.tokens)
    logs = [(tmp_path / name / LOG).read_text().splitlines() for name in ("whole", "cut")]
    losses = [[(r["step"], r["loss"]) for r in map(json.loads, rows)] for rows in logs]
    assert losses[0] == losses[1]


CHILD = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import torch
torch.set_num_threads(1)
from test_training import SETTINGS, counting, tiny_llama
from babelbits.lab.training import train_model
def slowly(now):
    time.sleep(0.05)
train_model(tiny_llama(), counting, settings=SETTINGS, folder=Path(sys.argv[1]), progress=slowly)
"""


def test_a_training_killed_by_sigkill_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        whole = train_model(tiny_llama(), counting, settings=SETTINGS, folder=tmp_path / "whole")
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path / "cut"), str(Path(__file__).parent)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        while child.poll() is None and not (tmp_path / "cut" / CHECKPOINT).exists():
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        cut = train_model(tiny_llama(), counting, settings=SETTINGS, folder=tmp_path / "cut")
    finally:
        torch.set_num_threads(before)
    assert (cut.resumed, cut.weights_hash) == (1, whole.weights_hash)


def test_a_finished_training_is_loaded_and_not_trained_again(tmp_path: Path) -> None:
    first = train_model(tiny_llama(), counting, settings=SETTINGS, folder=tmp_path)
    model = tiny_llama(seed=9)

    def none_left(step: int) -> Any:
        raise AssertionError(step)

    again = train_model(model, none_left, settings=SETTINGS, folder=tmp_path)
    assert again == first
    assert hash_weights(model) == first.weights_hash


def test_other_settings_in_the_same_folder_are_refused(tmp_path: Path) -> None:
    train_model(tiny_llama(), counting, settings=SETTINGS, folder=tmp_path)
    other = replace(SETTINGS, learning_rate=1e-3)
    with pytest.raises(NothingThereError, match="other settings"):
        train_model(tiny_llama(), counting, settings=other, folder=tmp_path)
    rarer = replace(SETTINGS, checkpoint_every=1, log_every=1)
    train_model(tiny_llama(), counting, settings=rarer, folder=tmp_path)


def test_what_the_model_draws_while_training_is_its_seeds_matter(tmp_path: Path) -> None:
    """Dropout: the same seed gives the same weights, another seed others, the global one none."""
    found = []
    for number, (seed, elsewhere) in enumerate(((1, 5), (1, 6), (2, 5))):
        model = tiny_llama()
        for layer in model.model.layers:
            layer.mlp.register_forward_hook(lambda _m, _i, out: torch.dropout(out, 0.5, True))
        torch.manual_seed(elsewhere)
        settings = replace(SETTINGS, steps=3, seed=seed)
        found.append(train_model(model, counting, settings=settings, folder=tmp_path / str(number)))
    assert found[0].weights_hash == found[1].weights_hash != found[2].weights_hash


def test_a_loss_that_is_no_number_names_step_and_learning_rate(tmp_path: Path) -> None:
    model = tiny_llama()

    def spoiled(step: int) -> Any:
        if step == 3:
            with torch.no_grad():
                model.model.norm.weight.fill_(math.nan)
        return counting(step)

    settings = replace(SETTINGS, optimizer="adamw", learning_rate=0.004, decay_share=0.0)
    with pytest.raises(TrainingError, match=r"the loss is nan at step 4 of 40, .*rate of 0\.004\n"):
        train_model(model, spoiled, settings=settings, folder=tmp_path)


@pytest.mark.parametrize(
    ("name", "value"), [("steps", 0), ("learning_rate", math.inf), ("decay_share", 2.0)]
)
def test_wrong_settings_are_named(name: str, value: float) -> None:
    with pytest.raises(StudyError, match=name):
        replace(SETTINGS, **{name: value})


def test_muon_gives_a_nearly_orthogonal_update() -> None:
    """Singular values of the Newton-Schulz iterate lie about 1 (Jordan et al. 2024)."""
    from babelbits.lab.optimizers import orthogonalize

    matrix = torch.randn(24, 48, generator=torch.Generator().manual_seed(1))
    values = torch.linalg.svdvals(orthogonalize(matrix))
    assert values.min() > 0.5
    assert values.max() < 1.3


def test_the_learning_rate_rises_stays_and_falls() -> None:
    from babelbits.lab.optimizers import compute_rate_factor

    def at(step: int) -> float:
        return compute_rate_factor(step / 100, step, warmup_steps=10, decay_share=0.5)

    assert [at(0), at(9), at(50), at(75)] == pytest.approx([0.1, 1, 1, 0.5])
    assert compute_rate_factor(0.99, 99, warmup_steps=0, decay_share=0.0) == 1
