"""From replies to what lm-eval's own filters and metrics make of them, one item at a time."""

from collections.abc import Sequence
from copy import copy
from typing import Any

from babelbits.errors import TaskError
from babelbits.records import Generation, Reply, Score
from babelbits.tasks.lm_eval.metrics import ItemMetric
from babelbits.tasks.lm_eval.requests import to_responses


def list_choices(task: Any, doc: Any) -> list[Any]:
    """The choices of a multiple-choice item."""
    return list(task.doc_to_choice(doc))


def find_gold_text(task: Any, doc: Any, where: str) -> str:
    """The gold answer of a document; nothing where the text itself is scored.

    Raises
    ------
    TaskError
        If it has none; `where` says which item that is.
    """
    if task.OUTPUT_TYPE == "multiple_choice":
        return _gold_choice(task, doc, where)
    if task.OUTPUT_TYPE == "loglikelihood_rolling":
        return ""
    gold = task.doc_to_target(doc)
    if getattr(task.config, "doc_to_choice", None) is not None and isinstance(gold, int):
        gold = list_choices(task, doc)[gold]
    text = "\n".join(map(str, gold)) if isinstance(gold, list) else str(gold)
    if _is_missing(gold, text, doc) and not callable(task.config.process_results):
        raise _no_gold(text, where)
    return text


def _gold_choice(task: Any, doc: Any, where: str) -> str:
    """The text of the right choice, or of all right ones."""
    choices = list_choices(task, doc)
    gold = task.doc_to_text(doc) if task.multiple_input else task.doc_to_target(doc)
    found = [_index(one, choices) for one in (gold if isinstance(gold, list) else [gold])]
    right = [index for index in found if index is not None]
    if not right or (len(right) < len(found) and not isinstance(gold, list)):
        raise _no_gold(gold, where)
    return "\n".join(str(choices[index]) for index in right)


def _index(gold: Any, choices: list[Any]) -> int | None:
    if isinstance(gold, bool) or not isinstance(gold, int | str):
        return None
    if isinstance(gold, str):
        return choices.index(gold) if gold in choices else None
    return gold if 0 <= gold < len(choices) else None


def _is_missing(gold: Any, text: str, doc: Any) -> bool:
    """Nothing, or the word 'None' where a template wrote out a column that is empty."""
    has_empty_column = isinstance(doc, dict) and None in doc.values()
    return gold is None or not text.strip() or (text == "None" and has_empty_column)


def _no_gold(gold: object, where: str) -> TaskError:
    return TaskError(
        f"the item has no gold answer (found {gold!r:.80})",
        where=where,
        hint="is this a test set whose labels are withheld?",
    )


def is_choice(task: Any) -> bool:
    """Whether a task of lm-eval offers answers to choose from."""
    return bool(task.OUTPUT_TYPE == "multiple_choice")


def compute_chance(task: Any, groups: list[list[Any]]) -> float | None:
    """Mean over items of one over the number of choices; None if there are no choices."""
    if not is_choice(task):
        return None
    counts = [len(list_choices(task, group[0].doc)) for group in groups]
    return sum(1 / count for count in counts) / len(counts)


def with_replies(instances: list[Any], replies: Sequence[Reply]) -> list[Any]:
    """Copies of the instances that hold the replies."""
    copies = []
    for instance, reply in zip(instances, replies, strict=True):
        answered = copy(instance)
        answered.resps, answered.filtered_resps = to_responses(instance, reply), {}
        copies.append(answered)
    return copies


Totals = dict[str, tuple[float, ...]]


def compute_scores(
    task: Any, metrics: Sequence[ItemMetric], answered: Sequence[Any]
) -> tuple[dict[str, float | None], Totals]:
    """Every metric of one item, as lm-eval's evaluator computes it; bits and bytes for totals."""
    results = {}
    for ensemble in task._filters:
        ensemble.apply(answered)
        filtered = [one.filtered_resps[ensemble.name] for one in answered]
        results[ensemble.name] = task.process_results(answered[0].doc, filtered)
    scores = {found.metric.name: found.value(results[found.filter_name]) for found in metrics}
    found_totals = {one.metric.name: one.totals(results[one.filter_name]) for one in metrics}
    return scores, {name: found for name, found in found_totals.items() if found is not None}


def find_output(task: Any, doc: Any, replies: Sequence[Reply]) -> str:
    """What the model wrote, or the text of the choice it prefers."""
    first = replies[0]
    if isinstance(first, Generation):
        return first.texts[0]
    if not is_choice(task):
        return ""
    choices = list_choices(task, doc)
    logprobs = list_logprobs(replies)[: len(choices)]
    return str(choices[logprobs.index(max(logprobs))])


def list_logprobs(replies: Sequence[Reply]) -> tuple[float, ...]:
    """Log-likelihood of every scored continuation, nats."""
    return tuple(reply.logprob for reply in replies if isinstance(reply, Score))
