"""A study whose variants run in two engines: the bundled model, float16 and Q4_K_S in llama.cpp."""

import json
from pathlib import Path
from typing import Any

import pytest

from babelbits.cli.main import run as babelbits
from babelbits.errors import ExitCode
from babelbits.store import Store

STUDY = """\
[study]
name = "two engines"
folder = "run"

[model]
path = "bundled"

[[variants]]
recipe = "gguf"

[[variants]]
recipe = "q4_k_s"

[[tasks]]
suite = "text"
languages = ["nb", "ml"]

[[tasks]]
suite = "math"
languages = ["ja"]
"""
LIMIT = ["--limit", "4"]


@pytest.mark.slow
def test_gguf_variants_run_in_llama_cpp_beside_a_baseline_that_does_not(
    llama_cpp: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The float16 file says what the float32 checkpoint says; within 1e-6 nats a token."""
    path = tmp_path / "study.toml"
    path.write_text(STUDY, "utf-8")
    assert babelbits(["run", str(path), *LIMIT, "--no-report"]) == ExitCode.DONE
    cells = {
        (meta.variant, meta.task.name): (meta.identity["engine"]["name"], rows)
        for meta, rows in Store(tmp_path / "run", smoke=True).cells()
        if meta.replicate == 0
    }
    assert {variant: engine for (variant, _task), (engine, _rows) in cells.items()} == {
        "baseline": "transformers",
        "baseline@llama.cpp": "llama.cpp",
        "gguf": "llama.cpp",
        "q4_k_s": "llama.cpp",
    }
    for (variant, task), (_engine, rows) in cells.items():
        if variant in ("gguf", "baseline@llama.cpp"):
            base = cells["baseline", task][1]
            for one, other in zip(rows, base, strict=True):
                assert one.output == other.output
                assert one.scores == pytest.approx(other.scores, rel=1e-4)
    capsys.readouterr()
    assert babelbits(["kl", str(path), *LIMIT, "--top", "6144", "--json"]) == ExitCode.DONE
    for found in json.loads(capsys.readouterr().out)["divergences"]:
        low, high = (0, 1e-6) if found["variant"] != "q4_k_s" else (1e-3, 1e-2)
        assert low < found["summary"]["mean"] < high
    assert babelbits(["run", str(path), *LIMIT, "--no-report"]) == ExitCode.DONE
    assert "nothing to do" in capsys.readouterr().err
