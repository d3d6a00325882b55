"""The old name of `--early-stopping`: read, noted once, and not in the help."""

import click
import pytest
from click.testing import CliRunner, Result

from babelbits.cli.early_stopping import early_stopping_option
from babelbits.cli.main import run as babelbits


@click.command()
@early_stopping_option()
def _command(*, early_stopping: bool) -> None:
    click.echo(str(early_stopping))


def _call(*arguments: str) -> Result:
    return CliRunner().invoke(_command, arguments)


@pytest.mark.parametrize(
    ("arguments", "given", "noted"),
    [
        ((), "False", False),
        (("--early-stopping",), "True", False),
        (("--stop",), "True", True),
        (("--stop", "--early-stopping"), "True", True),
        (("--early-stopping", "--stop"), "True", True),
    ],
)
def test_both_names_are_read_and_the_old_one_is_noted_once(
    arguments: tuple[str, ...], given: str, *, noted: bool
) -> None:
    called = _call(*arguments)
    assert called.exit_code == 0
    assert called.stdout == f"{given}\n"
    assert called.stderr.count("--stop is now --early-stopping") == noted


@pytest.mark.parametrize("name", ["run", "plan", "report", "show", "gate", "recommend"])
def test_help_shows_the_new_name_only(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert babelbits([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--early-stopping" in shown
    assert "--stop" not in shown
