"""Babelbits' llama.cpp engine against lm-evaluation-harness's `gguf` model, in one run.

lm-eval asks a server over HTTP, one continuation a request. llama.cpp's own `llama-server` gives no
log-probabilities of a prompt, so lm-eval's answers come from what it was written for: llama-cpp-
python's completions with `echo` and `logprobs`, served here by the standard library in a process of
its own (the package's own server adds a web framework to the same call). Both use the same library,
file and number of threads, one after the other. The numbers of interest:

ratio           lm-eval's seconds / ours
plain_ratio     seconds of our own plain path (a sequence at a time, nothing shared) / ours: what is
                left of the ratio without the peer's work in Python for every token

    python bench/llama_vs_lm_eval.py run/variants/<id>     # a folder with a GGUF file
"""

import argparse
import json
import logging
import multiprocessing
import os
import platform
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np

from babelbits.bundled import find_mini_folder
from babelbits.engines import llama_cpp
from babelbits.engines.base import EngineSettings
from babelbits.engines.llama.loading import find_gguf_file
from babelbits.engines.llama.version import make_engine_version
from babelbits.records import Score, ScoreRequest

LANGUAGES = ("en", "ru", "hi", "zh")
SHOTS = 20
"""Sentences that all items of a language share."""
CHUNK = 64
"""Items that a study hands to an engine at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one run measured, wall clock."""

    model: str
    library: str
    threads: int
    n_items: int
    n_requests: int
    lm_eval_seconds: float
    our_seconds: float
    lm_eval_items_per_second: float
    our_items_per_second: float
    ratio: float
    plain_ratio: float
    median_difference: float
    """nats. lm-eval leaves out a continuation's last token where the server's one generated token
    is the end of the text."""
    plain_difference: float
    """Largest difference between our two paths, nats."""


def requests(items: int) -> list[ScoreRequest]:
    """BabelMini's sentence pairs, two continuations an item, behind a prefix for each language."""
    asked = []
    for language in LANGUAGES:
        lines = (find_mini_folder() / f"pairs/{language}.jsonl").read_text("utf-8").splitlines()
        pairs = [json.loads(line) for line in lines]
        shots = "".join(f"{pair['intact']}\n" for pair in pairs[-SHOTS:])
        asked += [
            ScoreRequest(context=f"{shots}-", continuation=f" {pair[kind]}")
            for pair in pairs[:items]
            for kind in ("intact", "damaged")
        ]
    return asked


# --- the peer ------------------------------------------------------------------------------------


def serve(path: str, threads: int, ready: Any) -> None:
    """Answer /v1/completions as llama-cpp-python does, until killed; sends the port first."""
    from llama_cpp import Llama

    model = Llama(path, n_ctx=0, n_threads=threads, logits_all=True, verbose=False)

    class Completions(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps(model.create_completion(**asked), default=float).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Completions)
    ready.send(server.server_port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ready.recv()


def peer(path: Path, asked: Sequence[ScoreRequest], threads: int) -> tuple[float, list[float]]:
    """Seconds of lm-eval's `gguf` model, and its log-likelihoods."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.gguf import GGUFLM

    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=serve, args=(str(path), threads, theirs), daemon=True)
    process.start()
    model = GGUFLM(base_url=f"http://127.0.0.1:{ours.recv()}")
    made = [
        Instance("loglikelihood", doc={}, arguments=(r.context, r.continuation), idx=0)
        for r in asked
    ]
    model.loglikelihood(made[:1], disable_tqdm=True)
    started = time.perf_counter()
    found = model.loglikelihood(made, disable_tqdm=True)
    seconds = time.perf_counter() - started
    ours.send(None)
    process.join()
    return seconds, [logprob for logprob, _greedy in found]


# --- ours ----------------------------------------------------------------------------------------


def measured(
    path: Path, asked: Sequence[ScoreRequest], *, sharing: bool
) -> tuple[float, list[float]]:
    """Seconds of our engine in chunks as a study hands them over, and its log-likelihoods."""
    engine = llama_cpp.load(path, settings=EngineSettings(device="cpu", sharing=sharing))
    engine.score(asked[:1])
    started = time.perf_counter()
    replies = [
        reply
        for start in range(0, len(asked), CHUNK)
        for reply in engine.score(asked[start : start + CHUNK])
    ]
    seconds = time.perf_counter() - started
    engine.close()
    return seconds, [reply.logprob if isinstance(reply, Score) else np.nan for reply in replies]


def main() -> None:
    """Measure both and print the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with a GGUF file and the model's tokenizer")
    parser.add_argument("--items", type=int, default=4, help="of each language")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    path, asked = find_gguf_file(options.folder), requests(options.items)
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    os.environ["OMP_NUM_THREADS"] = str(threads)
    our_seconds, ours = measured(path, asked, sharing=True)
    plain_seconds, plain = measured(path, asked, sharing=False)
    lm_eval_seconds, theirs = peer(path, asked, threads)
    apart = np.abs(np.array(ours) - np.array(theirs))
    n_items = len(asked) // 2
    result = Result(
        model=path.name,
        library=f"{make_engine_version()}, {platform.machine()}",
        threads=threads,
        n_items=n_items,
        n_requests=len(asked),
        lm_eval_seconds=lm_eval_seconds,
        our_seconds=our_seconds,
        lm_eval_items_per_second=n_items / lm_eval_seconds,
        our_items_per_second=n_items / our_seconds,
        ratio=lm_eval_seconds / our_seconds,
        plain_ratio=plain_seconds / our_seconds,
        median_difference=float(np.median(apart)),
        plain_difference=float(np.abs(np.array(ours) - np.array(plain)).max()),
    )
    text = json.dumps(asdict(result), indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
