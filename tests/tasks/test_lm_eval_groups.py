"""A user's `group:` of lm-eval as one suite, and paths of data that follow the YAML."""

from pathlib import Path

import pytest

from babelbits.errors import TaskError
from babelbits.tasks import catalogue
from babelbits.tasks.base import TaskOptions

pytest.importorskip("lm_eval")
TASK = """\
task: quiz_{code}
dataset_path: json
dataset_kwargs:
  data_files: {{ test: data/{code}.jsonl }}
output_type: multiple_choice
test_split: test
doc_to_text: "{{{{question}}}}\\nAnswer:"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: label
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "tasks"
    (home / "data").mkdir(parents=True)
    (home / "group.yaml").write_text("group: quiz\ntask:\n  - quiz_nb\n  - quiz_sw\n")
    for code in ("nb", "sw"):
        (home / f"quiz_{code}.yaml").write_text(TASK.format(code=code))
        row = f'{{"question": "{code}?", "choices": ["a", "b"], "label": 1}}\n'
        (home / "data" / f"{code}.jsonl").write_text(row * 2)
    return home


def test_a_group_is_one_suite_of_its_languages(folder: Path) -> None:
    assert catalogue.is_known("quiz", include_path=folder)
    assert catalogue.find_info("quiz", include_path=folder).languages == ("nb", "sw")


def test_paths_of_data_start_at_the_yaml_wherever_one_is(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    task = catalogue.load("quiz", "sw", TaskOptions(include_path=folder))
    assert (task.info.suite, task.info.language) == ("quiz", "sw")
    assert [item.target for item in task.items()] == ["b", "b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("group: quiz\ntask: [quiz_nb, other]\n", "'other' does not end in a language's code"),
        ("group: quiz\ntask: [quiz_nb, quiz_de]\n", "'quiz_de' is no task"),
        ("group: quiz\ntask: [quiz_nb, quiz_nb]\n", "two tasks in nb"),
        ("group: quiz\ntask: []\n", "names no task"),
        ("group: quiz\ntask:\n  - group: inner\n    task: [quiz_nb]\n", "no name of a task"),
    ],
)
def test_a_group_that_is_no_suite_says_why(folder: Path, text: str, message: str) -> None:
    from babelbits.tasks.lm_eval import index

    home = folder.parent / "other"
    folder.rename(home)  # the index remembers folders
    (home / "group.yaml").write_text(text)
    assert index.find_group("quiz", home) == home / "group.yaml"
    with pytest.raises(TaskError, match=message):
        catalogue.find_info("quiz", include_path=home)
