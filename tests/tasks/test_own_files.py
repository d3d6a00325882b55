"""A benchmark of one's own: what is read, asked, scored, refused and told."""

import json
import re
from pathlib import Path

import pytest

from babelbits.cli.main import run
from babelbits.errors import BabelbitsError, ExitCode, TaskError
from babelbits.records import Generation, Score
from babelbits.study import load as load_study
from babelbits.tasks import catalogue, own_files
from babelbits.tasks.base import Task, TaskOptions, find_prompt
from babelbits.tasks.own_checks import check_template

CHOICES = "id,question,choices,answer\n1,Which is red?,blood|grass,blood\n2,2 + 2?,3|4|5,b\n"
ANSWERS = "prompt,reference\nSay yes:,Yes|Yeah\n"


def written(folder: Path, **files: str) -> Path:
    """Files a language, named by the template that is returned."""
    for code, text in files.items():
        (folder / f"quiz_{code}.csv").write_text(text, "utf-8")
    return folder / "quiz_{language}.csv"


def task_of(template: Path, language: str = "nb") -> Task:
    return catalogue.load("quiz", language, TaskOptions(data=template))


def score(task: Task, number: int, logprobs: list[float]) -> float | None:
    replies = [
        Score(logprob=one, is_greedy=False, prompt_tokens=9, continuation_tokens=1)
        for one in logprobs
    ]
    return task.score(task.items()[number], replies).scores["acc"]


# --- choices -----------------------------------------------------------------------------------


def test_a_choice_is_asked_with_letters(tmp_path: Path) -> None:
    task = task_of(written(tmp_path, nb=CHOICES))
    first, second = task.items()
    assert find_prompt(first) == "Which is red?\nA. blood\nB. grass\nAnswer:"
    assert (first.target, second.target) == ("blood", "4")  # by its text, and by its letter
    assert [request.continuation for request in second.requests] == [" A", " B", " C"]  # type: ignore[union-attr]


def test_chance_is_the_mean_over_the_rows(tmp_path: Path) -> None:
    """Two and three choices: (1/2 + 1/3) / 2."""
    [metric] = task_of(written(tmp_path, nb=CHOICES)).info.metrics
    assert metric.chance == pytest.approx(5 / 12)


@pytest.mark.parametrize(
    ("logprobs", "right"), [([-1.0, -2.0], 1.0), ([-2.0, -1.0], 0.0), ([-1.0, -1.0], 0.0)]
)
def test_the_likeliest_letter_is_the_answer_and_a_tie_is_wrong(
    tmp_path: Path, logprobs: list[float], right: float
) -> None:
    assert score(task_of(written(tmp_path, nb=CHOICES)), 0, logprobs) == right


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1,q,a|a,a", "different texts"),
        ("1,q,a,a", "2 to 26 different texts"),
        ("1,q,a||b,a", "different texts"),
        ("1,q,a|b,c", "the answer 'c' is no choice"),
        ("1,q,a|b,", "the answer '' is no choice"),
        ("1,q,[1,a", "'choices' is no list"),
        ("1,,a|b,a", "'question' is empty"),
        ("1,q,a|b", "other columns than the head"),
        ('1,"q,a|b,a', "no readable table"),
    ],
)
def test_a_wrong_row_is_refused_with_its_place(tmp_path: Path, row: str, message: str) -> None:
    template = written(tmp_path, nb=f"id,question,choices,answer\n{row}\n")
    with pytest.raises(TaskError, match=re.escape(message)) as caught:
        task_of(template).items()
    assert "quiz_nb.csv" in str(caught.value.where)


# --- answers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (" Yes", 1.0),
        ("yeah.", 1.0),
        ("\n“YES”\nand more", 1.0),
        ("Ｙｅｓ", 1.0),  # full width: NFKC
        ("yes it is", 0.0),
        ("no", 0.0),
        ("", 0.0),
        ("-yes", 0.0),  # a sign is part of an answer
    ],
)
def test_the_first_line_is_compared(tmp_path: Path, text: str, right: float) -> None:
    task = task_of(written(tmp_path, nb=ANSWERS))
    reply = Generation(texts=(text,), finish_reasons=("stop",), output_tokens=(3,), prompt_tokens=9)
    [item] = task.items()
    assert task.score(item, [reply]).scores == {"exact_match": right}
    assert item.requests[0].max_new_tokens == 24  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "expected"), [("-5.", "-5"), ("50 %", "50 %"), ("«Æ»", "æ"), ("ß", "ss"), ("...", "")]
)
def test_how_a_text_is_compared(text: str, expected: str) -> None:
    """NFKC and casefold are Unicode's (`unicodedata`, `str.casefold`)."""
    assert own_files.simplify_text(text) == expected


# --- files -------------------------------------------------------------------------------------


def test_every_usual_form_of_a_code_is_found(tmp_path: Path) -> None:
    template = written(tmp_path, nob_Latn=CHOICES, eng=CHOICES, nothing=CHOICES)
    assert catalogue.find_info("quiz", data=template).languages == ("en", "nb")


def test_two_files_of_a_language_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="two files are of nb"):
        own_files.find_files(written(tmp_path, nb=CHOICES, nob=CHOICES))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("quiz_nb.jsonl", '{"question": "q", "choices": ["a", "b"], "answer": "a"}\n'),
        ("quiz_nb.tsv", "question\tchoices\tanswer\nq\ta|b\tA\n"),
        ("quiz_nb.csv", "\ufeffQuestion;Choices;Answer\r\nq;a|b;a\r\n"),
        ("quiz_nb.csv", 'question,choices,answer\nq,"[""a"", ""b""]",a\n'),
    ],
)
def test_tables_of_every_form(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(text.encode())
    template = tmp_path / name.replace("nb", "{language}")
    [item] = task_of(template).items()
    assert find_prompt(item) == "q\nA. a\nB. b\nAnswer:"
    assert item.target == "a"


def test_other_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="the columns are a, q") as caught:
        catalogue.find_info("quiz", data=written(tmp_path, nb="a,q\n1,2\n"))
    assert "prompt, reference" in str(caught.value.hint)


def test_ids_name_translations_and_without_them_nothing_is_parallel(tmp_path: Path) -> None:
    template = written(tmp_path, nb=CHOICES, en=CHOICES)
    assert catalogue.find_info("quiz", data=template).parallel
    assert [one.source_id for one in task_of(template).items()] == ["1", "2"]
    written(tmp_path, en=CHOICES.replace("id,", "row,"))
    assert not catalogue.find_info("quiz", data=template).parallel


# --- in a study --------------------------------------------------------------------------------

STUDY = """
[[tasks]]
suite = "quiz"
languages = "all"
[data]
quiz = "quiz_{language}.csv"
"""


def test_a_study_asks_it_in_every_language_that_has_a_file(tmp_path: Path) -> None:
    written(tmp_path, nb=CHOICES, sw=CHOICES)
    (tmp_path / "study.toml").write_text(STUDY)
    [suite] = load_study(tmp_path / "study.toml").suites
    assert (suite.suite, suite.languages) == ("quiz", ("nb", "sw"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (STUDY.replace('"all"', '["de"]'), "the task has no 'de'"),
        (STUDY.replace("quiz", "math"), "'math' is a task already"),
        (STUDY.replace("quiz_{", "quizz_{"), "there is no file for quizz_{language}.csv"),
    ],
)
def test_a_study_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    written(tmp_path, nb=CHOICES)
    (tmp_path / "study.toml").write_text(text)
    with pytest.raises(BabelbitsError, match=re.escape(message)):
        load_study(tmp_path / "study.toml")


# --- `tasks check` -----------------------------------------------------------------------------


def test_check_shows_the_files_and_a_prompt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    template = written(tmp_path, nb=CHOICES, sw=CHOICES)
    assert run(["tasks", "check", str(template)]) == ExitCode.DONE
    out = capsys.readouterr().out
    assert "a choice of 2 to 3" in out
    assert "  Which is red?\n  A. blood\n  B. grass\n  Answer:\nRight: blood" in out


def test_check_tells_of_every_wrong_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    template = written(tmp_path, nb=CHOICES, sw="a,b\n1,2\n", de=CHOICES.replace(",b\n", ",x\n"))
    (tmp_path / "study.toml").write_text(STUDY)
    for given in (template, tmp_path / "study.toml"):
        assert run(["tasks", "check", str(given)]) == ExitCode.USAGE
        err = capsys.readouterr().err
        assert "quiz_de.csv: row 2: the answer 'x' is no choice" in err
        assert "quiz_sw.csv: the columns are a, b" in err
    assert run(["tasks", "check", str(template), "--json"]) == ExitCode.USAGE
    found = json.loads(capsys.readouterr().out)["benchmarks"]["quiz"]
    assert [one["error"] is None for one in found["files"]] == [False, True, False]


@pytest.mark.parametrize(
    ("files", "note"),
    [
        ({"nb": CHOICES + "3,Which is red?,blood|grass,blood\n"}, "1 row asked before"),
        ({"nb": CHOICES, "sw": ANSWERS}, "cannot be compared"),
        ({"nb": ANSWERS}, "no column 'id'"),
        ({"nb": CHOICES, "sw": CHOICES.replace("\n2,", "\n3,")}, "different ids"),
        ({"nb": CHOICES, "sw": "".join(CHOICES.splitlines(True)[:2])}, "from 1 to 2 items"),
        (
            {"nb": "question,choices,answer\n" + "".join(f"q{i},a|b|c|d,A\n" for i in range(20))},
            "A is right in 100% of the rows",
        ),
    ],
)
def test_what_is_odd_is_told(tmp_path: Path, files: dict[str, str], note: str) -> None:
    found = check_template("quiz", written(tmp_path, **files))
    told = [*found.notes, *(text for one in found.files for text in one.notes)]
    assert any(note in text for text in told), told
    assert found.is_right


def test_nothing_odd_is_told_of_what_is_not(tmp_path: Path) -> None:
    found = check_template("quiz", written(tmp_path, en=CHOICES))
    assert found.notes == ()
    assert [one.notes for one in found.files] == [()]
