"""How much smaller llama.cpp's types make a model, beside what a paper on them reports.

    python bench/compression.py [--small]

"English K_Quantization of LLMs Does Not Disproportionately Diminish Multilingual Performance"
(Borgersen and Goodwin 2025) reports about 3.5, 4.6 and 5.8 times for Llama 3.3 70B. Measured here:
a random model of Llama's shape, converted and quantized, file sizes as they are. Beside it what
llama.cpp says it would make of the 70B model's shape (its quantizer's dry run on a file that has
the tensors' names and sizes and a hole in place of their values). The gap is what the output layer
weighs: it keeps 6 bits, and is a larger part of a small model.
"""

import argparse
import ctypes
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from babelbits.bundled import find_bundled_model
from babelbits.llamacpp import gguf_file, library
from babelbits.quiet import quiet
from babelbits.recipes.calibration import CalibrationSpec
from babelbits.recipes.make import make

REPORTED = {"q4_k_s": 3.5, "q3_k_s": 4.6, "q2_k_s": 5.8}
"""File sizes in F16 over quantized, as the paper has them."""
LARGE = {
    "block_count": 80,
    "embedding_length": 8192,
    "feed_forward_length": 28672,
    "attention.head_count": 64,
    "attention.head_count_kv": 8,
    "context_length": 131072,
}
"""Llama 3.3 70B's config.json in llama.cpp's words."""
LARGE_VOCABULARY = 128256


def random_llama(folder: Path, *, layers: int) -> Path:
    """A Llama with the proportions of the 70B model, and the bundled model's tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=1024,
        intermediate_size=3584,
        num_hidden_layers=layers,
        num_attention_heads=8,
        num_key_value_heads=1,
        vocab_size=8192,
        max_position_embeddings=1024,
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    with quiet():
        LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    for file in find_bundled_model().glob("tokenizer*"):
        shutil.copy(file, folder)
    return folder


def measured(base: Path, place: Path) -> Iterator[tuple[str, int, float]]:
    """Recipe, bytes of its GGUF file and bits per weight, F16 first."""
    spec = CalibrationSpec(language="en", samples=2, tokens=128)
    for recipe in ("gguf", *REPORTED):
        manifest = make(
            base,
            recipe=recipe,
            parameters={},
            calibration=spec if recipe in REPORTED else None,
            out=place / recipe,
            variant_id=recipe,
            base_label="random",
            base_hash="random",
            seed=0,
        )
        size = (place / recipe / gguf_file.MODEL).stat().st_size
        yield recipe, size, manifest.bits_per_weight


# --- a shape without weights ---------------------------------------------------------------------


def hollow_llama(file: Path) -> None:
    """A GGUF file of the 70B model's shape, with a hole where the values would be."""
    gguf = gguf_file.import_package()
    writer = gguf.GGUFWriter(file, arch="llama")
    for key, value in LARGE.items():
        writer.add_uint32(f"llama.{key}", value)
    writer.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
    writer.add_uint32("llama.vocab_size", LARGE_VOCABULARY)
    end = 0
    for name, shape in large_shapes():
        values = np.broadcast_to(np.float16(0), shape)
        writer.add_tensor_info(name, shape, values.dtype, values.nbytes)
        end += -(-values.nbytes // 32) * 32
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size + end + 64)


def large_shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every weight of the 70B model; norms are left out, which are 0.002 % of it."""
    width, inner = LARGE["embedding_length"], LARGE["feed_forward_length"]
    narrow = width * LARGE["attention.head_count_kv"] // LARGE["attention.head_count"]
    yield "token_embd.weight", (LARGE_VOCABULARY, width)
    yield "output.weight", (LARGE_VOCABULARY, width)
    for block in range(LARGE["block_count"]):
        for name, rows, columns in (
            ("attn_q", width, width),
            ("attn_k", narrow, width),
            ("attn_v", narrow, width),
            ("attn_output", width, width),
            ("ffn_gate", inner, width),
            ("ffn_up", inner, width),
            ("ffn_down", width, inner),
        ):
            yield f"blk.{block}.{name}.weight", (rows, columns)


def dry_run(llama: Any, file: Path, mixture: str) -> tuple[float, float]:
    """MiB of the model and of what llama.cpp would make of it, as it says in its log."""
    lines: list[str] = []
    log = llama.llama_log_callback(lambda _level, text, _data: lines.append(text.decode()))
    llama.llama_log_set(log, None)
    parameters = llama.llama_model_quantize_default_params()
    parameters.ftype = getattr(llama, f"LLAMA_FTYPE_MOSTLY_{mixture.upper()}")
    parameters.dry_run = True
    failed = llama.llama_model_quantize(str(file).encode(), b"/dev/null", ctypes.byref(parameters))
    llama.llama_log_set(library._callback(llama), None)
    found = re.findall(r"(?:model|quant) size *= *([\d.]+)", "".join(lines))
    if failed or len(found) < 2:
        raise SystemExit("".join(lines[-5:]))
    return float(found[-2]), float(found[-1])


def main() -> None:
    """Print both beside the paper's figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="one block: a look at the program")
    arguments = parser.parse_args()
    llama = library.load()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        base = random_llama(place / "base", layers=1 if arguments.small else 8)
        (_, whole, bits), *rows = measured(base, place)
        print(f"random Llama: {whole / 2e6:.0f} million weights, {bits:.2f} bits each in F16\n")
        hollow = place / "hollow.gguf"
        hollow_llama(hollow)
        print(f"{'type':<8}{'bits':>6}{'ratio':>7}{'70B shape':>11}{'reported':>10}")
        for recipe, size, bits in rows:
            before, after = dry_run(llama, hollow, recipe)
            ratio, large = whole / size, before / after
            print(f"{recipe:<8}{bits:>6.2f}{ratio:>7.2f}{large:>11.2f}{REPORTED[recipe]:>10.1f}")


if __name__ == "__main__":
    main()
