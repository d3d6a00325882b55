"""Any task of lm-eval as one of ours: its prompts, its data, its scoring, our items and records.

How its few-shot examples are chosen: `lm_eval_shots`. How replies are scored: `lm_eval_scoring`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

from babelbits.engines.templates import ChatTemplate
from babelbits.errors import MissingExtraError, TaskError, UnknownNameError
from babelbits.records import (
    Failure,
    Generation,
    Item,
    Metric,
    Outcome,
    Reply,
    TaskInfo,
    digest,
)
from babelbits.tasks.answer_number import NATIVE_MATCH, match_native_number
from babelbits.tasks.answer_number import VERSION as NATIVE_VERSION
from babelbits.tasks.base import TaskOptions
from babelbits.tasks.chat_wrapper import TurnsAlone, find_template, note_template
from babelbits.tasks.clusters import find_cluster_ids
from babelbits.tasks.hub_data import HubDataset
from babelbits.tasks.identity import make_distinct, make_item, make_jsonable
from babelbits.tasks.jsonl_task import OutputType, make_failed
from babelbits.tasks.lm_eval import index
from babelbits.tasks.lm_eval.item_scoring import (
    compute_chance,
    compute_scores,
    find_gold_text,
    find_output,
    is_choice,
    list_logprobs,
    with_replies,
)
from babelbits.tasks.lm_eval.metrics import ItemMetric, choose_primary, list_item_metrics
from babelbits.tasks.lm_eval.requests import to_request
from babelbits.tasks.lm_eval.runtime import find_wanted_data, load_task, quiet, read_config
from babelbits.tasks.lm_eval.shots import fix_shots, note_shots
from babelbits.tasks.lm_eval.sources import hash_sources
from babelbits.tasks.lm_eval.suite import LmEvalSuite
from babelbits.tasks.local_data import LocalData, make_missing_error, read_local
from babelbits.tasks.script_note import note_script
from babelbits.words import agreeing, plural

ADAPTER_VERSION = "1"
_OUTPUT_TYPES: dict[str, OutputType] = {
    "multiple_choice": "choice",
    "loglikelihood": "loglikelihood",
    "loglikelihood_rolling": "text",
    "generate_until": "generation",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Built:
    """A loaded task with its items."""

    task: Any
    dataset: str
    commit: str | None
    shots: int
    items: tuple[Item, ...]
    instances: dict[str, list[Any]]
    """Item id to lm-eval's instances of the item, in the order of its requests."""
    metrics: list[ItemMetric]
    notes: tuple[str, ...]


class LmEvalTask:
    """A task of lm-eval in one language.

    Parameters
    ----------
    suite : LmEvalSuite
        Which suite; its `lm_eval_task` names the task.
    language : str
        Canonical code.
    options : TaskOptions
        Choices of the study; `data` replaces the hub's rows.

    Raises
    ------
    MissingExtraError
        If lm-eval is not installed.
    UnknownNameError
        If the installed lm-eval has no such task.
    """

    renders_chat: Literal[True] = True

    def __init__(self, suite: LmEvalSuite, language: str, options: TaskOptions) -> None:
        self.upstream = suite.upstream.get(language, language)
        self.name = suite.lm_eval_task.format(self.upstream)
        self.suite = suite
        self.language = language
        self.options = options
        self._yaml_file = (
            _find_yaml(self.name, options.include_path)
            if suite.packaged is None
            else find_packaged_yaml(suite.packaged)
        )

    @property
    def info(self) -> TaskInfo:
        """What this task is. Loads its data, for only they say how many choices there are."""
        built = self._built
        return TaskInfo(
            name=self.name,
            suite=self.suite.name,
            language=self.language,
            metrics=self._metrics,
            primary=choose_primary(built.metrics).metric.name,
            output_type=_OUTPUT_TYPES.get(str(built.task.OUTPUT_TYPE), "generation"),
            parallel=self.suite.parallel,
            scorer_version=self._scorer_version(),
            origin=self._origin(),
            licence=self.suite.licence,
            notes=built.notes,
        )

    @property
    def shots(self) -> int:
        """How many examples stand before each question. Loads the data."""
        return self._built.shots

    def changes(self) -> dict[str, Any]:
        """What differs from the task as its file has it."""
        asked = self.options.shots
        shots = self.suite.shots if asked is None else asked
        changed: dict[str, Any] = {} if shots is None else {"num_fewshot": shots}
        if self.suite.packaged is not None:
            changed["dataset_name"] = self.upstream
        return changed

    def wanted(self) -> tuple[HubDataset, ...]:
        """The hub dataset that the items come from, if they do; loads no data."""
        config = {**read_config(self._yaml_name, self._yaml_file), **self.changes()}
        found = find_wanted_data(config, self.suite.revision)
        return () if found is None else (found,)

    @property
    def _yaml_name(self) -> str:
        return self.name if self.suite.packaged is None else self._yaml_file.stem

    def items(self) -> tuple[Item, ...]:
        """All items in the dataset's order, or the first few in a smoke run."""
        return self._built.items

    def score(self, item: Item, replies: Sequence[Reply]) -> Outcome:
        """Score with lm-eval's own filters and metrics."""
        built = self._built
        failure = next((reply for reply in replies if isinstance(reply, Failure)), None)
        if failure is not None:
            return make_failed(failure, self._metrics)
        answered = with_replies(built.instances[item.item_id], replies)
        try:
            with quiet():
                scores, totals = compute_scores(built.task, built.metrics, answered)
                output = find_output(built.task, answered[0].doc, replies)
            if self.suite.native_numbers:
                match = match_native_number(output, item.target, self.language)
                scores[NATIVE_MATCH.name] = match
        except Exception as error:  # noqa: BLE001  tasks run code of their own on hostile text
            message = f"{type(error).__name__}: {error}"
            return make_failed(
                Failure(kind="scoring_failed", message=message),
                self._metrics,
            )
        first = replies[0]
        return Outcome(
            output=output,
            scores=scores,
            statistics=totals,
            choice_logprobs=list_logprobs(replies) if is_choice(built.task) else None,
            finish_reason=first.finish_reasons[0] if isinstance(first, Generation) else None,
        )

    @property
    def _metrics(self) -> tuple[Metric, ...]:
        """The metrics of lm-eval, and ours beside them."""
        ours = (NATIVE_MATCH,) if self.suite.native_numbers else ()
        return (*(found.metric for found in self._built.metrics), *ours)

    @cached_property
    def _built(self) -> _Built:
        loaded = load_task(
            self._yaml_name,
            self._yaml_file,
            changes=self.changes(),
            data=None if self.options.data is None else self._local_data,
            revision=self.suite.revision,
        )
        task = loaded.task
        _refuse_unsafe(task, self.name)
        with quiet():
            shots = fix_shots(task, self.name, seed=self.options.seed)
            groups = self._instances(task)
            items = self._items(task, groups)
            chance = compute_chance(task, groups)
            metrics, left_out = list_item_metrics(task, _filter_names(task), chance=chance)
        if not metrics:
            raise TaskError(f"task '{self.name}' has no metric that single items have")
        notes = list(note_template(self._template))
        notes += [f"{name}: a corpus metric, single items have none" for name in left_out]
        return _Built(
            task=task,
            dataset=loaded.dataset,
            commit=loaded.commit,
            shots=shots,
            items=items,
            instances={item.item_id: group for item, group in zip(items, groups, strict=True)},
            metrics=metrics,
            notes=(
                *loaded.notes,
                *notes,
                *self._language_note(),
                *note_shots(task, shots),
                *note_asked_twice(items),
                *note_script(items, self.language),
            ),
        )

    def _local_data(self, config: Mapping[str, Any]) -> LocalData:
        folder = self.options.data
        assert folder is not None  # noqa: S101  only called where there is one
        local = read_local(str(config.get("dataset_path")), config.get("dataset_name"), folder)
        split = config.get("test_split") or config.get("validation_split")
        if not local.splits.get(str(split)):
            lacking = make_missing_error(
                str(config.get("dataset_path")),
                config.get("dataset_name"),
                folder,
                split=str(split),
            )
            raise TaskError(
                f"task '{self.name}' has no items in split '{split}': {lacking.what}",
                where=str(folder),
                hint=lacking.hint,
            )
        examples = config.get("fewshot_split") or config.get("training_split") or split
        # lm-eval looks into the split even where no example is shown.
        return replace(local, splits={str(examples): [], **local.splits})

    def _instances(self, task: Any) -> list[list[Any]]:
        """lm-eval's instances, one list an item."""
        try:
            task.build_all_requests(limit=self.options.limit, **self._as_chat())
        except Exception as error:
            what = f"lm-eval cannot build the prompts: {type(error).__name__}: {error}"
            raise TaskError(what, where=self.name) from error
        return [list(group) for _, group in groupby(task.instances, key=lambda one: one.doc_id)]

    @cached_property
    def _template(self) -> ChatTemplate | None:
        found = find_template(self.options)
        if isinstance(found, TurnsAlone):
            raise TaskError(
                "lm-eval writes chats with the model's own template, and only a server has it",
                where=self.name,
                hint="name the model's files: path = ... in [model]",
            )
        return found

    def _as_chat(self) -> dict[str, Any]:
        """lm-eval's settings for a chat; none where prompts are plain text."""
        template = self._template
        if template is None:
            return {}

        def render(
            messages: list[dict[str, str]],
            add_generation_prompt: bool = True,  # noqa: FBT001, FBT002  lm-eval's signature
        ) -> str:
            return template.render(messages, add_generation_prompt=add_generation_prompt)

        return {
            "apply_chat_template": True,
            "chat_template": render,
            "fewshot_as_multiturn": self.options.chat.fewshot == "turns",
            "system_instruction": self.options.chat.system_prompt,
        }

    def _items(self, task: Any, groups: list[list[Any]]) -> tuple[Item, ...]:
        names = [self._source_id(group[0]) for group in groups]
        sources = make_distinct(names)
        docs = [group[0].doc for group in groups]
        clusters = find_cluster_ids(docs, names=names, columns=self.suite.cluster_columns)
        return tuple(
            make_item(
                task=self.name,
                language=self.language,
                source_id=source,
                requests=[to_request(one, seed=self.options.seed) for one in group],
                target=find_gold_text(task, group[0].doc, f"{self.name}, row {group[0].doc_id}"),
                doc=group[0].doc,
                cluster_id=cluster,
            )
            for source, cluster, group in zip(sources, clusters, groups, strict=True)
        )

    def _source_id(self, instance: Any) -> str:
        columns = self.suite.source_columns
        if columns is None:
            return digest(make_jsonable(instance.doc))
        if not columns:
            return str(instance.doc_id)
        named = [instance.doc.get(column) for column in columns]
        for column, value in zip(columns, named, strict=True):
            if value is None or str(value).strip() == "":
                raise TaskError(
                    f"an item without an id: nothing in column '{column}'",
                    where=f"{self.name}, row {instance.doc_id}",
                    hint="the same question has the same id in every language; without one, "
                    "answers in two languages cannot be matched",
                )
        return "/".join(map(str, named))

    def _language_note(self) -> tuple[str, ...]:
        if not self.suite.languages or self.language in self.suite.languages:
            return ()
        said = " or ".join(self.suite.languages)
        return (f"the task's name says {said}, the study says {self.language}",)

    def _origin(self) -> str:
        built, folder = self._built, self.options.data
        place = "" if folder is None else f", local folder {folder.name}"
        commit = "" if built.commit is None else f"@{built.commit[:12]}"
        return f"lm-eval {index.find_lm_eval_version()}, {built.dataset}{commit}{place}"

    def _scorer_version(self) -> str:
        version = f"lm-eval {index.find_lm_eval_version()}, adapter {ADAPTER_VERSION}"
        if self.suite.native_numbers:
            version = f"{version}, {NATIVE_VERSION}"
        if any(one.corpus == "ratio" for one in self._metrics):
            version = f"{version}, bits over bytes"
        is_installed = index.list_installed_tasks().get(self.name) == self._yaml_file
        return version if is_installed else f"{version}, {hash_sources(self._yaml_file)}"


def _find_yaml(name: str, include_path: Path | None) -> Path:
    found = index.find(name, include_path)
    if found is not None:
        return found
    if index.find_lm_eval_version() is None:
        raise MissingExtraError(f"task '{name}' needs lm-eval", hint="pip install 'babelbits[run]'")
    raise UnknownNameError(f"lm-eval {index.find_lm_eval_version()} has no task '{name}'")


def _refuse_unsafe(task: Any, name: str) -> None:
    if getattr(task, "UNSAFE_CODE", False):
        raise TaskError(f"task '{name}' runs what the model writes", hint="leave it out")
    if getattr(task, "MULTIMODAL", False):
        raise TaskError(f"task '{name}' is not on text alone", hint="leave it out")


def note_asked_twice(items: Sequence[Item]) -> tuple[str, ...]:
    """A note where the very same question is asked again: its answers are no new evidence."""
    counts = Counter((item.requests, item.target) for item in items)
    again = sum(count - 1 for count in counts.values())
    if not again:
        return ()
    first = next(item for item in items if counts[item.requests, item.target] > 1)
    where = f"the first is item {first.source_id}"
    return (
        (
            f"{again} of {plural(len(items), 'item')} "
            f"{agreeing(again, 'repeats', 'repeat')} another one, letter by letter; {where}"
        ),
    )


def find_packaged_yaml(name: str) -> Path:
    """A task's YAML file in this package."""
    return Path(str(files("babelbits").joinpath("tasks", "yaml", name)))


def _filter_names(task: Any) -> list[str]:
    return [ensemble.name for ensemble in task._filters]
