"""What a model cannot answer fails alone: the same for every engine that holds its model.

An engine's own tests inherit from `RequestsFailAlone` and say how it opens a checkpoint.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from babelbits.records import Failure, GenerateRequest, ScoreRequest, TextRequest

Opened = Callable[[Path], Any]
"""A fixture's value: the engine on a checkpoint as it is now."""


class RequestsFailAlone:
    """Needs the fixtures `opened` (of type `Opened`) and `tiny` (the engine on a whole model)."""

    def test_one_token_with_a_nan_embedding_spoils_only_the_requests_that_hold_it(
        self, copy: Path, opened: Opened
    ) -> None:
        """Packed with neighbours it would reach them, in llama.cpp even after it was forgotten."""
        from safetensors.torch import load_file, save_file

        config = json.loads((copy / "config.json").read_text())
        (copy / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": False}))
        weights = copy / "model.safetensors"
        tensors = load_file(weights)
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
        save_file(tensors, weights, metadata={"format": "pt"})
        healthy = opened(copy)
        contexts = ("fox", "fox ж", "dog", "fo")
        requests = [ScoreRequest(context=c, continuation=" A") for c in contexts]
        bad = healthy.loaded.tokenizer.encode("fox ж")[-1]
        prompts = [GenerateRequest(prompt=r.context, max_new_tokens=4) for r in requests]
        expected, written = healthy.score(requests), healthy.generate(prompts)
        tensors["model.embed_tokens.weight"][bad] = float("nan")
        save_file(tensors, weights, metadata={"format": "pt"})
        spoiled = opened(copy)
        for _again in range(2):
            replies, texts = spoiled.score(requests), spoiled.generate(prompts)
            assert isinstance(replies[1], Failure)
            assert isinstance(texts[1], Failure)
            for i in (0, 2, 3):
                assert replies[i].logprob == pytest.approx(expected[i].logprob, abs=1e-4)
                assert texts[i] == written[i]

    def test_nan_weights_fail_each_request_and_crash_nothing(
        self, copy: Path, opened: Opened
    ) -> None:
        from safetensors.torch import load_file, save_file

        weights = copy / "model.safetensors"
        tensors = load_file(weights)
        tensors["model.norm.weight"][0] = float("nan")
        save_file(tensors, weights, metadata={"format": "pt"})
        subject = opened(copy)
        drawn = GenerateRequest(prompt="x", max_new_tokens=3, temperature=1.0, samples=2)
        replies = [
            *subject.score([ScoreRequest(context=c, continuation=" y") for c in ("x", "x z", "")]),
            *subject.score_text([TextRequest(text="x y z")]),
            *subject.generate([GenerateRequest(prompt="x", max_new_tokens=3)]),
            *subject.generate([drawn]),
        ]
        assert [reply.kind for reply in replies] == ["nan_logits"] * 6

    def test_requests_without_tokens_fail_alone(self, tiny: Any) -> None:
        empty, full = tiny.score(
            [ScoreRequest(context="x", continuation=c) for c in ("", "y")],
        )
        assert isinstance(empty, Failure)
        assert full.logprob < 0
        empty, full = tiny.score_text([TextRequest(text=""), TextRequest(text="x")])
        assert empty.kind == "empty_text"
        assert len(full.logprobs) == 1

    def test_nothing_asked_nothing_answered(self, tiny: Any) -> None:
        assert (tiny.score([]), tiny.score_text([]), tiny.generate([])) == ([], [], [])
