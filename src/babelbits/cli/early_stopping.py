"""The option `--early-stopping`, which was called `--stop` up to 0.1.

The old name is read until 0.3, is not in the help, and is answered with a note on stderr.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from babelbits.cli.console import say

_Function = TypeVar("_Function", bound=Callable[..., Any])
_GIVEN = "babelbits.cli.early_stopping"
_NOTE = "note: --stop is now --early-stopping; the old name goes in 0.3"
READ_IT = "The run whose cells stop when their verdict is known."


def early_stopping_option(text: str = READ_IT) -> Callable[[_Function], _Function]:
    """Add `--early-stopping`, passed as `early_stopping`; `text` is its help."""

    def add(function: _Function) -> _Function:
        old = click.option(
            "--stop", is_flag=True, hidden=True, is_eager=True, expose_value=False,
            callback=_note_old_name,
        )  # fmt: skip
        new = click.option("--early-stopping", is_flag=True, help=text, callback=_either)
        return new(old(function))

    return add


def _note_old_name(context: click.Context, _parameter: click.Parameter, given: bool) -> None:
    if given:
        context.meta[_GIVEN] = True
        say(_NOTE)


def _either(context: click.Context, _parameter: click.Parameter, given: bool) -> bool:
    return given or context.meta.get(_GIVEN, False)
