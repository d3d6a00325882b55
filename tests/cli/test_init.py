"""`babelbits init` and its template."""

import json
from pathlib import Path

import pytest

from babelbits.cli.init import read_template
from babelbits.cli.main import run
from babelbits.errors import ExitCode
from babelbits.study import load
from babelbits.study.config.problems import StudyFileError


def test_what_it_writes_is_a_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    assert run(["init", str(path)]) == ExitCode.DONE
    out, err = capsys.readouterr()
    assert out == ""
    assert f"babelbits run {path} --limit 20" in err
    study = load(path)
    assert study.model.path == "bundled"
    assert [v.label for v in study.variants] == ["baseline", "w8a8", "w4-g@en", "w4-rtn"]
    assert [suite.suite for suite in study.suites] == ["text", "pairs", "math"]
    assert study.folder == tmp_path / "mine.run"


def test_every_key_that_is_commented_out_is_a_key(tmp_path: Path) -> None:
    """Each such line is put to work alone; a study that refuses it must know the key."""
    (tmp_path / "data" / "xcopa").mkdir(parents=True)
    (tmp_path / "my_tasks").mkdir()
    lines = _with_tables(read_template(), "chat", "data", "languages", "limits").splitlines()
    keys = [n for n, line in enumerate(lines) if line.startswith("# ") and " = " in line]
    assert len(keys) >= 10
    for number in keys:
        changed = [*lines]
        changed[number] = lines[number].removeprefix("# ")
        if changed[number].startswith("calibration"):
            changed[number - 1] = ""
        path = tmp_path / "study.toml"
        path.write_text("\n".join(changed), "utf-8")
        try:
            load(path)
        except StudyFileError as error:
            assert [m.message for m in error.mistakes] in (
                ["only a hub model has a revision"],
                ["the task 'math' has no examples to show"],
                ["'mode' is not for the task 'math', which asks in one way"],
                ["'pivot' is not for the task 'math', which does not translate"],
                ["'identifier' is not for the task 'math', which identifies no language"],
                *([f"{key!r} needs the chat template"] for key in _CHAT_KEYS),
            )


def test_the_schema_lies_where_the_first_line_says(tmp_path: Path) -> None:
    """Of Taplo's documentation: a comment `#:schema <path or URL>` before anything else."""
    assert run(["init", str(tmp_path / "mine.toml")]) == ExitCode.DONE
    first = (tmp_path / "mine.toml").read_text("utf-8").splitlines()[0]
    assert first == "#:schema ./babelbits.schema.json"
    schema = json.loads((tmp_path / "babelbits.schema.json").read_text("utf-8"))
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"


def test_it_does_not_overwrite_unless_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "study.toml"
    path.write_text("mine")
    assert run(["init", str(path)]) == ExitCode.USAGE
    assert path.read_text() == "mine"
    assert "--force" in capsys.readouterr().err
    assert run(["init", str(path), "--force"]) == ExitCode.DONE
    assert path.read_text("utf-8") == read_template()


def test_a_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", str(tmp_path / "no" / "study.toml")]) == ExitCode.USAGE
    assert "cannot be written" in capsys.readouterr().err


_CHAT_KEYS = ("system_prompt", "fewshot", "enable_thinking")


def _with_tables(text: str, *names: str) -> str:
    for name in names:
        text = text.replace(f"# [{name}]", f"[{name}]")
    return text
