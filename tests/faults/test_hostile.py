"""Hostile text, from data to the report: it is shown, and neither runs nor breaks anything.

The model prefers one of the choices, so its outputs are as hostile as they are.
"""

import csv
import html.parser
import io
import json
from pathlib import Path

import pytest

from babelbits.errors import ExitCode
from babelbits.store import Store
from fault_files import CHOICE, Command, TinyModel, own_task, small_study

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "\"quoted\" 'single' `tick` \\back",
    "\x1b[31mred\x1b]0;title\x07\x9b2J",
    "line\u2028separator\u2029paragraph\x85next",
    "nul\x00 bell\x07 return\rback",
    "=cmd|' /C calc'!A0",
    "\u202eright to left\u202c",
    "a|b *c* _d_ [e](javascript:alert(1)) $f$ \\input{/etc/passwd} %",
    "{{7*7}} {% raw %}",
    "<!--<script>",
)
ALL = " ".join(HOSTILE)
"""In every prompt, for the page shows only some of the items that did not change."""


class Scripts(html.parser.HTMLParser):
    """Scripts and event handlers that a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: list[str | None] = []
        self.handlers: list[str] = []
        self.texts: dict[str | None, str] = {}
        self._open: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        if tag == "script":
            self._open = dict(attrs).get("type", "")
            self.kinds.append(self._open)

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self.texts[self._open] = self.texts.get(self._open, "") + data

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._open = None


@pytest.fixture
def study(tiny_model: TinyModel, tmp_path: Path) -> Path:
    """Prompts, choices and targets are all hostile; two variants, for there must be pairs."""
    rows = [
        {"q": f"{text} {ALL} {number}", "choices": [text, f"{text}!"], "gold": number % 2}
        for number, text in enumerate(HOSTILE)
    ]
    return small_study(
        tmp_path,
        model=tiny_model("llama"),
        tasks=own_task(tmp_path, rows, body=CHOICE),
        variants='[[variants]]\nrecipe = "w4-rtn"\n',
        items=None,
        aa=True,
    )


def steers_a_terminal(text: str) -> bool:
    return any(ord(c) < 32 and c not in "\n\t" for c in text) or any(
        c in text for c in "\x7f\x85\x9b\u2028\u2029\u202e"
    )


@pytest.mark.slow
def test_from_data_to_report(study: Path, command: Command) -> None:
    folder = study.parent / "run"
    said = command("run", study)
    assert said.code == ExitCode.DONE
    assert not steers_a_terminal(said.err + said.out)
    for _, rows in Store(folder).cells():
        for row, text in zip(rows, HOSTILE, strict=True):
            assert row.target in (text, f"{text}!")
            assert row.output in (text, f"{text}!")
            assert row.prompt.startswith(text)

    shown = command("show", folder, "--suite", "own_nb", "--variant", "w4-rtn")
    assert shown.code == ExitCode.DONE
    assert f"{len(HOSTILE)} items" in shown.err
    assert not steers_a_terminal(shown.out + shown.err)
    assert "<script>alert(1)</script>" in shown.out
    assert "\\x1b[31mred" in shown.out
    assert "\\u2028" in shown.out

    page = (folder / "report.html").read_bytes()
    assert b"\0" not in page
    seen = Scripts()
    seen.feed(page.decode())
    assert not seen.handlers
    assert sorted(map(str, seen.kinds)) == ["", "application/json"]
    held = json.dumps(json.loads(seen.texts["application/json"]), ensure_ascii=False)
    for text in HOSTILE:
        assert json.dumps(text, ensure_ascii=False)[1:-1] in held

    for kind in ("json", "csv", "md", "latex"):
        exported = command("report", folder, "--format", kind)
        assert exported.code == ExitCode.DONE
        assert not steers_a_terminal(exported.out.replace("\r\n", "\n"))  # the ends of CSV rows
        assert "<script>alert" not in exported.out
        if kind == "json":
            json.loads(exported.out)
        if kind == "csv":
            rows = list(csv.reader(io.StringIO(exported.out)))
            assert {len(row) for row in rows} == {len(rows[0])}


def test_tasks_show_is_harmless(study: Path, command: Command) -> None:
    folder = study.parent
    said = command(
        "tasks", "show", "own_nb", "nb", "--data", folder / "own_nb",
        "--include-path", folder / "yaml", "--n", str(len(HOSTILE)),
    )  # fmt: skip
    assert said.code == ExitCode.DONE
    assert not steers_a_terminal(said.out + said.err)
