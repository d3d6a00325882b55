"""vLLM itself against the transformers engine, on the checkpoints of the other engines' tests.

Needs an environment with vLLM (BABELBITS_VLLM_PYTHON, or `babelbits doctor --fix vllm`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from babelbits.engines import transformers, vllm
from babelbits.engines.base import EngineSettings
from babelbits.engines.open_engine import find_kind
from babelbits.records import GenerateRequest, ScoreRequest, TextRequest
from engine_failures import Opened, RequestsFailAlone

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("needs_vllm")]

CPU = EngineSettings(device="cpu", dtype="float32")
LONG = "The quick brown fox jumps over the lazy dog. "
A_TOKEN = 1e-3
"""Nats a token by which two right computations in float32 may differ."""


@pytest.fixture(scope="module")
def tiny(llama: Path) -> Iterator[Any]:
    engine = vllm.load(llama, settings=CPU)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def oracle(llama: Path) -> Any:
    return transformers.load(llama, settings=CPU)


class TestRequests(RequestsFailAlone):
    @pytest.fixture
    def opened(self) -> Iterator[Opened]:
        made: list[Any] = []

        def get(folder: Path) -> Any:
            made.append(vllm.load(folder, settings=CPU))
            return made[-1]

        yield get
        for engine in made:
            engine.close()


def test_what_it_is_was_known_before(tiny: Any) -> None:
    assert tiny.identity == find_kind("vllm").identity(CPU)
    assert "prefix-cached" in tiny.identity.version


def test_scores(tiny: Any, oracle: Any) -> None:
    """Choices of one and many tokens behind short and long contexts, and too long ones."""
    requests = [
        ScoreRequest(context=LONG * n + context, continuation=continuation)
        for n in (0, 1, 6, 12)
        for context in ("", "A fox", "Ein Hund")
        for continuation in (" a", " jumps over", LONG * 2)
    ]
    for found, expected in zip(tiny.score(requests), oracle.score(requests), strict=True):
        n = expected.continuation_tokens
        assert found.logprob == pytest.approx(expected.logprob, abs=A_TOKEN * n)
        assert found.is_greedy == expected.is_greedy
        assert found.truncated_tokens == expected.truncated_tokens


def test_texts_longer_than_the_context_and_their_distributions(tiny: Any, oracle: Any) -> None:
    """A full window has as many inputs as the context; its last target is the token after it."""
    requests = [TextRequest(text=LONG * 30), TextRequest(text="x")]
    scored = zip(tiny.score_text(requests), oracle.score_text(requests), strict=True)
    assert all(one.logprobs == pytest.approx(two.logprobs, abs=A_TOKEN) for one, two in scored)
    baseline = oracle.distributions(requests, k=8)
    for found, expected in zip(tiny.distributions(requests, k=8), baseline, strict=True):
        assert found.target_logprobs == pytest.approx(expected.target_logprobs, abs=A_TOKEN)
        assert np.abs(found.logprobs - expected.logprobs).max() < A_TOKEN
    for one in tiny.divergences(requests, baseline):
        assert np.abs(one.kl).max() < 1e-5


def test_greedy_text_ends_alike(tiny: Any, oracle: Any) -> None:
    requests = [
        GenerateRequest(prompt=LONG * n + "A", max_new_tokens=length, stop=stop)
        for n in (0, 3)
        for length in (1, 20)
        for stop in ((), ("e",), (" t",))
    ]
    assert tiny.generate(requests) == oracle.generate(requests)


def test_samples_do_not_depend_on_neighbours(tiny: Any) -> None:
    drawn = GenerateRequest(prompt="A fox", max_new_tokens=12, temperature=1.0, samples=4, seed=3)
    other = GenerateRequest(prompt=LONG, max_new_tokens=12, temperature=1.0, samples=3, seed=3)
    alone, together = tiny.generate([drawn])[0], tiny.generate([other, drawn])[1]
    assert alone == together
    assert len(set(alone.texts)) == 4


def test_draws_follow_the_distribution(tiny: Any, oracle: Any) -> None:
    """First tokens of 400 draws against the model's own shares: chi-squared within its 0.999."""
    from scipy.stats import chi2

    drawn = GenerateRequest(prompt="A fox", max_new_tokens=1, temperature=1.0, samples=400)
    texts = tiny.generate([drawn])[0].texts
    tops = oracle.generate([GenerateRequest(prompt="A fox", max_new_tokens=1)])[0].texts[0]
    (score,) = oracle.score([ScoreRequest(context="A fox", continuation=tops)])
    share = float(np.exp(score.logprob))
    n = texts.count(tops)
    spread = 400 * share * (1 - share)
    assert (n - 400 * share) ** 2 / spread < chi2.ppf(0.999, 1)
