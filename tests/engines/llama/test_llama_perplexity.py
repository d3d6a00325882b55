"""Perplexity and divergence are those of `llama-perplexity --kl-divergence`, to its last digit.

The tool is built from the same llama.cpp source; BABELBITS_LLAMA_TOOLS names its folder. Its
windows (the second half of every 256 tokens, begun with BOS) and the 16 bits of its base file are
reproduced here; with all tokens kept. What it prints has six decimals.
"""

import ctypes
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from babelbits.bundled import find_mini_folder
from babelbits.engines import llama_cpp
from babelbits.engines.base import EngineSettings
from babelbits.engines.distributions import (
    Compared,
    KeptDistributions,
    ask,
    flatten,
    number_targets,
)
from babelbits.engines.encoding import Query
from babelbits.llamacpp import library
from babelbits.stats.divergence import log_shares, summarise, token_divergence, top_tokens

WINDOW = 256
VOCABULARY = 6144


@pytest.fixture(scope="module")
def tool() -> Path:
    """Path of llama-perplexity; skips where it was not built."""
    folder = os.environ.get("BABELBITS_LLAMA_TOOLS", "")
    found = shutil.which("llama-perplexity", path=folder or None)
    if found is None:
        pytest.skip("llama-perplexity is not here: set BABELBITS_LLAMA_TOOLS to its folder")
    return Path(found)


class Logits:
    """A reader that keeps everything."""

    def __init__(self, n: int) -> None:
        self.rows = np.zeros((n, VOCABULARY), np.float32)

    def read(self, slots: Any, logits: Any) -> None:
        self.rows[slots] = logits

    def is_spoiled(self, slots: slice) -> bool:
        return not np.isfinite(self.rows[slots]).all()

    def reply(self, slots: slice) -> Any:
        return self.rows[slots]


def in_16_bits(logits: Any) -> Any:
    """Log-probabilities as the tool's base file holds them (perplexity.cpp, `log_softmax`)."""
    high = logits.max(axis=1, keepdims=True)
    low = np.maximum(logits.min(axis=1, keepdims=True), high - 16)
    total = np.log(np.exp((logits - high).astype(float)).sum(axis=1, keepdims=True))
    step = (high - low) / 65535
    return step * np.where(logits > low, np.rint((logits - low) / step), 0) + (low - high - total)


def printed(text: str, name: str) -> float:
    """A figure of the tool's last table."""
    match = re.search(rf"{re.escape(name)}\s*:\s*([\d.]+)", text)
    assert match, f"{name} is not in what the tool printed"
    return float(match[1])


@pytest.mark.slow
def test_figures_are_those_of_llama_perplexity(
    tool: Path, gguf: Callable[..., Path], tmp_path: Path
) -> None:
    texts = [
        " ".join(json.loads(line)["sentences"])
        for language in ("en", "ml", "ja")
        for line in (find_mini_folder() / f"passages/{language}.jsonl")
        .read_text("utf-8")
        .splitlines()
    ]
    text = "\n".join(texts[:40])
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    base, quantized = next(gguf("bundled", "f16").glob("*.gguf")), tmp_path / "q.gguf"
    api = library.load()
    options = api.llama_model_quantize_default_params()
    options.ftype, options.nthread = api.LLAMA_FTYPE_MOSTLY_Q4_K_S, 1
    status = api.llama_model_quantize(
        os.fsencode(base), os.fsencode(quantized), ctypes.byref(options)
    )
    assert status == 0

    def run(model: Path, *more: str, last: str) -> str:
        sizes = [item for name in ("-c", "-b", "-ub") for item in (name, str(WINDOW))]
        files = ["-f", str(tmp_path / "text.txt"), "--kl-divergence-base", str(tmp_path / "base")]
        command = [str(tool), "-m", str(model), *sizes, "-t", "1", *files, *more]
        for _attempt in range(5):  # its log thread may lose the last lines when the program ends
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            if last in done.stdout + done.stderr:
                break
        return done.stdout + done.stderr

    run(base, last="Final estimate")
    table = run(quantized, "--kl-divergence", last="Same top p:")

    settings = EngineSettings(device="cpu", dtype="float16")  # the tool's cache
    first, second = (llama_cpp.load(path, settings=settings) for path in (base, quantized))
    vocabulary = first.loaded.vocabulary
    ids = vocabulary.encode(text)
    windows = [
        [
            Query(
                tokens=[vocabulary.bos_token_id, *ids[start + 1 : start + WINDOW - 1]],
                targets=ids[start + WINDOW // 2 + 1 : start + WINDOW],
                prompt_tokens=1,
            )
        ]
        for start in range(0, len(ids) - WINDOW + 1, WINDOW)
    ]
    targets = number_targets(flatten(windows))
    before, after = Logits(len(targets)), Logits(len(targets))
    first._show(flatten(windows), before)
    second._show(flatten(windows), after)
    theirs, ours = in_16_bits(before.rows), log_shares(after.rows)
    rows = np.arange(len(targets))
    terms = np.where(theirs > -16, np.exp(theirs) * (theirs - ours), 0).sum(axis=1)
    six = {"abs": 2e-6}
    assert terms.mean() == pytest.approx(printed(table, "Mean    KLD"), **six)
    assert terms.max() == pytest.approx(printed(table, "Maximum KLD"), **six)
    assert np.quantile(terms, 0.99) == pytest.approx(printed(table, "99.0%   KLD"), **six)
    ppl = np.exp(-ours[rows, targets].mean()), np.exp(-theirs[rows, targets].mean())
    assert ppl[0] == pytest.approx(printed(table, "Mean PPL(Q)"), rel=1e-7, abs=5e-6)
    assert ppl[1] == pytest.approx(printed(table, "Mean PPL(base)"), rel=1e-7, abs=5e-6)
    logged = np.log(ppl[0] / ppl[1])
    assert logged == pytest.approx(printed(table, "Mean ln(PPL(Q)/PPL(base))"), **six)

    kept = ask(windows, KeptDistributions(targets, k=VOCABULARY), first._show)
    found = ask(windows, Compared(targets, kept), second._show)
    exact = summarise(found, rng=np.random.default_rng(0), resamples=50)
    assert exact.mean == pytest.approx(printed(table, "Mean    KLD"), abs=5e-6)
    assert 100 * exact.same_top == pytest.approx(printed(table, "Same top p"), abs=1e-3)
    bound = token_divergence(top_tokens(log_shares(before.rows), targets, k=64), ours, targets)
    assert 0.6 * exact.mean < bound.kl.mean() < exact.mean
