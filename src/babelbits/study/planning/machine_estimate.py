"""Time, memory, disk and cost of a study on a machine that is not this one, by stated formulas.

Arithmetic alone: nothing is measured, loaded or made. The model's shapes and the counts of items
are given; what is taken for granted stands in `Assumptions` and is printed with every estimate.

Reading a prompt is bound by arithmetic: 2 operations a weight and token. Writing is bound by
memory: every step reads all weights once and the keys and values of every sequence. Times are
estimates within a factor of two each way. Bytes, seconds; weights are those used for one token.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from babelbits.formats.text_model import find_text_config
from babelbits.study.planning.accelerators import Machine
from babelbits.words import plural

FACTOR = 2.0
"""An estimate's range is from so many times less to so many times more."""


HOST_BYTES = 4.2
"""Bytes a weight of main memory while a variant is made, the largest of what was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What an estimate takes for granted."""

    usable_memory: float = 0.90
    """Share of an accelerator's memory that an engine may fill (vLLM's default)."""
    arithmetic_share: float = 0.35
    """Share of the published speed that reading prompts reaches."""
    bandwidth_share: float = 0.60
    """Share of the published bandwidth that writing reaches."""
    parallel_share: float = 0.85
    """What is left of it when a model is split over accelerators."""
    batch: int = 64
    """Sequences written side by side."""
    prompt_tokens: int = 1000
    """Of an item with its examples."""
    new_tokens: int = 256
    """Of a written answer."""
    text_tokens: int = 500
    """Of a text that is scored whole."""
    choice_tokens: int = 15
    """Of one choice."""
    items: int = 500
    """Of a task in a language, where nobody counted them."""
    load_bandwidth: float = 1e9
    """Bytes a second from disk to accelerator."""
    calibration_hours: float = 4.2 / 175e9
    """Hours a weight of GPTQ on one A100: 4.2 hours for 175 billion weights (Frantar et al. 2022,
    arXiv 2210.17323, section 4, runtime). Other algorithms are taken to need as much."""

    def in_words(self) -> tuple[str, ...]:
        """One sentence each."""
        speeds = (
            f"reading reaches {self.arithmetic_share:.0%} of the published speed, writing "
            f"{self.bandwidth_share:.0%} of the published bandwidth, {self.parallel_share:.0%} of "
            "that where a model is split"
        )
        tokens = (
            f"an item has {plural(self.prompt_tokens, 'token')} of prompt, {self.new_tokens} of "
            f"answer or {self.choice_tokens} a choice; a scored text {self.text_tokens}"
        )
        making = (
            "making a variant with calibration takes as long a weight as GPTQ took on an A100, "
            "4.2 hours for 175 billion (arXiv 2210.17323)"
        )
        return (
            f"an engine fills {self.usable_memory:.0%} of an accelerator's memory",
            speeds,
            tokens,
            f"{plural(self.batch, 'answer')} at a time are written",
            making,
            f"times are within a factor of {FACTOR:g} each way",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """What of a model decides time and memory."""

    n_weights: int
    n_active: int
    """Weights that one token uses; fewer than all in a mixture of experts."""
    cache_bytes: int
    """Keys and values of one token, in 16 bits."""
    layer_weights: int
    """Of the largest layer."""
    hidden: int
    inner: int
    """Width of the largest input of a linear layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Items of one variant on one task in one language."""

    suite: str
    language: str
    items: int
    counted: bool
    """False where the number is assumed."""
    kind: str
    """'choice', 'generation' or 'text'."""
    choices: int = 4
    samples: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantEstimate:
    """One variant on the machine; hours are the middle of their range."""

    label: str
    bytes: int
    devices: int | None
    """Accelerators that one copy of the model needs; None: more than there are."""
    copies: int
    """Copies of the model that work at the same time."""
    make_hours: float
    """On one accelerator."""
    run_hours: float | None
    """Of all accelerators together; None where it does not fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyEstimate:
    """A whole study on a machine."""

    machine: Machine
    variants: tuple[VariantEstimate, ...]
    n_items: int
    """Of one variant."""
    assumed: tuple[str, ...]
    """Tasks whose items nobody counted."""
    make_memory: float
    """Bytes on the accelerator while a variant is made, layer by layer."""
    make_host_memory: float
    """Bytes of main memory meanwhile, where the model lies whole."""

    @property
    def disk(self) -> int:
        """Bytes of all variants and of the baseline."""
        return sum(one.bytes for one in self.variants)

    @property
    def hours(self) -> float | None:
        """From start to end; None where a variant does not fit."""
        runs = [one.run_hours for one in self.variants]
        if any(hours is None for hours in runs):
            return None
        made = sum(one.make_hours for one in self.variants) / min(
            self.machine.count, max(1, len(self.variants))
        )
        return made + sum(hours or 0.0 for hours in runs)

    @property
    def device_hours(self) -> float | None:
        """Accelerator hours that are paid."""
        return None if self.hours is None else self.hours * self.machine.count


def make_shape(tensors: Mapping[str, Sequence[int]], config: Mapping[str, Any]) -> ModelShape:
    """What decides time and memory, of a model's weights and its `config.json`.

    Parameters
    ----------
    tensors : mapping
        Name to shape of every weight.
    config : mapping
        `config.json`; of a multimodal model its text model counts.
    """
    text = find_text_config(config)
    sizes = {name: math.prod(shape) for name, shape in tensors.items()}
    total = sum(sizes.values())
    layers = int(text.get("num_hidden_layers") or text.get("n_layer") or 1)
    hidden = int(text.get("hidden_size") or text.get("n_embd") or 1)
    heads = int(text.get("num_attention_heads") or text.get("n_head") or 1)
    kv_heads = int(text.get("num_key_value_heads") or heads)
    width = int(text.get("head_dim") or hidden // heads)
    by_layer: dict[str, int] = {}
    for name, size in sizes.items():
        number = next((part for part in name.split(".") if part.isdecimal()), "")
        if number:
            by_layer[number] = by_layer.get(number, 0) + size
    return ModelShape(
        n_weights=total,
        n_active=total - _idle_weights(sizes, text),
        cache_bytes=2 * layers * kv_heads * width * 2,
        layer_weights=max(by_layer.values(), default=total),
        hidden=hidden,
        inner=int(text.get("intermediate_size") or 4 * hidden),
    )


def _idle_weights(sizes: Mapping[str, int], text: Mapping[str, Any]) -> int:
    """Weights of experts that a token is not sent to."""
    experts = (
        text.get("num_local_experts") or text.get("num_experts") or text.get("n_routed_experts")
    )
    used = text.get("num_experts_per_tok")
    if not experts or not used:
        return 0
    of_experts = sum(size for name, size in sizes.items() if ".experts." in name)
    return round(of_experts * (1 - int(used) / int(experts)))


def estimate_study(
    variants: Iterable[tuple[str, int, bool]],
    loads: Sequence[Load],
    *,
    shape: ModelShape,
    machine: Machine,
    assume: Assumptions,
) -> StudyEstimate:
    """A study on a machine.

    Parameters
    ----------
    variants : iterable of (label, bytes, calibrated)
        Bytes of its weights, and whether making it sees calibration text; the baseline first.
    loads : sequence of Load
        What every variant is asked; the A/A run of the baseline is added.
    """
    found = []
    for number, (label, size, calibrated) in enumerate(variants):
        devices = count_devices(size, shape, machine=machine, assume=assume)
        again = 2 if number == 0 else 1
        hours = None
        if devices is not None:
            seconds = again * estimate_work_seconds(
                loads, size=size, shape=shape, machine=machine, devices=devices, assume=assume
            )
            copies = machine.count // devices
            hours = (seconds / copies + size / assume.load_bandwidth) / 3600
        found.append(
            VariantEstimate(
                label=label,
                bytes=size,
                devices=devices,
                copies=0 if devices is None else machine.count // devices,
                make_hours=0.0
                if number == 0
                else estimate_making_hours(size, shape, calibrated=calibrated, assume=assume),
                run_hours=hours,
            )
        )
    return StudyEstimate(
        machine=machine,
        variants=tuple(found),
        n_items=sum(load.items for load in loads),
        assumed=tuple(dict.fromkeys(load.suite for load in loads if not load.counted)),
        make_memory=estimate_making_memory(shape),
        make_host_memory=estimate_making_host_memory(shape),
    )


def count_devices(
    size: int, shape: ModelShape, *, machine: Machine, assume: Assumptions
) -> int | None:
    """Accelerators that one copy needs: a power of two; None where there are too few."""
    sequences = shape.cache_bytes * (assume.prompt_tokens + assume.new_tokens) * assume.batch / 4
    needed = size + sequences
    devices = 1
    while devices * machine.device.memory * assume.usable_memory < needed:
        devices *= 2
    return devices if devices <= machine.count else None


def estimate_work_seconds(
    loads: Sequence[Load],
    *,
    size: int,
    shape: ModelShape,
    machine: Machine,
    devices: int,
    assume: Assumptions,
) -> float:
    """Seconds that one copy of a variant works on all loads."""
    read = written = 0.0
    for load in loads:
        if load.kind == "text":
            read += load.items * assume.text_tokens
        elif load.kind == "choice":
            read += load.items * (assume.prompt_tokens + load.choices * assume.choice_tokens)
        else:
            read += load.items * assume.prompt_tokens
            written += load.items * load.samples * assume.new_tokens
    split = 1.0 if devices == 1 else assume.parallel_share
    speed = devices * machine.device.speed * assume.arithmetic_share * split
    reading = read * 2 * shape.n_active / speed
    context = assume.prompt_tokens + assume.new_tokens / 2
    active = size * shape.n_active / shape.n_weights
    step = (active + assume.batch * context * shape.cache_bytes) / (
        devices * machine.device.bandwidth * assume.bandwidth_share * split
    )
    return reading + written / assume.batch * step


def estimate_making_hours(
    size: int, shape: ModelShape, *, calibrated: bool, assume: Assumptions
) -> float:
    """Hours on one accelerator to make a variant: reading, quantizing and writing its files."""
    moved = (2 * shape.n_weights + size) / assume.load_bandwidth / 3600
    return moved + (shape.n_weights * assume.calibration_hours if calibrated else 0.0)


def estimate_making_memory(shape: ModelShape, *, samples: int = 128, tokens: int = 2048) -> float:
    """Bytes on an accelerator while a variant is made layer by layer (sequential onloading).

    One layer in 16 bits and once more while it is rounded, the second moments of its widest input
    in 32 bits with their inverse, and the activations of one batch.
    """
    layer = 2 * 2 * shape.layer_weights
    moments = 2 * 4 * shape.inner**2
    batch = 2 * 2 * tokens * max(shape.hidden, shape.inner)
    kept = 2 * samples * tokens * shape.hidden  # offloaded to the host, one copy in flight
    return layer + moments + batch + min(kept, 2e9)


def estimate_making_host_memory(shape: ModelShape) -> float:
    """Bytes of main memory while a variant is made.

    llm-compressor moves one layer at a time to the accelerator; the model itself stays in main
    memory. Two bytes a weight are the base's files in 16 bits, mapped, which the system can drop
    and read again; the rest is the model while it is quantized and written. Measured on random
    models with `bench/quantize_memory.py`.
    """
    return HOST_BYTES * shape.n_weights
