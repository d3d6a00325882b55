"""Studies that something is wrong with, and the command line that must say so."""

import shutil
from pathlib import Path

import pytest

from babelbits.cli.main import run as babelbits
from fault_files import Command, Said, TinyModel


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Command:
    """Runs a command line in this process."""

    def run(*arguments: str | Path) -> Said:
        capfd.readouterr()
        code = babelbits([str(argument) for argument in arguments])
        said = capfd.readouterr()
        print(said.err)  # shown if the test fails
        assert "Traceback" not in said.err
        assert "this is a bug" not in said.err
        return Said(code=code, out=said.out, err=said.err)

    return run


@pytest.fixture
def model(tiny_model: TinyModel, tmp_path: Path) -> Path:
    """A checkpoint that a test may spoil."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_model("llama"), folder)
    return folder
