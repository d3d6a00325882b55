"""Our vLLM engine and lm-evaluation-harness's vLLM model, in one run on the same vLLM.

Both score the same 5-shot four-choice items in four scripts, and continue the same prompts of
eight examples greedily, with the same random Llama of 88 million parameters, one after the other,
each in a process of its own. Three numbers matter:

ratio           lm-eval's seconds / ours, for scoring and for writing
difference      largest difference of a log-likelihood between the two, nats
same            share of equal texts

    OMP_NUM_THREADS=1 python bench/vllm_vs_lm_eval.py --items 3 --prompts 3

Needs an environment with vLLM and lm-eval 0.4.13 (BABELBITS_VLLM_PYTHON, or the one that
`babelbits doctor --fix vllm` makes and `pip install lm_eval==0.4.13` there).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import torch
from engine_vs_lm_eval import CHUNK, LETTERS, make_model, make_requests, question
from passages import SCRIPTS, sentences

from babelbits.engines import vllm
from babelbits.engines.base import EngineSettings
from babelbits.engines.vllm_child import interpreter
from babelbits.records import GenerateRequest, ScoreRequest

CHILD = Path(__file__).with_name("lm_eval_vllm_child.py")
VARIABLES = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_CPU_KVCACHE_SPACE": "2",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_NO_USAGE_STATS": "1",
    "TORCHDYNAMO_DISABLE": "1",
}
"""For both; lm-eval would have its threads bound to cores and compile a function first."""
EXAMPLES, NEW_TOKENS = 8, 64
CUT = "\ufffd"
"""What is left of a character that the last token does not complete; vLLM's own detokenizer, which
lm-eval uses, leaves it out."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one run measured."""

    versions: str
    threads: str
    dtype: str
    n_scored: int
    n_written: int
    lm_eval_scoring_seconds: float
    our_scoring_seconds: float
    scoring_ratio: float
    largest_difference: float
    greedy_flags_equal: bool
    lm_eval_writing_seconds: float
    our_writing_seconds: float
    writing_ratio: float
    same_texts: float


def make_prompts(
    tokenizer: Any, *, n: int, rng: np.random.Generator, tokens: int = 900
) -> list[GenerateRequest]:
    """Prompts of eight examples, `n` behind the same examples in each script."""
    requests = []
    for script in SCRIPTS:
        pool = sentences(script)
        shots = [question(tokenizer, pool, tokens // EXAMPLES, rng) for _ in range(EXAMPLES)]
        prefix = "".join(f"{text} {rng.choice(LETTERS)}\n\n" for text in shots)
        requests += [
            GenerateRequest(
                prompt=prefix + question(tokenizer, pool, 100, rng),
                max_new_tokens=NEW_TOKENS,
                stop=("\n\n",),
            )
            for _ in range(n)
        ]
    return requests


def theirs(
    folder: Path, dtype: str, scores: Sequence[ScoreRequest], prompts: Sequence[GenerateRequest]
) -> dict[str, Any]:
    """What lm-eval's model answers, and how long it takes."""
    asked = {
        "model": str(folder),
        "dtype": dtype,
        "scores": [[request.context, request.continuation] for request in scores],
        "prompts": [[one.prompt, list(one.stop), one.max_new_tokens] for one in prompts],
    }
    out = folder / "lm-eval.json"
    subprocess.run(
        [str(interpreter.need()), str(CHILD), str(out)],
        input=json.dumps(asked).encode(),
        env={**os.environ, **VARIABLES},
        stdout=sys.stderr,
        check=True,
    )
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def ours(
    folder: Path, dtype: str, scores: Sequence[ScoreRequest], prompts: Sequence[GenerateRequest]
) -> dict[str, Any]:
    """What our engine answers, asked as a study asks it: in chunks of items."""
    engine = vllm.load(folder, settings=EngineSettings(device="cpu", dtype=dtype))
    try:
        engine.score(scores[:4])
        step = CHUNK * len(LETTERS)
        started = time.perf_counter()
        answers = [
            r for at in range(0, len(scores), step) for r in engine.score(scores[at : at + step])
        ]
        scored = time.perf_counter()
        texts = engine.generate(prompts)
        written = time.perf_counter()
    finally:
        engine.close()
    return {
        "scored": scored - started,
        "written": written - scored,
        "scores": [[one.logprob, one.is_greedy] for one in answers],
        "texts": [one.texts[0] for one in texts],
    }


def measure(options: argparse.Namespace) -> Result:
    """Run both."""
    rng = np.random.default_rng(options.seed)
    os.environ.update(VARIABLES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts = [text for script in SCRIPTS for text in sentences(script)]
        tokenizer = make_model(folder, texts, dtype=getattr(torch, options.dtype))
        scores = make_requests(tokenizer, n_items=options.items, prefix_tokens=600, rng=rng)
        prompts = make_prompts(tokenizer, n=options.prompts, rng=rng)
        us = ours(folder, options.dtype, scores, prompts)
        them = theirs(folder, options.dtype, scores, prompts)
    pairs = list(zip(us["scores"], them["scores"], strict=True))
    whole = zip(us["texts"], them["texts"], strict=True)
    same = [a.rstrip(CUT) == b.rstrip(CUT) for a, b in whole]
    return Result(
        versions=", ".join(f"{name} {one}" for name, one in interpreter.find_versions().items()),
        threads=os.environ.get("OMP_NUM_THREADS", "all"),
        dtype=options.dtype,
        n_scored=len(scores),
        n_written=len(prompts),
        lm_eval_scoring_seconds=them["scored"],
        our_scoring_seconds=us["scored"],
        scoring_ratio=them["scored"] / us["scored"],
        largest_difference=max(abs(a[0] - b[0]) for a, b in pairs),
        greedy_flags_equal=all(a[1] == b[1] for a, b in pairs),
        lm_eval_writing_seconds=them["written"],
        our_writing_seconds=us["written"],
        writing_ratio=them["written"] / us["written"],
        same_texts=sum(same) / len(same),
    )


def main(arguments: Sequence[str]) -> None:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=3, help="behind each of four prefixes")
    parser.add_argument("--prompts", type=int, default=3, help="behind each of four prefixes")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--seed", type=int, default=0)
    print(json.dumps(asdict(measure(parser.parse_args(arguments))), indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
