"""The gold answer of an lm-eval item, as text; an item without one is an error, not a wrong answer.

lm-eval itself only warns, and counts every answer to such an item as wrong.
"""

from typing import Any

from babelbits.errors import TaskError


def choices_of(task: Any, doc: Any) -> list[Any]:
    """The choices of a multiple-choice item."""
    return list(task.doc_to_choice(doc))


def gold_text(task: Any, doc: Any, where: str) -> str:
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
        gold = choices_of(task, doc)[gold]
    text = "\n".join(map(str, gold)) if isinstance(gold, list) else str(gold)
    if _is_missing(gold, text, doc) and not callable(task.config.process_results):
        raise _no_gold(text, where)
    return text


def _gold_choice(task: Any, doc: Any, where: str) -> str:
    """The text of the right choice, or of all right ones."""
    choices = choices_of(task, doc)
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
