"""A real run in two engines: a k-quant is paired with the same weights in its own engine."""

from pathlib import Path
from typing import Any

import pytest

from babelbits.cli.main import run as babelbits
from babelbits.errors import ExitCode
from babelbits.results.load import load_run

STUDY = """\
[study]
name = "by engine"
folder = "run"

[model]
path = "bundled"

[[variants]]
recipe = "q4_k_s"

[[tasks]]
suite = "pairs"
languages = ["nb", "ml"]

[analysis]
aa = false

[limits]
items = 40
"""
REFERENCE = "baseline@llama.cpp"


@pytest.mark.slow
def test_a_k_quant_is_paired_with_the_same_weights_in_llama_cpp(
    llama_cpp: Any, tmp_path: Path
) -> None:
    """Scores are counted here from the rows; llama.cpp computes what transformers does."""
    path = tmp_path / "study.toml"
    path.write_text(STUDY, "utf-8")
    assert babelbits(["run", str(path), "--no-report"]) == ExitCode.DONE
    found = load_run(tmp_path / "run", smoke=True)
    right = {
        (cell.meta.variant, cell.meta.task.language): [row.scores["acc"] for row in cell.rows]
        for cell in found.cells
    }
    assert {variant for variant, _ in right} == {"baseline", REFERENCE, "q4_k_s"}
    for effect in found.analysis.effects:
        if effect.scope != "language" or effect.metric != "acc":
            continue
        ours, theirs = (right[one, str(effect.language)] for one in ("q4_k_s", REFERENCE))
        pairs = list(zip(theirs, ours, strict=True))
        assert (effect.counts.broke, effect.counts.fixed) == (
            pairs.count((1, 0)),
            pairs.count((0, 1)),
        )
        assert effect.arms.baseline_score == pytest.approx(sum(theirs) / len(theirs))
    [change] = found.analysis.engine_changes
    assert change.label == REFERENCE
    for language in ("nb", "ml"):
        assert right[REFERENCE, language] == right["baseline", language]
    assert found.manifests[REFERENCE].bits_per_weight == 32
