"""What `docs/models.md` says is what the rehearsal finds; the program goes on where it stopped."""

import json
import os
from pathlib import Path

import pytest

from babelbits.study.rehearsal import RehearsalFault, RehearsalResult
from zoo import matrix
from zoo.build import names
from zoo.page import read_marks, write_page
from zoo.recipes import COLUMNS, engine_of

REPRESENTATIVE = ("llama3", "gemma2", "qwen3-moe", "qwen3.5-vl", "deepseek-v3", "gpt-oss", "gpt2")
"""One of each kind: dense, soft caps, experts, hybrid with vision, MLA, sinks, Conv1D."""
MORE = ("gemma3-mm", "mixtral", "granite4-dense", "apertus")
"""With BABELBITS_ZOO=all: sliding windows with vision, fused experts, multipliers, Tekken."""
TRIED = ("baseline", "w8a8", "w4-g", "awq", "nf4", "gguf f32", "q4_k_m")
"""One recipe of each library and way of working: with more it takes half an hour."""
WORD = {"works": "yes", "fails": "no", "unrehearsable": "?"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", (*REPRESENTATIVE, *(MORE if os.environ.get("BABELBITS_ZOO") == "all" else ()))
)
def test_the_page_says_what_the_rehearsal_finds(name: str, tmp_path: Path) -> None:
    """The whole is `make models`; this is one architecture of each kind."""
    marks = read_marks(matrix.PAGE)
    said = {column: marks[name, column] for column in TRIED if (name, column) in marks}
    if not said:
        pytest.skip("docs/models.md says nothing of it yet: make models")
    found = {result.label: result for result in matrix.rehearse(name, list(said), tmp_path)}
    assert {column: WORD[found[column].outcome] for column in said} == said, found


def test_the_page_has_a_line_for_every_architecture() -> None:
    lines = [line.split(" | ")[0] for line in matrix.PAGE.read_text("utf-8").splitlines()]
    for name in names():
        assert lines.count(f"| {name}") == 2, "in transformers, and in llama.cpp"


def result(label: str, fault: RehearsalFault | None = None) -> RehearsalResult:
    return RehearsalResult(
        label=label,
        recipe=COLUMNS[label][0],
        architecture="mixtral",
        library="llmcompressor 0",
        outcome="works" if fault is None else "fails",
        fault=fault,
        notes=(),
        seconds=1.0,
    )


def test_what_stands_in_the_results_is_not_rehearsed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page is written from the file alone; a fault is given with its way out."""
    fault = RehearsalFault(check="making", what="a layer | of <8>", hint="use q4_k_m")
    known = [result(column, fault if column == "awq" else None) for column in COLUMNS]
    path = tmp_path / "results.jsonl"
    lines = [
        json.dumps({"architecture": "mixtral", "column": one.label, "result": one.as_object()})
        for one in known[:-1]
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    asked: list[str] = []

    def rehearse(name: str, columns: list[str], place: Path) -> list[RehearsalResult]:
        asked.extend(columns)
        return [known[-1]]

    monkeypatch.setattr(matrix, "rehearse", rehearse)
    matrix.fill(path, ["mixtral"], list(COLUMNS))
    assert asked == [list(COLUMNS)[-1]]
    write_page(tmp_path / "models.md", matrix.load(path))
    marks = read_marks(tmp_path / "models.md")
    assert marks.pop(("mixtral", "awq")) == "no"
    assert marks == {("mixtral", c): "yes" for c in COLUMNS if c != "awq"}
    text = (tmp_path / "models.md").read_text(encoding="utf-8")
    assert "mixtral (`awq`): a layer \\| of &lt;8>. Way out: use q4_k_m." in text
    assert "mixtral" in capsys.readouterr().out


def test_k_quants_are_tried_in_llama_cpp() -> None:
    assert [c for c in COLUMNS if engine_of(c) == "llama.cpp"][:2] == ["gguf f32", "gguf f16"]
