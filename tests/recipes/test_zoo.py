"""Variants of every architecture compute with weights that were rounded by hand.

Expected values: `zoo.oracle`, one plain forward pass of transformers a sequence, with the linear
layers' weights rounded by `zoo.rounding`, experts included; tolerance 1e-4 nats.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from babelbits.engines.base import EngineSettings
from babelbits.engines.loading import load
from babelbits.recipes.make import make
from babelbits.records import ScoreRequest, TextRequest
from zoo.build import names
from zoo.oracle import Oracle
from zoo.recipes import variant
from zoo.rounding import round_linear

TOLERANCE = 1e-4
QUICK = ("qwen2", "mixtral")
ALL = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in names()]
TEXT = "मेरी दादी हर शनिवार को रोटी पकाती हैं. Die Oma backt jeden Samstag 12 Brote."
ASKED = [ScoreRequest(context=TEXT, continuation=c) for c in (" A", " die Oma", " 我的奶奶")]


def make_variant(base: Path, out: Path, column: str) -> Path:
    """A variant of a column of the table, as a study makes it."""
    asked = variant(column)
    make(
        base,
        recipe=asked.recipe,
        parameters=asked.parameters,
        calibration=asked.calibration,
        out=out,
        variant_id=column,
        base_label="zoo",
        base_hash="",
        seed=0,
        device="cpu",
    )
    return out


def engine(folder: Path) -> Any:
    settings = EngineSettings(device="cpu", dtype="float32")
    return load(folder, family="none", settings=settings)


@pytest.mark.parametrize(("column", "bits", "group"), [("w8", 8, None), ("w4-g-rtn", 4, 128)])
@pytest.mark.parametrize("name", ALL)
def test_rounded_variants_score_like_weights_rounded_by_hand(
    name: str,
    column: str,
    bits: int,
    group: int | None,
    zoo: Callable[..., Path],
    tmp_path: Path,
) -> None:
    base = zoo(name)
    oracle = Oracle(base)
    before = oracle.text_log_p(TEXT)
    assert round_linear(oracle.model, bits=bits, group=group) > 0
    after = oracle.text_log_p(TEXT)
    assert before != pytest.approx(after, abs=TOLERANCE)
    subject = engine(make_variant(base, tmp_path / "variant", column))
    found = [reply.logprob for reply in subject.score(ASKED)]
    expected = [oracle.score(r.context, r.continuation) for r in ASKED]
    assert found == pytest.approx(expected, abs=TOLERANCE)
    (reply,) = subject.score_text([TextRequest(text=TEXT)])
    assert list(reply.logprobs) == pytest.approx(after, abs=TOLERANCE)
