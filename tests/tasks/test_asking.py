"""Sampled tasks: scores averaged within the item, no test that takes samples for items."""

from dataclasses import replace

import pytest

from babelbits.analysis import CellResult
from babelbits.errors import TaskError
from babelbits.records import Failure, GenerateRequest, Generation, Item, Outcome, Thinking
from babelbits.study.execution.answer_records import list_answers
from babelbits.tasks.base import TaskOptions
from babelbits.tasks.catalogue import load
from babelbits.tasks.prompting import Sampling

SAMPLING = Sampling()


def written(*texts: str) -> Generation:
    n = len(texts)
    return Generation(
        texts=texts, finish_reasons=("eos",) * n, output_tokens=(3,) * n, prompt_tokens=5
    )


def test_the_defaults_are_those_of_paper_a() -> None:
    """Marchisio et al. 2024: five samples, nucleus 0.75, temperature 0.3."""
    [item] = load("math", "en", TaskOptions(limit=1, sampling=SAMPLING)).items()
    [request] = item.requests
    assert isinstance(request, GenerateRequest)
    assert (request.samples, request.top_p, request.temperature) == (5, 0.75, 0.3)


def test_an_items_score_is_the_mean_of_its_samples() -> None:
    task = load("math", "en", TaskOptions(limit=1, sampling=SAMPLING))
    [item] = task.items()
    right, wrong = f" {item.target}", " no number"
    reply = written(right, wrong, right, right, wrong)
    outcome = task.score(item, [reply])
    assert outcome.scores == {"exact_match": pytest.approx(3 / 5)}
    kept = list_answers(outcome, [reply])
    assert [one.text for one in kept] == list(reply.texts)
    assert [one.scores["exact_match"] for one in kept] == [1, 0, 1, 1, 0]


def test_a_sampled_metric_is_bounded_and_the_scorer_says_so() -> None:
    plain, sampled = (
        load("math", "en", TaskOptions(limit=1, sampling=one)).info for one in (None, SAMPLING)
    )
    assert (plain.metrics[0].kind, sampled.metrics[0].kind) == ("binary", "bounded")
    assert sampled.scorer_version == f"{plain.scorer_version}; mean of 5 samples"


def test_mcnemar_is_never_used_on_averages(
    cells_of_zeros_and_ones: tuple[CellResult, CellResult],
) -> None:
    """Not even where every average happens to be 0 or 1."""
    from babelbits.analysis import AnalysisSettings
    from babelbits.analysis.analyse import analyse

    effects = analyse(cells_of_zeros_and_ones, AnalysisSettings()).effects
    assert effects
    assert all("McNemar" not in effect.inference.test for effect in effects)
    assert all(effect.counts.broke is None for effect in effects)


@pytest.fixture
def cells_of_zeros_and_ones() -> tuple[CellResult, CellResult]:
    from compare_cells import cell

    info = load("math", "en", TaskOptions(limit=1, sampling=SAMPLING)).info
    made = []
    for variant, scores in (("baseline", [1.0, 0.0] * 20), ("w4", [1.0, 0.0, 0.0, 0.0] * 10)):
        one = cell(variant, "en", scores)
        name = one.meta.task.primary
        metric = replace(info.metrics[0], name=name)
        task = replace(one.meta.task, metrics=(metric,))
        made.append(replace(one, meta=replace(one.meta, task=task)))
    return made[0], made[1]


def test_a_failed_reply_fails_the_item() -> None:
    task = load("math", "en", TaskOptions(limit=1, sampling=SAMPLING))
    [item] = task.items()
    outcome = task.score(item, [Failure(kind="nan_logits", message="x")])
    assert outcome.scores == {"exact_match": None}
    assert outcome.failure is not None


def test_choices_cannot_be_sampled() -> None:
    with pytest.raises(TaskError, match="nothing can be sampled"):
        load("pairs", "en", TaskOptions(limit=1, sampling=SAMPLING)).items()


def test_unfinished_thinking_is_kept_beside_an_empty_answer() -> None:
    thought = Thinking(text="hm", tokens=7, finished=False)
    reply = replace(written(""), thinking=(thought,))
    [one] = list_answers(Outcome(output="", scores={}), [reply])
    assert (one.text, one.thinking, one.thinking_tokens, one.thinking_finished) == (
        "",
        "hm",
        7,
        False,
    )


def test_a_single_greedy_text_is_not_kept_twice() -> None:
    assert list_answers(Outcome(output="x", scores={}), [written("x")]) == ()


def items_of(options: TaskOptions) -> tuple[Item, ...]:
    return load("math", "en", options).items()


def test_a_plain_task_is_left_alone() -> None:
    """Ids of items that were recorded before there were manners still hold."""
    assert type(load("math", "en", TaskOptions())).__name__ == "MathTask"
    sampled = items_of(TaskOptions(limit=2, sampling=SAMPLING))
    plain = items_of(TaskOptions(limit=2))
    assert {one.item_id for one in sampled}.isdisjoint(one.item_id for one in plain)
