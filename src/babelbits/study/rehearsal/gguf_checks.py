"""Checks of a variant in a GGUF file: blocks, conversion, and weights.

Conversion: the miniature in float32 computes in llama.cpp what the baseline's engine computes.
Weights: a file computes what the same file with every tensor in float32 computes.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from babelbits.engines import open_engine as engines
from babelbits.llamacpp import gguf_file
from babelbits.recipes.family import find_family
from babelbits.recipes.gguf_compare import gelu_from_table, has_gelu
from babelbits.records import Failure
from babelbits.study.rehearsal import comparing, samples
from babelbits.study.rehearsal.bench import RehearsalBench, Variant
from babelbits.study.rehearsal.dequantize import write_plain_gguf
from babelbits.study.rehearsal.engine_replies import list_logprobs, measure_mean_difference
from babelbits.study.rehearsal.outcomes import Failed
from babelbits.study.rehearsal.quantized_layers import check_blocks
from babelbits.study.rehearsal.tolerances import (
    REACTIONS,
    ROUGH,
    SAME_GELU,
    SAME_NATS,
    SAME_ROUGHLY,
)


def check_gguf(bench: RehearsalBench, engine: Any, folder: Path, variant: Variant) -> None:
    """Checks 1 to 3, of a variant loaded in llama.cpp from a folder."""
    bench.begin("modules")
    file = folder / gguf_file.MODEL
    if variant.info.method == "k-quant":
        check_blocks(file)
    if not bench.real:  # which is part of making a real one
        bench.begin("conversion")
        _check_conversion(bench)
    if variant.info.method == "k-quant":
        bench.begin("weights")
        _check_gguf_weights(bench, engine, folder)


def _check_conversion(bench: RehearsalBench) -> None:
    """Check 3, once a miniature."""
    if bench.converted is None:
        bench.converted = _compare_conversion(bench)
    if bench.converted:
        raise Failed(bench.converted)


def _compare_conversion(bench: RehearsalBench) -> str:
    """What is wrong with the miniature in llama.cpp and float32; '' if nothing is."""
    folder = bench.place / "float32"
    shutil.rmtree(folder, ignore_errors=True)
    variant = Variant(recipe="gguf", parameters={"type": "f32"})
    name = find_family(variant.recipe).default_engine
    try:
        bench.make(variant, folder)
        engine = engines.load(folder, engine=name, settings=bench.settings)
        try:
            return _compare_engines(bench, engine)
        finally:
            engine.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _compare_engines(bench: RehearsalBench, engine: Any) -> str:
    requests = samples.make_text_requests(bench.texts)
    ours = bench.baseline().score_text(requests)
    theirs = engine.score_text(requests)
    for text, one, other in zip(bench.texts, ours, theirs, strict=True):
        failed = next((reply for reply in (one, other) if isinstance(reply, Failure)), None)
        if failed is not None:
            return f"a text cannot be scored by both engines: {failed.message}"
        if len(one.logprobs) != len(other.logprobs):
            return f"llama.cpp reads {text[:40]!r} as other tokens"
    read = list_logprobs(theirs)
    mean = measure_mean_difference(list_logprobs(ours), read)
    dtype = str(bench.baseline().loaded.dtype).removeprefix("torch.")
    exact = dtype == engine.identity.dtype == "float32"
    gelu = has_gelu(bench.baseline().loaded.model)
    tolerance = (SAME_GELU if gelu else SAME_NATS) if exact else SAME_ROUGHLY
    same, beside = mean <= tolerance, ""
    if exact and gelu and not same:
        same, beside = _compare_with_table(bench, requests, read)
    if not same:
        return (
            "the converted model computes something else than the baseline: in float32 its "
            f"log-probabilities differ by {mean:.2g} nats a token{beside}"
        )
    bench.notes.append(
        f"GGUF in float32 differs by {mean:.1e} nats a token from the baseline{beside}"
    )
    return ""


def _compare_with_table(
    bench: RehearsalBench, requests: Sequence[Any], read: Sequence[float]
) -> tuple[bool, str]:
    """Whether a file computes the baseline with llama.cpp's table of GELU, and a clause of it.

    Rounding inside a model makes more of the last digits than float32 does, so that it is tried
    how much.
    """
    model = bench.baseline().loaded.model
    with gelu_from_table(model):
        table = list_logprobs(bench.baseline().score_text(requests))
        with comparing.shaken(model):
            shaken = list_logprobs(bench.baseline().score_text(requests))
    rest, floor = measure_mean_difference(table, read), measure_mean_difference(table, shaken)
    return rest <= SAME_NATS + REACTIONS * floor, (
        f"; by {rest:.1e} from it with GELU from a table in half precision, as llama.cpp has "
        f"it, which makes {floor:.1e} of a millionth in the embeddings"
    )


def _check_gguf_weights(bench: RehearsalBench, engine: Any, folder: Path) -> None:
    """Check 2 in llama.cpp: the same file with every tensor in float32."""
    import numpy as np

    target = bench.place / "plain-gguf"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("*.gguf", "manifest.json"))
    try:
        write_plain_gguf(folder / gguf_file.MODEL, target / gguf_file.MODEL)
        twin = engines.load(target, engine=engine.identity.name, settings=bench.settings)
        try:
            requests = samples.make_text_requests(bench.texts)
            ours, theirs = (list_logprobs(one.score_text(requests)) for one in (engine, twin))
        finally:
            twin.close()
    finally:
        shutil.rmtree(target, ignore_errors=True)
    spread = float(np.std(theirs))
    difference = float(np.sqrt(np.mean(np.subtract(ours, theirs) ** 2)))
    if not difference <= max(ROUGH["k-quant"] * spread, REACTIONS * bench.find_reaction().nats):
        raise Failed(
            "llama.cpp computes something else than the dequantized file: log-probabilities "
            f"differ by {difference:.2g} nats a token"
        )
