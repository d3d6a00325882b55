"""Tiny models to look into, and sequences for them, without files."""

import copy
from pathlib import Path
from typing import Any

from babelbits.engines.base import EngineSettings
from babelbits.engines.hf.loading import load_model
from babelbits.probes.comparing import ComparedInsides, compare
from babelbits.probes.insides import Insides
from babelbits.probes.sequences import ProbedSequence
from tiny_models import make_tiny

LAYERS = 4


def tiny_insides(folder: Path) -> Insides:
    """A random llama of four layers in float32."""
    make_tiny("llama", folder, layers=LAYERS)
    return Insides(load_model(folder, settings=EngineSettings(device="cpu", dtype="float32")))


def changed(insides: Insides, change: Any) -> Insides:
    """A copy whose model a function has changed."""
    loaded = copy.deepcopy(insides.loaded)
    change(loaded.model)
    return Insides(loaded)


def sequences(*lengths: int) -> list[ProbedSequence]:
    """Tokens that differ between sequences."""
    return [
        ProbedSequence(
            item_id=f"i{number}",
            unit=f"u{number}",
            number=0,
            tokens=tuple((7 * number + 13 * place) % 500 + 2 for place in range(length)),
            n_prompt=length,
            classes=("rest",) * length,
        )
        for number, length in enumerate(lengths)
    ]


def look(first: Insides, second: Insides, *lengths: int) -> list[ComparedInsides]:
    """Both models on the same sequences."""
    return compare(
        first, second, sequences(*(lengths or (12, 9, 12))), token_budget=64, attention_limit=64
    )
