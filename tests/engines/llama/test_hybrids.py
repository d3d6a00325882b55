"""Hybrid models in llama.cpp: prompts with a common beginning, rows that end at different times."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from babelbits.engines import llama_cpp
from babelbits.engines.base import EngineSettings
from babelbits.recipes.gguf_checked import convert
from babelbits.records import GenerateRequest, TextRequest
from zoo.oracle import Oracle

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("llama_cpp")]

SHARED = "The river was wide, and nobody"
PROMPTS = [SHARED, f"{SHARED} had ever seen", f"{SHARED} knew", "Det var en gang", "शहर में"]
LENGTHS = (9, 2, 5, 7, 3)


@pytest.mark.parametrize("name", ["qwen3.5-mtp", "granite4", "lfm2"])
def test_text_and_scores_are_those_of_a_forward_pass(
    name: str, zoo: Callable[[str], Path], tmp_path: Path
) -> None:
    """Qwen3.5 as the hub has it, with a block that predicts ahead, which is left out."""
    base = zoo(name)
    ignored = shutil.ignore_patterns("*.safetensors")
    folder = shutil.copytree(base, tmp_path / "gguf", ignore=ignored)
    convert(base, folder / "model.gguf", kind="f32")
    oracle = Oracle(base)
    engine = llama_cpp.load(folder, settings=EngineSettings(device="cpu"))
    replies = engine.generate(
        [
            GenerateRequest(prompt=prompt, max_new_tokens=length)
            for prompt, length in zip(PROMPTS, LENGTHS, strict=True)
        ]
    )
    ends = engine._stopping._eos
    for prompt, length, reply in zip(PROMPTS, LENGTHS, replies, strict=True):
        assert reply.texts[0] == oracle.text(oracle.greedy(prompt, length, ends=ends))
    scored = engine.score_text([TextRequest(text=prompt) for prompt in PROMPTS])
    for prompt, score in zip(PROMPTS, scored, strict=True):
        assert score.logprobs == pytest.approx(oracle.text_log_p(prompt), abs=2e-4)
    engine.close()
