"""Estimates for other machines: expected values are published sizes and hand calculations."""

import json
from pathlib import Path

import pytest

from babelbits.cli.main import run
from babelbits.errors import StudyError
from babelbits.study.planning.accelerators import Machine, parse_machine
from babelbits.study.planning.machine_estimate import (
    Assumptions,
    Load,
    ModelShape,
    count_devices,
    estimate_study,
    estimate_work_seconds,
    make_shape,
)

LLAMA_70B = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 128256,
    "tie_word_embeddings": False,
}
"""https://huggingface.co/meta-llama/Llama-3.3-70B-Instruct, config.json."""
H100 = Machine(count=8, name="H100-80GB")


def weights_of_llama() -> dict[str, tuple[int, ...]]:
    layer = {
        "q_proj": (8192, 8192),
        "k_proj": (1024, 8192),
        "v_proj": (1024, 8192),
        "o_proj": (8192, 8192),
        "gate_proj": (28672, 8192),
        "up_proj": (28672, 8192),
        "down_proj": (8192, 28672),
        "norm": (8192,),
        "other_norm": (8192,),
    }
    found = {f"model.layers.{n}.{k}.weight": v for n in range(80) for k, v in layer.items()}
    ends = {"embed": (128256, 8192), "lm_head": (128256, 8192), "model.norm": (8192,)}
    return {**found, **ends}


def test_a_model_has_its_published_size() -> None:
    """70.6 billion weights (model card); 2 x 80 x 8 x 128 numbers of 2 bytes a token."""
    shape = make_shape(weights_of_llama(), LLAMA_70B)
    assert shape.n_weights == shape.n_active == 70_553_706_496
    assert shape.cache_bytes == 327_680


def test_a_mixture_uses_a_part_of_its_weights() -> None:
    """Of 8 experts 2 are used: a quarter of their weights, and all that is shared."""
    tensors = {"a.layers.0.mlp.experts.gate": (8, 10, 10), "a.layers.0.q.weight": (10, 10)}
    config = {"num_local_experts": 8, "num_experts_per_tok": 2, "hidden_size": 10}
    assert make_shape(tensors, config).n_active == 100 + 200


@pytest.mark.parametrize(("bits", "devices"), [(16, 4), (8, 2), (4.5, 1)])
def test_as_many_accelerators_hold_a_copy_as_its_bytes_need(bits: float, devices: int) -> None:
    """141 GB over 72 GB usable each is more than two of them; 4 is the next power of two."""
    shape = make_shape(weights_of_llama(), LLAMA_70B)
    size = round(shape.n_weights * bits / 8)
    assert count_devices(size, shape, machine=H100, assume=Assumptions()) == devices


def test_what_does_not_fit_is_said_and_has_no_time() -> None:
    shape = make_shape(weights_of_llama(), LLAMA_70B)
    one = Machine(count=1, name="H100-80GB")
    variants = [("baseline", 2 * shape.n_weights, False)]
    found = estimate_study(variants, [], shape=shape, machine=one, assume=Assumptions())
    assert found.variants[0].devices is None
    assert found.hours is None
    assert found.device_hours is None


def test_reading_takes_two_operations_a_weight_and_token() -> None:
    """1,000 texts of 500 tokens, 10^9 weights: 10^15 operations at 0.35 x 989 x 10^12 a second."""
    shape = ModelShape(
        n_weights=10**9,
        n_active=10**9,
        cache_bytes=0,
        layer_weights=10**7,
        hidden=1000,
        inner=4000,
    )
    load = Load(suite="text", language="en", items=1000, counted=True, kind="text")
    seconds = estimate_work_seconds(
        [load], size=2 * 10**9, shape=shape, machine=H100, devices=1, assume=Assumptions()
    )
    assert seconds == pytest.approx(1e15 / (0.35 * 989e12))


def test_writing_reads_all_weights_at_every_step() -> None:
    """64 answers of 256 tokens, 2 GB: 256 steps of 2 GB at 0.6 x 3.35 TB/s, prompts beside."""
    shape = ModelShape(
        n_weights=10**9,
        n_active=10**9,
        cache_bytes=0,
        layer_weights=10**7,
        hidden=1000,
        inner=4000,
    )
    load = Load(suite="mgsm", language="en", items=64, counted=True, kind="generation")
    seconds = estimate_work_seconds(
        [load], size=2 * 10**9, shape=shape, machine=H100, devices=1, assume=Assumptions()
    )
    reading = 64 * 1000 * 2e9 / (0.35 * 989e12)
    assert seconds - reading == pytest.approx(256 * 2e9 / (0.6 * 3.35e12))


@pytest.mark.parametrize("text", ["8xH100-80GB", "8 x h100-80gb", "8*H100-80GB", "8×H100-80GB"])
def test_machines_are_read_as_people_write_them(text: str) -> None:
    assert parse_machine(text) == H100


@pytest.mark.parametrize("text", ["", "0xH100-80GB", "8x", "8xH10", "-1xL4-24GB", "8xH100-80GB,"])
def test_what_is_no_machine_is_refused(text: str) -> None:
    with pytest.raises(StudyError):
        parse_machine(text)


def test_a_config_is_enough_for_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("transformers")
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text(json.dumps(LLAMA_70B))
    study = tmp_path / "study.toml"
    study.write_text(
        f'[model]\npath = "{model}"\n[[variants]]\nrecipe = "nf4"\n'
        '[[tasks]]\nsuite = "belebele"\nlanguages = ["en", "nb"]\n'
    )
    assert run(["plan", str(study), "--machine", "8xH100-80GB", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n_items"] == 1800  # Belebele has 900 questions in every language
    assert found["variants"][0]["bytes"] == 2 * 70_553_706_496
    low, high = found["hours"]
    assert high == pytest.approx(4 * low)
    assert run(["plan", str(study), "--machine", "1xL4-24GB"]) == 0
    told = capsys.readouterr().out
    assert "'baseline' does not fit: 141 GB of weights on 1xL4-24GB" in told
    assert "all together" not in told


def test_a_model_without_config_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    study = tmp_path / "study.toml"
    study.write_text('[model]\npath = "model"\n[[tasks]]\nsuite = "belebele"\nlanguages = ["en"]\n')
    assert run(["plan", str(study), "--machine", "8xH100-80GB"]) != 0
