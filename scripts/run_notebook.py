#!/usr/bin/env python3
"""Run a notebook's code from top to bottom, and write what it shows into it. Needs no Jupyter.

    python scripts/run_notebook.py examples/notebook.ipynb

Cells run in this process, in the current folder. What is printed is kept, what goes to stderr
(progress bars of libraries) is not; the value of a cell's last expression is shown as a notebook
shows it. The format is Jupyter's 4.5 (nbformat.readthedocs.io, "The notebook
file format").
"""

import ast
import base64
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

KINDS = ("image/png", "image/svg+xml", "text/html")
"""What is kept of an object's pictures of itself, beside plain text."""


def read(path: Path) -> dict[str, Any]:
    """A notebook as it is on disk."""
    notebook: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return notebook


def source_of(cell: dict[str, Any]) -> str:
    """A cell's text, which the format keeps in lines."""
    return "".join(cell["source"])


def run(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook with the outputs of every code cell; stops where a cell raises."""
    names: dict[str, Any] = {"__name__": "__main__"}
    cells, number = [], 0
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            number += 1
            outputs = _outputs(source_of(cell), names, number)
            cells.append({**cell, "execution_count": number, "outputs": outputs})
        else:
            cells.append(cell)
    return {**notebook, "cells": cells}


def _outputs(source: str, names: dict[str, Any], number: int) -> list[dict[str, Any]]:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        value = _value(source, names)
    outputs: list[dict[str, Any]] = []
    if text := printed.getvalue():
        outputs.append({"name": "stdout", "output_type": "stream", "text": _lines(text)})
    if value is not None:
        data, sizes = _data(value)
        shown = {"data": data, "execution_count": number, "metadata": sizes}
        outputs.append({**shown, "output_type": "execute_result"})
    return outputs


def _value(source: str, names: dict[str, Any]) -> Any:
    """Run a cell; the value of its last line if that is an expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), names)  # noqa: S102  that is what a notebook is
    if not isinstance(last, ast.Expr):
        return None
    return eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)  # noqa: S307


def _data(value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What Jupyter would show of a value, and how large."""
    bundle: dict[str, Any] = {}
    sizes: dict[str, Any] = {}
    if hasattr(value, "_repr_mimebundle_"):
        made = value._repr_mimebundle_()
        bundle, sizes = made if isinstance(made, tuple) else (made, {})
    elif hasattr(value, "_repr_html_"):
        bundle = {"text/html": value._repr_html_()}
    kept = {kind: _text(bundle[kind]) for kind in KINDS if kind in bundle}
    return kept | {"text/plain": _lines(_plain(value, in_pictures=bool(kept)))}, sizes


def _text(made: str | bytes) -> str | list[str]:
    """Lines of text; of bytes base64 in one line."""
    return base64.b64encode(made).decode() if isinstance(made, bytes) else _lines(made)


def _plain(value: Any, *, in_pictures: bool) -> str:
    text = repr(value)
    return f"<{type(value).__name__}>" if in_pictures and len(text) > 1000 else text


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def main() -> None:
    """Run the notebook that the command line names."""
    (path,) = map(Path, sys.argv[1:])
    done = run(read(path))
    path.write_text(json.dumps(done, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
