"""Methods that quantize checkpoints: what people call them, and what it takes to run each.

One table for what transformers 5.17 loads; GPTQ and AWQ are unpacked without it. Reads the metadata
of distributions; imports none.

Source: `validate_environment` of transformers' `quantizers/quantizer_*.py`, and the least versions
in its `utils/import_utils.py`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from babelbits.libraries import find_version, install


@dataclass(frozen=True, slots=True, kw_only=True)
class NeededLibrary:
    """A distribution that loads a checkpoint."""

    name: str
    least: str | None = None
    """The oldest version that will do; None: any."""

    @property
    def installed(self) -> str | None:
        """The version that is here; None where there is none."""
        return find_version(self.name)

    def problem(self) -> str | None:
        """What is wrong, with the command that mends it; None where it will do."""
        here = self.installed
        if here is None:
            return f"{self.name} is not installed: {self._command}"
        if self.least is not None and _numbers(here) < _numbers(self.least):
            return f"{self.name} {here} is too old, {self.least} is needed: {self._command}"
        return None

    @property
    def _command(self) -> str:
        if self.least is None:
            return install([self.name])
        return f"pip install '{self.name}>={self.least}'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A way to quantize a checkpoint."""

    title: str
    needs: tuple[NeededLibrary, ...] = ()
    gpu: str | None = None
    """Why it runs on a GPU only; None where a CPU will do."""
    calibrates: bool = False
    """Whether it sees text, which the files need not name."""
    unread: str | None = None
    """Why nobody here loads it; None where somebody does."""
    smooths: bool = False
    """Whether it may move scales from weights into the norms before them."""


def _library(name: str, least: str | None = None) -> NeededLibrary:
    return NeededLibrary(name=name, least=least)


_ACCELERATE = _library("accelerate", "1.1.0")
_NO_KERNEL = "its kernels are for GPUs only"

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "gptq": Method(title="GPTQ", calibrates=True),
        "awq": Method(title="AWQ", calibrates=True, smooths=True),
        "auto-round": Method(
            title="AutoRound", needs=(_library("auto-round", "0.5.0"),), calibrates=True
        ),
        "bitsandbytes": Method(
            title="bitsandbytes", needs=(_library("bitsandbytes", "0.46.1"), _ACCELERATE)
        ),
        "compressed-tensors": Method(
            title="compressed-tensors",
            needs=(_library("compressed-tensors", "0.15.0"),),
            calibrates=True,
            smooths=True,
        ),
        "fp8": Method(title="FP8", needs=(_ACCELERATE,)),
        "mxfp8": Method(title="MXFP8", needs=(_ACCELERATE,)),
        "mxfp4": Method(title="MXFP4", needs=(_ACCELERATE,)),
        "fbgemm_fp8": Method(
            title="FBGEMM FP8", needs=(_library("fbgemm-gpu"), _ACCELERATE), gpu=_NO_KERNEL
        ),
        "torchao": Method(title="torchao", needs=(_library("torchao", "0.15.0"),)),
        "hqq": Method(
            title="HQQ",
            needs=(_library("hqq", "0.2.1"),),
            unread="transformers 5.17 does not load the layers that HQQ saved, on no device",
        ),
        "quanto": Method(title="Quanto", needs=(_library("optimum-quanto"), _ACCELERATE)),
        "aqlm": Method(title="AQLM", needs=(_library("aqlm"), _ACCELERATE), calibrates=True),
        "vptq": Method(
            title="VPTQ",
            needs=(_library("vptq", "0.0.4"), _ACCELERATE),
            gpu=_NO_KERNEL,
            calibrates=True,
        ),
        "eetq": Method(title="EETQ", needs=(_library("kernels", "0.16.0"),), gpu=_NO_KERNEL),
        "spqr": Method(
            title="SpQR", needs=(_library("spqr_quant"),), gpu=_NO_KERNEL, calibrates=True
        ),
        "higgs": Method(title="HIGGS", needs=(_library("flute-kernel", "0.3.0"),), gpu=_NO_KERNEL),
        "fp_quant": Method(title="FP-Quant", needs=(_library("fp_quant"),), gpu=_NO_KERNEL),
        "quark": Method(title="Quark", needs=(_library("amd-quark"),), calibrates=True),
        "bitnet": Method(title="BitNet", needs=(_ACCELERATE,)),
        "sinq": Method(title="SINQ", needs=(_library("sinq"),)),
    }
)
"""By transformers' word for them (`quant_method`)."""


def find_title(method: str) -> str:
    """What people call a method; the word itself where nobody here knows it."""
    return METHODS[method].title if method in METHODS else method


def _numbers(version: str) -> tuple[int, ...]:
    """A version's leading numbers, to compare: '1.4.3+cpu' is (1, 4, 3)."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()
