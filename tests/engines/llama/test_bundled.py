"""The bundled model as a float16 GGUF file against transformers in float32, language by language.

The bar: a mean divergence of at most 1e-6 nats a token over the whole vocabulary.
"""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from babelbits.bundled import find_mini_folder
from babelbits.records import GenerateRequest, ScoreRequest, TextRequest
from babelbits.stats.divergence import summarise

VOCABULARY = 6144
LANGUAGES = sorted(path.stem for path in (find_mini_folder() / "passages").glob("*.jsonl"))


def passages(language: str, n: int) -> list[TextRequest]:
    lines = (find_mini_folder() / "passages" / f"{language}.jsonl").read_text("utf-8").splitlines()
    return [TextRequest(text=" ".join(json.loads(line)["sentences"])) for line in lines[:n]]


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_float16_is_within_a_millionth_of_a_nat(
    language: str, subject: Callable[..., Any], oracle: Callable[..., Any]
) -> None:
    texts = passages(language, 6)
    baseline = oracle("bundled").distributions(texts, k=VOCABULARY)
    for dtype in ("float32", "float16"):  # of the cache
        found = subject("bundled", "f16", dtype=dtype).divergences(texts, baseline)
        summary = summarise(found, rng=np.random.default_rng(0), resamples=50)
        assert summary.mean < 1e-6
        assert summary.same_top > 0.995
        assert summary.perplexity_ratio == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize("language", ["en", "ml", "ja"])
def test_float32_scores_and_texts_are_those_of_transformers(
    language: str, subject: Callable[..., Any], oracle: Callable[..., Any]
) -> None:
    """Sentence pairs under a shared prefix; 100 % identical greedy texts."""
    lines = (find_mini_folder() / "pairs" / f"{language}.jsonl").read_text("utf-8").splitlines()
    pairs = [json.loads(line) for line in lines[:12]]
    shots = "".join(f"{pair['intact']}\n" for pair in pairs[8:])
    requests = [
        ScoreRequest(context=shots, continuation=pair[kind])
        for pair in pairs[:8]
        for kind in ("intact", "damaged")
    ]
    ours, theirs = subject("bundled"), oracle("bundled")
    expected = [reply.logprob for reply in theirs.score(requests)]
    assert [r.logprob for r in ours.score(requests)] == pytest.approx(expected, abs=1e-3)
    prompts = [
        GenerateRequest(prompt=shots + pair["intact"][:9], max_new_tokens=24, stop=("\n",))
        for pair in pairs[:8]
    ]
    assert ours.generate(prompts) == theirs.generate(prompts)


def test_divergences_do_not_depend_on_the_engine_or_the_path(
    subject: Callable[..., Any], oracle: Callable[..., Any]
) -> None:
    """A float32 file: both engines keep the same tokens, and neither is far from itself."""
    texts = [*passages("nb", 2), TextRequest(text=""), *passages("hi", 1)]
    ours, theirs = subject("bundled"), oracle("bundled")
    kept, others = ours.distributions(texts, k=16), theirs.distributions(texts, k=16)
    assert kept[2].kind == others[2].kind == "empty_text"
    for one, other in zip([*kept[:2], kept[3]], [*others[:2], others[3]], strict=True):
        assert (one.ids[:, 0] == other.ids[:, 0]).all()
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)
        assert one.tail == pytest.approx(other.tail, abs=1e-5)
        assert one.target_logprobs == pytest.approx(other.target_logprobs, abs=1e-4)
    for engine in (ours, theirs, subject("bundled", sharing=False)):
        found = engine.divergences(texts, kept)
        assert found[2].kind == "empty_text"
        for one in (found[0], found[1], found[3]):
            assert one.kl.max() < 1e-8
            assert one.same_top.all()


def test_packs_move_float16_by_rounding_only(subject: Callable[..., Any]) -> None:
    """Activations are rounded to 16 bits before products, so shapes of packs show: 1e-3 nats."""
    texts = [*passages("en", 4), *passages("ml", 4)]
    packed, alone = (
        np.concatenate([one.logprobs for one in engine.score_text(texts)])
        for engine in (subject("bundled", "f16"), subject("bundled", "f16", sharing=False))
    )
    assert np.abs(packed - alone).max() < 5e-3
    assert abs(np.mean(packed - alone)) < 1e-4
