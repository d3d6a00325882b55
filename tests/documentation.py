"""The code that stands in README.md and docs/: blocks, commands, names of modules."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
FENCE = re.compile(r"^(?P<fence>```|~~~)(?P<language>\w*)\n(?P<code>.*?)^(?P=fence)$", re.M | re.S)
MARKER = re.compile(r"<!-- (?P<what>not run|not a study): (?P<reason>.+?) -->\s*\Z", re.S)
COMMAND = re.compile(r"^\s*(?:\$ |- run: )?(babelbits .*)$", re.M)
INLINE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    """Of its first line of code, from 1."""
    language: str
    """'' where the fence names none."""
    code: str
    marker: str | None
    """'not run' or 'not a study': an HTML comment right before it says so and why."""

    @property
    def name(self) -> str:
        """'docs/chat.md:3'."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(text: str, page: Path = ROOT / "README.md") -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    for found in FENCE.finditer(text):
        marker = MARKER.search(text, 0, found.start())
        yield Block(
            page=page,
            line=text.count("\n", 0, found.start("code")) + 1,
            language=found["language"],
            code=found["code"],
            marker=None if marker is None else marker["what"],
        )


def blocks(language: str) -> list[Block]:
    """All blocks of all pages in a language."""
    return [
        block
        for page in PAGES
        for block in blocks_of(page.read_text("utf-8"), page)
        if block.language == language
    ]


def commands_of(text: str) -> Iterator[list[str]]:
    """The words after `babelbits` of each command line in fenced and indented code.

    Comments are dropped, lines that end in a backslash joined. A synopsis, which has brackets or
    dots in it, is no command.
    """
    fenced = [block.code for block in blocks_of(text)]
    indented = re.findall(r"(?:^ {4}.*\n)+", FENCE.sub("", text), re.M)
    for code in (*fenced, *indented):
        for line in COMMAND.findall(re.sub(r"\\\n\s*", " ", code)):
            words = shlex.split(line.partition(" > ")[0], comments=True)[1:]
            if not any(word.startswith("[") or "..." in word for word in words):
                yield words


def inline_commands(text: str) -> Iterator[list[str]]:
    """The words after `babelbits` of commands within sentences, which may lack arguments."""
    for code in INLINE.findall(FENCE.sub("", text)):
        if code.startswith("babelbits "):
            yield code.split()[1:]


def files_named(text: str) -> list[str]:
    """Python files of the package that a page names: `study/config/reading.py`.

    Those of docs/extending.md's own package are its code blocks, which another test runs.
    """
    named = re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", FENCE.sub("", text))
    return [one for one in named if not one.startswith("babelbits_extra/")]


def modules_named(text: str) -> list[str]:
    """Modules and names of the package that a page names: `babelbits.registry`."""
    named = re.findall(r"`(babelbits(?:\.\w+)+)(?:\(.*?\))?`", FENCE.sub("", text))
    return [one for one in named if not one.endswith(".json")]
