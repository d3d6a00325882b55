"""What a worker takes of a Ray cluster, and how many workers the nodes have room for.

An engine's GPUs are all of one node: an actor's resources always are, which is what a placement
group of one bundle (STRICT_PACK) gives. So room is counted node by node, not over the cluster.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from babelbits.engines.base import EngineSettings
from babelbits.errors import StudyError
from babelbits.words import plural

PYTHON = "BABELBITS_RAY_PYTHON"
"""Interpreter of the workers, on all nodes; if not set, the one that `ray start` ran in."""
_SLACK = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Of one worker, on one node."""

    cpus: int
    gpus: int

    def options(self) -> dict[str, Any]:
        """As an actor is told, with the environment of its interpreter."""
        python = os.environ.get(PYTHON)
        own = {"runtime_env": {"py_executable": python}} if python else {}
        return {"num_cpus": self.cpus, **({"num_gpus": self.gpus} if self.gpus else {}), **own}

    def in_words(self) -> str:
        """For an error."""
        return f"{plural(self.gpus, 'GPU')} and 1 CPU" if self.gpus else plural(self.cpus, "CPU")


def find_needs(settings: EngineSettings) -> Needs:
    """What a worker takes: the GPUs over which a model is split, or CPUs."""
    if settings.device.startswith("cuda"):
        return Needs(cpus=1, gpus=settings.n_devices)
    threads = os.environ.get("OMP_NUM_THREADS", "1")
    return Needs(cpus=int(threads) if threads.isdecimal() and int(threads) else 1, gpus=0)


def count_workers(nodes: Iterable[Mapping[str, float]], needs: Needs) -> int:
    """How many workers the nodes hold at the same time.

    Parameters
    ----------
    nodes : iterable of mapping
        Resources of each, as `ray.nodes()` names them.
    """
    return sum(_fit(node, needs) for node in nodes)


def _fit(node: Mapping[str, float], needs: Needs) -> int:
    wanted = {"CPU": needs.cpus, "GPU": needs.gpus}
    return int(min(node.get(name, 0) // n for name, n in wanted.items() if n) + _SLACK)


def select_alive(nodes: Iterable[Mapping[str, Any]]) -> list[Mapping[str, float]]:
    """Resources of the nodes that live, of what `ray.nodes()` gives."""
    return [node["Resources"] for node in nodes if node["Alive"]]


def make_room_error(nodes: Iterable[Mapping[str, float]], needs: Needs) -> StudyError:
    """The error where no node holds a worker."""
    there = list(nodes)
    total = {name: sum(node.get(name, 0) for node in there) for name in ("CPU", "GPU")}
    has = ", ".join(f"{amount:g} {name}" for name, amount in total.items() if amount) or "nothing"
    most = int(max((node.get("GPU", 0) for node in there), default=0))
    split = needs.gpus > 1
    spread = f" (at most {plural(most, 'GPU')} in a node)" if split else ""
    return StudyError(
        f"the cluster has no room for a worker: it has {has}{spread}, and one needs "
        f"{needs.in_words()}" + (" of one node" if split else ""),
        hint="add nodes, or lower tensor_parallel and pipeline_parallel in [engine]"
        if split
        else "add nodes, or set `device` in [engine]",
    )
