"""A model over several devices: where layers go by hand, and numbers equal to the plain path's."""

from pathlib import Path
from typing import Any

import pytest

from babelbits.engines.base import EngineSettings
from babelbits.engines.placement import place
from babelbits.errors import ModelError
from babelbits.records import GenerateRequest, ScoreRequest, TextRequest
from tiny_models import make_tiny

GB = 10**9
TWO = {0: 100, 1: 100}


# --- bytes to devices, by hand --------------------------------------------------------------------


def test_the_fewest_cards_that_hold_the_weights_are_taken() -> None:
    found = place(100, layer=10, cards=[100, 100], card_share=1.0)
    assert found is not None
    assert dict(found.cards) == {0: 100}
    assert not found.is_split
    assert found.in_words() is None
    found = place(180, layer=10, cards=[100, 100, 100], card_share=1.0)  # 200, 20 of them lost
    assert found is not None
    assert dict(found.cards) == TWO
    assert "its layers are spread over 2 GPUs" in (found.in_words() or "")
    found = place(181, layer=10, cards=[100, 100, 100], card_share=1.0)
    assert found is not None
    assert len(found.cards) == 3


def test_host_memory_is_the_last_resort_and_its_cost_is_said() -> None:
    assert place(195, layer=10, cards=[100, 100], card_share=1.0) is None
    assert place(195, layer=10, cards=[100, 100], host=18, card_share=1.0) is None  # 0.8 of it
    found = place(195, layer=10, cards=[100, 100], host=20, card_share=1.0)
    assert found is not None
    assert dict(found.cards) == TWO
    assert found.host == 195 - (200 - 2 * 10)
    assert place(10, layer=1, cards=[], host=1000) is None
    large = place(150 * GB, layer=0, cards=[100 * GB], host=1000 * GB, card_share=1.0)
    assert large is not None  # 50 GB at 25 GB a second
    assert "about 2 s at 25 GB a second" in (large.in_words() or "")


def test_llama_3_3_70b_needs_three_cards_of_80_gb() -> None:
    """70.55e9 weights of 2 bytes; embeddings of 128,256 x 8,192 are the largest part."""
    found = place(141_107_412_992, layer=2 * 128_256 * 8_192, cards=[80 * GB] * 8)
    assert found is not None
    assert len(found.cards) == 3  # 2 x 68 GB are too few


# --- layers to devices, by hand -------------------------------------------------------------------

HIDDEN, LAYERS, VOCABULARY = 64, 4, 512
EMBEDDINGS = 4 * VOCABULARY * HIDDEN
LAYER = 4 * (2 * HIDDEN**2 + 2 * HIDDEN * 32 + 3 * HIDDEN * 2 * HIDDEN + 2 * HIDDEN)
"""Queries and outputs 64 x 64, keys and values 64 x 32 each, three of 64 x 128, two norms."""


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama of four layers with tied embeddings."""
    folder = tmp_path_factory.mktemp("deep") / "llama"
    return make_tiny("llama", folder, layers=LAYERS)


@pytest.fixture(scope="module")
def skeleton(deep: Path) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    from babelbits.engines.hf.device_map import build_skeleton

    config = AutoConfig.from_pretrained(deep)
    return build_skeleton(config, auto=AutoModelForCausalLM, trust_remote_code=False)


def test_sizes_are_counted_by_hand_with_tied_weights_once(skeleton: Any) -> None:
    import torch

    from babelbits.engines.hf.device_map import measure_sizes

    whole, largest = measure_sizes(skeleton, dtype=torch.float32)
    rotary = 2 * 4 * 8  # frequencies twice, of half a head of 16
    assert largest == LAYER == 147_968
    assert whole == EMBEDDINGS + LAYERS * LAYER + 4 * HIDDEN + rotary
    half, _ = measure_sizes(skeleton, dtype=torch.bfloat16)
    assert half == whole // 2


def test_layers_stay_whole_and_tied_weights_together(skeleton: Any) -> None:
    """Each card gets half of all and a quarter more than a layer; the first keeps a layer free.

    723,520 / 2 + 1.25 x 147,968 = 546,720; less 147,968 and the embeddings' 131,072 there is room
    for one layer on the first card, and the second takes three (443,904).
    """
    import torch

    from babelbits.engines.hf.device_map import map_layers

    room = EMBEDDINGS + 3 * LAYER + 10_000
    found = map_layers(skeleton, {0: room, 1: room}, dtype=torch.float32)
    devices = found.parts
    assert devices["model.embed_tokens"] == devices["lm_head"] == 0
    assert [devices[f"model.layers.{n}"] for n in range(LAYERS)] == [0, 1, 1, 1]
    assert not any("self_attn" in name or "mlp" in name for name in devices)
    assert found.first == torch.device("cuda", 0)


def test_what_no_card_has_room_for_goes_to_the_host(skeleton: Any) -> None:
    import torch

    from babelbits.engines.hf.device_map import find_split

    card = round((EMBEDDINGS + 3 * LAYER) / 0.85)
    found, note = find_split(
        skeleton, dtype=torch.float32, stored=None, unpacks=False, cards=[card], host=GB, where="x"
    )
    assert found is not None
    assert {found.parts["model.layers.0"], found.parts["model.layers.3"]} == {0, "cpu"}
    assert "disk" not in found.parts.values()
    assert "host memory, for which 1 GPU has no room" in (note or "")
    with pytest.raises(ModelError) as raised:
        find_split(
            skeleton, dtype=torch.float32, stored=None, unpacks=False, cards=[card], host=0,
            where="x",
        )  # fmt: skip
    assert "what fits" in (raised.value.hint or "")
    assert "1 GPU with" in raised.value.what
    wide = [10 * card]
    assert find_split(
        skeleton, dtype=torch.float32, stored=None, unpacks=False, cards=wide, host=0, where="x"
    ) == (None, None)


# --- the same numbers from layers that are copied in while they compute ---------------------------


def requests() -> tuple[list[ScoreRequest], list[GenerateRequest]]:
    shared = "The quick brown fox jumps over the lazy dog. " * 4
    score = [ScoreRequest(context=shared + end, continuation=" dog") for end in ("A", "B", "C")]
    return score, [
        GenerateRequest(prompt=shared + end, stop=(), max_new_tokens=12) for end in ("A", "Bb")
    ]


@pytest.mark.parametrize("sharing", [True, False])
def test_layers_that_lie_on_disk_give_the_plain_numbers(
    deep: Path, tmp_path: Path, *, sharing: bool
) -> None:
    """Hooks of accelerate copy each layer in; the paths that share and the plain one run on it."""
    import torch

    from babelbits.engines.hf.device_map import DeviceMap, find_input_device
    from babelbits.engines.hf.engine import TransformersEngine
    from babelbits.engines.hf.loading import load_model

    settings = EngineSettings(device="cpu", dtype="float32", sharing=sharing)
    parts = {
        "model.embed_tokens": "cpu", "lm_head": "cpu", "model.norm": "cpu",
        "model.rotary_emb": "cpu", "model.layers.0": "cpu", "model.layers.1": "disk",
        "model.layers.2": "cpu", "model.layers.3": "disk",
    }  # fmt: skip
    there = DeviceMap(parts=parts, disk=tmp_path)
    plain = TransformersEngine(load_model(deep, settings=settings), settings=settings)
    split = TransformersEngine(
        load_model(deep, settings=settings, device_map=there), settings=settings
    )
    moved = split.loaded.model.model.layers[1].self_attn.q_proj.weight
    assert moved.device.type == "meta"  # between forward passes
    assert find_input_device(split.loaded.model) == torch.device("cpu")
    assert split.sharing_limit == plain.sharing_limit
    assert (split.sharing_limit > 0) == sharing
    score, grow = requests()
    assert split.score(score) == plain.score(score)
    assert split.generate(grow) == plain.generate(grow)
    text = [TextRequest(text="Der schnelle braune Fuchs")]
    assert split.score_text(text) == plain.score_text(text)
