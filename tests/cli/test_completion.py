"""Completion scripts, and what a shell is answered; bash itself completes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from babelbits.cli.main import run

SOURCE = Path(__file__).resolve().parents[2] / "src"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"_BABELBITS_COMPLETE={shell}_complete" in script
    assert "_babelbits_completion" in script


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("line", "expected"),
    [("babelbits comp", {"compare", "completion"}), ("babelbits gate --jun", {"--junit"})],
)
def test_bash_completes(tmp_path: Path, line: str, expected: set[str]) -> None:
    command = tmp_path / "babelbits"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m babelbits "$@"\n')
    command.chmod(0o755)
    program = f"""
        eval "$(babelbits completion bash)"
        COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _babelbits_completion babelbits
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        ["bash", "-c", program], env=env, capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) == expected, done.stderr
