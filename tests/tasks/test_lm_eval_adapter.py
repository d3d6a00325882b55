"""Own YAML folders, every kind of request and metric, and everything that can be wrong."""

import json
import logging
import math
import random
from pathlib import Path
from typing import Any

import pytest

from babelbits.errors import TaskError, UnknownNameError
from babelbits.records import (
    Failure,
    GenerateRequest,
    Generation,
    Reply,
    Score,
    ScoreRequest,
    TextRequest,
    TextScore,
)
from babelbits.tasks.base import Task, TaskOptions, compute_fingerprint
from babelbits.tasks.catalogue import load

CHOICE = """
output_type: multiple_choice
doc_to_text: "{{q}}"
doc_to_choice: "{{choices}}"
doc_to_target: gold
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
  - {metric: f1, aggregation: f1, higher_is_better: true}
"""
WRITE = """
output_type: generate_until
doc_to_text: "Q: {{q}}\\nA:"
doc_to_target: "{{a}}"
generation_kwargs: {until: ["\\n"], do_sample: false}
"""
EXACT = WRITE + "metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]\n"
CHOICE_ROWS = [
    {"q": "<script>alert(1)</script>", "choices": ["aa", "b\u2028"], "gold": 1},
    {"q": "\x1b[31mrød", "choices": ["cc", "dd"], "gold": 0},
    {"q": "third", "choices": ["ee", "ff"], "gold": 1},
]


def own_task(
    folder: Path,
    body: str,
    rows: list[dict[str, Any]],
    *,
    examples: list[dict[str, Any]] | None = None,
    **options: Any,
) -> Task:
    """A task of a folder of YAML with an inherited half, on local rows."""
    (folder / "yaml").mkdir(exist_ok=True)
    (folder / "yaml" / "_base_yaml").write_text("dataset_path: some/data\ntest_split: test\n")
    has_shots = "" if examples is None else "fewshot_split: train\n"
    text = f"include: _base_yaml\ntask: own_thing\n{has_shots}{body}"
    (folder / "yaml" / "own.yaml").write_text(text)
    (folder / "data").mkdir()
    for split, held in (("test", rows), ("train", examples or [])):
        lines = [json.dumps(row) for row in held]
        (folder / "data" / f"{split}.jsonl").write_text("\n".join(lines))
    given = TaskOptions(data=folder / "data", include_path=folder / "yaml", **options)
    return load("own_thing", "nb", given)


def scored(*logprobs: float) -> list[Reply]:
    return [
        Score(logprob=one, is_greedy=False, prompt_tokens=1, continuation_tokens=1)
        for one in logprobs
    ]


def written(*texts: str) -> list[Reply]:
    count = len(texts)
    return [
        Generation(
            texts=texts,
            finish_reasons=("stop",) * count,
            output_tokens=(1,) * count,
            prompt_tokens=1,
        )
    ]


def test_choices_become_score_requests(tmp_path: Path) -> None:
    task = own_task(tmp_path, CHOICE, CHOICE_ROWS)
    first = task.items()[0]
    assert first.requests == (
        ScoreRequest(context="<script>alert(1)</script>", continuation=" aa"),
        ScoreRequest(context="<script>alert(1)</script>", continuation=" b\u2028"),
    )
    assert first.target == "b\u2028"
    assert first.language == "nb"
    info = task.info
    assert info.output_type == "choice"
    assert info.primary == "acc"
    assert info.metric("acc").kind == "binary"
    assert info.metric("acc").chance == 0.5
    assert [note.partition(":")[0] for note in info.notes] == ["f1"]


def test_acc_is_of_totals_and_acc_norm_of_characters(tmp_path: Path) -> None:
    """By lm-eval's definitions: acc by total log-likelihood, acc_norm per character."""
    rows = [{"q": "q", "choices": ["long answer", "no"], "gold": 0}]
    task = own_task(tmp_path, CHOICE, rows)
    outcome = task.score(task.items()[0], scored(-5.0, -4.0))
    assert outcome.scores == {"acc": 0.0, "acc_norm": 1.0}
    assert outcome.output == "no"
    assert outcome.choice_logprobs == (-5.0, -4.0)


def test_items_can_be_scored_in_any_order_and_again(tmp_path: Path) -> None:
    task = own_task(tmp_path, CHOICE, CHOICE_ROWS)
    first, second, third = task.items()
    for item, right in ((third, 1.0), (first, 1.0), (second, 0.0), (third, 1.0)):
        assert task.score(item, scored(-2.0, -1.0)).scores["acc"] == right


def test_the_same_row_twice_is_two_items(tmp_path: Path) -> None:
    task = own_task(tmp_path, CHOICE, [CHOICE_ROWS[0], CHOICE_ROWS[0]])
    one, two = task.items()
    assert one.item_id != two.item_id
    assert two.source_id == f"{one.source_id}#2"


def test_limit_takes_the_first_and_ids_do_not_move(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole = own_task(tmp_path / "a", CHOICE, CHOICE_ROWS).items()
    part = own_task(tmp_path / "b", CHOICE, CHOICE_ROWS, limit=2).items()
    assert part == whole[:2]


def test_shots_are_the_same_for_every_item_and_drawn_by_the_seed(tmp_path: Path) -> None:
    examples = [{"q": f"e{n}", "a": str(n)} for n in range(8)]
    rows = [{"q": "x", "a": "1"}, {"q": "y", "a": "2"}]
    found = []
    for seed in (0, 1, 1):
        folder = tmp_path / str(len(found))
        folder.mkdir()
        task = own_task(folder, EXACT, rows, examples=examples, shots=2, seed=seed)
        found.append([item.requests[0].prompt for item in task.items()])
    assert found[0] == [f"Q: e0\nA: 0\n\nQ: e1\nA: 1\n\nQ: {q}\nA:" for q in "xy"]
    assert found[1] == found[2] != found[0]
    heads = {prompt.rpartition("\n\nQ: ")[0] for prompt in found[1]}
    assert len(heads) == 1


def test_too_many_shots_are_refused(tmp_path: Path) -> None:
    task = own_task(
        tmp_path, EXACT, [{"q": "x", "a": "1"}], examples=[{"q": "e", "a": "1"}], shots=2
    )
    with pytest.raises(TaskError, match="1 few-shot example, 2 were asked for"):
        task.items()


def test_generation_settings(tmp_path: Path) -> None:
    task = own_task(tmp_path, EXACT, [{"q": "x", "a": "1"}])
    assert task.items()[0].requests == (
        GenerateRequest(prompt="Q: x\nA:", max_new_tokens=256, stop=("\n",)),
    )


def test_sampling_settings(tmp_path: Path) -> None:
    body = EXACT.replace(
        "do_sample: false}", "do_sample: true, temperature: 0.7, max_new_tokens: 9}\nrepeats: 4"
    )
    task = own_task(tmp_path, body, [{"q": "x", "a": "1"}], seed=3)
    request = task.items()[0].requests[0]
    assert isinstance(request, GenerateRequest)
    assert (request.temperature, request.samples, request.seed) == (0.7, 4, 3)
    assert request.max_new_tokens == 9
    outcome = task.score(task.items()[0], written("1", "2", "2", "2"))
    assert outcome.scores == {"exact_match": 1.0}, "lm-eval's default filter takes the first"


def test_several_filters_are_several_metrics(tmp_path: Path) -> None:
    body = (
        EXACT
        + """
filter_list:
  - {name: strict, filter: [{function: take_first}]}
  - name: flexible-extract
    filter: [{function: regex, regex_pattern: "([0-9]+)"}, {function: take_first}]
"""
    )
    task = own_task(tmp_path, body, [{"q": "x", "a": "12"}])
    assert task.info.primary == "exact_match[flexible-extract]"
    outcome = task.score(task.items()[0], written("it is 12 <script>"))
    assert outcome.scores == {"exact_match[strict]": 0.0, "exact_match[flexible-extract]": 1.0}
    assert outcome.output == "it is 12 <script>"
    assert outcome.finish_reason == "stop"


def test_corpus_metrics_become_sentence_scores(tmp_path: Path) -> None:
    """Expected values straight from sacrebleu's sentence functions."""
    import sacrebleu

    metrics = ["bleu", "chrf", "chrf++", "ter"]
    body = WRITE + "metric_list:\n" + "".join(f"  - {{metric: {name}}}\n" for name in metrics)
    gold, answer = "Der Hund bellt laut im Garten.", "Der Hund bellt im Garten."
    task = own_task(tmp_path, body, [{"q": "x", "a": gold}])
    scores = task.score(task.items()[0], written(answer)).scores
    assert scores["bleu"] == sacrebleu.sentence_bleu(answer, [gold]).score / 100
    assert scores["chrf"] == sacrebleu.sentence_chrf(answer, [gold]).score / 100
    assert scores["chrf++"] == sacrebleu.sentence_chrf(answer, [gold], word_order=2).score / 100
    assert scores["ter"] == sacrebleu.sentence_ter(answer, [gold]).score / 100
    assert task.info.metric("ter").higher_is_better is False
    assert task.info.metric("bleu").kind == "bounded"


def test_rolling_log_likelihood(tmp_path: Path) -> None:
    """3 bits lost on 6 bytes and 2 words: 0.5 bits a byte; perplexity 2^(3/2) a word."""
    body = """
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{text}}"
metric_list: [{metric: word_perplexity}, {metric: byte_perplexity}, {metric: bits_per_byte}]
"""
    task = own_task(tmp_path, body, [{"text": "å bø"}])
    item = task.items()[0]
    assert item.requests == (TextRequest(text="å bø"),)
    reply = TextScore(logprobs=(-math.log(2), -2 * math.log(2)), n_bytes=6)
    scores = task.score(item, [reply]).scores
    assert scores["bits_per_byte"] == pytest.approx(0.5)
    assert scores["byte_perplexity"] == pytest.approx(2**0.5)
    assert scores["word_perplexity"] == pytest.approx(2**1.5)
    assert task.info.output_type == "text"


def test_plain_log_likelihood(tmp_path: Path) -> None:
    body = """
output_type: loglikelihood
doc_to_text: "{{q}}"
doc_to_target: "{{a}}"
metric_list: [{metric: perplexity}, {metric: acc}]
"""
    task = own_task(tmp_path, body, [{"q": "x", "a": " y"}])
    reply = Score(logprob=-1.5, is_greedy=True, prompt_tokens=1, continuation_tokens=1)
    assert task.score(task.items()[0], [reply]).scores == {"log_likelihood": -1.5, "acc": 1.0}
    assert task.info.metric("log_likelihood").higher_is_better is True


def test_a_failed_reply_has_no_score(tmp_path: Path) -> None:
    task = own_task(tmp_path, CHOICE, CHOICE_ROWS)
    failure = Failure(kind="nan_logits", message="NaN")
    outcome = task.score(task.items()[0], [*scored(-1.0), failure])
    assert outcome.failure == failure
    assert outcome.scores == {"acc": None, "acc_norm": None}


def test_a_scorer_that_breaks_is_a_failure_of_the_item(tmp_path: Path) -> None:
    body = EXACT + "process_results: !function helper.score\n"
    (tmp_path / "yaml").mkdir()
    (tmp_path / "yaml" / "helper.py").write_text("def score(doc, results):\n    return 1 / 0\n")
    task = own_task(tmp_path, body, [{"q": "x", "a": "1"}])
    outcome = task.score(task.items()[0], written("1"))
    assert outcome.failure is not None
    assert outcome.failure.kind == "scoring_failed"
    assert "ZeroDivisionError" in outcome.failure.message
    assert outcome.scores == {"exact_match": None}


@pytest.mark.parametrize(
    ("body", "row"),
    [
        (CHOICE, {"q": "x", "choices": ["a", "b"], "gold": -1}),
        (CHOICE, {"q": "x", "choices": ["a", "b"], "gold": 2}),
        (CHOICE, {"q": "x", "choices": ["a", "b"], "gold": "c"}),
        (EXACT, {"q": "x", "a": None}),
        (EXACT, {"q": "x", "a": "  "}),
    ],
)
def test_an_item_without_gold_is_an_error(tmp_path: Path, body: str, row: dict[str, Any]) -> None:
    good = {"q": "y", "choices": ["a", "b"], "gold": 0, "a": "1"}
    good = {key: str(good[key]) if isinstance(row[key], str) else good[key] for key in row}
    if row.get("gold") == "c":
        good["gold"] = "a"
    with pytest.raises(TaskError, match="no gold answer") as caught:
        own_task(tmp_path, body, [good, row]).items()
    assert caught.value.where == "own_thing, row 1"


def test_gold_may_be_the_word_none(tmp_path: Path) -> None:
    task = own_task(tmp_path, EXACT, [{"q": "which?", "a": "None"}])
    assert task.items()[0].target == "None"


def test_empty_data_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="no items in split 'test'"):
        own_task(tmp_path, EXACT, []).items()


def test_missing_column_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="UndefinedError"):
        own_task(tmp_path, EXACT, [{"question": "x", "a": "1"}]).items()


def test_tasks_that_run_code_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="runs what the model writes"):
        own_task(tmp_path, EXACT + "unsafe_code: true\n", [{"q": "x", "a": "1"}]).items()


def test_hub_data_offline_names_the_way_out() -> None:
    with pytest.raises(TaskError) as caught:
        load("xcopa", "th", TaskOptions()).items()
    assert caught.value.where == "cambridgeltl/xcopa"
    assert "[data]" in str(caught.value.hint)


def test_nothing_of_lm_evals_noise_and_state_is_left(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    from lm_eval import utils

    logger = logging.getLogger("lm_eval")
    before = (random.getstate(), logger.level, utils.env.from_string)
    own_task(tmp_path, CHOICE, CHOICE_ROWS).items()
    assert (random.getstate(), logger.level, utils.env.from_string) == before
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_an_edit_of_the_scoring_code_changes_the_fingerprint(tmp_path: Path) -> None:
    versions = []
    for number, body in enumerate((EXACT, EXACT + "# ignore_case next\n")):
        folder = tmp_path / str(number)
        folder.mkdir()
        task = own_task(folder, body, [{"q": "x", "a": "1"}])
        versions.append((compute_fingerprint(task.info, task.items()), task.items()))
    assert versions[0][1] == versions[1][1]
    assert versions[0][0] != versions[1][0]


def test_belebele_and_xstorycloze_from_files_named_by_split(tmp_path: Path) -> None:
    """Shots of Belebele come from its only split: an item is never its own example."""
    row = {"flores_passage": "P", "mc_answer1": "a", "mc_answer2": "b", "mc_answer3": "c"}
    rows = [
        row
        | {"mc_answer4": "d", "question": f"q{n}", "correct_answer_num": "2"}
        | {"link": "https://x.org", "question_number": n}
        for n in (1, 2, 3)
    ]
    (tmp_path / "nob_Latn").mkdir()
    (tmp_path / "nob_Latn" / "test.jsonl").write_text("\n".join(map(json.dumps, rows)))
    task = load("belebele", "nb", TaskOptions(data=tmp_path, shots=1))
    first, second, _ = task.items()
    assert [item.source_id for item in (first, second)] == ["https://x.org/1", "https://x.org/2"]
    assert first.requests[0].context.count("q1") == 1
    assert first.requests[0].context.startswith("P: P\nQ: q2\n")
    assert second.requests[0].context.startswith("P: P\nQ: q1\n")
    assert first.target == "B"
    assert task.info.metric("acc").chance == 0.25
    story = {f"input_sentence_{n}": f"s{n}." for n in (1, 2, 3, 4)}
    story |= {"story_id": "ab-1", "sentence_quiz1": "x", "sentence_quiz2": "y"}
    for split in ("train", "eval"):
        (tmp_path / f"{split}.jsonl").write_text(json.dumps(story | {"answer_right_ending": 2}))
    (item,) = load("xstorycloze", "sw", TaskOptions(data=tmp_path)).items()
    assert (item.source_id, item.target) == ("ab-1", "y")


def test_language_that_contradicts_the_name_is_noted(tmp_path: Path) -> None:
    (tmp_path / "yaml").mkdir()
    (tmp_path / "yaml" / "x.yaml").write_text(
        f"task: thing_fr\ndataset_path: a/b\ntest_split: test\n{EXACT}"
    )
    (tmp_path / "test.jsonl").write_text('{"q": "x", "a": "1"}')
    options = TaskOptions(data=tmp_path, include_path=tmp_path / "yaml")
    assert load("thing_fr", "fr", options).info.notes == ()
    assert load("thing_fr", "de", options).info.notes == (
        "the task's name says fr, the study says de",
    )


def test_unknown_task_of_an_own_folder_suggests(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("task: my_thing\n")
    with pytest.raises(UnknownNameError, match="my_thing"):
        load("my_thingg", "nb", TaskOptions(include_path=tmp_path))
