"""What a suite is, and how upstream's names of languages become ours. No data, no library.

The tables map upstream's name of a language (a dataset config, a file name) to ours; ours is always
the canonical code of `babelbits.languages`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Literal

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
    chance: float | None = None
    """Expected score of guessing; None where there is none."""
    shots: int | None = 0
    """Few-shot examples unless the study says otherwise; None: the task itself says."""
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
    most_shots: int | None = 0
    """Few-shot examples that there are to show; None: as many as the data hold."""
    own_options: type | None = None
    """Frozen dataclass of options that are this suite's alone, all with defaults, which
    `TaskOptions.own` is of. Fields named as keys of `[[tasks]]` are read from there; a field whose
    type has pydantic's `Field` beside it is a key of `[[tasks]]` that this suite alone has. None:
    none."""
    loads_library: bool = False
    """Whether making its tasks loads a large library, which `plan` does without."""
    cluster_columns: tuple[str, ...] | None = None
    """Columns that name what items share beside their translations, as Belebele's passage. None:
    what the documents of an lm-eval task show; see `tasks.clusters`."""
    data_name: str | None = None
    """Under which name `[data]` may hold the folder besides the suite's own: suites share data."""
    limits: Literal["scaled", "fixed"] = "fixed"
    """Unless the study says otherwise; see `tasks.token_limits`."""

    @property
    def output_type(self) -> Literal["choice", "generation", "text"]:
        """What the model is asked for: to choose, to write, or nothing but the text's bits."""
        if self.generates:
            return "generation"
        return "text" if self.metric.startswith("bits") else "choice"

    @property
    def own_names(self) -> tuple[str, ...]:
        """Names of the options that are this suite's alone."""
        kind: Any = self.own_options
        return () if kind is None else tuple(one.name for one in fields(kind))

    def own(self, given: Mapping[str, Any]) -> Any:
        """Its own options as `TaskOptions.own` has them; None where none is given.

        Parameters
        ----------
        given : mapping
            Names and checked values, of other suites' options too; None: not given.
        """
        chosen = {k: v for k, v in given.items() if k in self.own_names and v is not None}
        return self.own_options(**chosen) if chosen and self.own_options is not None else None

    @property
    def downloads(self) -> bool:
        """Whether the data come from the hub unless the study names a folder."""
        return self.hub_dataset is not None


def resolve_code(code: str) -> str:
    """Canonical code of a language in any usual form.

    Raises
    ------
    UnknownNameError
        If no language is called that.
    """
    return resolve(code).code


def map_languages(codes: str) -> Mapping[str, str]:
    """Canonical code to upstream code; the first upstream code of a language wins."""
    table: dict[str, str] = {}
    for code in codes.split():
        table.setdefault(resolve_code({"jp": "ja"}.get(code, code)), code)
    return MappingProxyType(table)
