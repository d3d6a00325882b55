"""What the repository says about itself: links, the order of rooms, the list of pages."""

import ast
import re
from pathlib import Path

import pytest

from test_imports import ROOMS

ROOT = Path(__file__).resolve().parent.parent
HIDDEN = {".git", ".venv", ".venv-light", ".venv-sbom", "node_modules", ".pytest_cache"}
PAGES = sorted(
    path for path in ROOT.rglob("*.md") if HIDDEN.isdisjoint(path.relative_to(ROOT).parts)
)
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\]\(([^()\s]+)\)")
SCHEME = re.compile(r"[a-z]+:", re.IGNORECASE)


def targets(text: str) -> list[str]:
    """Relative targets of the links in a page; examples of code hold none."""
    prose = INLINE_CODE.sub("code", FENCE.sub("", text))
    return [link for link in LINK.findall(prose) if not SCHEME.match(link)]


def anchors(text: str) -> set[str]:
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    lost = []
    for link in targets(page.read_text("utf-8")):
        name, _, anchor = link.partition("#")
        there = page if not name else page.parent / name
        if not there.exists() or (
            anchor and there.suffix == ".md" and anchor not in anchors(there.read_text("utf-8"))
        ):
            lost.append(link)
    assert lost == []


def test_the_test_sees_links_and_headings() -> None:
    text = "# A *b*: c\n[x](y.md#z), ![p](q.png), [w](https://h)\n```\n[n](o.md)\n```\n`[a](b)`"
    assert targets(text) == ["y.md#z", "q.png"]
    assert anchors(text) == {"a-b-c"}


def test_the_index_of_the_documentation_names_every_page() -> None:
    docs = ROOT / "docs"
    named = set(targets((docs / "README.md").read_text("utf-8")))
    assert {path.name for path in docs.glob("*.md")} - {"README.md"} <= named


def test_contributing_has_the_rooms_in_the_order_that_imports_follow() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    (drawn,) = re.findall(r"^    errors(?:.*\n)+?(?=\n)", text, re.MULTILINE)
    assert tuple(re.findall(r"\w+", drawn)) == ROOMS


def newer_calls(source: str) -> list[str]:
    """Calls of what came in the middle of Python 3.11, which type checkers take for granted.

    Filters of archives came with 3.11.4, strict parsing of addresses with 3.11.10
    (docs.python.org: tarfile, shutil, email.utils).
    """
    newer = {
        "filter": {"extract", "extractall", "unpack_archive"},
        "strict": {"getaddresses", "parseaddr"},
    }
    return [
        f"line {node.lineno}: {name}({keyword.arg}=)"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        for name in [getattr(node.func, "attr", getattr(node.func, "id", ""))]
        for keyword in node.keywords
        if name in newer.get(keyword.arg or "", ())
    ]


@pytest.mark.parametrize("folder", ["src", "scripts", "tests", "bench", "examples", "training"])
def test_nothing_needs_a_later_python_than_debians(folder: str) -> None:
    """3.11.2. Syntax and modules of 3.12 are found by ruff and mypy."""
    files = sorted((ROOT / folder).rglob("*.py"))
    found = {str(file): newer_calls(file.read_text("utf-8")) for file in files}
    assert {file: calls for file, calls in found.items() if calls} == {}


def test_the_test_sees_a_filter() -> None:
    assert newer_calls('tar.extract(member, target, filter="data")') == ["line 1: extract(filter=)"]
    assert newer_calls("extractall(path)\nre.compile(x, strict=True)") == []


def test_the_readme_names_every_command() -> None:
    from babelbits.cli.main import COMMANDS

    text = (ROOT / "README.md").read_text("utf-8")
    assert [name for name in COMMANDS if f"`{name}`" not in text] == []
