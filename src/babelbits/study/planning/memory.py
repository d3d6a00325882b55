"""Whether this machine can hold the models of a plan, said before anything is loaded.

An estimate of weights alone, from headers: what is refused cannot fit, what passes may still be too
large with its activations. In bytes.
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path

from babelbits import devices
from babelbits.engines.base import EngineSettings
from babelbits.engines.placement import CARD_SHARE, place
from babelbits.errors import ModelError
from babelbits.recipes.family import HF, find_family
from babelbits.records import TensorRecord
from babelbits.study.config.engines import format_of, name_engine
from babelbits.study.planning import estimate
from babelbits.study.planning.machine_estimate import make_shape
from babelbits.study.planning.parallel_sizes import VLLM
from babelbits.study.planning.plan_types import Plan, VariantStep
from babelbits.words import bytes_size, plural

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_STORED = ("llama.cpp",)
"""Engines that compute with weights as they are stored."""
_PACKED = ("bitsandbytes",)
"""Formats that transformers computes with as they are stored."""


def check_memory(
    plan: Plan, *, total: float | None = None, cards: Sequence[int] | None = None
) -> None:
    """Raise if a variant's weights are more than the memory of this machine.

    Parameters
    ----------
    plan : Plan
        Variants that are not needed are left alone.
    total : float, optional
        Bytes of memory; None: of this machine, or of the container that this process is in.
    cards : sequence of int, optional
        Bytes of each GPU; None: of this machine's. Where nobody says, nothing is refused.

    Raises
    ------
    ModelError
        Names the variant, what it needs, what there is, and what would fit.
    """
    if plan.engine.device_kind not in ("cpu", "cuda"):
        return
    tensors = estimate.read_base_tensors(plan.base.folder)
    if tensors is None:
        return
    there = find_total_memory() if total is None else total
    if plan.engine.device_kind == "cuda":
        found = devices.measure_gpu_memory() if cards is None else tuple(cards)
        if found:
            _check_cards(plan, tensors, cards=found, host=there)
        return
    for step in plan.variants:
        needed = estimate_weight_memory(step, plan, tensors) if step.needed else None
        if needed is not None and needed > there:
            raise ModelError(
                f"the weights of '{step.label}' take {bytes_size(needed)} in "
                f"{plan.engine.dtype}, and this machine has {bytes_size(round(there))} of memory",
                where=str(plan.base.folder),
                hint=_what_fits(plan, tensors, there),
            )


def _check_cards(
    plan: Plan, tensors: Sequence[TensorRecord], *, cards: tuple[int, ...], host: float
) -> None:
    """Raise if the GPUs, and host memory where that may help, do not hold a variant."""
    settings = plan.study.engine
    for step in plan.variants:
        engine = name_engine(settings, plan.study.model, step.spec)
        needed = estimate_weight_memory(step, plan, tensors) if step.needed else None
        if needed is None:
            continue
        usable = _usable_cards(settings, engine, cards)
        if not usable:
            raise ModelError(
                f"'{step.label}' is to run on {plural(settings.n_devices, 'GPU')}, and this "
                f"machine has {len(cards)}",
                where="[engine]",
                hint="lower tensor_parallel or pipeline_parallel, or `run --ray`",
            )
        packed = format_of(plan.study.model, step.spec) != HF
        helps = settings.device == "auto" and engine == "transformers" and not packed
        layer = _largest_part(tensors) * needed // max(1, sum(math.prod(t.shape) for t in tensors))
        if place(needed, layer=layer, cards=usable, host=int(host) if helps else 0) is None:
            on_host = f" and {bytes_size(round(host))} of host memory" if helps else ""
            raise ModelError(
                f"the weights of '{step.label}' take {bytes_size(needed)} in {plan.engine.dtype}, "
                f"more than {plural(len(usable), 'GPU')} with {bytes_size(sum(usable))}"
                f"{' together' if len(usable) > 1 else ''}{on_host} can hold",
                where=str(plan.base.folder),
                hint=_what_fits(plan, tensors, sum(usable) * CARD_SHARE, spread=len(usable) > 1),
            )


def _usable_cards(settings: EngineSettings, engine: str, cards: tuple[int, ...]) -> tuple[int, ...]:
    """GPUs that one copy of a model may use: those asked for, or as many as vLLM splits it over."""
    number = settings.device.partition(":")[2]
    if number:
        return cards[int(number) : int(number) + 1]
    if engine == VLLM:
        return cards[: settings.n_devices] if settings.n_devices <= len(cards) else ()
    return cards if settings.device == "auto" else cards[:1]


def _largest_part(tensors: Sequence[TensorRecord]) -> int:
    """Weights of the largest layer, or of the embeddings where these are more."""
    shape = make_shape({one.name: one.shape for one in tensors}, {})
    ends = [math.prod(one.shape) for one in tensors if "embed" in one.name]
    return max([shape.layer_weights, *ends])


def estimate_weight_memory(
    step: VariantStep, plan: Plan, tensors: Sequence[TensorRecord]
) -> int | None:
    """Bytes of a variant's weights while they are computed with; None where nobody can say.

    Parameters
    ----------
    tensors : sequence of TensorRecord
        Of the base model.
    """
    if step.spec.origin not in ("baseline", "made"):
        return None
    study = plan.study
    engine = name_engine(study.engine, study.model, step.spec)
    kind = format_of(study.model, step.spec)
    if engine in _STORED or kind in _PACKED:
        return step.bytes
    if engine not in ("transformers", VLLM):
        return None
    if engine == VLLM and kind != HF:
        return step.bytes  # its kernels compute with weights as they are stored
    n_weights = sum(math.prod(one.shape) for one in tensors)
    plain = n_weights * _BYTES.get(plan.engine.dtype, 4)
    packed = 0 if kind == HF else step.bytes or 0  # unpacked beside what is stored
    return plain + packed


def _what_fits(
    plan: Plan, tensors: Sequence[TensorRecord], there: float, *, spread: bool = True
) -> str:
    """Ways out, those that fit first."""
    n_weights = sum(math.prod(one.shape) for one in tensors)
    ways = [] if spread else ["device = 'auto' in [engine], which takes all GPUs and host memory"]
    if plan.engine.dtype == "float32" and 2 * n_weights < there:
        ways.append(f"dtype = 'bfloat16' in [engine] ({bytes_size(2 * n_weights)})")
    for recipe in ("q8_0", "q4_k_m"):
        bits = 8.5 if recipe == "q8_0" else 4.9
        if n_weights * bits / 8 < there and not plan.study.model.is_gguf:
            ways.append(
                f"recipes of {find_family(recipe).title}, e.g. '{recipe}' "
                f"({bytes_size(round(n_weights * bits / 8))}), and a GGUF file as the model"
            )
            break
    ways.append("a larger machine (`plan --machine` estimates one), or `run --ray`")
    return "what fits: " + "; ".join(ways)


def find_total_memory() -> float:
    """Bytes that a process of this container can have; endless where the system does not say."""
    found = [_physical()]
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdecimal():
            found.append(float(text))
    return min(found)


def _physical() -> float:
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError, AttributeError):
        return math.inf
