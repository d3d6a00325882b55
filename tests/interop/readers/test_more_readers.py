"""NeMo Evaluator, tables by prompt, and the hub's totals: files as their documentation has them."""

import json
from pathlib import Path

import pytest

from babelbits.cli.main import run
from babelbits.errors import ExitCode, TaskError
from babelbits.interop.readers.detect import read_run

Row = dict[str, object]


def nemo(folder: Path, rows: list[Row], *, bench: str = "mgsm_sw") -> Path:
    """A run's folder: results.jsonl and the bundle beside it."""
    folder.mkdir(parents=True)
    lines = [json.dumps(row) for row in rows]
    (folder / "results.jsonl").write_text("\n".join(lines) + "\n")
    (folder / f"eval-20260225T143012Z-{bench}.json").write_text("{}")
    return folder


EXAMPLE: list[Row] = [
    {"problem_idx": 0, "reward": 1.0, "repeat": 0, "expected_answer": "42",
     "model_response": "The answer is 42.", "metadata": {"category": "arithmetic"}},
    {"problem_idx": 0, "reward": 0.0, "repeat": 1, "expected_answer": "42", "model_response": "41"},
    {"problem_idx": 1, "reward": 1.0, "extracted_answer": "7",
     "scoring_details": {"category": "algebra"}},
]  # fmt: skip
"""The fields of the documentation's first example, and of its fallbacks."""


def test_nemo_problems_are_items_and_repeats_are_averaged(tmp_path: Path) -> None:
    found = read_run(nemo(tmp_path / "run", EXAMPLE))
    assert found.tool == "NeMo Evaluator"
    [task] = found.tasks
    assert task.name == "mgsm_sw"
    first, second = task.items
    assert (first.scores, second.scores) == ({"reward": 0.5}, {"reward": 1.0})
    assert (first.target, first.output) == ("42", "The answer is 42.")
    assert (first.cluster_id, second.cluster_id) == ("arithmetic", "algebra")
    assert second.output == "7"


@pytest.mark.parametrize("name", ["results.jsonl", "eval-20260225T143012Z-mgsm_sw.json"])
def test_nemo_by_one_of_its_files(tmp_path: Path, name: str) -> None:
    folder = nemo(tmp_path / "run", EXAMPLE)
    assert [task.name for task in read_run(folder / name).tasks] == ["mgsm_sw"]


def test_nemo_is_joined_on_what_was_asked_where_it_says_so(tmp_path: Path) -> None:
    rows: list[Row] = [{"problem_idx": 0, "reward": 1, "prompt": "2+2?"}]
    other: list[Row] = [{"problem_idx": 5, "reward": 1, "prompt": "2+2?"}]
    runs = [read_run(nemo(tmp_path / str(n), one)) for n, one in enumerate((rows, other))]
    contents = {run.tasks[0].items[0].content for run in runs}
    assert len(contents) == 1
    assert read_run(nemo(tmp_path / "x", EXAMPLE)).tasks[0].items[0].content == "problem 0"


def test_nemo_of_several_benchmarks_and_of_two_runs(tmp_path: Path) -> None:
    nemo(tmp_path / "run" / "a", EXAMPLE)
    nemo(tmp_path / "run" / "b", EXAMPLE, bench="mgsm_nb")
    assert [task.name for task in read_run(tmp_path / "run").tasks] == ["mgsm_sw", "mgsm_nb"]
    nemo(tmp_path / "run" / "c", EXAMPLE)
    with pytest.raises(TaskError, match="two runs of 'mgsm_sw'"):
        read_run(tmp_path / "run")


@pytest.mark.parametrize(
    ("row", "message"),
    [({"problem_idx": 2}, "no reward"), ({"reward": 1.0}, "no problem_idx")],
)
def test_nemo_lines_that_are_none_say_where(tmp_path: Path, row: Row, message: str) -> None:
    with pytest.raises(TaskError, match=message) as caught:
        read_run(nemo(tmp_path / "run", [*EXAMPLE, row]))
    assert str(caught.value.where).endswith("results.jsonl:4")


def test_nemo_runs_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of 40 problems the variant loses 12: 30 points."""
    base: list[Row] = [{"problem_idx": n, "reward": 1.0} for n in range(40)]
    worse = [{**row, "reward": float(n >= 12)} for n, row in enumerate(base)]
    sources = [str(nemo(tmp_path / name, rows)) for name, rows in (("a", base), ("b", worse))]
    assert run(["compare", *sources]) == ExitCode.DONE
    out = capsys.readouterr().out
    assert "Swahili" in out
    assert "−30.0 points" in out


# --- prompt_id, score --------------------------------------------------------------------------


def test_a_table_by_prompt_has_its_language_in_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, scores in (("a", "1111"), ("b", "1101")):
        (tmp_path / folder).mkdir()
        lines = [f"p{n},{score}" for n, score in enumerate(scores)]
        (tmp_path / folder / "quiz_nb.csv").write_text("\n".join(["prompt_id,score", *lines]))
    sources = [str(tmp_path / name / "quiz_nb.csv") for name in ("a", "b")]
    [task] = read_run(Path(sources[0])).tasks
    assert [item.content for item in task.items] == ["p0", "p1", "p2", "p3"]
    named = [f"base={sources[0]}", f"w4={sources[1]}", "--chance", "0"]
    assert run(["compare", *named]) == ExitCode.DONE
    out = capsys.readouterr().out
    assert "Norwegian Bokmål" in out
    assert "−25.0 points" in out


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("quiz_nb", "nb"),
        ("quiz.swh_Latn", "sw"),
        ("quiz-nob", "nb"),
        ("scores_dev", None),  # 'dev' is Domung's code, and a split's name
        ("quiz", None),
        ("quiz_w4", None),
    ],
)
def test_the_language_at_the_end_of_a_name(tmp_path: Path, name: str, language: str | None) -> None:
    file = tmp_path / f"{name}.csv"
    file.write_text("prompt_id,score\np,1\n")
    [task] = read_run(file).tasks
    assert task.language == language


def test_a_column_of_languages_wins(tmp_path: Path) -> None:
    file = tmp_path / "quiz_nb.jsonl"
    file.write_text('{"prompt_id": "p", "score": 1, "language": "sw"}\n')
    [task] = read_run(file).tasks
    assert task.language == "sw"


# --- the hub's totals --------------------------------------------------------------------------

TOTALS = """\
- dataset:
    id: juletxara/mgsm
    task_id: mgsm_direct_sw
  value: 0.41
"""


@pytest.mark.parametrize("given", ["", ".eval_results", ".eval_results/babelbits.yaml"])
def test_totals_of_the_hub_are_named_and_no_verdict_is_made_of_them(
    tmp_path: Path, given: str
) -> None:
    (tmp_path / ".eval_results").mkdir()
    (tmp_path / ".eval_results" / "babelbits.yaml").write_text(TOTALS)
    with pytest.raises(TaskError, match=r"totals \(mgsm_direct_sw 0\.41\): there are no items"):
        read_run(tmp_path / given)
