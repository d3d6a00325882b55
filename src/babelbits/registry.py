"""Parts that are found by name: recipes, engines, tasks, readers, and imports of votes.

A registry is a table of names and of where the object is (`module:attribute`). What ships in the
package is a row below; another package adds rows by entry points of the same group, a program by
`register`. Listing names imports no part. Nothing is run here, and a name means one thing: a second
owner is an error.

Registered by `register` are parts of this process only. Worker processes know those of packages.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from babelbits.errors import StudyError, UnknownNameError
from babelbits.suggest import did_you_mean

__all__ = ["ENGINES", "READERS", "RECIPES", "TASKS", "VOTES", "Registry", "get_named", "register"]


class Registry:
    """The parts of one kind.

    Parameters
    ----------
    group : str
        Of the entry points, e.g. 'babelbits.recipes'.
    kind : str
        What one is called in messages, e.g. 'recipe family'.
    rows : mapping
        Name to 'module:attribute', of what ships here.
    """

    def __init__(self, group: str, *, kind: str, rows: Mapping[str, str]) -> None:
        self.group = group
        self.kind = kind
        self._rows = dict(rows)
        self._added: dict[str, Any] = {}

    @cached_property
    def _others(self) -> Mapping[str, EntryPoint]:
        """Rows of other packages, by name."""
        found: dict[str, EntryPoint] = {}
        for point in sorted(entry_points(group=self.group), key=lambda one: one.name):
            owner = _owner(found[point.name]) if point.name in found else None
            if point.name in self._rows:
                owner = "babelbits"
            if owner is not None:
                raise StudyError(
                    f"two packages have a {self.kind} '{point.name}': {owner} and {_owner(point)}",
                    where=f"entry points '{self.group}'",
                    hint=f"uninstall one: pip uninstall {_owner(point)}",
                )
            found[point.name] = point
        return found

    def __iter__(self) -> Iterator[str]:
        """Names: ours in their order, then those of packages, then those registered here."""
        yield from self._rows
        yield from self._others
        yield from self._added

    def __contains__(self, name: object) -> bool:
        return name in self._rows or name in self._others or name in self._added

    def owner(self, name: str) -> str:
        """The distribution that a name comes from; 'this program' for what it registered."""
        if name in self._others:
            return _owner(self._others[name])
        return "this program" if name in self._added else "babelbits"

    def get(self, name: str) -> Any:
        """The object of a name; its module is imported now.

        Raises
        ------
        UnknownNameError
            If nothing has that name; the hint names the nearest and all.
        StudyError
            If another package's part cannot be imported.
        """
        if name in self._added:
            return self._added[name]
        if name in self._rows:
            module, _, attribute = self._rows[name].partition(":")
            return getattr(import_module(module), attribute)
        point = self._others.get(name)
        if point is None:
            guess = did_you_mean(name, list(self))
            known = f"there are: {', '.join(self)}"
            raise UnknownNameError(
                f"there is no {self.kind} '{name}'", hint=f"{guess} {known}" if guess else known
            )
        try:
            return point.load()
        except Exception as error:
            raise StudyError(
                f"the {self.kind} '{name}' of {_owner(point)} cannot be imported: {error}",
                where=point.value,
                hint=f"pip install --upgrade {_owner(point)}, or uninstall it",
            ) from error

    def items(self) -> Iterator[tuple[str, Any]]:
        """Names and objects."""
        for name in self:
            yield name, self.get(name)


def _owner(point: EntryPoint) -> str:
    return "an unnamed package" if point.dist is None else str(point.dist.name)


RECIPES = Registry(
    "babelbits.recipes",
    kind="recipe family",
    rows={
        "none": "babelbits.recipes.families.baseline:FAMILY",
        "compressed-tensors": "babelbits.recipes.families.compressed_tensors:FAMILY",
        "auto-round": "babelbits.recipes.families.autoround:FAMILY",
        "bitsandbytes": "babelbits.recipes.families.bitsandbytes:FAMILY",
        "gguf": "babelbits.recipes.families.gguf:FAMILY",
    },
)
"""Name as in `RecipeInfo.family` to a `recipes.family.Family`."""

ENGINES = Registry(
    "babelbits.engines",
    kind="engine",
    rows={
        "transformers": "babelbits.engines.transformers:ENGINE",
        "llama.cpp": "babelbits.engines.llama_cpp:ENGINE",
        "endpoint": "babelbits.engines.served:ENGINE",
        "vllm": "babelbits.engines.vllm:ENGINE",
    },
)
"""Name as in `[engine] name` to an `engines.base.EngineKind`."""

TASKS = Registry(
    "babelbits.tasks",
    kind="family of suites",
    rows={
        "babelmini": "babelbits.tasks.suites.babelmini:FAMILY",
        "open-prompts": "babelbits.tasks.suites.open_prompts:FAMILY",
        "ntrex": "babelbits.tasks.suites.ntrex:FAMILY",
        "translation": "babelbits.tasks.suites.translation:FAMILY",
        "mgsm": "babelbits.tasks.suites.mgsm:FAMILY",
        "mmlu": "babelbits.tasks.suites.mmlu:FAMILY",
        "choices": "babelbits.tasks.suites.choices:FAMILY",
        "sib200": "babelbits.tasks.suites.topics:FAMILY",
        "newer": "babelbits.tasks.suites.newer:FAMILY",
        "mixeval": "babelbits.tasks.suites.mixeval:FAMILY",
        "language-confusion": "babelbits.tasks.suites.language_confusion:FAMILY",
    },
)
"""Name to a `tasks.base.SuiteFamily`, in the order in which suites are listed."""

READERS = Registry(
    "babelbits.readers",
    kind="reader",
    rows={
        "lm-eval": "babelbits.interop.readers.lm_eval:READER",
        "lighteval": "babelbits.interop.readers.lighteval:READER",
        "Inspect": "babelbits.interop.readers.inspect_log:READER",
        "EvalScope": "babelbits.interop.readers.evalscope:READER",
        "NeMo Evaluator": "babelbits.interop.readers.nemo:READER",
        "table": "babelbits.interop.readers.table:READER",
        "llama-perplexity": "babelbits.interop.readers.llama_perplexity:READER",
        "hub totals": "babelbits.interop.readers.hub_results:READER",
    },
)
"""Name of a tool to an `interop.readers.record.Reader`, in the order in which they are tried:
llama-perplexity's text last of ours, for any file may be text."""

VOTES = Registry(
    "babelbits.votes",
    kind="import of votes",
    rows={
        "label-studio": "babelbits.preferences.imports.label_studio:IMPORTER",
        "argilla": "babelbits.preferences.imports.argilla:IMPORTER",
        "csv": "babelbits.preferences.imports.table:IMPORTER",
    },
)
"""Name of an annotation tool to a `preferences.imports.raw.VoteImporter`."""


def get_named(registry: Registry, name: str) -> Any:
    """The part of a name, which is also what the part says of itself in its `name`.

    Raises
    ------
    UnknownNameError
        If nothing has that name.
    StudyError
        If the part cannot be imported, or says that it is called otherwise.
    """
    part = registry.get(name)
    if part.name != name:
        raise StudyError(
            f"the {registry.kind} '{name}' says that its name is '{part.name}'",
            where=registry.owner(name),
            hint="give both one name: they stand in ids, messages and study files",
        )
    return part


def register(registry: Registry, name: str, part: Any) -> None:
    """Add a part to this process, as a notebook or a test does.

    Raises
    ------
    StudyError
        If the name is taken.
    """
    if name in registry:
        raise StudyError(f"there is a {registry.kind} '{name}' already", where=registry.owner(name))
    registry._added[name] = part
