"""One part of `gpu.sh`: measures, and prints one line of JSON.

    python bench/gpu_part.py PART MODEL FOLDER

Scoring: 5-shot choices behind four prefixes, counted in items a second. Writing: prompts of about
1,000 tokens behind four prefixes, in new tokens a second. *times_the_limit* is the seconds taken
over those of the matrix products alone (`generation.Limit`, `engine_vs_lm_eval.limit`).
"""

import importlib.metadata
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A random Llama, and how much it is asked."""

    hidden: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int
    items: int
    prompts: int
    new_tokens: int
    prefix: int


SHAPES = {
    "tiny": Shape(hidden=128, inner=256, layers=2, heads=2, kv_heads=1, vocabulary=2304,
                  items=2, prompts=2, new_tokens=8, prefix=120),
    "1b": Shape(hidden=2048, inner=8192, layers=16, heads=32, kv_heads=8, vocabulary=128_256,
                items=64, prompts=64, new_tokens=64, prefix=900),
    "8b": Shape(hidden=4096, inner=14_336, layers=32, heads=32, kv_heads=8, vocabulary=128_256,
                items=32, prompts=32, new_tokens=64, prefix=900),
}  # fmt: skip
"""The larger two are Llama 3.2 1B's and Llama 3.1 8B's shapes; items and prompts are behind each
prefix. vLLM on a CPU knows no heads smaller than 32."""
_COUNTED = ("torch", "transformers", "lm_eval", "ray", "llama-cpp-python", "babelbits")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a part works on."""

    model: str
    folder: Path

    @property
    def base(self) -> Path:
        """The model's folder."""
        return self.folder / self.model

    @property
    def shape(self) -> Shape:
        """The model's shape."""
        return SHAPES[self.model]

    @property
    def settings(self) -> Any:
        """Of an engine: bfloat16 on a GPU, float32 on a CPU."""
        from babelbits.engines.base import EngineSettings

        return EngineSettings(device="auto", dtype="auto")


# --- parts ------------------------------------------------------------------------------------


def found(_job: Job) -> dict[str, Any]:
    """What is here."""
    import torch

    from babelbits.engines.vllm_child import interpreter

    told: dict[str, Any] = {name: _version(name) for name in _COUNTED}
    python = interpreter.find()
    told["vllm"] = None if python is None else dict(interpreter.list_installed(python))
    told["gpu"] = None
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        told["gpu"] = torch.cuda.get_device_name()
        told["gpu_memory"] = {"free": free, "total": total}
    return told


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def make(job: Job) -> dict[str, Any]:
    """Write the random model."""
    import torch
    from engine_vs_lm_eval import make_tokenizer
    from passages import SCRIPTS, sentences
    from transformers import LlamaConfig, LlamaForCausalLM

    job.base.mkdir()
    make_tokenizer(job.base, [text for script in SCRIPTS for text in sentences(script)])
    shape = job.shape
    config = LlamaConfig(
        hidden_size=shape.hidden,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        vocab_size=shape.vocabulary,
        max_position_embeddings=2048,
        tie_word_embeddings=job.model != "8b",
        bos_token_id=0,
        eos_token_id=1,
    )
    on_gpu = torch.cuda.is_available()
    torch.set_default_dtype(torch.bfloat16 if on_gpu else torch.float32)
    torch.manual_seed(0)
    with torch.device("cuda" if on_gpu else "cpu"):
        model = LlamaForCausalLM(config)
    for name, weight in model.named_parameters():
        if weight.ndim == 2:
            torch.nn.init.normal_(weight, std=0.05 if "embed" in name else 0.02)
    model.save_pretrained(job.base)
    return {"weights": sum(one.numel() for one in model.parameters())}


def parity(job: Job) -> dict[str, Any]:
    """Our transformers engine behind shared prefixes against its plain path, in two types."""
    from dataclasses import replace

    from babelbits.engines import transformers

    told = {}
    for dtype in ("auto",) if job.model == "8b" else ("auto", "float32"):
        scores = {}
        for sharing in (True, False):
            settings = replace(job.settings, dtype=dtype, sharing=sharing)
            engine = transformers.load(job.base, settings=settings)
            scores[sharing] = engine.score(_choices(job)[: 4 * 16])
            name = engine.identity.dtype
            engine.close()
        told[name] = _difference(scores[True], scores[False])
    return told


def ours(job: Job) -> dict[str, Any]:
    """The speed of our transformers engine, and its distance to the limit."""
    from engine_vs_lm_eval import limit
    from generation import Limit

    from babelbits.engines import transformers

    engine = transformers.load(job.base, settings=job.settings)
    bound = limit(engine, _choices(job), time.perf_counter)
    written = Limit(engine, time.perf_counter).seconds(_prompts(job))
    told = _speed(engine, job)
    told["scoring_times_the_limit"] = told["scoring_s"] / (bound["linear"] + bound["attention"])
    told["writing_times_the_limit"] = told["writing_s"] / written
    told["gemm_gflops"] = bound["gflops"]
    return told


def vllm_parity(job: Job) -> dict[str, Any]:
    """Our vLLM engine behind cached prefixes against its plain path."""
    from dataclasses import replace

    from babelbits.engines import vllm

    scores = {}
    for sharing in (True, False):
        engine = vllm.load(job.base, settings=replace(job.settings, sharing=sharing))
        scores[sharing] = engine.score(_choices(job)[: 4 * 16])
        path = engine.identity.version
        engine.close()
        if sharing:
            told = {"path": path}
    return {**told, **_difference(scores[True], scores[False])}


def vllm_speed(job: Job) -> dict[str, Any]:
    """The speed of our vLLM engine."""
    from babelbits.engines import vllm

    engine = vllm.load(job.base, settings=job.settings)
    try:
        return _speed(engine, job)
    finally:
        engine.close()


def lm_eval_vllm(job: Job) -> dict[str, Any]:
    """The speed of lm-evaluation-harness's vLLM model, in vLLM's environment."""
    import torch
    from vllm_vs_lm_eval import theirs

    choices, prompts = _choices(job), _prompts(job)
    dtype = "bfloat16" if torch.cuda.is_available() else "float32"
    timed = theirs(job.base, dtype, choices, prompts)
    return _rates(job, timed["scored"], timed["written"], len(choices), len(prompts))


def plain_transformers(job: Job) -> dict[str, Any]:
    """Transformers by itself: `generate` in batches padded on the left; choices by lm-eval's HF."""
    import torch
    from engine_vs_lm_eval import time_lm_eval
    from transformers import AutoModelForCausalLM, AutoTokenizer

    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = "bfloat16" if device == "cuda" else "float32"
    choices, prompts = _choices(job), _prompts(job)
    scoring = time_lm_eval(
        job.base, choices, dtype=dtype, device=device, sizes=[16], clock=time.perf_counter
    )[0]
    model = AutoModelForCausalLM.from_pretrained(job.base, dtype=dtype).to(device).eval()
    tokenizer = AutoTokenizer.from_pretrained(job.base, padding_side="left")
    tokenizer.pad_token = tokenizer.eos_token
    started = time.perf_counter()
    for at in range(0, len(prompts), 16):
        batch = tokenizer([one.prompt for one in prompts[at : at + 16]], padding=True,
                          return_tensors="pt", return_token_type_ids=False).to(device)  # fmt: skip
        model.generate(**batch, max_new_tokens=job.shape.new_tokens,
                       min_new_tokens=job.shape.new_tokens, do_sample=False)  # fmt: skip
    return _rates(job, scoring, time.perf_counter() - started, len(choices), len(prompts))


def llama_cpp_speed(job: Job) -> dict[str, Any]:
    """The speed of our llama.cpp engine on the same weights in 16 bits."""
    from babelbits.engines import llama_cpp
    from babelbits.recipes.make import make as make_variant

    out = job.folder / f"{job.model}-f16"
    make_variant(job.base, recipe="gguf", parameters={}, calibration=None, out=out,
                 variant_id="f16", base_label="base", base_hash="0" * 64, seed=0)  # fmt: skip
    return _speed(llama_cpp.load(out, settings=job.settings), job)


PARTS: Mapping[str, Callable[[Job], dict[str, Any]]] = {
    "found": found,
    "make": make,
    "parity": parity,
    "ours": ours,
    "vllm-parity": vllm_parity,
    "vllm": vllm_speed,
    "lm-eval-vllm": lm_eval_vllm,
    "transformers": plain_transformers,
    "llama.cpp": llama_cpp_speed,
}


# --- what parts share -------------------------------------------------------------------------


def _choices(job: Job) -> list[Any]:
    from engine_vs_lm_eval import make_requests

    rng = np.random.default_rng(0)
    prefix = min(600, job.shape.prefix)
    return make_requests(_tokenizer(job), n_items=job.shape.items, prefix_tokens=prefix, rng=rng)


def _prompts(job: Job, seed: int = 1) -> list[Any]:
    from generation import make_prompts

    shape = job.shape
    return make_prompts(_tokenizer(job), n=shape.prompts, new_tokens=shape.new_tokens,
                        rng=np.random.default_rng(seed), tokens=shape.prefix)  # fmt: skip


def _tokenizer(job: Job) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(job.base)


def _speed(engine: Any, job: Job) -> dict[str, Any]:
    """Items and new tokens a second, after a warm-up on other prompts."""
    choices, prompts = _choices(job), _prompts(job)
    engine.score(choices[:4])
    engine.generate(_prompts(job, seed=2)[:: job.shape.prompts])
    started = time.perf_counter()
    engine.score(choices)
    scored = time.perf_counter()
    engine.generate(prompts)
    written = time.perf_counter()
    return _rates(job, scored - started, written - scored, len(choices), len(prompts))


def _rates(
    job: Job, scoring: float, writing: float, n_choices: int, n_prompts: int
) -> dict[str, Any]:
    return {
        "items_a_second": n_choices / 4 / scoring,
        "new_tokens_a_second": n_prompts * job.shape.new_tokens / writing,
        "scoring_s": scoring,
        "writing_s": writing,
    }


def _difference(one: list[Any], other: list[Any]) -> dict[str, Any]:
    """Largest difference of log-likelihoods, nats a token, and of choices."""
    nats = [abs(a.logprob - b.logprob) / a.continuation_tokens
            for a, b in zip(one, other, strict=True)]  # fmt: skip
    first, second = ([max(range(4), key=lambda k: at[i + k].logprob)
                      for i in range(0, len(at), 4)] for at in (one, other))  # fmt: skip
    same = [a == b for a, b in zip(first, second, strict=True)]
    return {
        "n": len(nats),
        "largest_nats": max(nats),
        "mean_nats": float(np.mean(nats)),
        "same_choice": float(np.mean(same)),
    }


def failed(name: str, model: str, code: str, bound: str, log: str) -> dict[str, Any]:
    """The line of a part that gave none."""
    if code in ("124", "137"):
        why = f"took more than {bound} s"
    else:
        lines = [one for one in Path(log).read_text(errors="replace").splitlines() if one.strip()]
        why = lines[-1].strip() if lines else f"ended with {code}"
    return {"part": name, "model": model, "failed": why}


def main(arguments: list[str]) -> None:
    """Run the part that is named."""
    logging.disable(logging.WARNING)
    name = arguments[0]
    if name == "failed":
        print(json.dumps(failed(*arguments[1:])))
        return
    job = Job(model=arguments[1], folder=Path(arguments[2]))
    started = time.perf_counter()
    told = PARTS[name](job)
    seconds = round(time.perf_counter() - started, 1)
    print(json.dumps({"part": name, "model": job.model, "seconds": seconds, **told}))


if __name__ == "__main__":
    main(sys.argv[1:])
