"""Babelbits' transformers engine against lm-evaluation-harness's HF model, in one run.

Both score the same 5-shot four-choice items in four scripts with the same random Llama of 88
million parameters in the same process, one after the other. Three numbers matter:

ratio           lm-eval's seconds / ours
difference      largest difference of a log-likelihood between the two, nats
limit           seconds that the matrix products alone need for the smallest set of tokens that
                must be computed, at the speed measured here in this run

    python bench/engine_vs_lm_eval.py --quick
    OMP_NUM_THREADS=2 python bench/engine_vs_lm_eval.py --items 40 --json result.json
"""

import argparse
import json
import logging
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import torch

from babelbits.engines.base import EngineSettings
from babelbits.engines.prefix_tree import grow
from babelbits.engines.transformers import load
from babelbits.records import Score, ScoreRequest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from passages import SCRIPTS, sentences

SHOTS = 5
CHUNK = 64
"""Items that a study hands to an engine at a time."""
LETTERS = ("A", "B", "C", "D")
Clock = Callable[[], float]
CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "cpu": time.process_time}
"""The processor's time is less disturbed by other programs; it needs a single thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one run measured; seconds on the clock named."""

    device: str
    clock: str
    threads: int
    torch_version: str
    dtype: str
    items_per_prefix: int
    prefix_tokens: list[int]
    item_tokens: list[int]
    n_requests: int
    tokens_lm_eval: int
    tokens_minimal: int
    lm_eval_batch_size: int
    lm_eval_seconds: float
    our_seconds: float
    limit_seconds: float
    limit_linear_seconds: float
    limit_attention_seconds: float
    gemm_gflops: float
    ratio: float
    times_the_limit: float
    largest_difference: float
    greedy_flags_equal: bool


def make_tokenizer(folder: Path, texts: Sequence[str]) -> Any:
    """Write a tokenizer trained on the texts; return it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2048,
        special_tokens=["<|bos|>", "<|eos|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<|bos|>",  # noqa: S106  not a password
        eos_token="<|eos|>",  # noqa: S106  not a password
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


def make_model(folder: Path, texts: Sequence[str], *, dtype: torch.dtype) -> Any:
    """Write a random Llama and a tokenizer trained on the texts; return the tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = make_tokenizer(folder, texts)
    config = LlamaConfig(
        hidden_size=768,
        intermediate_size=2048,
        num_hidden_layers=10,
        num_attention_heads=12,
        num_key_value_heads=12,
        vocab_size=22_528,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=1,
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(config)
    for name, weight in model.named_parameters():
        if weight.ndim == 2:
            torch.nn.init.normal_(weight, std=0.05 if "embed" in name else 0.04)
    model.to(dtype).save_pretrained(folder)
    return tokenizer


def make_requests(
    tokenizer: Any, *, n_items: int, prefix_tokens: int, rng: np.random.Generator
) -> list[ScoreRequest]:
    """Four-choice questions behind five solved ones, `n_items` in each script."""
    requests = []
    for script in SCRIPTS:
        pool = sentences(script)
        shot_tokens = prefix_tokens // SHOTS
        shots = [question(tokenizer, pool, shot_tokens, rng) for _ in range(SHOTS)]
        prefix = "".join(f"{text} {rng.choice(LETTERS)}\n\n" for text in shots)
        for _ in range(n_items):
            text = question(tokenizer, pool, int(rng.integers(60, 121)), rng)
            requests += [ScoreRequest(context=prefix + text, continuation=f" {a}") for a in LETTERS]
    return requests


def question(tokenizer: Any, pool: Sequence[str], length: int, rng: np.random.Generator) -> str:
    """A question of about `length` tokens with four choices."""
    ids: list[int] = []
    while len(ids) < length:
        ids += tokenizer.encode(" " + str(rng.choice(pool)), add_special_tokens=False)
    fifth = max(4, (length - 16) // 5)
    parts = [tokenizer.decode(ids[i * fifth : (i + 1) * fifth]).strip("\ufffd ") for i in range(5)]
    choices = "".join(f"\n{a}. {part}" for a, part in zip(LETTERS, parts[1:], strict=True))
    return f"{parts[0]}{choices}\nAnswer:"


def time_lm_eval(
    folder: Path,
    requests: Sequence[ScoreRequest],
    *,
    dtype: str,
    device: str,
    sizes: list[int],
    clock: Clock,
) -> tuple[float, list[tuple[float, bool]], int]:
    """Seconds of lm-eval's HF model at its best batch size, found on a few items."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    lm = HFLM(pretrained=str(folder), dtype=dtype, device=device, batch_size=sizes[0])
    made = [
        Instance(request_type="loglikelihood", doc={}, arguments=(r.context, r.continuation), idx=0)
        for r in requests
    ]
    contexts = made[:: len(LETTERS)]
    trial = contexts[:: max(1, len(contexts) // max(sizes))][: max(sizes)]
    speeds = {}
    for size in sizes if len(sizes) > 1 else ():
        lm.batch_size_per_gpu = size
        speeds[size] = seconds(lambda: lm.loglikelihood(trial, disable_tqdm=True), clock)[0]
    lm.batch_size_per_gpu = min(speeds, key=lambda size: speeds[size], default=sizes[0])
    taken, answers = seconds(lambda: lm.loglikelihood(made, disable_tqdm=True), clock)
    return taken, answers, lm.batch_size_per_gpu


def time_ours(
    engine: Any, requests: Sequence[ScoreRequest], clock: Clock
) -> tuple[float, list[Score]]:
    """Seconds of our engine, asked as a study asks it: in chunks of items."""
    step = CHUNK * len(LETTERS)

    def run() -> list[Score]:
        replies: list[Score] = []
        for start in range(0, len(requests), step):
            replies += engine.score(requests[start : start + step])
        return replies

    return seconds(run, clock)


def seconds(task: Callable[[], Any], clock: Clock) -> tuple[float, Any]:
    """Seconds of a task, and its result."""
    start = clock()
    result = task()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return clock() - start, result


def best(task: Callable[[], Any], clock: Clock, repeats: int = 3) -> float:
    """Fewest seconds of several runs, after one to warm up."""
    task()
    return min(seconds(task, clock)[0] for _ in range(repeats))


@torch.inference_mode()
def limit(engine: Any, requests: Sequence[ScoreRequest], clock: Clock) -> dict[str, float]:
    """Seconds of the matrix products for the smallest set of tokens, at the speed of 512 rows."""
    queries = engine.encoder.queries(requests)
    roots = grow([q.tokens for q in queries], [len(q.tokens) - 1 for q in queries])
    tokens, pairs = tree_size(roots)
    heads = len({tuple(q.tokens) for q in queries})
    model, rows = engine.loaded.model, 512
    config = model.config
    layers = [
        module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and "lm_head" not in name
    ]
    inputs = {
        k: torch.randn(rows, k, device=engine.loaded.device, dtype=engine.loaded.dtype)
        for k in {layer.in_features for layer in layers}
    }
    products = best(lambda: [layer(inputs[layer.in_features]) for layer in layers], clock)
    linear = products / rows * tokens
    hidden = inputs[config.hidden_size]
    linear += best(lambda: model.lm_head(hidden), clock) / rows * heads
    flops = 2 * rows * sum(layer.in_features * layer.out_features for layer in layers)
    shape = (config.num_attention_heads, rows, config.head_dim)
    q, k, v = (torch.randn(shape, device=hidden.device, dtype=hidden.dtype) for _ in range(3))
    product = best(lambda: (q @ k.transpose(1, 2)) @ v, clock) * config.num_hidden_layers
    return {
        "tokens": tokens,
        "linear": linear,
        "attention": product / rows**2 * pairs,
        "gflops": flops / products / 1e9,
    }


def tree_size(roots: Sequence[Any]) -> tuple[int, int]:
    """Distinct tokens of a forest, and pairs (token, token it attends to)."""
    tokens = pairs = 0
    todo = [(root, 0) for root in roots]
    while todo:
        node, depth = todo.pop()
        n = len(node.tokens)
        tokens += n
        pairs += n * depth + n * (n + 1) // 2
        todo += [(child, depth + n) for child in node.children]
    return tokens, pairs


def measure(options: argparse.Namespace) -> Result:
    """Run both engines and the limit."""
    rng = np.random.default_rng(options.seed)
    clock = CLOCKS[options.clock]
    dtype = getattr(torch, options.dtype)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts = [text for script in SCRIPTS for text in sentences(script)]
        tokenizer = make_model(folder, texts, dtype=dtype)
        requests = make_requests(
            tokenizer, n_items=options.items, prefix_tokens=options.prefix, rng=rng
        )
        settings = EngineSettings(device=options.device, dtype=options.dtype)
        engine = load(folder, settings=settings)
        bound = limit(engine, requests, clock)
        note(f"limit: {bound['linear'] + bound['attention']:.1f} s for {bound['tokens']} tokens")
        engine.score(requests[:8])  # warm-up for both: allocator, kernels
        ours, replies = time_ours(engine, requests, clock)
        note(f"Babelbits: {ours:.1f} s")
        theirs, answers, size = time_lm_eval(
            folder,
            requests,
            dtype=options.dtype,
            device=str(engine.loaded.device),
            sizes=options.batch_sizes,
            clock=clock,
        )
        queries = engine.encoder.queries(requests)
    contexts = [requests[i].context for i in range(0, len(requests), 4 * options.items)]
    prefixes = [len(tokenizer.encode(c.rsplit("\n\n", 1)[0])) for c in contexts]
    lengths = [len(q.tokens) for q in queries[::4]]
    differences = [abs(r.logprob - a[0]) for r, a in zip(replies, answers, strict=True)]
    limit_seconds = bound["linear"] + bound["attention"]
    return Result(
        device=device_name(engine.loaded.device),
        clock=options.clock,
        threads=torch.get_num_threads(),
        torch_version=torch.__version__,
        dtype=options.dtype,
        items_per_prefix=options.items,
        prefix_tokens=prefixes,
        item_tokens=[min(lengths) - max(prefixes), max(lengths) - min(prefixes)],
        n_requests=len(requests),
        tokens_lm_eval=sum(lengths),
        tokens_minimal=int(bound["tokens"]),
        lm_eval_batch_size=size,
        lm_eval_seconds=theirs,
        our_seconds=ours,
        limit_seconds=limit_seconds,
        limit_linear_seconds=bound["linear"],
        limit_attention_seconds=bound["attention"],
        gemm_gflops=bound["gflops"],
        ratio=theirs / ours,
        times_the_limit=ours / limit_seconds,
        largest_difference=max(differences),
        greedy_flags_equal=all(r.is_greedy == a[1] for r, a in zip(replies, answers, strict=True)),
    )


def note(text: str) -> None:
    """Say how far the run is."""
    print(text, file=sys.stderr, flush=True)


def device_name(device: torch.device) -> str:
    """What did the work."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.backends.cpu.get_cpu_capability()}"


def table(result: Result) -> str:
    """The result for people."""
    rows = [
        ("device", f"{result.device}, {result.threads} thread(s), {result.dtype}"),
        ("clock", result.clock),
        ("items", f"{result.items_per_prefix} behind each of {len(result.prefix_tokens)} prefixes"),
        ("prefix, item", f"{result.prefix_tokens} tokens, {result.item_tokens} tokens"),
        ("tokens", f"{result.tokens_lm_eval:,} (lm-eval), {result.tokens_minimal:,} (needed)"),
        ("lm-eval", f"{result.lm_eval_seconds:.1f} s (batch {result.lm_eval_batch_size})"),
        ("Babelbits", f"{result.our_seconds:.1f} s"),
        ("ratio", f"{result.ratio:.2f} times lm-eval's speed"),
        ("limit", f"{result.limit_seconds:.1f} s at {result.gemm_gflops:.0f} GFLOP/s"),
        ("of it attention", f"{result.limit_attention_seconds:.1f} s"),
        ("Babelbits/limit", f"{result.times_the_limit:.2f}"),
        ("difference", f"{result.largest_difference:.1e} nats at most"),
        ("greedy flags", "equal" if result.greedy_flags_equal else "NOT equal"),
    ]
    return "\n".join(f"{name:>16}  {text}" for name, text in rows)


def options() -> argparse.Namespace:
    """Command-line options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--items", type=int, default=40, help="items behind each prefix")
    parser.add_argument("--prefix", type=int, default=600, help="tokens of a few-shot prefix")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16", "float16"))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--clock", default="wall", choices=sorted(CLOCKS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--quick", action="store_true", help="8 items a prefix, one batch size")
    parser.add_argument("--json", type=Path, help="write the result here as well")
    given = parser.parse_args()
    if given.quick:
        given.items, given.batch_sizes = min(given.items, 8), [4]
    return given


def main() -> None:
    """Measure, print, write."""
    logging.disable(logging.WARNING)
    given = options()
    result = measure(given)
    print(table(result))
    text = json.dumps(asdict(result), indent=1)
    print(text)
    if given.json:
        given.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
