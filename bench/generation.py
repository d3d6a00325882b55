"""Generation by our transformers engine, beside vLLM and the limit of the machine, in one run.

The same prompts of about 1,000 tokens behind four shared prefixes are continued greedily by a
random Llama of 88 million parameters. One repetition after the other measures the limit, each
engine, and the limit again, on prompts that nobody has seen; the table has the median of each:

limit           seconds that the matrix products alone need for the smallest set of tokens: every
                distinct token of the prompts and every new token once, at the speed of 512 rows
times the limit seconds of an engine over those of the limit in the same repetition
same            share of texts equal to those of the plain path, which shares nothing

    OMP_NUM_THREADS=1 python bench/generation.py --prompts 6 --new-tokens 32   # a minute
    OMP_NUM_THREADS=2 python bench/generation.py --repeats 3 --json result.json

Seconds are those of the processors (of all threads and of a worker's process): other programs
disturb them less. `--clock wall` is for an idle machine. vLLM takes part where its environment is
(BABELBITS_VLLM_PYTHON, or the one that `babelbits doctor --fix vllm` makes).
"""

import argparse
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import psutil
import torch
from engine_vs_lm_eval import Clock, best, device_name, make_model, question, tree_size
from passages import SCRIPTS, sentences

from babelbits.engines import transformers, vllm
from babelbits.engines.base import EngineSettings
from babelbits.engines.prefix_tree import grow
from babelbits.engines.vllm_child import interpreter
from babelbits.records import GenerateRequest

LETTERS = "ABCD"
EXAMPLES = 8
ROWS, ROWS_ON_GPU = 512, 4096
"""At which matrix products are at full speed."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one run measured: medians over repetitions, seconds on the clock named."""

    device: str
    clock: str
    threads: int
    dtype: str
    n_prompts: int
    prompt_tokens: float
    new_tokens: int
    repeats: int
    limit_seconds: float
    seconds: dict[str, float]
    times_the_limit: dict[str, float]
    same_as_plain: dict[str, float] | None


def cpu_seconds() -> float:
    """Processor time of this process and of its living children."""
    me = psutil.Process()
    spent = [one.cpu_times() for one in (me, *me.children(recursive=True))]
    return sum(one.user + one.system for one in spent)


CLOCKS: dict[str, Clock] = {"cpu": cpu_seconds, "wall": time.perf_counter}


def make_prompts(
    tokenizer: Any, *, n: int, new_tokens: int, rng: np.random.Generator, tokens: int = 900
) -> list[GenerateRequest]:
    """Prompts of eight examples and a question, `n` behind the same examples in each script."""
    requests = []
    for script in SCRIPTS:
        pool = sentences(script)
        shots = [question(tokenizer, pool, tokens // EXAMPLES, rng) for _ in range(EXAMPLES)]
        prefix = "".join(f"{text} {rng.choice(list(LETTERS))}\n\n" for text in shots)
        requests += [
            GenerateRequest(
                prompt=prefix + question(tokenizer, pool, 100, rng),
                max_new_tokens=new_tokens,
                ignore_end=True,
            )
            for _ in range(n)
        ]
    return requests


class Limit:
    """The speed of a model's matrix products with many rows.

    Nothing that keeps the model's arithmetic can be faster: attention counts pairs of tokens that
    see each other, once, though a prefix's keys are read by several rows.
    """

    def __init__(self, engine: Any, clock: Clock) -> None:
        self._model, self._clock = engine.loaded.model, clock
        self._rows = ROWS if engine.loaded.device.type == "cpu" else ROWS_ON_GPU
        self._encoder = engine.encoder
        self._layers = [
            module
            for name, module in self._model.named_modules()
            if isinstance(module, torch.nn.Linear) and "lm_head" not in name
        ]
        like = {"device": engine.loaded.device, "dtype": engine.loaded.dtype}
        sizes = {layer.in_features for layer in self._layers}
        self._inputs = {size: torch.randn(self._rows, size, **like) for size in sizes}
        config = self._model.config
        shape = (config.num_attention_heads, self._rows, config.head_dim)
        self._states = [torch.randn(shape, **like) for _ in range(3)]

    @torch.inference_mode()
    def seconds(self, requests: Sequence[GenerateRequest]) -> float:
        """Seconds that the products for these requests take now."""
        prompts = [one.tokens for one in self._encoder.prompts(requests)]
        tokens, pairs = tree_size(grow(prompts, [len(one) - 1 for one in prompts]))
        new = [one.max_new_tokens for one in requests]
        steps = sum(n - 1 for n in new)  # the last token of each is not fed again
        pairs += sum(
            len(prompt) * (n - 1) + n * (n - 1) // 2 for prompt, n in zip(prompts, new, strict=True)
        )
        inputs, config = self._inputs, self._model.config
        layers = best(lambda: [one(inputs[one.in_features]) for one in self._layers], self._clock)
        head = best(lambda: self._model.lm_head(inputs[config.hidden_size]), self._clock)
        q, k, v = self._states
        attention = best(lambda: (q @ k.transpose(1, 2)) @ v, self._clock)
        return (
            layers / self._rows * (tokens + steps)
            + head / self._rows * sum(new)
            + attention * config.num_hidden_layers / self._rows**2 * pairs
        )


def timed(engine: Any, requests: Sequence[GenerateRequest], clock: Clock) -> tuple[float, Any]:
    """Seconds of an engine, and its texts."""
    start = clock()
    replies = engine.generate(requests)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return clock() - start, [one.texts[0] for one in replies]


def open_engines(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The engines that are here, by name."""
    settings = EngineSettings(device=options.device, dtype=options.dtype)
    engines: dict[str, Any] = {"ours": transformers.load(folder, settings=settings)}
    if options.vllm and interpreter.find() is not None:
        engines["vllm"] = vllm.load(folder, settings=settings)
    return engines


def measure(options: argparse.Namespace) -> Result:
    """Run all engines and the limit."""
    rng = np.random.default_rng(options.seed)
    clock = CLOCKS[options.clock]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts = [text for script in SCRIPTS for text in sentences(script)]
        tokenizer = make_model(folder, texts, dtype=getattr(torch, options.dtype))
        engines = open_engines(folder, options)
        try:
            return _measure(engines, folder, tokenizer, options, rng=rng, clock=clock)
        finally:
            for engine in engines.values():
                engine.close()


def _measure(
    engines: dict[str, Any],
    folder: Path,
    tokenizer: Any,
    options: argparse.Namespace,
    *,
    rng: np.random.Generator,
    clock: Clock,
) -> Result:
    limit = Limit(engines["ours"], clock)
    for engine in engines.values():  # allocator, kernels
        timed(engine, make_prompts(tokenizer, n=1, new_tokens=4, rng=rng, tokens=64), clock)
    limits: list[float] = []
    taken: dict[str, list[float]] = {name: [] for name in engines}
    texts: dict[str, Any] = {}
    for number in range(options.repeats):
        asked = make_prompts(tokenizer, n=options.prompts, new_tokens=options.new_tokens, rng=rng)
        before = limit.seconds(asked)
        for name, engine in engines.items():
            spent, texts[name] = timed(engine, asked, clock)
            taken[name].append(spent)
        limits.append((before + limit.seconds(asked)) / 2)
        note(f"{number + 1}: limit {limits[-1]:.1f} s, {_last(taken)}")
    plain = _plain_texts(folder, asked, options) if options.plain else None
    lengths = [len(one.tokens) for one in engines["ours"].encoder.prompts(asked)]
    return Result(
        device=device_name(engines["ours"].loaded.device),
        clock=options.clock,
        threads=torch.get_num_threads(),
        dtype=options.dtype,
        n_prompts=len(asked),
        prompt_tokens=statistics.mean(lengths),
        new_tokens=options.new_tokens,
        repeats=options.repeats,
        limit_seconds=statistics.median(limits),
        seconds={name: statistics.median(times) for name, times in taken.items()},
        times_the_limit={
            name: statistics.median(t / n for t, n in zip(times, limits, strict=True))
            for name, times in taken.items()
        },
        same_as_plain=None
        if plain is None
        else {name: _same(found, plain) for name, found in texts.items()},
    )


def _plain_texts(
    folder: Path, asked: Sequence[GenerateRequest], options: argparse.Namespace
) -> list[str]:
    settings = EngineSettings(device=options.device, dtype=options.dtype, sharing=False)
    engine = transformers.load(folder, settings=settings)
    replies = engine.generate(asked)
    engine.close()
    return [one.texts[0] for one in replies]


def _same(texts: Sequence[str], plain: Sequence[str]) -> float:
    """Share of equal texts but for a character that the last token does not complete."""
    pairs = zip(texts, plain, strict=True)
    return statistics.mean(a.rstrip("\ufffd") == b.rstrip("\ufffd") for a, b in pairs)


def _last(taken: dict[str, list[float]]) -> str:
    return ", ".join(f"{name} {times[-1]:.1f} s" for name, times in taken.items())


def note(text: str) -> None:
    """Say how far the run is."""
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> None:
    """Measure, print, write."""
    logging.disable(logging.WARNING)
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--prompts", type=int, default=24, help="behind each of four prefixes")
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16", "float16"))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--clock", default="cpu", choices=sorted(CLOCKS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-vllm", dest="vllm", action="store_false", help="ours alone")
    parser.add_argument("--plain", action="store_true", help="compare texts with the plain path")
    parser.add_argument("--json", type=Path, help="write the result here as well")
    given = parser.parse_args(arguments)
    text = json.dumps(asdict(measure(given)), indent=1)
    print(text)
    if given.json:
        given.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
