"""Over how many GPUs vLLM splits a model: each layer over some of a node, layers over stages.

Tensor parallelism splits every layer, and with it the heads of attention: all GPUs exchange sums at
every layer, so it stays within a node. Pipeline parallelism gives each stage some of the layers.
A study that states neither gets the fewest GPUs that hold the unquantized model with room for keys
and values; all its variants run alike, because the split changes rounding, and with it ids.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from babelbits import devices
from babelbits.errors import StudyError
from babelbits.formats.text_model import find_text_config
from babelbits.records import TensorRecord
from babelbits.study.config.engines import name_engine
from babelbits.study.config.spec import Study
from babelbits.study.planning import estimate
from babelbits.study.planning.base_model import BaseModel
from babelbits.study.planning.machine_estimate import Assumptions, ModelShape, make_shape
from babelbits.words import plural

VLLM = "vllm"
"""The engine that splits layers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelSizes:
    """GPUs of one copy of a model."""

    tensor: int = 1
    """That share every layer."""
    pipeline: int = 1
    """Stages, one after the other."""

    @property
    def total(self) -> int:
        """GPUs of all stages."""
        return self.tensor * self.pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitShape:
    """What of a model a split must divide."""

    heads: int
    """Of queries."""
    kv_heads: int
    """Of keys and values."""
    layers: int


def split_shape(config: Mapping[str, Any]) -> SplitShape:
    """Heads and layers by a model's `config.json`; of a multimodal model its text model's."""
    text = find_text_config(config)
    heads = int(text.get("num_attention_heads") or text.get("n_head") or 1)
    return SplitShape(
        heads=heads,
        kv_heads=int(text.get("num_key_value_heads") or heads),
        layers=int(text.get("num_hidden_layers") or text.get("n_layer") or 1),
    )


def find_tensor_problem(tensor: int, shape: SplitShape) -> str | None:
    """Why a model's layers cannot be split so; None where they can.

    Heads of keys and values are divided, or each is copied to as many GPUs as it is needed on.
    """
    if shape.heads % tensor:
        return f"{tensor} does not divide its {plural(shape.heads, 'attention head')}"
    if shape.kv_heads % tensor and tensor % shape.kv_heads:
        return f"{tensor} does not divide its {plural(shape.kv_heads, 'head')} of keys and values"
    return None


def choose_sizes(
    weights: int, kept: int, *, shape: SplitShape, cards: int, memory: float, nodes: int = 1
) -> ParallelSizes | None:
    """The fewest GPUs that hold a model: of one node that share its layers, else in stages.

    Parameters
    ----------
    weights : int
        Bytes of all weights.
    kept : int
        Bytes of keys and values that there must be room for.
    cards : int
        GPUs of each node.
    memory : float
        Bytes of each GPU that may be filled.
    nodes : int
        Nodes that stages may lie on.

    Returns
    -------
    ParallelSizes or None
        None where all GPUs together do not hold it.
    """
    able = []
    for tensor in range(1, cards + 1):
        if find_tensor_problem(tensor, shape) is not None:
            continue
        for pipeline in range(1, min(shape.layers, nodes * (cards // tensor)) + 1):
            largest = math.ceil(shape.layers / pipeline) / shape.layers  # share of a stage
            if (weights + kept) * largest / tensor <= memory:
                able.append(ParallelSizes(tensor=tensor, pipeline=pipeline))
                break
    return min(able, key=lambda one: (one.pipeline > 1, one.total, one.pipeline), default=None)


def estimate_sequence_bytes(shape: ModelShape, *, assume: Assumptions) -> int:
    """Bytes of keys and values of a quarter of the sequences that are computed side by side."""
    tokens = (assume.prompt_tokens + assume.new_tokens) * assume.batch // 4
    return shape.cache_bytes * tokens


def find_sizes(
    tensors: Sequence[TensorRecord],
    config: Mapping[str, Any],
    *,
    cards: Sequence[int],
    width: int,
    assume: Assumptions,
) -> ParallelSizes | None:
    """The GPUs of one machine that an unquantized model needs; None where they are too few.

    Parameters
    ----------
    cards : sequence of int
        Bytes of each GPU.
    width : int
        Bytes of a weight in the computation.
    """
    shape = make_shape({one.name: one.shape for one in tensors}, config)
    return choose_sizes(
        width * shape.n_weights,
        estimate_sequence_bytes(shape, assume=assume),
        shape=split_shape(config),
        cards=len(cards),
        memory=min(cards) * assume.usable_memory,
    )


def with_parallel_sizes(
    study: Study, base: BaseModel, *, cards: Sequence[int] | None = None
) -> Study:
    """The study with the sizes that it states, or those that this machine needs.

    Parameters
    ----------
    cards : sequence of int, optional
        Bytes of each GPU; None: of this machine.

    Raises
    ------
    StudyError
        If sizes are stated that the model or the device cannot have.
    """
    engine = study.engine
    stated = engine.tensor_parallel is not None or engine.pipeline_parallel is not None
    used = any(
        name_engine(engine, study.model, one) == VLLM
        for one in study.variants
        if one.endpoint is None
    )
    if stated:
        _check_stated(study, base, used=used)
        return study
    if not used or devices.resolve(engine.device) != "cuda":
        return study
    there = devices.measure_gpu_memory() if cards is None else tuple(cards)
    tensors = estimate.read_base_tensors(base.folder)
    if len(there) < 2 or tensors is None:
        return study
    width = 4 if engine.dtype == "float32" else 2
    found = find_sizes(tensors, base.config, cards=there, width=width, assume=Assumptions())
    if found is None or found.total == 1:
        return study
    sizes = {"tensor_parallel": found.tensor, "pipeline_parallel": found.pipeline}
    return replace(study, engine=replace(engine, **sizes))  # type: ignore[arg-type]  # of ints


def _check_stated(study: Study, base: BaseModel, *, used: bool) -> None:
    engine = study.engine
    sizes = ParallelSizes(
        tensor=engine.tensor_parallel or 1, pipeline=engine.pipeline_parallel or 1
    )
    if sizes.total == 1:
        return
    where, hint = "[engine]", "leave tensor_parallel and pipeline_parallel out"
    if not used:
        raise StudyError(
            "tensor_parallel and pipeline_parallel split models in vLLM, and no variant runs there",
            where=where,
            hint=f"set name = 'vllm'; or {hint}: `device = 'auto'` splits by layers where it must",
        )
    device = devices.resolve(engine.device)
    if device != "cuda":
        raise StudyError(
            f"a model is split over {plural(sizes.total, 'GPU')}, but the device is '{device}'",
            where=where,
            hint=f"set device = 'cuda', or {hint}",
        )
    shape = split_shape(base.config)
    problem = find_tensor_problem(sizes.tensor, shape)
    if problem is not None:
        able = [n for n in range(1, 65) if find_tensor_problem(n, shape) is None]
        raise StudyError(
            f"tensor_parallel = {sizes.tensor} cannot split this model: {problem}",
            where=where,
            hint=f"it can be {', '.join(map(str, able))}",
        )
    if sizes.pipeline > shape.layers:
        raise StudyError(
            f"pipeline_parallel = {sizes.pipeline}, but the model has "
            f"{plural(shape.layers, 'layer')}",
            where=where,
        )
