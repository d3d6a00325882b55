"""Machines that a study may be planned for: how many accelerators, and what their makers publish.

`8xH100-80GB` is eight of them in one machine. Memory is in bytes of 10^9 to the gigabyte, bandwidth
in bytes a second, speed in dense bfloat16 operations a second (a multiply and an add are two).
Nothing here is measured.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from babelbits.errors import StudyError
from babelbits.suggest import did_you_mean, one_of

_GB, _TB, _TERA = 1e9, 1e12, 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One device, as its data sheet describes it."""

    memory: float
    """Bytes."""
    bandwidth: float
    """Bytes a second between memory and cores."""
    speed: float
    """Dense bfloat16 operations a second."""
    source: str


def _device(memory: float, bandwidth: float, speed: float, source: str) -> Accelerator:
    return Accelerator(
        memory=memory * _GB, bandwidth=bandwidth * _TB, speed=speed * _TERA, source=source
    )


ACCELERATORS: Mapping[str, Accelerator] = MappingProxyType(
    {
        "A100-40GB": _device(40, 1.555, 312, "NVIDIA A100 data sheet, 2021"),
        "A100-80GB": _device(80, 2.039, 312, "NVIDIA A100 data sheet, 2021"),
        "H100-80GB": _device(80, 3.35, 989, "NVIDIA H100 data sheet, SXM, 2023"),
        "H200-141GB": _device(141, 4.8, 989, "NVIDIA H200 data sheet, 2024"),
        "B200-180GB": _device(180, 8.0, 2250, "NVIDIA HGX B200 data sheet, 2024"),
        "L4-24GB": _device(24, 0.3, 121, "NVIDIA L4 data sheet, 2023"),
        "L40S-48GB": _device(48, 0.864, 362, "NVIDIA L40S data sheet, 2023"),
        "RTX4090-24GB": _device(24, 1.008, 165, "NVIDIA Ada architecture paper, 2022"),
        "MI300X-192GB": _device(192, 5.3, 1307, "AMD MI300X data sheet, 2023"),
    }
)
"""By name; bfloat16 without sparsity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Equal accelerators that a study may use."""

    count: int
    name: str
    """Key of `ACCELERATORS`."""

    @property
    def device(self) -> Accelerator:
        """One of them."""
        return ACCELERATORS[self.name]

    def __str__(self) -> str:
        """As `parse_machine` reads it."""
        return f"{self.count}x{self.name}"


def parse_machine(text: str) -> Machine:
    """'8xH100-80GB' or 'H100-80GB', in any case.

    Raises
    ------
    StudyError
        If it is written otherwise, or nobody wrote down what the accelerator can do.
    """
    found = re.fullmatch(r"(?:(\d{1,5})\s*[x×*]\s*)?([\w-]+)", text.strip(), re.IGNORECASE)
    names = {name.lower(): name for name in ACCELERATORS}
    if found is None or found[1] == "0":
        raise StudyError(
            f"no machine is written {text!r}", hint="for example: 8xH100-80GB", where="--machine"
        )
    name = names.get(found[2].lower())
    if name is None:
        near = did_you_mean(found[2].upper(), list(ACCELERATORS))
        raise StudyError(
            f"nothing is known of the accelerator {found[2]!r}",
            where="--machine",
            hint=near or f"there is {one_of(list(ACCELERATORS))}",
        )
    return Machine(count=int(found[1] or 1), name=name)
