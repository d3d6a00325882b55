"""Which files a task of the user's own is made of: truth by construction."""

from pathlib import Path

import pytest

from babelbits.errors import TaskError
from babelbits.tasks.lm_eval.sources import hash_sources, list_sources

FILES = {
    "mine.yaml": "include: shared/base.yaml\ntask: mine\ndoc_to_text: !function prompts.ask\n"
    "metric_list:\n  - metric: !function scores.right\n",
    "shared/base.yaml": "process_docs: !function clean.rows\n",
    "shared/clean.py": "def rows(docs): return docs\n",
    "prompts.py": "from words import hello\ndef ask(doc): return hello\n",
    "words.py": "hello = 'hello'\n",
    "scores.py": "import json\ndef right(*_): return 1\n",
    "other.yaml": "task: other\n",
    "notes.py": "nothing = 1\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return tmp_path


def test_includes_functions_and_what_they_import_are_sources(folder: Path) -> None:
    found = {path.relative_to(folder).as_posix() for path in list_sources(folder / "mine.yaml")}
    assert found == FILES.keys() - {"other.yaml", "notes.py"}


@pytest.mark.parametrize("name", FILES)
def test_an_edit_of_a_source_changes_the_digest_and_of_another_file_does_not(
    folder: Path, name: str
) -> None:
    before = hash_sources(folder / "mine.yaml")
    (folder / name).write_text(f"{FILES[name]}\n# edited\n", "utf-8")
    changed = hash_sources(folder / "mine.yaml") != before
    assert changed == (name not in ("other.yaml", "notes.py"))


def test_the_same_files_elsewhere_have_the_same_digest(folder: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "elsewhere" / "copy"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("elsewhere"))
    assert hash_sources(copy / "mine.yaml") == hash_sources(folder / "mine.yaml")


def test_files_that_include_each_other_end(folder: Path) -> None:
    (folder / "shared" / "base.yaml").write_text("include: ../mine.yaml\n", "utf-8")
    assert len(list_sources(folder / "mine.yaml")) == len(FILES) - 3


def test_a_source_that_is_not_there_is_named(folder: Path) -> None:
    (folder / "scores.py").unlink()
    with pytest.raises(TaskError, match="No such file") as caught:
        hash_sources(folder / "mine.yaml")
    assert str(caught.value.where).endswith("scores.py")
