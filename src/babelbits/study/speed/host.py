"""The machine that measures: what it is, what memory is free, and forgetting files it has read.

Linux says all of it; elsewhere what is not known is None.
"""

import os
import platform
import shutil
import subprocess
from pathlib import Path

from babelbits.study.speed.speed_records import Host

_KILOBYTE = 1024
_SECONDS = 10


def describe_host() -> Host:
    """Processor, memory and system of the machine that runs this."""
    return Host(
        node=platform.node(),
        system=platform.platform(terse=True),
        processor=_processor(),
        cores=count_cores(),
        memory=_meminfo("MemTotal"),
        gpu=_gpu(),
        threads=os.environ.get("OMP_NUM_THREADS"),
        python=platform.python_version(),
    )


def count_cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load_average() -> float | None:
    """Processes that wanted to run in the last minute; None where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def find_available_memory() -> int | None:
    """Bytes that new processes may have; None where the system does not say."""
    return _meminfo("MemAvailable")


def forget_files(folder: Path) -> bool:
    """Ask the system to drop a folder's files from its cache; False where it cannot be asked.

    Only what no process uses is dropped. It needs no rights beyond reading.
    """
    if not hasattr(os, "posix_fadvise"):
        return False
    paths = [folder] if folder.is_file() else sorted(folder.rglob("*"))
    for path in paths:
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
    return True


def _meminfo(name: str) -> int | None:
    path = Path("/proc/meminfo")
    if not path.exists():
        return None
    for line in path.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * _KILOBYTE
    return None


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _gpu() -> str | None:
    """Names of the GPUs, as the driver tells them; None where there is none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        said = subprocess.run(
            [program, "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True, text=True, timeout=_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    names = [line.strip() for line in said.stdout.splitlines() if line.strip()]
    return ", ".join(names) if said.returncode == 0 and names else None
