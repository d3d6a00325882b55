"""lm-eval as a library: quiet, repeatable, and without its 12-second index.

lm-eval logs warnings, draws progress bars and compiles each prompt template anew for every item;
some of its tasks draw from Python's global generator while they load. `quiet` takes care of all
that and leaves the process as it found it.
"""

import logging
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from babelbits.errors import MissingExtraError, TaskError
from babelbits.quiet import replaced
from babelbits.tasks import hub_data
from babelbits.tasks.local_data import LocalData

_PYTHON_SEED, _NUMPY_SEED = 0, 1234
"""What lm-eval seeds the global generators with before it loads a task."""
_LOADERS = ("json", "csv", "parquet", "text", "arrow")
"""Names that `datasets` takes for kinds of files, not for datasets."""


@contextmanager
def quiet() -> Iterator[None]:
    """No log lines, no progress bars, compiled templates kept, global generators put back."""
    from lm_eval import utils
    from lm_eval.api import task as lm_eval_task

    with ExitStack() as stack:
        stack.enter_context(_muted("lm_eval"))
        stack.enter_context(_no_dataset_bars())
        stack.enter_context(_seeded())
        stack.enter_context(replaced(utils.env, "from_string", _template))
        stack.enter_context(replaced(lm_eval_task, "tqdm", lambda rows, **_: rows))
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedLmEvalTask:
    """A task with what its data are."""

    task: Any
    """An `lm_eval.api.task.Task`."""
    dataset: str
    """Hub id and config, e.g. 'juletxara/mgsm/ja'."""
    commit: str | None
    """The hub dataset's commit; None where the rows come from elsewhere."""
    notes: tuple[str, ...] = ()
    """What was repaired or differs from the hub, for people."""


def load_task(
    name: str,
    yaml_file: Path,
    *,
    changes: Mapping[str, Any],
    data: Callable[[Mapping[str, Any]], LocalData] | None = None,
    revision: str | None = None,
) -> LoadedLmEvalTask:
    """An lm-eval task with its data: local rows, or those of the hub dataset at one commit.

    Parameters
    ----------
    name : str
        The task's name in lm-eval, or in the file.
    yaml_file : Path
        Where it is defined; only its folder is searched, includes are followed.
    changes : mapping
        What differs from the file, e.g. `num_fewshot`.
    data : callable or None
        From the task's configuration to local rows that replace its dataset.
    revision : str or None
        Commit of the hub dataset; None: the task's own, or the branch main.

    Raises
    ------
    MissingExtraError
        If lm-eval is not installed.
    MissingDataError
        If its data are on the hub alone, and cannot be got.
    TaskError
        If the task or its data cannot be loaded.
    """
    manager = _manager(name, yaml_file)
    with quiet():
        config = {**manager.task_index[name].cfg, **changes}
        changes = {**changes, **resolve_data_paths(config, yaml_file.parent)}
        config = {**config, **changes}
        changed, dataset = dict(changes), _dataset(config)
        commit: str | None = None
        notes: tuple[str, ...] = ()
        if data is not None:
            local = data(config)
            changed["custom_dataset"], notes = _rows_function(local), local.notes
        elif (wanted := find_wanted_data(config, revision)) is not None:
            copy = hub_data.get(wanted)
            changed["custom_dataset"], commit = _copy_function(copy), copy.commit
        try:
            # A group of one is lm-eval's public way to load a task with changes.
            group = {"group": "babelbits", "task": [{"task": name, **changed}]}
            (task,) = manager.load([group])["tasks"].values()
        except Exception as error:
            raise _load_error(name, config, error, is_local=data is not None) from error
    return LoadedLmEvalTask(task=task, dataset=dataset, commit=commit, notes=notes)


def read_config(name: str, yaml_file: Path) -> Mapping[str, Any]:
    """A task's configuration, with what it includes; reads no data.

    Raises
    ------
    MissingExtraError
        If lm-eval is not installed.
    """
    config: Mapping[str, Any] = _manager(name, yaml_file).task_index[name].cfg
    return config


def _manager(name: str, yaml_file: Path) -> Any:
    """An `lm_eval.tasks.TaskManager` of the folder that the task is in."""
    try:
        from lm_eval.tasks import TaskManager
    except ImportError as error:
        raise MissingExtraError(
            f"task '{name}' needs lm-eval", hint="pip install 'babelbits[run]'"
        ) from error
    with quiet():
        return TaskManager(include_defaults=False, include_path=str(yaml_file.parent))


def resolve_data_paths(config: Mapping[str, Any], home: Path) -> dict[str, Any]:
    """What of a task's configuration names data by a path from its file's folder, made absolute.

    lm-eval takes such paths from the folder that it is started in. A path that is there from that
    folder alone stays as it is.
    """
    found: dict[str, Any] = {}
    dataset = config.get("dataset_path")
    if isinstance(dataset, str) and dataset not in _LOADERS and (home / dataset).is_dir():
        found["dataset_path"] = str((home / dataset).resolve())
    options = config.get("dataset_kwargs")
    if isinstance(options, Mapping):
        names = [one for one in ("data_files", "data_dir") if one in options]
        moved = {one: _from(home, options[one]) for one in names}
        if any(moved[one] != options[one] for one in names):
            found["dataset_kwargs"] = {**options, **moved}
    return found


def _from(home: Path, value: Any) -> Any:
    """Paths in a value that are there from `home`, made absolute."""
    if isinstance(value, Mapping):
        return {name: _from(home, one) for name, one in value.items()}
    if isinstance(value, list):
        return [_from(home, one) for one in value]
    there = isinstance(value, str) and "://" not in value and (home / value).exists()
    return str((home / value).resolve()) if there else value


def find_wanted_data(config: Mapping[str, Any], revision: str | None) -> hub_data.HubDataset | None:
    """The hub dataset that a task's configuration names; None where its data come otherwise.

    A task that brings code, a loader's options or a folder of its own is left to lm-eval.
    """
    dataset = config.get("dataset_path")
    options = dict(config.get("dataset_kwargs") or {})
    asked = options.pop("revision", None)
    options.pop("trust_remote_code", None)
    plain = not options and config.get("custom_dataset") is None and config.get("class") is None
    if not plain or not isinstance(dataset, str) or dataset in _LOADERS or Path(dataset).exists():
        return None
    return hub_data.HubDataset(
        dataset=dataset, config=config.get("dataset_name"), revision=asked or revision
    )


def _dataset(config: Mapping[str, Any]) -> str:
    return "/".join(str(x) for x in (config.get("dataset_path"), config.get("dataset_name")) if x)


def _load_error(
    name: str, config: Mapping[str, Any], error: Exception, *, is_local: bool
) -> TaskError:
    dataset = config.get("dataset_path")
    hint = None if is_local else f"or name a local folder that stands in for {dataset} under [data]"
    what = f"lm-eval cannot load task '{name}': {type(error).__name__}: {error}"
    return TaskError(what, where=dataset, hint=hint)


def _rows_function(local: LocalData) -> Callable[..., dict[str, Any]]:
    """What lm-eval's `custom_dataset` wants: a function of the task's metadata, here unused."""
    from datasets import Dataset

    def load(**_: object) -> dict[str, Any]:
        return {split: Dataset.from_list(rows) for split, rows in local.splits.items()}

    return load


def _copy_function(copy: hub_data.Copy) -> Callable[..., dict[str, Any]]:
    def load(**_: object) -> dict[str, Any]:
        return hub_data.read(copy)

    return load


@lru_cache(maxsize=4096)
def _template(source: str) -> Any:
    """A compiled template; lm-eval compiles it for every item, which takes 16 times as long."""
    from lm_eval import utils

    return type(utils.env).from_string(utils.env, source)


@contextmanager
def _muted(logger_name: str) -> Iterator[None]:
    logger = logging.getLogger(logger_name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _no_dataset_bars() -> Iterator[None]:
    from datasets import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    if are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


@contextmanager
def _seeded() -> Iterator[None]:
    import numpy as np

    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002  not ours
    random.seed(_PYTHON_SEED)
    np.random.seed(_NUMPY_SEED)  # noqa: NPY002  the tasks of lm-eval use the legacy generator
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002  put back as it was
