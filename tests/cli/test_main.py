"""The frame of the command line: exit codes, streams, suggestions, crashes, hostile text."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import click
import pytest

from babelbits.cli import main
from babelbits.cli.crash import redacted
from babelbits.errors import ExitCode, Interrupted, StoreError, StudyError


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Adds a command 'boom' that raises what it is told."""

    def add(error: BaseException) -> None:
        @click.command()
        def boom() -> None:
            raise error

        module = ModuleType("boom_module")
        module.__dict__["boom"] = boom
        monkeypatch.setitem(sys.modules, "boom_module", module)
        monkeypatch.setitem(main.COMMANDS, "boom", ("boom_module:boom", "Fail."))

    return add


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (StudyError("bad", where="f:1", hint="mend it"), 2, "error: f:1: bad\n  mend it\n"),
        (StoreError("full", where="disk"), 4, "error: disk: full\n"),
        (Interrupted("kept 3 items"), 130, "interrupted: kept 3 items\n"),
        (KeyboardInterrupt(), 130, "\ninterrupted\n"),  # after the line with the ^C
    ],
)
def test_errors_are_short_and_have_their_exit_code(
    failing: Callable[[BaseException], None],
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    message: str,
) -> None:
    failing(error)
    assert main.run(["boom"]) == code
    assert capsys.readouterr() == ("", message)


def test_a_crash_leaves_a_report_with_versions_and_trace_and_without_secrets(
    failing: Callable[[BaseException], None],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    failing(ValueError("token=hf_abcdefghijklmn"))
    assert main.run(["boom"]) == ExitCode.INCOMPLETE
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    found = re.search(r"file (\S+)", err)
    assert found is not None
    text = Path(found[1]).read_text("utf-8")
    assert "ValueError" in text
    assert "command: babelbits boom" in text
    assert re.search(r"^numpy: \d", text, re.MULTILINE)
    assert "hf_abc" not in text


def test_debug_shows_the_traceback_wherever_it_stands(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(StudyError("bad"))
    for arguments in (["--debug", "boom"], ["boom", "--debug"]):
        assert main.run(arguments) == ExitCode.USAGE
        assert "Traceback" in capsys.readouterr().err


def test_hostile_error_texts_do_not_reach_the_terminal(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(StudyError("\x1b[2J\u202e"))
    main.run(["boom"])
    assert capsys.readouterr().err == "error: \\x1b[2J\\u202e\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plna"], "no command 'plna'; did you mean 'plan'?"),
        (["zzz"], "no command 'zzz'; commands: quick, init"),
        (["plan", "--jsn"], "--json"),
        (["plan", "--limit", "0"], "--limit"),
        (["init", "a", "b"], "unexpected extra argument"),
        (["\x1b[31m"], "'\\x1b[31m'"),
    ],
)
def test_wrong_usage_is_exit_2_with_advice(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main.run(arguments) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert "\x1b" not in err
    assert "--help" in err


def test_help_and_version_are_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--help"]) == ExitCode.DONE
    out, err = capsys.readouterr()
    assert all(f"\n  {name} " in out for name in main.COMMANDS)
    assert err == ""
    assert main.run(["--version"]) == ExitCode.DONE
    assert re.fullmatch(r"babelbits \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_of_the_table_exists_and_has_help(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert main.run([name, "--help"]) == ExitCode.DONE
    assert capsys.readouterr().out.startswith(f"Usage: babelbits {name}")


def test_a_reader_that_goes_away_is_no_error() -> None:
    """`babelbits recipes | head -1` in a shell."""
    program = "from babelbits.cli.main import main; main(['recipes', '--json'])"
    command = f'"{sys.executable}" -c "{program}" | head -1; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_secrets() -> None:
    assert redacted("HF_TOKEN=abc password: hunter2 sk-0123456789") == (
        "HF_TOKEN=[redacted] password: [redacted] [redacted]"
    )
    assert redacted("--database postgresql://u:pw@host/b") == (
        "--database postgresql://[redacted]@host/b"
    )
    assert redacted("Authorization: Bearer abc.def-123456") == "Authorization: Bearer [redacted]"
    for key in ("gsk_0123456789ab", "AIzaSyA0123456789", "ghp_0123456789abcd"):
        assert redacted(f"with {key}!") == "with [redacted]!"
    variables = {"MY_API_KEY": "correct-horse", "HOME": "/home/somebody", "SHORT_KEY": "test"}
    assert redacted("said correct-horse in /home/somebody: a test", environment=variables) == (
        "said [redacted] in /home/somebody: a test"
    )
    assert redacted("see https://example.org/a@b") == "see https://example.org/a@b"
    assert redacted("token_budget is 8192") == "token_budget is 8192"


@pytest.mark.parametrize("command", ["", "report", "show", "tasks"])
def test_examples_in_help_keep_their_lines(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Click joins lines of a paragraph unless a backspace character stands above it."""
    assert main.run([*command.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    assert "\\b" not in shown
    assert any(line.startswith("  babelbits ") for line in shown.split("\n"))


def test_help_lists_every_command_once_under_a_heading(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--help"]) == ExitCode.DONE
    out = capsys.readouterr().out
    listed = re.findall(r"^  ([\w-]+) {2,}\S", out[out.index("Run a study:") :], re.MULTILINE)
    assert listed == list(main.COMMANDS)
    assert all(f"\n{title}:\n" in out for title in main.SECTIONS)


def test_the_package_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "babelbits", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("babelbits ")
