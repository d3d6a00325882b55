"""What a recipe leaves behind."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertsRecord:
    """Where the routers of a mixture of experts send the calibration text.

    Keys of the mappings are the text's languages, and 'all' where it has several.
    """

    layers: tuple[str, ...]
    """Names of the modules that hold the experts."""
    n_experts: tuple[int, ...]
    """Experts of each layer."""
    unrouted: Mapping[str, tuple[int, ...]]
    """Experts of each layer that no token is sent to."""
    fewest: Mapping[str, tuple[int, ...]]
    """Tokens sent to the expert of each layer that is sent the fewest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationRecord:
    """Which text a recipe saw."""

    language: str
    source: str
    """'bundled', a file path as given, or 'hub:<dataset>@<revision>'."""
    text_hash: str
    n_samples: int
    tokens_per_sample: int
    n_tokens: int
    seed: int
    experts: ExpertsRecord | None = None
    """Which experts of a mixture the text reaches; None where there are none or it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorRecord:
    """One tensor of the checkpoint as stored."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    """Stored type in the field's words, e.g. 'int4 g128', 'int8', 'nf4', 'bf16'."""
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionRecord:
    """How a file in another format was found to agree with the checkpoint that it was made from."""

    differences: Mapping[str, float] = field(default_factory=dict)
    """Upper quartile of the absolute differences of log-probabilities by language, nats a token."""
    rounding: Mapping[str, float] = field(default_factory=dict)
    """How much of that roundings of a 16-bit format explain, measured on the checkpoint."""
    tokens: int = 0
    """Compared, in all languages."""
    not_compared: str | None = None
    """Why there are no differences."""
    other_tokens: tuple[str, ...] = ()
    """Languages whose text the format's own tokenizer splits otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a variant folder holds and how it was made; `manifest.json` in the folder."""

    variant_id: str
    recipe: str
    parameters: Mapping[str, Any]
    calibration: CalibrationRecord | None
    base_model: str
    base_hash: str
    weights_hash: str
    """Hash over (name, sha256) of every file but the manifest."""
    bits_per_weight: float
    """Stored bits of all weight tensors (scales and zero points too) / number of weights."""
    quantized_bits_per_weight: float | None
    """The same over the quantized tensors alone; None for the baseline."""
    n_weights: int
    bytes_on_disk: int
    tensors: tuple[TensorRecord, ...]
    seconds: float
    library_versions: Mapping[str, str]
    files: Mapping[str, str]
    """File name to sha256."""
    format: str
    """'hf', 'compressed-tensors', 'bitsandbytes', 'gguf'."""
    conversion: ConversionRecord | None = None
    """None where nothing was converted."""
    notes: tuple[str, ...] = ()
    """What a reader of its results should know of how it was made; shown by run and report."""
    device: str | None = None
    """What it was made on: 'cpu', 'cuda', 'cuda:1'. None for a baseline, and where it was made
    before this was recorded."""
    n_threads: int | None = None
    """Threads of the CPU that made it: GPTQ's and AWQ's weights depend on them. None as above."""
    place: str | None = None
    """Where the files lay when they were measured, where they are somebody else's: `files` are
    names there, and nothing was copied. None of a variant that was made here."""
