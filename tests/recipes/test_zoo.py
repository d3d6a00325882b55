"""Variants of every architecture compute what a plain forward pass says that they must.

Expected values: `zoo.oracle`, one plain forward pass of transformers a sequence. Where weights are
rounded, it computes with weights that `zoo.rounding` rounded by hand, experts included; tolerance
1e-4 nats. A GGUF file in float32 has the checkpoint's own numbers: within 2e-4 nats a token on
average, 2e-3 where llama.cpp reads GELU from a table.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from babelbits.engines.base import EngineSettings
from babelbits.engines.open_engine import load
from babelbits.errors import BabelbitsError
from babelbits.recipes.make import make
from babelbits.records import ScoreRequest, TextRequest
from zoo.build import chosen
from zoo.matrix import PAGE
from zoo.oracle import Oracle
from zoo.page import read_marks
from zoo.recipes import variant
from zoo.rounding import round_linear

TOLERANCE = 1e-4
QUICK = ("qwen2", "mixtral")
ALL = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in chosen()]
AMPLIFIED = {"gemma3n-text": 0.02}
"""Nats, where thirty layers of random weights carry rounding on: llama.cpp's table of GELU alone
moves Gemma 3n's miniature by 4e-3 to 6e-3."""
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


def engine(folder: Path, *, name: str = "transformers") -> Any:
    settings = EngineSettings(device="cpu", dtype="float32")
    return load(folder, engine=name, settings=settings)


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


def uses_gelu(model: Any) -> bool:
    """Whether the configuration names it, or a module is called so (BLOOM's)."""
    kinds = [type(module).__name__.casefold() for module in model.modules()]
    return "gelu" in str(model.config.to_dict()) or any("gelu" in kind for kind in kinds)


@pytest.mark.slow
@pytest.mark.parametrize("name", chosen())
def test_gguf_files_in_float32_score_like_the_checkpoint_or_are_refused(
    name: str, zoo: Callable[..., Path], tmp_path: Path, llama_cpp: Any
) -> None:
    """As `docs/models.md` says of the column 'gguf f32'; with a published number of layers."""
    said = read_marks(PAGE).get((name, "gguf f32"))
    if said not in ("yes", "no"):
        pytest.skip("docs/models.md does not say whether llama.cpp has it: make models")
    base = zoo(name, published=True)
    if said == "no":
        with pytest.raises(BabelbitsError):
            make_variant(base, tmp_path / "variant", "gguf f32")
        return
    subject = engine(make_variant(base, tmp_path / "variant", "gguf f32"), name="llama.cpp")
    oracle = Oracle(base)
    tolerance = AMPLIFIED.get(name, 2e-3 if uses_gelu(oracle.model) else 2e-4)
    for text in (TEXT, "जब हम नीचे रसोई में आते हैं", "我的奶奶每个星期六早上都烤面包"):
        (reply,) = subject.score_text([TextRequest(text=text)])
        expected = oracle.text_log_p(text)
        assert len(reply.logprobs) == len(expected)
        assert np.mean(np.abs(np.subtract(reply.logprobs, expected))) < tolerance
