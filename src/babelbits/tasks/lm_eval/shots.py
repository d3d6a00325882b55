"""Few-shot examples of an lm-eval task: the same for every item of every variant.

So their prompt is computed once: the first n of the task's pool, or, with a seed other than 0, the
first n of the pool in an order drawn by the seed. lm-eval itself draws new ones for every item
unless a task says `sampler: first_n`; with that, or without examples, the prompts are its own,
letter by letter. What a task's authors chose stays: an order they fixed (`first_n`), examples they
wrote (`samples`) and a sampler of their own are not drawn from anew.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from babelbits.errors import TaskError
from babelbits.words import agreeing, plural

_FIXED = "first_n"
"""lm-eval's sampler for examples whose order is part of the task."""


def fix_shots(task: Any, name: str, *, seed: int) -> int:
    """Make the few-shot examples the same for every item; returns how many there are.

    Parameters
    ----------
    task : lm_eval.api.task.Task
        Changed in place. A sampler class of its own is seeded and otherwise left alone.
    seed : int
        Draws the order of the pool, unless it is 0 or the task fixes the order.

    Raises
    ------
    TaskError
        If the pool has fewer examples than are asked for.
    """
    from lm_eval.api.samplers import FirstNSampler

    task.set_fewshot_seed(seed)
    shots = int(task.config.num_fewshot or 0)
    if shots == 0 or not isinstance(task.fewshot_cfg.sampler, str):
        return shots
    pool = list(_few_shot_pool(task, name))
    if seed != 0 and not _is_ordered(task):
        pool = [pool[i] for i in np.random.default_rng(seed).permutation(len(pool))]
    if len(pool) < shots:
        raise _too_few(name, len(pool), shots)
    task.sampler = FirstNSampler(pool, rnd=seed)
    return shots


def _is_ordered(task: Any) -> bool:
    """Whether the task's authors say which examples come first."""
    return task.fewshot_cfg.sampler == _FIXED or _hand_written(task)


def _hand_written(task: Any) -> bool:
    """As in lm-eval, a split wins over a list of examples."""
    return task.fewshot_cfg.split is None and task.fewshot_cfg.samples is not None


def _few_shot_pool(task: Any, name: str) -> Iterable[Any]:
    """Where examples come from; lm-eval falls back to the test split, which is no such place."""
    try:
        pool = task.fewshot_docs()
    except KeyError as error:
        raise _too_few(name, 0, int(task.config.num_fewshot)) from error
    return pool or ()


def _too_few(name: str, there: int, asked: int) -> TaskError:
    return TaskError(
        f"task '{name}' has {plural(there, 'few-shot example')}, {asked} were asked for",
        hint=f"write shots = {there} in its [[tasks]]",
    )


def note_shots(task: Any, shots: int) -> tuple[str, ...]:
    """A note where examples are items that are asked as well, or differ from item to item."""
    config = task.config
    sampler = task.fewshot_cfg.sampler
    if shots and not isinstance(sampler, str):
        return (f"examples by the task's own {sampler.__name__}, perhaps others for every item",)
    if _hand_written(task):
        return ()
    pool = (
        config.fewshot_split
        or config.training_split
        or config.validation_split
        or config.test_split
    )
    asked = config.test_split or config.validation_split
    if shots and pool is not None and pool == asked:
        return (
            (
                f"the {plural(shots, 'example')} "
                f"{agreeing(shots, 'is an item', 'are items')} of the split "
                f"'{asked}', which is asked as well"
            ),
        )
    return ()
