"""Every architecture that is converted: the engine's numbers are those of transformers.

A tiny random checkpoint goes through llama.cpp's own converter to a float32 file; with a float32
cache both engines are float32 implementations of one model. One thing is not float32: llama.cpp
reads GELU off a table of half-precision numbers (GGML_GELU_FP16 in ggml-cpu/vec.h). So does the
transformers model of Gemma here; what differs still comes of neighbouring entries of that table,
chosen by float32's noise. Without it up to 0.006 nats of 100 differ, with it 0.0007.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from babelbits.engines import llama_cpp, transformers
from babelbits.engines.base import EngineSettings
from babelbits.llamacpp import converter
from babelbits.recipes.gguf_checked import convert
from babelbits.records import GenerateRequest, ScoreRequest, TextRequest
from gguf_bases import ARCHITECTURES, make_gguf_base

TOLERANCE = {"llama": 1e-4, "qwen2": 1e-4, "cohere": 1e-4, "gemma": 2e-3}
"""Nats."""
CPU = EngineSettings(device="cpu", dtype="float32")
SHOTS = "Frage: der schnelle braune Fuchs?\nAntwort: B\n\nВопрос: лиса?\nAnswer: A\n\n"

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("architecture", ARCHITECTURES)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """One checkpoint in both engines."""

    ours: Any
    plain: Any
    """Ours without shared prefixes."""
    theirs: Any


@pytest.fixture(scope="module")
def both(
    llama_cpp_and_converter: None, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Both]:
    made: dict[str, Both] = {}

    def get(architecture: str) -> Both:
        if architecture not in made:
            base = make_gguf_base(architecture, tmp_path_factory.mktemp(architecture))
            folder = tmp_path_factory.mktemp(f"{architecture}-gguf")
            for file in base.iterdir():
                if file.suffix != ".safetensors":
                    shutil.copy(file, folder / file.name)
            convert(base, folder / "model.gguf", kind="f32")
            plain = EngineSettings(device="cpu", dtype="float32", sharing=False)
            made[architecture] = Both(
                ours=llama_cpp.load(folder, settings=CPU),
                plain=llama_cpp.load(folder, settings=plain),
                theirs=_with_half_gelu(transformers.load(base, settings=CPU)),
            )
        return made[architecture]

    return get


@pytest.fixture(scope="module")
def llama_cpp_and_converter(needs_llama_cpp: None) -> None:
    """Skips where llama.cpp's converter is not kept and cannot be had."""
    converter.need()


def _with_half_gelu(engine: Any) -> Any:
    """The engine, with GELU rounded as in llama.cpp's table; other activations stay."""
    from torch.nn.functional import gelu

    for layer in engine.loaded.model.model.layers:
        if "gelu" in engine.loaded.model.config.hidden_act:
            layer.mlp.act_fn = _half_gelu(gelu)
    return engine


def _half_gelu(gelu: Any) -> Any:
    import torch

    class HalfGelu(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            table = gelu(x.half().float(), approximate="tanh").half().float()
            return torch.where(x <= -10, 0.0, torch.where(x >= 10, x, table))

    return HalfGelu()


def test_scores_and_greedy_flags(architecture: str, both: Callable[[str], Both]) -> None:
    requests = [
        ScoreRequest(context=f"{start}Question: {item}?\nAnswer:", continuation=choice)
        for start in (SHOTS, "")
        for item in ("狐狸跳过了懒狗", "الثعلب البني", "der Hund", "der Hund bellt", "лиса " * 9)
        for choice in (" A", " lazy dog", " सुस्त", "\n")
    ]
    requests.append(ScoreRequest(context="", continuation="hello"))
    found = both(architecture)
    expected = found.theirs.score(requests)
    for subject in (found.ours, found.plain):
        replies = subject.score(requests)
        assert [r.logprob for r in replies] == pytest.approx(
            [r.logprob for r in expected], abs=TOLERANCE[architecture]
        )
        for reply, other in zip(replies, expected, strict=True):
            assert reply.is_greedy == other.is_greedy
            assert reply.prompt_tokens == other.prompt_tokens


def test_tokens_of_texts_longer_than_the_context(
    architecture: str, both: Callable[[str], Both]
) -> None:
    requests = [TextRequest(text=text) for text in (SHOTS * 9, "x", "कुत्ते")]
    found = both(architecture)
    for reply, other in zip(
        found.ours.score_text(requests), found.theirs.score_text(requests), strict=True
    ):
        assert reply.logprobs == pytest.approx(other.logprobs, abs=TOLERANCE[architecture])


def test_texts_greedy_and_drawn(architecture: str, both: Callable[[str], Both]) -> None:
    texts = ("", "Question: 狐狸", "Question: der Hund", "A")
    requests = [
        GenerateRequest(prompt=SHOTS + text, max_new_tokens=12, stop=("a",)) for text in texts
    ]
    requests.append(
        GenerateRequest(prompt=SHOTS, max_new_tokens=12, temperature=1.0, samples=3, seed=5)
    )
    found = both(architecture)
    expected = found.theirs.generate(requests)
    assert found.ours.generate(requests) == expected
    assert found.plain.generate(requests) == expected
