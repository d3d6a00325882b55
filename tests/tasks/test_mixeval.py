"""MixEval: counts and chance against the paper's releases, prompts and rules against upstream's.

Expected prompts are written by hand after github.com/Psycoy/MixEval (`evaluation_prompts.py`), and
answers after its rules (`metric_utils.py`), with the departures that the modules name.
"""

import json
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from babelbits.errors import MissingDataError, StudyError, TaskError, UnknownNameError
from babelbits.records import GenerateRequest, Generation, Outcome, Score, ScoreRequest
from babelbits.tasks import catalogue
from babelbits.tasks.base import Task, TaskOptions
from babelbits.tasks.mixeval import prompts, shots
from babelbits.tasks.mixeval.freeform import find_chosen, matches, strip_gold
from babelbits.tasks.mixeval.mixeval_task import MixEvalOptions

PLANETS = ("Mercury", "Venus", "the Earth", "Mars")
QUESTION = {
    "problem_type": "multiple-choice",
    "context": None,
    "prompt": "Which planet is red?",
    "options": list(PLANETS),
    "target": [3],
    "benchmark_name": "MMLU",
}
FREE = {
    "problem_type": "free-form",
    "context": "Kim ran 5 km on Monday.",
    "prompt": "How far did Kim run?",
    "target": ["5 km", "5"],
    "benchmark_name": "DROP",
}


def release(folder: Path, rows: dict[str, Any], *, split: str = "multiple-choice") -> Path:
    """A folder with upstream's layout."""
    path = folder / "mixeval-2024-06-01" / "mixeval" / f"{split}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows), "utf-8")
    return folder


def load(folder: Path, suite: str = "mixeval", language: str = "en", **options: Any) -> Task:
    return catalogue.load(suite, language, TaskOptions(data=folder, **options))


def written(task: Task, text: str) -> Outcome:
    reply = Generation(texts=(text,), finish_reasons=("stop",), output_tokens=(1,), prompt_tokens=1)
    return task.score(task.items()[0], [reply])


# --- counts and chance -----------------------------------------------------------------------

COUNTS = {
    "mixeval": (
        "MMLU 681, HellaSwag 308, CommonsenseQA 202, MMLU-Pro 185, BoolQ 171, AGIEval 108, "
        "PIQA 105, SIQA 93, ARC 91, OpenBookQA 43, GPQA 4, WinoGrande 4"
    ),
    "mixeval-free-form": "TriviaQA 1328, DROP 473, BBH 115, GSM8k 40, MATH 31, AGIEval 13",
}


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("suite", "n"),
    [
        ("mixeval", 1995),
        ("mixeval-free-form", 2000),
        ("mixeval-hard", 500),
        ("mixeval-hard-free-form", 500),
    ],
)
def test_counts_are_those_of_the_2024_08_11_release(shared_data: Path, suite: str, n: int) -> None:
    task = load(shared_data / "mixeval", suite)
    assert len(task.items()) == n
    assert len({item.item_id for item in task.items()}) == n
    if suite in COUNTS:
        assert task.info.notes[0] == f"release 2024-08-11: {COUNTS[suite]}"


def test_chance_of_the_2024_06_01_composition_is_28_1_percent(tmp_path: Path) -> None:
    """(1347/4 + 281/5 + 274/2 + 98/3) / 2000 = 0.2811 (MixEval release 2024-06-01)."""
    sizes = [n for n, count in ((4, 1347), (5, 281), (2, 274), (3, 98)) for n in repeat(n, count)]
    rows = {
        str(i): QUESTION | {"options": [str(option) for option in range(n)], "target": [0]}
        for i, n in enumerate(sizes)
    }
    (acc,) = load(release(tmp_path, rows)).info.metrics
    assert acc.chance == pytest.approx(0.281, abs=5e-4)


# --- prompts ---------------------------------------------------------------------------------


def test_the_prompt_is_upstreams() -> None:
    words = prompts.find_wording("en")
    assert prompts.write_choice_prompt(
        "Which planet is red?", context="None", options=PLANETS[:2], words=words
    ) == (
        "Which planet is red?\nA. Mercury\nB. Venus\n"
        "Answer with the option letter from the given choices directly."
    )
    assert (
        prompts.write_freeform_prompt(
            "How far did Kim run?", context="Kim ran 5 km.", benchmark="DROP", words=words
        )
        == "Question: Kim ran 5 km.\nHow far did Kim run?\nAnswer the question shortly."
    )
    assert (
        prompts.write_freeform_prompt("1 + 1?", context=None, benchmark="GSM8k", words=words)
        == "Question: 1 + 1?\nAnswer the question. \nLet's think step by step."
    )


def test_norwegian_is_asked_in_norwegian_and_joined_by_upstreams_id(tmp_path: Path) -> None:
    release(tmp_path, {"17": QUESTION})
    translated = tmp_path / "mixeval" / "multiple-choice" / "nob_Latn.jsonl"
    translated.parent.mkdir(parents=True)
    row = QUESTION | {"id": "17", "prompt": "Hvilken planet er rød?"}
    translated.write_text(json.dumps(row), "utf-8")
    english, norwegian = (load(tmp_path, language=code).items()[0] for code in ("en", "nb"))
    assert english.source_id == norwegian.source_id == "17"
    assert catalogue.find_info("mixeval", data=tmp_path).languages == ("en", "nb")
    request = norwegian.requests[0]
    assert isinstance(request, ScoreRequest)
    assert request.context.endswith("Svar direkte med bokstaven til riktig svaralternativ.\n")


def test_examples_say_the_same_in_both_languages_and_come_first(tmp_path: Path) -> None:
    for language in ("en", "nb"):
        prefix = shots.write_choice_prefix(language, shots.N_SHOTS)
        assert [part.rpartition("\n")[2] for part in prefix.split("\n\n")[:-1]] == list("CABBD")
    task = load(release(tmp_path, {"1": QUESTION}), shots=2)
    request = task.items()[0].requests[0]
    assert isinstance(request, ScoreRequest)
    assert request.context.startswith(shots.write_choice_prefix("en", 2) + "Which planet is red?\n")


# --- multiple choice -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "place"),
    [
        ("D", 3),
        ("D.", 3),
        (" D\n", 3),
        ("(D)", 3),
        ("**D. Mars**", 3),
        ("The answer is D.", 3),
        ("The answer is: D", 3),
        ("B. Venus, although A. Mercury is near", 1),
        ("A\n\nWhich is big?\nB. no", 0),
        ("I would say that it is surely Mars", 3),
        ("Mars", None),
        ("D'oh", None),
        ("CAD", None),
        ("I cannot tell which of them it could be", None),
        ("", None),
    ],
)
def test_a_written_choice_is_read_as_upstream_reads_it(answer: str, place: int | None) -> None:
    """By hand after upstream's rules; None where upstream draws a letter at random."""
    assert find_chosen(answer, PLANETS) == place


def test_constrained_takes_the_likeliest_letter(tmp_path: Path) -> None:
    task = load(release(tmp_path, {"1": QUESTION}))
    item = task.items()[0]
    assert [r.continuation for r in item.requests if isinstance(r, ScoreRequest)] == list("ABCD")
    replies = [
        Score(logprob=logprob, is_greedy=False, prompt_tokens=9, continuation_tokens=1)
        for logprob in (-2.0, -3.0, -1.5, -1.0)
    ]
    outcome = task.score(item, replies)
    assert (outcome.output, outcome.scores) == ("D", {"acc": 1.0})


@pytest.mark.parametrize(
    ("answer", "scores"),
    [
        ("D", {"acc": 1, "acc_guess": 1, "parsed": 1}),
        ("A", {"acc": 0, "acc_guess": 0, "parsed": 1}),
        ("hm", {"acc": 0, "acc_guess": 0.25, "parsed": 0}),
    ],
)
def test_an_answer_that_chooses_nothing_is_worth_a_guess(
    tmp_path: Path, answer: str, scores: dict[str, float]
) -> None:
    """Upstream draws one of four letters: a quarter on average."""
    task = load(release(tmp_path, {"1": QUESTION}), own=MixEvalOptions(mode="written"))
    assert isinstance(task.items()[0].requests[0], GenerateRequest)
    assert written(task, answer).scores == scores
    assert task.info.output_type == "generation"


# --- free-form -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "golds", "right"),
    [
        ("Anna Wintour", ["Anna Wintour"], True),
        ("The answer is anna wintour.", ["Anna Wintour"], True),
        ("It was Anna, so it is Vogue's editor", ["Anna Wintour"], False),
        ("He ran 5 km", ["5"], True),
        ("He ran 15 km", ["5"], False),
        ("0.6", [".6", "0.6"], True),
        ("The total is 1,234 apples", ["1234"], True),
        ("3 + 4 = 7", ["7"], True),
        ("24 - 5 = 19\nSo the final answer is: 19.", ["4*6=<<4*6=24>>24\n#### 19"], True),
        ("24 - 5 = 19\nSo the final answer is: 18.", ["4*6=<<4*6=24>>24\n#### 19"], False),
        ("The answer is 362,880", ["362,\\!880"], True),
        ("The answer is $2.50", ["\\$2.50"], True),
        ("so it is 75%", ["75\\%"], True),
        ("The answer is (B)", ["(B)"], True),
        ("The answer is (C)", ["(B)"], False),
        ("True", ["True"], True),
        ("", ["7"], False),
        ("7\nQuestion: what is 3?\nso 3", ["3"], False),
    ],
)
def test_a_free_answer_is_held_against_the_gold_ones(
    answer: str, golds: list[str], right: bool
) -> None:
    """By hand after upstream's rules; GSM8k's gold is the number after '####'."""
    assert matches(answer, golds, words=prompts.find_wording("en")) is right


def test_norwegian_answer_words() -> None:
    words = prompts.find_wording("nb")
    assert matches("24 - 5 = 19.\nDermed er svaret: 19.", ["19"], words=words)
    assert not matches("Svaret er Bergen", ["Oslo"], words=words)


def test_latex_is_taken_off_a_gold_answer() -> None:
    assert strip_gold("\\text{4:30 p.m.}") == "4:30 p.m."
    assert strip_gold("362,\\!880") == "362,880"


def test_free_form_asks_shortly_and_scores(tmp_path: Path) -> None:
    task = load(release(tmp_path, {"1": FREE}, split="free-form"), "mixeval-free-form")
    request = task.items()[0].requests[0]
    assert isinstance(request, GenerateRequest)
    assert request.prompt.startswith("Question: Kim ran 5 km on Monday.\nHow far did Kim run?\n")
    assert written(task, "5 km").scores == {"rule_match": 1.0}
    assert written(task, "6 km").scores == {"rule_match": 0.0}
    assert written(task, "6 km").golds == ("5 km", "5"), "a judge is told all of them"


# --- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"target": [4]}, "'target' must be the place of one of 4 options"),
        ({"target": []}, "'target' must be the place of one of 4 options"),
        ({"options": ["one"]}, "'options' must be two texts or more"),
        ({"prompt": " "}, "'prompt' must be text"),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, broken: dict[str, Any], said: str) -> None:
    folder = release(tmp_path, {"1": QUESTION, "2": QUESTION | broken})
    with pytest.raises(TaskError, match=said) as caught:
        load(folder).items()
    assert "item 2" in str(caught.value.where)


def test_two_releases_in_a_folder_are_refused(tmp_path: Path) -> None:
    release(tmp_path, {"1": QUESTION})
    (tmp_path / "mixeval-2024-08-11").mkdir()
    (tmp_path / "mixeval-2024-08-11" / "mixeval_multiple-choice.json").write_text("{}", "utf-8")
    with pytest.raises(TaskError, match="several releases"):
        load(tmp_path)


def test_a_folder_without_the_language_says_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError) as caught:
        load(release(tmp_path, {"1": QUESTION}), language="nb")
    assert "en" in str(caught.value.hint)


def test_a_translation_without_ids_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mixeval" / "multiple-choice" / "nb.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(QUESTION), "utf-8")
    with pytest.raises(TaskError, match="'id' must name the question upstream"):
        load(tmp_path, language="nb").items()


def test_translations_are_in_no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(UnknownNameError, match="on the hub in English only") as caught:
        catalogue.load("mixeval", "nb", TaskOptions()).items()
    assert "babelbits translate" in str(caught.value.hint)
    with pytest.raises(MissingDataError, match="MixEval/MixEval_Hard"):
        catalogue.load("mixeval-hard", "en", TaskOptions()).items()


def test_too_many_examples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="has 5 few-shot examples"):
        load(release(tmp_path, {"1": QUESTION}), shots=6)
