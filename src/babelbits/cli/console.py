"""Talking to a terminal: data to stdout, talk to stderr, nothing hostile to either.

Texts from models, files and other people go through `make_safe` before they are printed. Colour is
`rich`'s business, which honours NO_COLOR; it is off where the stream is no terminal.
"""

import json
import sys
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

_JOINERS = "\u200c\u200d"
"""Needed to write Persian, Hindi or Malayalam; harmless."""

_LINE_FEEDS = "\n\t"


def make_safe(text: str, *, one_line: bool = False) -> str:
    r"""`text` with everything that could steer a terminal made visible.

    Escape sequences, other control characters, U+2028, direction overrides and lone surrogates
    become escapes such as `\x1b`. Letters of all scripts and their joiners stay.

    Parameters
    ----------
    text : str
        Untrusted text.
    one_line : bool
        Escape line feeds and tabs too.
    """
    kept = _JOINERS if one_line else _JOINERS + _LINE_FEEDS
    return "".join(c if c.isprintable() or c in kept else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    number = ord(character)
    if character in _LINE_FEEDS:
        return {"\n": "\\n", "\t": "\\t"}[character]
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def say(text: str = "") -> None:
    """Talk: one line to stderr, made safe."""
    click.echo(make_safe(text), err=True)


def is_debugging() -> bool:
    """Whether the command was called with `--debug`."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.find_root().params.get("debug"))


def print_data(text: str) -> None:
    """Data: text to stdout, made safe."""
    click.echo(make_safe(text))


def print_plain_table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, numeric: Collection[int]
) -> None:
    """Data: a table without lines, columns named in `numeric` to the right, made safe."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    for number, head in enumerate(heads):
        table.add_column(make_cell(head), justify="right" if number in numeric else "left")
    for row in rows:
        table.add_row(*map(make_cell, row))
    open_console().print(table, markup=False)


def print_json(value: object) -> None:
    """Data: one JSON value to stdout and nothing else; control characters are escaped by JSON."""
    click.echo(json.dumps(value, ensure_ascii=True, allow_nan=False, indent=2))


def make_cell(value: object) -> Any:
    """A table cell: safe, on one line, and with no markup of `rich` in it."""
    from rich.text import Text

    return Text(make_safe(str(value), one_line=True))


def open_console(*, err: bool = False) -> "Console":
    """A `rich` console on stdout, or on stderr.

    Where the stream is no terminal a table gets the width it needs instead of 80 columns, so that
    piped tables are never cut.
    """
    from rich.console import Console

    stream = sys.stderr if err else sys.stdout
    width = None if stream.isatty() else 200
    return Console(file=stream, width=width, highlight=False, emoji=False, soft_wrap=False)
