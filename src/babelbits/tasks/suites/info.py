"""What a suite is, and how upstream's names of languages become ours. No data, no library.

The tables map upstream's name of a language (a dataset config, a file name) to ours; ours is always
the canonical code of `babelbits.languages`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from babelbits.languages import resolve


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteInfo:
    """A benchmark over languages."""

    name: str
    languages: tuple[str, ...]
    """Canonical codes, in the suite's own order."""
    summary: str
    generates: bool
    """True when the model must write text; False when it only scores text."""
    licence: str
    parallel: bool
    """Whether items of different languages are translations of each other."""
    hub_dataset: str | None = None
    """Where the data comes from when the study names no local folder; None: no download."""
    upstream: Mapping[str, str] = field(default_factory=dict)
    """Canonical code to upstream's name of the language: dataset config or file code."""
    lm_eval_task: str | None = None
    """Name of the lm-eval task with `{}` for upstream's language; None for our own tasks."""
    chance: float | None = None
    """Expected score of guessing; None where there is none."""
    shots: int | None = 0
    """Few-shot examples unless the study says otherwise; None: the lm-eval task knows."""
    parts: tuple[str, ...] = ()
    """Names of the lm-eval tasks, with `{}`, that one language consists of: MMLU's subjects."""
    packaged: str | None = None
    """YAML file of the task in this package, where lm-eval does not have it."""
    metric: str = "accuracy"
    """What a number of this suite is, as papers call it."""
    choices: int | None = None
    """How many answers an item offers; None where the model writes or texts are scored."""
    revision: str | None = None
    """Commit of the hub dataset; None: its branch main, whose commit is recorded when it is got."""
    comparable: str = "studies made with Babelbits"
    """What the number may be compared with, outside of a study."""
    any_language: bool = False
    """True where `languages` is only a guess from the name: the study may say another."""
    own_shots: int = 0
    """Few-shot examples that one of our suites can show."""
    modes: tuple[str, ...] = ()
    """Ways to ask, the default first; () where there is one."""
    identifies: bool = False
    """Whether it identifies languages, so that a study may choose the identifier."""
    source_columns: tuple[str, ...] | None = None
    """Columns that name a question in every language; () is the row; None: not parallel."""
    cluster_columns: tuple[str, ...] | None = None
    """Columns that name what items share beside their translations, as Belebele's passage. None:
    what the documents of an lm-eval task show; see `tasks.clusters`."""
    translates: Literal["into", "from"] | None = None
    """Translation suites: into the language, or from it; the other side is the study's pivot."""
    data_name: str | None = None
    """Under which name `[data]` may hold the folder besides the suite's own: suites share data."""
    native_numbers: bool = False
    """True where lm-eval reads ASCII digits only: `native_match` is scored beside its metrics."""
    limits: Literal["scaled", "fixed"] = "fixed"
    """Unless the study says otherwise; see `tasks.token_limits`."""

    @property
    def output_type(self) -> Literal["choice", "generation", "text"]:
        """What the model is asked for: to choose, to write, or nothing but the text's bits."""
        if self.generates:
            return "generation"
        return "text" if self.metric.startswith("bits") else "choice"

    @property
    def downloads(self) -> bool:
        """Whether the data come from the hub unless the study names a folder."""
        return self.hub_dataset is not None


def canonical(code: str) -> str:
    """Canonical code of a language in any usual form.

    Raises
    ------
    UnknownNameError
        If no language is called that.
    """
    return resolve(code).code


def by_language(codes: str) -> Mapping[str, str]:
    """Canonical code to upstream code; the first upstream code of a language wins."""
    table: dict[str, str] = {}
    for code in codes.split():
        table.setdefault(canonical({"jp": "ja"}.get(code, code)), code)
    return MappingProxyType(table)
