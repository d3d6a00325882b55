"""Cohere's factor on logits, where transformers' class with images leaves it out."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from babelbits.engines import open_engine
from babelbits.engines.base import EngineSettings
from babelbits.formats.logit_scale import is_left_out
from babelbits.study.planning.identity import identify_engine

SETTINGS = EngineSettings(device="cpu", dtype="float32")


def text_alone(folder: Path, place: Path) -> Path:
    """The text model of an Aya Vision checkpoint as transformers saves Cohere 2, head and all."""
    import torch
    from transformers import AutoModelForImageTextToText, Cohere2ForCausalLM

    whole = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    text = Cohere2ForCausalLM(whole.config.text_config)
    text.model.load_state_dict(whole.model.language_model.state_dict())
    text.tie_weights()
    text.save_pretrained(place)
    return place


def test_aya_vision_gives_the_logits_of_its_text_model_alone(
    zoo: Callable[..., Path], tmp_path: Path
) -> None:
    """`Cohere2ForCausalLM`, which multiplies by `logit_scale`, is the reference."""
    import torch
    from transformers import Cohere2ForCausalLM

    from babelbits.engines.hf.loading import load_model

    folder = zoo("aya-vision")
    ids = torch.arange(20, 60)[None]
    alone = Cohere2ForCausalLM.from_pretrained(
        text_alone(folder, tmp_path / "text"), dtype=torch.float32
    )
    ours = load_model(folder, settings=SETTINGS).model
    with torch.inference_mode():
        expected, found = (one(input_ids=ids).logits for one in (alone.eval(), ours))
    assert ours.config.text_config.logit_scale != 1
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["aya-vision", "cohere2", "gemma3-mm"])
def test_only_numbers_that_changed_have_another_engine(name: str, zoo: Callable[..., Path]) -> None:
    """What the plan says of the engine is what the loaded engine says."""
    engine = open_engine.load(zoo(name), engine="transformers", settings=SETTINGS)
    try:
        config = engine.loaded.model.config.to_dict()  # type: ignore[attr-defined]
        scaled = is_left_out(config)
        planned = identify_engine(SETTINGS, config=config)
        assert engine.identity == replace(planned, batch=engine.identity.batch)
        assert (engine.identity.version == identify_engine(SETTINGS).version) == (not scaled)
        assert scaled == (name == "aya-vision")
    finally:
        engine.close()
