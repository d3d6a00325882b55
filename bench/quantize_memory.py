"""Memory of making variants: the peak of each recipe on random models of rising size, on the CPU.

Each variant is made in a process of its own, as a run makes it. Peaks are sampled, beyond what the
process held once its libraries were imported: of the resident set, and of anonymous memory alone.
The difference is mapped files, the base model's above all, which the system can drop and read
again. llama.cpp's recipes convert in a child, whose resident peak counts where it is larger.

A line is fitted through the resident peaks: fixed bytes, and bytes a weight. The model lies whole
in main memory, so the line carries over to other sizes; an accelerator holds one layer
(`machine_estimate.estimate_making_memory`).

    python bench/quantize_memory.py --sizes 0.05 0.1                     # minutes
    nice -n 15 python bench/quantize_memory.py --sizes 0.05 0.1 0.25 --json result.json
"""

import argparse
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np

RECIPES = {"w8": "round to nearest", "q4_k_m": "GGUF with a matrix", "w4-g": "GPTQ", "awq": "AWQ"}
SHAPES = {
    "0.05": (512, 1408, 16),
    "0.1": (768, 2048, 14),
    "0.25": (1024, 2816, 19),
    "0.5": (1280, 3456, 24),
    "1": (2048, 5632, 18),
}
"""Hidden size, inner size and layers, by billions of weights; 8,192 tied embeddings besides."""
EXTRAPOLATED = {"8B": 8.03e9, "70B": 70.6e9, "103B": 103.8e9}
WINDOWS, TOKENS = 2, 128
_COUNTED = ("VmRSS", "RssAnon")
_KIB = 1024


def make_base(folder: Path, size: str) -> None:
    """Write a random Llama in bfloat16 and its tokenizer."""
    import torch
    from engine_vs_lm_eval import make_tokenizer
    from passages import SCRIPTS, sentences
    from transformers import LlamaConfig, LlamaForCausalLM

    hidden, inner, layers = SHAPES[size]
    make_tokenizer(folder, [text for script in SCRIPTS for text in sentences(script)])
    config = LlamaConfig(
        hidden_size=hidden,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        num_key_value_heads=hidden // 64,
        vocab_size=8192,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=1,
    )
    torch.set_default_dtype(torch.bfloat16)
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)


def make_variant(base: Path, recipe: str, out: Path) -> dict[str, float]:
    """Make one variant in this process; bytes and seconds."""
    from babelbits.recipes.calibration import CalibrationSpec
    from babelbits.recipes.make import make

    weights = sum(one.stat().st_size for one in base.glob("*.safetensors")) / 2
    before = {name: _status(name) for name in _COUNTED}
    started = time.process_time()
    with _sampling() as seen:
        make(
            base,
            recipe=recipe,
            parameters={},
            calibration=CalibrationSpec(language="en", samples=WINDOWS, tokens=TOKENS),
            out=out,
            variant_id="measured",
            base_label="base",
            base_hash="0" * 64,
            seed=0,
            device="cpu",
        )
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * _KIB
    grown = {name: seen[name] - before[name] for name in _COUNTED}
    return {
        "weights": weights,
        "resident": max(grown["VmRSS"], child),
        "anonymous": grown["RssAnon"],
        "child": child,
        "cpu_seconds": time.process_time() - started,
    }


def _status(name: str) -> float:
    """Bytes of this process that the system names so."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(float(line.split()[1]) * _KIB for line in lines if line.startswith(f"{name}:"))


@contextmanager
def _sampling(every_s: float = 0.02) -> Iterator[dict[str, float]]:
    """Look at this process' memory again and again; the largest of each kind."""
    seen, over = {name: _status(name) for name in _COUNTED}, threading.Event()

    def look() -> None:
        while not over.wait(every_s):
            seen.update({name: max(held, _status(name)) for name, held in seen.items()})

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def measure(sizes: Sequence[str], recipes: Sequence[str]) -> list[dict[str, object]]:
    """A row a size and recipe; what fails says why."""
    import llmcompressor  # noqa: F401  imported once, before what is measured
    import torch
    import transformers  # noqa: F401

    torch.set_num_threads(1)
    rows: list[dict[str, object]] = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            base = Path(name) / "base"
            base.mkdir()
            _apart(make_base, base, size)
            for recipe in recipes:
                found = _apart(make_variant, base, recipe, Path(name) / recipe)
                rows.append({"size": size, "recipe": recipe, **found})
                print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return rows


def _apart(work: Callable[..., dict[str, float] | None], *arguments: object) -> dict[str, object]:
    """Do some work in a process of its own, which is forked: libraries are imported there."""
    context = multiprocessing.get_context("fork")
    ours, its = context.Pipe()

    def told() -> None:
        try:
            its.send(work(*arguments) or {})
        except Exception as error:  # noqa: BLE001  the row says why; the others go on
            its.send({"failed": str(error)})

    process = context.Process(target=told)
    process.start()
    its.close()
    try:
        found: dict[str, object] = ours.recv()
    except EOFError:
        found = {"failed": "the process was killed"}
    process.join()
    return found


def fitted(rows: Sequence[dict[str, object]], recipe: str) -> tuple[float, float] | None:
    """Fixed bytes and bytes a weight, by least squares; None with fewer than two sizes."""
    mine = [row for row in rows if row["recipe"] == recipe and "failed" not in row]
    found = [(row["weights"], row["resident"]) for row in mine]
    if len(found) < 2:
        return None
    x, y = np.asarray(found, dtype=float).T
    slope, fixed = np.polyfit(x, y, 1)
    return float(fixed), float(slope)


def table(rows: Sequence[dict[str, object]], recipes: Sequence[str]) -> str:
    """The lines that were fitted, in Markdown."""
    lines = [
        "| recipe | fixed, MB | bytes a weight | " + " | ".join(EXTRAPOLATED) + " |",
        "| --- |" + " ---: |" * (2 + len(EXTRAPOLATED)),
    ]
    for recipe in recipes:
        line = fitted(rows, recipe)
        if line is None:
            continue
        fixed, slope = line
        cells = [f"{(fixed + slope * n) / 1e9:,.0f} GB" for n in EXTRAPOLATED.values()]
        lines.append(f"| {recipe} | {fixed / 1e6:,.0f} | {slope:.2f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", nargs="+", choices=list(SHAPES), default=["0.05", "0.1"])
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES))
    parser.add_argument("--json", type=Path, help="write the rows here as well")
    given = parser.parse_args(arguments)
    rows = measure(given.sizes, given.recipes)
    print(table(rows, given.recipes))
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
