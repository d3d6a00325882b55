"""Whether this machine can hold the models of a plan, said before anything is loaded.

An estimate of weights alone, from headers: what is refused cannot fit, what passes may still be too
large with its activations. In bytes.
"""

import math
import os
from collections.abc import Sequence
from pathlib import Path

from babelbits.errors import ModelError
from babelbits.recipes.family import HF, family_of
from babelbits.records import TensorRecord
from babelbits.study.config.engines import engine_name, format_of
from babelbits.study.planning import estimate
from babelbits.study.planning.plan_types import Plan, VariantStep
from babelbits.words import bytes_size

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_STORED = ("llama.cpp",)
"""Engines that compute with weights as they are stored."""
_PACKED = ("bitsandbytes",)
"""Formats that transformers computes with as they are stored."""


def check_memory(plan: Plan, *, total: float | None = None) -> None:
    """Raise if a variant's weights are more than the memory of this machine.

    Parameters
    ----------
    plan : Plan
        Variants that are not needed are left alone.
    total : float, optional
        Bytes of memory; None: of this machine, or of the container that this process is in.

    Raises
    ------
    ModelError
        Names the variant, what it needs, what there is, and what would fit.
    """
    if plan.engine.device_kind != "cpu":
        return  # a driver says it better, and some put weights into the host's memory
    tensors = estimate.base_tensors(plan.base.folder)
    if tensors is None:
        return
    there = total_memory() if total is None else total
    for step in plan.variants:
        needed = weight_memory(step, plan, tensors) if step.needed else None
        if needed is not None and needed > there:
            raise ModelError(
                f"the weights of '{step.label}' take {bytes_size(needed)} in "
                f"{plan.engine.dtype}, and this machine has {bytes_size(round(there))} of memory",
                where=str(plan.base.folder),
                hint=_what_fits(plan, tensors, there),
            )


def weight_memory(step: VariantStep, plan: Plan, tensors: Sequence[TensorRecord]) -> int | None:
    """Bytes of a variant's weights while they are computed with; None where nobody can say.

    Parameters
    ----------
    tensors : sequence of TensorRecord
        Of the base model.
    """
    if step.spec.origin not in ("baseline", "made"):
        return None
    study = plan.study
    engine = engine_name(study.engine, study.model, step.spec)
    kind = format_of(study.model, step.spec)
    if engine in _STORED or kind in _PACKED:
        return step.bytes
    if engine != "transformers":
        return None
    n_weights = sum(math.prod(one.shape) for one in tensors)
    plain = n_weights * _BYTES.get(plan.engine.dtype, 4)
    packed = 0 if kind == HF else step.bytes or 0  # unpacked beside what is stored
    return plain + packed


def _what_fits(plan: Plan, tensors: Sequence[TensorRecord], there: float) -> str:
    """Ways out, those that fit first."""
    n_weights = sum(math.prod(one.shape) for one in tensors)
    ways = []
    if plan.engine.dtype == "float32" and 2 * n_weights < there:
        ways.append(f"dtype = 'bfloat16' in [engine] ({bytes_size(2 * n_weights)})")
    for recipe in ("q8_0", "q4_k_m"):
        bits = 8.5 if recipe == "q8_0" else 4.9
        if n_weights * bits / 8 < there and not plan.study.model.is_gguf:
            ways.append(
                f"recipes of {family_of(recipe).title}, e.g. '{recipe}' "
                f"({bytes_size(round(n_weights * bits / 8))}), and a GGUF file as the model"
            )
            break
    ways.append("a larger machine (`plan --machine` estimates one), or `run --ray`")
    return "what fits: " + "; ".join(ways)


def total_memory() -> float:
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
