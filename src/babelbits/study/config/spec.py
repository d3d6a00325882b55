"""What a study is: frozen dataclasses, one for each table of `study.toml`, everything resolved.

Languages are canonical codes, recipes canonical names with all their parameters, paths absolute.
Nothing here reads a file.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from babelbits.analysis.settings import LOSS_CAPS, Confirmatory
from babelbits.engines.base import EngineSettings
from babelbits.engines.endpoint import EndpointSettings
from babelbits.formats.description import GGUF, PLAIN
from babelbits.formats.trust import Trust
from babelbits.languages.corpus_shares import DEFAULT_CORPUS
from babelbits.recipes.calibration import CalibrationSpec
from babelbits.study.config import hub_names
from babelbits.tasks.base import TaskOptions

BUNDLED = "bundled"
BASELINE = "baseline"
FOUND, SERVED = "found", "served"
"""In place of a recipe's name, where nothing is made here."""
Origin = Literal["baseline", "made", "found", "served"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """The model to quantize."""

    path: str = BUNDLED
    """'bundled', a local folder or GGUF file, or a name on the hub, as written in the study."""
    folder: Path | None = None
    """The local folder or GGUF file, made absolute; None for the bundled model and hub ids."""
    revision: str = "main"
    """Branch, tag or commit; hub ids only."""
    trust_remote_code: bool = False
    allow_pickle: bool = False
    allow_token_differences: bool = False
    """Take a GGUF file whose text llama.cpp by itself splits into other tokens than the model."""
    is_elsewhere: bool = False
    """Only a server has the model: `path` is its URL and name, and there are no files here."""

    @property
    def trust(self) -> Trust:
        """What the model may run while it is loaded."""
        return Trust(remote_code=self.trust_remote_code, pickle=self.allow_pickle)

    @property
    def format(self) -> str:
        """As engines know it: 'gguf' or 'hf', by what it is called."""
        return GGUF if self.is_gguf else PLAIN

    @property
    def is_gguf(self) -> bool:
        """Whether it is a GGUF file, which llama.cpp runs."""
        if self.folder is not None:
            return self.folder.suffix == ".gguf"
        named = None if self.path == BUNDLED else hub_names.parse(self.path)
        return named is not None and named.is_gguf


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantSpec:
    """What is compared: made here by a recipe, found where somebody put it, or served by somebody.

    The model that it is compared with is one too (`origin` 'baseline').
    """

    label: str
    """What people call it, unique in the study, e.g. 'w4-g@en[group_size=64]'."""
    recipe: str
    """Canonical name; 'baseline', 'found' or 'served' where nothing is made."""
    parameters: Mapping[str, int | float | str | bool] = field(default_factory=dict)
    """All parameters of the recipe, defaults included."""
    calibration: CalibrationSpec | None = None
    source: ModelSpec | None = None
    """Where a found variant lies."""
    format: str | None = None
    """Of a found variant's files, as engines know it; None until they were looked at."""
    chat_template: Literal["baseline"] | None = None
    """The template that a found variant is asked with, where it brings another; None: nobody says,
    and that is an error."""
    endpoint: EndpointSettings | None = None
    """Who serves a served variant."""
    engine: str | None = None
    """Name of the engine that runs it; None: the study's, or that of its format."""
    kv_cache: str | None = None
    """Type of the keys and values that the engine keeps, e.g. 'q8_0'; None: the engine's own."""
    baseline: str = BASELINE
    """Label of what it is compared with: the baseline as its own engine runs it. A baseline has
    its own label."""

    @property
    def is_baseline(self) -> bool:
        """Whether it is what others are compared with: the study's baseline or an engine's."""
        return self.label == self.baseline

    @property
    def origin(self) -> Origin:
        """Who made it."""
        match self.recipe:
            case "baseline" | "found" | "served" as origin:
                return origin
        return "made"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteSpec:
    """A benchmark and the languages it is asked in."""

    suite: str
    languages: tuple[str, ...]
    options: TaskOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisSpec:
    """How effects are judged."""

    alpha: float = 0.05
    margins: Mapping[str, float] = field(
        default_factory=lambda: {"fraction": 0.02, "bits/byte": 0.01}
    )
    """Largest harm that does not matter, by the metric's unit or by suite (the suite wins)."""
    loss_caps: Mapping[str, float] = field(default_factory=lambda: dict(LOSS_CAPS))
    """The most that one item is taken to lose, by the metric's unit: what equivalence rests on."""
    confirmatory: Confirmatory | None = None
    """None: everything, one Holm family per variant and suite."""
    contrasts: tuple[tuple[str, str], ...] = ()
    """Labels of two variants that are held against each other, first less second."""
    floor: float = 0.05
    """Generation tasks: a baseline score below this is at the floor."""
    reference: str | None = None
    """Language that the others are held against; None: none."""
    aa: bool = True
    """Run the baseline once more, batched differently: the noise floor."""
    baseline_by_engine: bool = True
    """Compare each variant with the baseline as the variant's own engine runs it."""


def choose_reference(languages: Sequence[str]) -> str | None:
    """English if it is asked, else no reference language."""
    return "en" if "en" in languages else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A whole study, checked and resolved."""

    name: str
    file: Path
    """The study file, absolute."""
    folder: Path
    """The run folder, absolute."""
    seed: int
    model: ModelSpec
    engine: EngineSettings
    batch_items: int
    """Items recorded together."""
    variants: tuple[VariantSpec, ...]
    """The baseline first."""
    suites: tuple[SuiteSpec, ...]
    groups: Mapping[str, tuple[str, ...]]
    """The user's own groups of languages."""
    analysis: AnalysisSpec
    limit: int | None = None
    """First n items of each task only: a smoke run, stored apart."""
    limited: bool = False
    """`--limit` says so, and not the file."""
    stop: bool = False
    """Cells stop when their verdict is known; stored apart."""
    claimed: tuple[str, ...] | None = None
    """Languages that the model claims to know; None where nobody says."""
    corpus: str = DEFAULT_CORPUS
    """Whose shares of languages the report holds damage against: a published name, or a file's,
    relative to the study's."""
    answers: bool = False
    """Only answers to open prompts are wanted, for judges and people; stored apart."""

    @property
    def compared(self) -> tuple[VariantSpec, ...]:
        """The variants that the report is about: all that are no baseline."""
        return tuple(one for one in self.variants if not one.is_baseline)

    @property
    def smoke(self) -> bool:
        """Whether this is a smoke run, never to be mistaken for a result."""
        return self.limit is not None

    @property
    def languages(self) -> tuple[str, ...]:
        """All languages of all suites, in order of first mention."""
        return tuple(dict.fromkeys(code for suite in self.suites for code in suite.languages))

    def as_object(self) -> dict[str, Any]:
        """The resolved study of JSON types, for the record beside the results."""
        plain: dict[str, Any] = _plain(dataclasses.asdict(self))
        return plain


def _plain(value: Any) -> Any:
    """Dataclass leaves as JSON knows them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
