"""What quantization does inside a model: hidden states, attention, weights, token by token.

    >>> from babelbits import load_study, probes          # doctest: +SKIP
    >>> probed = probes.read(load_study("study.toml"))     # doctest: +SKIP
    >>> probed[0].tokens()                                 # doctest: +SKIP

    measure         what is missing of a study's probes; all that there are
    read            the probes that a study's run folder holds
    cannot_enter    the variants that no probe can enter, and why
    predict         does the distance at the prompt's last token tell which items broke
    ProbeSettings   how long, how many

The command is `babelbits probe`. Everything but the declared question of `predict` is exploratory.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from babelbits.probes.damage import predict
    from babelbits.probes.probe_files import Probe, ProbeSettings, read
    from babelbits.probes.probed_pairs import find_closed
    from babelbits.probes.run_probes import measure

__all__ = ["Probe", "ProbeSettings", "find_closed", "measure", "predict", "read"]

_ELSEWHERE = {
    "Probe": "probe_files",
    "ProbeSettings": "probe_files",
    "find_closed": "probed_pairs",
    "measure": "run_probes",
    "predict": "damage",
    "read": "probe_files",
}


def __getattr__(name: str) -> object:
    if name not in _ELSEWHERE:
        raise AttributeError(f"module 'babelbits.probes' has no attribute '{name}'")
    return getattr(import_module(f"babelbits.probes.{_ELSEWHERE[name]}"), name)


def __dir__() -> list[str]:
    return __all__
