"""The device that a study names: what 'auto' means here, and whether a named one is there.

Torch is not loaded by `resolve` and `check`. A first look asks the driver; only where it does not
show the card is torch asked, in a child process: it knows of devices that `nvidia-smi` does not
(ROCm, Jetson). `resolve_torch_device` is for a process that has loaded torch anyway.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from babelbits.errors import ModelError
from babelbits.libraries import find_version
from babelbits.words import agreeing

_SECONDS = 60
_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")
_ASK_TORCH = (
    "import torch; print([torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())])"
)

_ASK_MEMORY = (
    "import torch; print([torch.cuda.get_device_properties(n).total_memory "
    "for n in range(torch.cuda.device_count())])"
)


def is_device(name: str) -> bool:
    """Whether a text is 'auto', 'cpu', 'cuda' or 'cuda:N'."""
    return _DEVICE.fullmatch(name) is not None


def resolve(device: str) -> str:
    """Resolve 'auto' without torch: CUDA needs a driver, a visible card, a torch built for it."""
    if device != "auto":
        return device
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")
    has_driver = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi")
    cpu_only = (find_version("torch") or "").endswith("+cpu")
    return "cuda" if has_driver and not hidden and not cpu_only else "cpu"


def resolve_torch_device(device: str) -> str:
    """The device that torch computes on: 'auto' is CUDA where torch sees a card.

    Loads torch.

    Raises
    ------
    ModelError
        If the name is none of a device, or torch does not see the device.
    """
    import torch

    if not is_device(device):
        raise ModelError(
            f"there is no device called {device!r}", hint="use 'cpu', 'cuda', 'cuda:1' or 'auto'"
        )
    n_cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        return "cuda" if n_cards else "cpu"
    if device.startswith("cuda") and int(device.partition(":")[2] or 0) >= n_cards:
        names = tuple(torch.cuda.get_device_name(number) for number in range(n_cards))
        raise make_missing_error(device, cards=names, cpu_only=_is_cpu_only())
    return device


def check_device(device: str) -> None:
    """Raise if a device that was asked for by name is not there.

    Parameters
    ----------
    device : str
        Of the study: 'auto', 'cpu', 'cuda' or 'cuda:N'.

    Raises
    ------
    ModelError
        Says what is there instead.
    """
    if not device.startswith("cuda"):
        return
    number = int(device.partition(":")[2] or 0)
    cpu_only = _is_cpu_only()
    if not cpu_only and (len(_cards_of_driver()) > number or len(_cards_of_torch()) > number):
        return
    raise make_missing_error(device, cards=() if cpu_only else _cards_of_torch(), cpu_only=cpu_only)


@cache
def measure_gpu_memory() -> tuple[int, ...]:
    """Bytes of each GPU that this process may use; none where torch, asked in a child, sees none.

    Asked once a process.
    """
    said = _output(sys.executable, "-c", _ASK_MEMORY).strip().splitlines()
    try:
        return tuple(int(one) for one in ast.literal_eval(said[-1])) if said else ()
    except (ValueError, SyntaxError, TypeError):
        return ()


def make_missing_error(device: str, *, cards: tuple[str, ...], cpu_only: bool) -> ModelError:
    """The error for a device that is not there.

    Parameters
    ----------
    cards : tuple of str
        Names of those that are.
    cpu_only : bool
        Whether torch was built without CUDA.
    """
    there = ["cpu", *(f"cuda:{number} ({name})" for number, name in enumerate(cards))]
    why = "; torch is a build for the CPU" if cpu_only else ""
    if not cpu_only and os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        why = "; CUDA_VISIBLE_DEVICES hides all cards"
    return ModelError(
        f"there is no device '{device}' here{why}",
        where="[engine] device",
        hint=f"there {agreeing(len(there), 'is', 'are')}: {', '.join(there)}; 'auto' takes the "
        "first card, or the CPU",
    )


def _is_cpu_only() -> bool:
    return (find_version("torch") or "").endswith("+cpu")


def _cards_of_driver() -> tuple[str, ...]:
    """Names of the cards that `nvidia-smi` and `CUDA_VISIBLE_DEVICES` show."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return ()
    options = ("--query-gpu=name", "--format=csv,noheader")
    names = tuple(filter(None, _output(command, *options).splitlines()))
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    if shown is None:
        return names
    return names[: sum(part.strip() not in ("", "-1") for part in shown.split(","))]


def _cards_of_torch() -> tuple[str, ...]:
    """Names of the cards that torch sees; none where it is not installed."""
    said = _output(sys.executable, "-c", _ASK_TORCH).strip().splitlines()
    try:
        return tuple(ast.literal_eval(said[-1])) if said else ()
    except (ValueError, SyntaxError):
        return ()


def _output(*command: str) -> str:
    """What a command prints; nothing where it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
