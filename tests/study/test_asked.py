"""The texts on which tokenizers are compared come from what a study asks, in every language."""

from pathlib import Path

from babelbits.recipes.gguf_blocks import describe_expected, describe_found
from babelbits.records import TensorRecord
from babelbits.store import Store
from babelbits.study import load
from babelbits.study.execution.scheduler import Scheduler
from babelbits.study.execution.worker import Prepare
from babelbits.study.planning.base_model import locate
from babelbits.study.planning.plan import build_light, make_plan
from babelbits.study.planning.plan_types import Plan
from babelbits.study.planning.plan_warnings import list_warnings
from babelbits.study.planning.tokenizer_probe import sample_texts

STUDY = """
[[variants]]
recipe = "q4_k_s"
[[tasks]]
suite = "pairs"
languages = ["nb", "ar"]
[[tasks]]
suite = "math"
languages = ["sw"]
[[tasks]]
suite = "text"
languages = ["nb"]
"""


def plan_of(folder: Path, text: str) -> Plan:
    path = folder / "study.toml"
    path.write_text(text, "utf-8")
    study = load(path)
    return make_plan(study, Store(study.folder), base=locate(study.model), build=build_light)


def test_eight_texts_of_every_language_reach_the_worker(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, STUDY)
    by_language = sample_texts(plan.cells)
    texts = [text for some in by_language.values() for text in some]
    assert len(texts) == len(set(texts)) == 3 * 8
    asked = {
        request.context + request.continuation
        for cell in plan.cells
        if cell.task and cell.suite == "pairs"
        for item in cell.task.items()[:8]
        for request in item.requests
    }
    assert set(texts[:16]) <= asked
    assert any("؀" <= letter <= "ۿ" for letter in "".join(texts[8:16]))  # Arabic
    agenda = Scheduler(plan.variants, plan.cells, base=plan.base)
    jobs = [agenda.next(loaded="nothing") for _ in plan.cells]
    prepared = [job for job in jobs if isinstance(job, Prepare)]
    assert prepared
    assert all(job.texts == by_language for job in prepared)


def test_bundled_model_has_nothing_to_be_told_of(tmp_path: Path) -> None:
    wide = '[analysis]\nmargins = { "bits/byte" = 0.1 }\n'
    assert list_warnings(plan_of(tmp_path, STUDY + wide)) == ()


def test_a_plan_names_the_tasks_that_are_too_small_for_their_margin(tmp_path: Path) -> None:
    """80 passages; ln 0.05 / ln(1 - 0.01 / 2) = 597.6 documents; z.95^2 (1/0.01 - 1) = 267.8."""
    narrow = "[analysis]\nmargins = { fraction = 0.01 }\n"
    assert list_warnings(plan_of(tmp_path, STUDY + narrow)) == (
        "pairs: 240 items a language; below 268 a margin of 1 point cannot be shown",
        "math: 150 items a language; below 268 a margin of 1 point cannot be shown",
        (
            "text: 80 items a language; below 598 a margin of 0.01 bits/byte cannot be shown "
            "(one item is taken to lose at most 2 bits/byte)"
        ),
    )


def record(name: str, columns: int, *, dtype: str = "bf16", rows: int = 8) -> TensorRecord:
    bits = {"bf16": 16, "q5_0": 5.5, "q8_0": 8.5, "q4_k": 4.5}[dtype]
    size = int(rows * columns * bits / 8)
    return TensorRecord(name=name, shape=(rows, columns), dtype=dtype, bytes=size)


def test_rows_that_fit_no_block_are_counted_before_and_their_types_after() -> None:
    """Bits by the size of blocks in ggml-common.h: Q5_0 5.5, Q8_0 8.5."""
    base = [
        record("model.layers.0.self_attn.q_proj.weight", 512),
        record("model.layers.0.mlp.down_proj.weight", 672),
        record("model.embed_tokens.weight", 512),
    ]
    told = describe_expected(base, "q4_k_s")
    assert told is not None
    assert told.startswith("1 of 2 linear layers has rows that are no multiple of 256")
    assert "'model.layers.0.mlp.down_proj.weight': 672" in told
    assert (
        describe_expected(base, "q8_0")
        == describe_expected(base, "w8")
        == describe_expected(base, "gguf")
        is None
    )
    made = [
        record("blk.0.attn_q.weight", 512, dtype="q4_k"),
        record("blk.0.ffn_down.weight", 672, dtype="q5_0"),
        record("blk.1.ffn_down.weight", 672, dtype="q8_0"),
    ]
    told = describe_found(made, "q4_k_s")
    assert told is not None
    assert told.startswith("2 of 3 matrices have rows that are no multiple of 256")
    assert told.endswith("stored them as q5_0 (1), q8_0 (1): 7.00 bits a weight")
    assert describe_found(made[:1], "q4_k_s") is describe_found(made, "q8_0") is None
