"""How many worker processes suit a plan on this machine. Starts none; needs no torch."""

import math
import os

from babelbits.engines.base import SMALL_MODEL
from babelbits.study.planning import estimate
from babelbits.study.planning.plan_types import Plan

_WORTH_IT = 2_000
"""Items from which on starting processes pays: each needs seconds to import its libraries."""


def suggest(plan: Plan) -> int:
    """How many workers suit a plan on this machine.

    One a core for a small model on a CPU with enough to do; else one, which uses all threads.
    `OMP_NUM_THREADS` says how many cores a worker takes.
    """
    left = sum((c.n_items or 0) - c.n_done for c in plan.cells if c.state != "damaged")
    tensors = estimate.base_tensors(plan.base.folder)
    small = tensors is not None and sum(math.prod(t.shape) for t in tensors) < SMALL_MODEL
    if plan.engine.device_kind != "cpu" or not small or left < _WORTH_IT:
        return 1
    threads = os.environ.get("OMP_NUM_THREADS", "1")
    return max(1, _cores() // (int(threads) if threads.isdecimal() and int(threads) else 1))


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
