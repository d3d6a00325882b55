"""What an engine is: a loaded variant that scores text and generates it.

No torch here: the plan, the tasks and the tests of other rooms may import this module.
Log-probabilities are in nats.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal, Protocol, runtime_checkable

from babelbits.engines.endpoint.settings import ServedBy
from babelbits.formats.trust import Trust
from babelbits.libraries import find_version, install, need
from babelbits.records import (
    JSON,
    Failure,
    GenerateRequest,
    Generation,
    Score,
    ScoreRequest,
    TextRequest,
    TextScore,
)
from babelbits.registry import ENGINES
from babelbits.stats.divergence import TokenDivergence, TopTokens

LongPrompts = Literal["truncate-left", "fail"]

Batch = Literal["auto", "single", "many"]

SMALL_MODEL = 20_000_000
"""Weights below which a CPU engine computes with one thread: several processes use the cores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """How to run a model.

    Only `name`, `device`, `dtype` and `long_prompts` change results on purpose, and `batch` those
    of models whose numbers depend on what else is in a batch.
    """

    name: str = "auto"
    """Of the engine, as in the registry; 'auto': that of the variant's format."""
    device: str = "auto"
    """'cpu', 'cuda', 'cuda:1', or 'auto': CUDA when there is one."""
    dtype: str = "auto"
    """'float32', 'bfloat16', 'float16', or 'auto': float32 on a CPU, bfloat16 on a GPU."""
    long_prompts: LongPrompts = "truncate-left"
    """What to do with a prompt longer than the context; either way it is counted."""
    token_budget: int = 8192
    """Largest number of padded tokens in one forward pass: bounds memory, not results."""
    batch: Batch = "auto"
    """'single': every row alone in its forward passes; 'many': as many as the budget allows;
    'auto': 'single' only where numbers depend on what else is in a batch (LLM.int8)."""
    sharing: bool = True
    """Compute shared prefixes once; False is the plain padded path, the oracle of the tests."""
    python: str | None = None
    """Interpreter of an engine that runs in an environment of its own (vllm); None: it looks."""
    tensor_parallel: int | None = None
    """GPUs of one node that share every layer (vllm); None: nobody says, so 1."""
    pipeline_parallel: int | None = None
    """Stages of layers on GPUs of their own (vllm); None: nobody says, so 1."""
    trust_remote_code: bool = False
    allow_pickle: bool = False
    kv_cache: str | None = None
    """Type of the keys and values that the engine keeps, of `EngineKind.kv_caches`; None: its own.
    It changes results; a variant's, never a study's."""
    allow_token_differences: bool = False
    """Run a GGUF variant on its checkpoint's tokens though llama.cpp itself gives others."""
    served: ServedBy | None = None
    """Who serves the variant, where it is not run here."""
    split: bool = False
    """Let a model that one GPU does not hold lie on several, or in host memory too; a study's
    `device = 'auto'` says so. It changes no results."""

    @property
    def n_devices(self) -> int:
        """GPUs of one copy of a model, as stated."""
        return (self.tensor_parallel or 1) * (self.pipeline_parallel or 1)

    @property
    def may_split(self) -> bool:
        """Whether the devices are left to us."""
        return self.split or self.device == "auto"

    @property
    def trust(self) -> Trust:
        """What the model may run while it is loaded."""
        return Trust(remote_code=self.trust_remote_code, pickle=self.allow_pickle)

    def trusting(self, trust: Trust) -> "EngineSettings":
        """The same settings with another answer to what the model may run."""
        return replace(self, trust_remote_code=trust.remote_code, allow_pickle=trust.pickle)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineIdentity:
    """The part of an engine that may change numbers; it goes into every cell's id."""

    name: str
    version: str
    device_kind: str
    """'cpu' or 'cuda'; 'server' where nobody here knows."""
    dtype: str
    long_prompts: LongPrompts
    batch: Literal["single", "many"] = "many"
    """'single' where every row is alone in its forward passes."""
    kv_cache: str | None = None
    """Type of kept keys and values where a variant names one."""
    tensor_parallel: int = 1
    """GPUs that share every layer: their sums are rounded in another order."""
    pipeline_parallel: int = 1
    """Stages of layers."""


class Engine(Protocol):
    """Scores and generates in bulk, so that it may schedule; replies come in request order."""

    @property
    def identity(self) -> EngineIdentity:
        """What about this engine may change numbers."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know about how this model runs here, one sentence each."""

    @property
    def context_length(self) -> int:
        """Largest input in tokens."""

    def count_tokens(self, text: str) -> int:
        """Tokens of `text`, special tokens included as in scoring."""

    def score(self, requests: Sequence[ScoreRequest]) -> list[Score | Failure]:
        """Log-likelihood of each continuation after its context."""

    def score_text(self, requests: Sequence[TextRequest]) -> list[TextScore | Failure]:
        """Log-likelihood of each token of whole texts."""

    def generate(self, requests: Sequence[GenerateRequest]) -> list[Generation | Failure]:
        """Continue each prompt."""

    def distributions(
        self, requests: Sequence[TextRequest], *, k: int
    ) -> list[TopTokens | Failure]:
        """The k most likely tokens after every position of whole texts."""

    def divergences(
        self, requests: Sequence[TextRequest], baselines: Sequence[TopTokens]
    ) -> list[TokenDivergence | Failure]:
        """How far this model is from a baseline after every position of the same texts."""

    def close(self) -> None:
        """Free the model's memory."""


@runtime_checkable
class Watched(Protocol):
    """An engine whose model somebody else may change while it is asked: it is asked who it is."""

    def begin(self, scope: str) -> None:
        """Before a cell; what is answered from now on belongs to `scope`.

        Raises
        ------
        ServedModelChangedError
            If another model runs than the one that was met.
        """

    def confirm(self) -> None:
        """After a cell; raises as `begin`."""


class EngineKind(ABC):
    """How to run models of some formats: what is known of an engine before it is loaded.

    Another package adds one by a subclass and an entry point of the group 'babelbits.engines' that
    names an instance. Importing its module must load nothing heavy; `load` may.
    """

    name: ClassVar[str]
    """As in the registry, in `[engine] name`, and in every cell's identity."""
    formats: ClassVar[tuple[str, ...]]
    """Of checkpoints that it runs: 'hf', 'compressed-tensors', 'bitsandbytes', 'gguf', ..."""
    libraries: ClassVar[tuple[str, ...]] = ()
    """Distributions that it computes with: their versions are part of its own."""
    revision: ClassVar[int] = 1
    """Counts changes of the engine itself that may change its numbers."""
    runs_alone: ClassVar[bool] = False
    """Whether it heeds the setting `batch = 'single'`."""
    kv_caches: ClassVar[tuple[str, ...]] = ()
    """Types in which it can keep keys and values, for `kv_cache` of a variant."""
    emulated: ClassVar[tuple[str, ...]] = ()
    """Of its formats those whose arithmetic it imitates: the numbers are those of a kernel that
    serves the format, speed and memory are not."""

    def runs(self, format: str) -> bool:  # noqa: A002  the word of manifests
        """Whether it runs checkpoints of a format."""
        return format in self.formats

    def emulates(self, format: str) -> bool:  # noqa: A002  the word of manifests
        """Whether its speed and memory on a format say nothing about serving it."""
        return format in self.emulated

    def kv_cache_problem(self, asked: str | None) -> str | None:
        """Why it cannot keep keys and values in a type; None where it can, or none is asked."""
        if asked is None or asked in self.kv_caches:
            return None
        if not self.kv_caches:
            return f"the engine '{self.name}' has no choice of types for its KV cache"
        return f"the engine '{self.name}' has no KV cache of the type {asked!r}"

    def configured(self, settings: EngineSettings) -> "EngineKind":
        """The engine as the study's settings have it: what it lacks may depend on them."""
        return self

    def version(self) -> str:
        """Version of the engine with those of its libraries and of the package that it is from."""
        owner = ENGINES.owner(self.name)
        own = () if find_version(owner) is None or owner == "babelbits" else (owner,)
        return with_libraries(self.revision, (*self.libraries, *own))

    def device(self, resolved: str, *, asked: str) -> str:
        """The device that it computes on.

        Parameters
        ----------
        resolved : str
            'cpu', 'cuda' or 'cuda:N': what this machine has.
        asked : str
            As in the study: 'auto' leaves the choice.
        """
        return resolved

    def dtype(self, asked: str, *, device_kind: str) -> str:
        """The type that it computes in: by default float32 on a CPU, bfloat16 on a GPU."""
        if asked != "auto":
            return asked
        return "float32" if device_kind == "cpu" else "bfloat16"

    def identity(
        self,
        settings: EngineSettings,
        *,
        config: JSON | None = None,
    ) -> EngineIdentity:
        """What the loaded engine will say it is.

        Parameters
        ----------
        config : mapping, optional
            `config.json` of the model, for engines that compute some models otherwise.
        settings : EngineSettings
            Its device is not 'auto', nor is its batch where numbers depend on that.
        """
        device_kind = settings.device.partition(":")[0]
        return EngineIdentity(
            name=self.name,
            version=self.version(),
            device_kind=device_kind,
            dtype=self.dtype(settings.dtype, device_kind=device_kind),
            long_prompts=settings.long_prompts,
            batch="single" if settings.batch == "single" and self.runs_alone else "many",
            kv_cache=settings.kv_cache,
        )

    def lacks(self) -> tuple[str, ...]:
        """What a run would stop at, one sentence each; loads nothing."""
        return tuple(
            f"{name} is not installed, and the engine '{self.name}' needs it: {install([name])}"
            for name in self.libraries
            if find_version(name) is None
        )

    def prepare(self, *, tell: Callable[[str], None]) -> None:
        """Load what loading models needs, before anything expensive; `tell` what takes a while.

        Raises
        ------
        MissingExtraError
            If a library is not installed.
        """
        need(self.libraries, what=f"the engine '{self.name}'")

    @abstractmethod
    def load(self, folder: Path, *, settings: EngineSettings) -> Engine:
        """Load the model in a folder.

        Raises
        ------
        ModelError, MissingExtraError, EngineError
            If the engine cannot be had here or cannot load the files.
        """


def with_libraries(revision: int | str, libraries: Sequence[str]) -> str:
    """The version of an engine: its own number, and those of its libraries in brackets."""
    named = " ".join(f"{name} {find_version(name) or 'none'}" for name in libraries)
    return f"{revision} ({named})" if named else str(revision)
