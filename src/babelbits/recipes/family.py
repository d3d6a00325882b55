"""A family of recipes: what makes variants of one format, with everything that depends on that.

Another package adds a family by a subclass of `Family` and an entry point of the group
'babelbits.recipes' that names an instance; nothing else has to know of it. No torch is imported
here; a family imports its libraries inside its methods.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from babelbits.formats import parts
from babelbits.formats.trust import Trust
from babelbits.libraries import RUN, find_version, install, need
from babelbits.recipes import module_bits
from babelbits.recipes import tensors as checkpoint
from babelbits.recipes.base_loading import find_context_length
from babelbits.recipes.calibration import (
    Calibration,
    CalibrationSpec,
    Tokenizer,
    draw,
    read_documents,
)
from babelbits.recipes.catalogue import RECIPES
from babelbits.recipes.experts import make_note
from babelbits.recipes.info import RecipeInfo, Value
from babelbits.recipes.linear_weights import is_linear
from babelbits.recipes.scope import Scope, make_notes
from babelbits.records import JSON, CalibrationRecord, ConversionRecord, TensorRecord
from babelbits.registry import RECIPES as FAMILIES
from babelbits.registry import get_named

HF = "hf"
"""Format of a Hugging Face checkpoint in safetensors that is not quantized."""

Rehearsal = Literal["layers", "file", "answers"]
"""How a variant is checked on a miniature: 'layers' of a transformers model against the recipe's
meaning and the dequantized weights; 'file', a GGUF file likewise; 'answers': that it is made and
loaded, generates and scores."""
_SCALE_BYTES = 2
"""A scale is stored in the base model's 16-bit type, as a rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a family is asked to make, checked and with everything resolved."""

    base: Path
    """Folder of an unquantized Hugging Face checkpoint, or a file of another format in `reads`."""
    info: RecipeInfo
    parameters: Mapping[str, Value]
    """All of the recipe's."""
    calibration: CalibrationSpec | None
    """The text to calibrate on; None where the recipe sees none or may do without."""
    config: JSON
    """The base model's `config.json`, or what stands in its place."""
    device: str
    """'cpu', 'cuda', 'cuda:1', or 'auto'; `devices.resolve_torch_device` resolves it."""
    seed: int
    texts: Mapping[str, Sequence[str]]
    """What the model will be asked, by language."""
    notes: Sequence[str]
    """For the manifest, of the caller."""
    trust: Trust
    """What the study allows; code only where the model brings any."""
    allow_token_differences: bool
    most_unrouted: float
    """Share of a layer's experts that calibration text may leave without a token, in [0, 1]."""
    most_left: float
    """Share of the weights that may stay in layers that a group size does not divide."""
    drawn: Calibration | None = None
    """The text of `calibration`, where somebody has drawn it already; `draw_text` gives it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What is known of a variant's making beside its files."""

    calibration: CalibrationRecord | None = None
    """The text that was seen."""
    conversion: ConversionRecord | None = None
    scope: Scope | None = None
    """What the recipe means on the model, to hold the result against; None where nobody says."""
    notes: tuple[str, ...] = ()
    """What a reader of results should know, one sentence each."""
    device: str = "cpu"
    """That quantized."""


class Family(ABC):
    """Recipes that one library makes. All methods but `make` may be left as they are."""

    name: ClassVar[str]
    """As in the registry and in `RecipeInfo.family`."""
    recipes: ClassVar[tuple[RecipeInfo, ...]]
    """From mild to harsh."""
    format: ClassVar[str] = HF
    """Of the variants' files, as engines know it: 'hf' where they are a checkpoint that
    transformers loads as it is."""
    title: ClassVar[str]
    """What people call the library, e.g. 'llm-compressor'."""
    examples: ClassVar[tuple[str, ...]] = ()
    """Recipes to propose where those of another family do not work on a model."""
    decisive: ClassVar[tuple[str, ...]] = ()
    """Distributions whose versions decide what is made: a part of every variant's id."""
    main_library: ClassVar[str | None] = None
    """The distribution to name where something does not work; None: the package of the family."""
    reads: ClassVar[tuple[str, ...]] = (HF,)
    """Formats of base models that it can quantize."""
    default_engine: ClassVar[str] = "transformers"
    """Name of the engine that runs its variants unless the study names another."""
    text_model_only: ClassVar[bool] = False
    """Whether variants leave out what is more than the text model: towers for images, ..."""
    has_own_tokenizer: ClassVar[bool] = False
    """Whether the format brings a tokenizer of its own, so that texts must be compared."""
    reads_layer_count: ClassVar[bool] = False
    """Whether the library knows some architectures by their number of layers."""
    rehearsal: ClassVar[Rehearsal] = "answers"

    def libraries(self, base: Path) -> tuple[str, ...]:
        """Distributions that must be installed to make a variant of `base`, for the manifest."""
        return self.decisive

    def lacks(self, base: Path) -> tuple[str, ...]:
        """What a run would stop at or get first, one sentence each, found without loading much.

        By default the libraries that are not installed, beside those that every run needs.
        """
        return tuple(
            f"{name} is not installed, and recipes of {self.title} need it: {install([name])}"
            for name in self.libraries(base)
            if name not in RUN and find_version(name) is None
        )

    def prepare(self, base: Path, *, tell: Callable[[str], None]) -> None:
        """Get or load what making needs, before anything expensive; `tell` what takes a while.

        Raises
        ------
        MissingExtraError
            If a library is not installed.
        """
        need(self.libraries(base), what=f"recipes of {self.title}")

    def check(  # noqa: B027
        self, config: Mapping[str, Any], info: RecipeInfo, settled: Mapping[str, Any]
    ) -> None:
        """Raise if a recipe cannot be made from a model with this config, as far as that tells.

        Parameters
        ----------
        config : mapping
            The base model's `config.json`.
        info : RecipeInfo
            One of `recipes`.
        settled : mapping
            All of its parameters.

        Raises
        ------
        RecipeError
            Says why, and what can be made instead.
        """

    @property
    def packages(self) -> tuple[str, ...]:
        """The distribution that the family comes from, where that is another than ours."""
        owner = FAMILIES.owner(self.name)
        return () if find_version(owner) is None or owner == "babelbits" else (owner,)

    def version(self, info: RecipeInfo, config: Mapping[str, Any]) -> int:
        """Which making of a recipe a model gets: raised where the code makes other weights."""
        return 1

    def identity(self) -> dict[str, str | None]:
        """Versions of distributions that decide what is made, the family's own package included."""
        return {name: find_version(name) for name in (*self.decisive, *self.packages)}

    @abstractmethod
    def make(self, job: Job, folder: Path) -> Made:
        """Fill `folder`, which is empty, with the variant's files and its tokenizer.

        Raises
        ------
        RecipeError
            If the recipe does not fit the model, or quantizing failed.
        CalibrationError
            If the text is too short.
        """

    def tensors(self, folder: Path) -> tuple[tuple[TensorRecord, ...], tuple[TensorRecord, ...]]:
        """All weights of a finished variant, and those of them that are quantized."""
        found = checkpoint.read_tensors(folder)
        return found, tuple(filter(checkpoint.is_quantized, found))

    def quantizes(self, info: RecipeInfo) -> bool:
        """Whether a variant must hold tensors of fewer bits, or making it has failed.

        Not by default: rounded weights may be stored as the base model's were.
        """
        return self.rehearsal == "layers"

    def n_threads(self) -> int:
        """Threads that quantize, for the manifest: torch's."""
        import torch

        return torch.get_num_threads()

    def notes(
        self, job: Job, made: Made, tensors: tuple[TensorRecord, ...]
    ) -> tuple[str | None, ...]:
        """What the manifest says of how a variant was made, one sentence each."""
        left_out: tuple[str, ...] = ()
        if checkpoint.list_weight_files(job.base):
            left_out = parts.list_notes(checkpoint.read_tensors(job.base), tensors, job.config)
        experts = None if made.calibration is None else made.calibration.experts
        meant = () if made.scope is None else make_notes(made.scope)
        routed = make_note(experts) if made.scope is not None and experts is not None else None
        return (*made.notes, *left_out, *meant, routed)

    def expects(
        self,
        tensors: Sequence[TensorRecord],
        info: RecipeInfo,
    ) -> str | None:
        """What to know of a recipe on a base model of these weights before it is made."""
        return None

    def size(
        self,
        tensors: Sequence[TensorRecord],
        info: RecipeInfo,
        settled: Mapping[str, Any],
        *,
        config: Mapping[str, Any],
    ) -> int:
        """Estimated bytes of a variant's weights, from the base model's."""
        given = module_bits.parse(str(settled.get(module_bits.PARAMETER, "")))
        group, total = settled.get("group_size"), 0
        for one in self.kept(tensors, config):
            bits = module_bits.find_bits(one.name.removesuffix(".weight"), given)
            if bits == module_bits.LEFT or not (is_linear(one) or (bits and len(one.shape) == 2)):
                total += one.bytes
            else:
                total += count_linear_bytes(
                    one.shape, bits=bits or info.weight_bits, group_size=group
                )
        return total

    def kept(
        self, tensors: Sequence[TensorRecord], config: Mapping[str, Any]
    ) -> list[TensorRecord]:
        """The base model's weights that a variant holds at all."""
        return [
            one
            for one in tensors
            if parts.is_kept(one.name, config, text_model_only=self.text_model_only)
        ]

    def couples_rows(self, info: RecipeInfo, settled: Mapping[str, Any]) -> bool:
        """Whether a sequence's numbers depend on the others in its batch."""
        return False


def count_linear_bytes(shape: Sequence[int], *, bits: float, group_size: int | None) -> int:
    """Codes and scales of one linear layer, one scale a group of inputs, or an output channel."""
    rows, columns = math.prod(shape[:-1]), shape[-1]
    codes = math.ceil(rows * columns * bits / 8)
    return codes + rows * math.ceil(columns / (group_size or columns)) * _SCALE_BYTES


def draw_text(job: Job, tokenizer: Tokenizer) -> Calibration | None:
    """The windows of calibration text that a job asks for; None where it asks for none."""
    if job.calibration is None or job.drawn is not None:
        return job.drawn
    documents = read_documents(job.calibration)
    context = find_context_length(job.config)
    return draw(job.calibration, documents, tokenizer=tokenizer, context=context)


def list_families() -> tuple[Family, ...]:
    """All families, ours first.

    Raises
    ------
    StudyError
        If another package's cannot be imported, or has another name than its row.
    """
    return tuple(get_named(FAMILIES, name) for name in FAMILIES)


def find_family(recipe: str) -> Family:
    """The family of a recipe, by the recipe's canonical name."""
    family: Family = get_named(FAMILIES, RECIPES[recipe].family)
    return family
