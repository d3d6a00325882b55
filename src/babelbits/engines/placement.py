"""Where the weights of a model go that one device may not hold: several GPUs, then host memory.

Arithmetic on bytes, without torch: it is asked before anything is loaded, and again with what is
free when a model is loaded. It never splits a layer; which layer goes where is accelerate's work
(`engines.hf.device_map`). All sizes are in bytes.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from babelbits.words import bytes_size, plural

CARD_SHARE = 0.85
"""Of a GPU's memory for weights; the rest is for activations, keys and values."""
HOST_SHARE = 0.80
"""Of the host's memory for weights."""
BUS = 25e9
"""Bytes a second from host memory to a GPU: what PCIe 4.0 x16 gives of its 31.5e9 (assumed)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How many bytes of weights each device may take."""

    cards: Mapping[int, int]
    """Number of a GPU to the most bytes of weights on it; GPUs that are not needed are left out."""
    host: int = 0
    """Bytes of weights that no GPU has room for: host memory keeps them."""

    @property
    def is_split(self) -> bool:
        """Whether more than one device has weights."""
        return len(self.cards) > 1 or self.host > 0

    def in_words(self) -> str | None:
        """What a user should know of it; None where one GPU has everything."""
        if not self.is_split:
            return None
        cards = plural(len(self.cards), "GPU")
        if not self.host:
            return f"its layers are spread over {cards}, which work one after the other"
        return (
            f"{bytes_size(self.host)} of its weights are in host memory, for which {cards} "
            f"{'has' if len(self.cards) == 1 else 'have'} no room: every forward pass copies them, "
            f"which takes about {self.host / BUS:.1g} s at {BUS / 1e9:.0f} GB a second"
        )


def place(
    weights: int, *, layer: int, cards: Sequence[int], host: int = 0, card_share: float = CARD_SHARE
) -> Placement | None:
    """Fewest GPUs that hold a model, and host memory only where all together do not.

    Parameters
    ----------
    weights : int
        Bytes of all weights in the type that they are computed in.
    layer : int
        Bytes of the largest part that stays whole: so many may stay empty on each of several GPUs,
        for accelerate keeps them free on the first, and a layer that does not fit goes to the next.
    cards : sequence of int
        Bytes of each GPU, in the order of their numbers.
    host : int
        Bytes of host memory; 0 where weights must not lie there.
    card_share : float
        Of a GPU's memory that weights may take, 0 to 1.

    Returns
    -------
    Placement or None
        None where nothing here holds it.
    """
    room = [int(one * card_share) for one in cards]
    for number in range(1, len(room) + 1):
        lost = number * layer if number > 1 else 0
        if sum(room[:number]) - lost >= weights:
            return Placement(cards=MappingProxyType(dict(enumerate(room[:number]))))
    if not room:
        return None
    beyond = weights - max(0, sum(room) - len(room) * layer)
    if beyond > host * HOST_SHARE:
        return None
    return Placement(cards=MappingProxyType(dict(enumerate(room))), host=beyond)


def find_free_memory() -> int:
    """Bytes of host memory that a process can have now; 0 where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (OSError, ValueError, IndexError):
        return 0
