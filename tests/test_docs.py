"""Every block of code in README.md and docs/ is what it says: it runs, parses, or loads.

A block that cannot run here stands below `<!-- not run: why -->`; a piece of TOML of another file
than a study below `<!-- not a study: why -->`.
"""

import ast
import contextlib
import importlib
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

import babelbits
from babelbits import registry
from babelbits.cli.main import cli
from babelbits.errors import BabelbitsError
from documentation import (
    PAGES,
    ROOT,
    Block,
    blocks,
    blocks_of,
    commands_of,
    files_named,
    inline_commands,
    modules_named,
)

PACKAGE = ROOT / "src" / "babelbits"
PYTHON_PAGE = ROOT / "docs" / "python.md"
PYTHON, TOML = blocks("python"), blocks("toml")
RUN_PAGES = sorted({block.page for block in PYTHON if block.marker is None})


def name(value: Any) -> str:
    """Of a page or a block, for pytest."""
    return value.name if isinstance(value, Block) else str(value.relative_to(ROOT))


def test_the_test_sees_blocks_markers_and_commands() -> None:
    text = (
        "```python\nprint(1)\n```\n<!-- not run: no key -->\n```python\nx\n```\n"
        "```sh\nbabelbits a \\\n    b  # c\n```\nor\n\n    babelbits d [X ...]\n    babelbits e\n"
        "and `babelbits f --g` in `study/config/reading.py` of `babelbits.registry`"
    )
    first, second, third = blocks_of(text)
    assert (first.line, first.code, first.marker) == (2, "print(1)\n", None)
    assert second.marker == "not run"
    assert third.marker is None
    assert list(commands_of(text)) == [["a", "b"], ["e"]]
    assert list(inline_commands(text)) == [["f", "--g"]]
    assert files_named(text) == ["study/config/reading.py"]
    assert modules_named(text) == ["babelbits.registry"]


# --- Python ----------------------------------------------------------------------------------


def misuses(code: str) -> list[str]:
    """Names that the package does not have, and keywords that the front door does not take."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("babelbits"):
            names = [f"{node.module}.{one.name}" for one in node.names]
            found += [one for one in names if not exists(one)]
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "babelbits":
            found += [] if hasattr(babelbits, node.attr) else [node.attr]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            part = getattr(babelbits, node.func.attr, None)
            if getattr(node.func.value, "id", "") == "babelbits" and callable(part):
                takes = inspect.signature(part).parameters
                found += [f"{node.func.attr}({one.arg}=)" for one in node.keywords
                          if one.arg not in takes]  # fmt: skip
    return found


@pytest.mark.parametrize("block", PYTHON, ids=name)
def test_python_blocks_use_names_and_keywords_that_exist(block: Block) -> None:
    assert misuses(block.code) == []


def test_the_test_sees_misuses() -> None:
    code = "babelbits.gate(results, 'w4', margin=2)\nbabelbits.evaluate\n"
    code += "from babelbits.records import Effect, Affect"
    assert sorted(misuses(code)) == ["babelbits.records.Affect", "evaluate", "gate(margin=)"]


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the study of docs/python.md, its run finished, and logs of two runs."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("prepared")
    study = next(one for one in blocks_of(PYTHON_PAGE.read_text("utf-8")) if one.language == "toml")
    (folder / "study.toml").write_text(study.code, "utf-8")
    babelbits.run(babelbits.load_study(folder / "study.toml"), workers=1)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN_PAGES, ids=name)
def test_the_python_of_a_page_runs_from_top_to_bottom(
    page: Path, prepared: Path, tmp_path: Path
) -> None:
    """In a process of its own: blocks share their names, and a study that is run already."""
    folder = tmp_path / "here"
    shutil.copytree(prepared, folder)
    code = "\n".join(one.code for one in PYTHON if one.page == page and one.marker is None)
    program = folder / "page.py"
    program.write_text(code, "utf-8")
    done = subprocess.run(
        [sys.executable, program.name], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


# --- commands --------------------------------------------------------------------------------


def make_what_is_named(words: list[str]) -> None:
    """Empty files and folders of the names in a command, which may ask that they are there."""
    for word in words:
        if re.fullmatch(r"(?:[\w-]+/)*[\w*-]+\.\w+", word):
            Path(word).parent.mkdir(parents=True, exist_ok=True)
            Path(word).touch()
        elif re.fullmatch(r"\w[\w-]*", word):
            Path(word).mkdir(exist_ok=True)


def parsed(words: list[str]) -> tuple[click.Command, click.Context]:
    """The command that the words call, parsed and not run; click's errors pass."""
    command: click.Command = cli
    context = cli.make_context("babelbits", list(words))
    while isinstance(command, click.Group):
        words = [*context._protected_args, *context.args]
        if not words:
            break
        label, inner, rest = command.resolve_command(context, words)
        assert inner is not None
        command, context = inner, inner.make_context(label, rest, parent=context)
    return command, context


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_of_a_page_parse(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wrong = []
    for words in commands_of(page.read_text("utf-8")):
        make_what_is_named(words)
        try:
            parsed(words)
        except click.ClickException as error:
            wrong.append(f"babelbits {' '.join(words)}: {error.format_message()}")
        except click.exceptions.Exit:  # --help
            pass
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_within_sentences_and_their_options_exist(page: Path) -> None:
    wrong = []
    for words in inline_commands(page.read_text("utf-8")):
        command: click.Command | None = cli
        rest = words
        while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
            command, rest = command.get_command(click.Context(command), rest[0]), rest[1:]
        options = {"--help", "-h"} if command is None else {
            option for parameter in command.params for option in parameter.opts
        } | {"--help"}  # fmt: skip
        given = {word.partition("=")[0] for word in rest if word.startswith("-")}
        if command is None or given - options:
            wrong.append(" ".join(words))
    assert wrong == []


# --- studies ---------------------------------------------------------------------------------

MISSING = {
    "model": '[model]\npath = "bundled"\n',
    "tasks": '[[tasks]]\nsuite = "pairs"\nlanguages = ["nb"]\n',
}
"""What a piece of a study lacks to be one."""


@pytest.mark.parametrize("block", [one for one in TOML if one.marker is None], ids=name)
def test_studies_and_pieces_of_studies_load(block: Block, tmp_path: Path) -> None:
    text = block.code
    for table, lines in MISSING.items():
        if not re.search(rf"^\[+{table}\]", text, re.M):
            text += f"\n{lines}"
    for folder in re.findall(r'^[\w-]+ = "([^"]+)"', text.partition("[data]")[2], re.M):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    for file in re.findall(r'"([\w-]+\.(?:gguf|txt))"', text):
        (tmp_path / file).write_bytes(b"")
    study = tmp_path / "study.toml"
    study.write_text(text, "utf-8")
    try:
        assert babelbits.load_study(str(study)).suites
    except BabelbitsError as error:
        pytest.fail(f"{block.name}: {error}")


# --- names of modules ------------------------------------------------------------------------


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=name)
def test_modules_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    roots = (PACKAGE, ROOT)  # bench/, tests/ and their like lie beside the package
    lost = [one for one in files_named(text) if not any((root / one).is_file() for root in roots)]
    assert lost == []
    groups = {one.group for one in vars(registry).values() if isinstance(one, registry.Registry)}
    named = [one for one in modules_named(text) if one != "babelbits.toml"]  # a file
    assert [one for one in named if one not in groups and not exists(one)] == []


def exists(dotted: str) -> bool:
    """Whether a module, or a name in one, is there."""
    module, _, attribute = dotted.rpartition(".")
    with contextlib.suppress(ModuleNotFoundError):
        return hasattr(importlib.import_module(module), attribute) or bool(
            importlib.import_module(dotted)
        )
    return False
