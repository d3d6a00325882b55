"""How long the analysis of a large study takes: 20 variants x 100 languages x 1,000 items.

    python bench/analysis.py [variants] [languages] [items]

Two metrics an item: one right/wrong (mid-p McNemar, Tango) and one in [0, 1] (sign-flip permutation
and bootstrap-t with 10,000 draws each), five groups of languages, pooled effects clustered by
source, relative changes with intervals, and every language against the first.
Scores are random; only `analyse` is measured.
"""

import sys
import time

import numpy as np

from babelbits.analysis import BASELINE, AnalysisSettings, CellResult
from babelbits.analysis.analyse import analyse
from babelbits.records import CellMeta, ItemRow, Metric, TaskInfo

METRICS = (Metric(name="acc", kind="binary", chance=0.25), Metric(name="chrf", kind="bounded"))


def task(language: str) -> TaskInfo:
    """One language of a parallel benchmark."""
    return TaskInfo(
        name=f"bench_{language}",
        suite="bench",
        language=language,
        metrics=METRICS,
        primary="acc",
        output_type="choice",
        parallel=True,
        scorer_version="1",
        origin="random",
    )


def cell(variant: str, info: TaskInfo, right: np.ndarray, quality: np.ndarray) -> CellResult:
    """Rows of one cell; everything but ids and scores is empty."""
    meta = CellMeta(
        cell_id=f"{variant}-{info.name}",
        identity={},
        variant=variant,
        variant_id=variant,
        replicate=0,
        task=info,
        n_items=right.size,
        chunk=64,
        smoke=False,
    )
    rows = tuple(
        ItemRow(
            item_id=f"{info.name}-{index}",
            source_id=f"s{index}",
            task=info.name,
            language=info.language,
            variant=variant,
            target="",
            output="",
            scores={"acc": float(a), "chrf": float(q)},
            choice_logprobs=None,
            prompt_hash="",
            prompt="",
            prompt_tokens=0,
            output_tokens=0,
            finish_reason=None,
        )
        for index, (a, q) in enumerate(zip(right, quality, strict=True))
    )
    return CellResult(meta=meta, rows=rows)


def study(variants: int, languages: int, items: int) -> list[CellResult]:
    """A baseline and variants whose answers change at 5 %."""
    rng = np.random.default_rng(0)
    cells = []
    for language in range(languages):
        info = task(f"l{language:03}")
        right, quality = rng.random(items) < 0.6, rng.random(items)
        cells.append(cell(BASELINE, info, right, quality))
        for number in range(variants):
            flipped = right ^ (rng.random(items) < 0.05)
            moved = np.clip(quality + rng.normal(-0.01, 0.05, items), 0, 1)
            cells.append(cell(f"v{number}", info, flipped, moved))
    return cells


def main() -> None:
    """Make the study, analyse it, print seconds."""
    sizes = [int(argument) for argument in sys.argv[1:]] or [20, 100, 1000]
    variants, languages, items = sizes
    cells = study(variants, languages, items)
    codes = [f"l{language:03}" for language in range(languages)]
    groups = {f"group {k}": tuple(codes[k::5]) for k in range(5)}
    start, cpu = time.perf_counter(), time.process_time()
    found = analyse(
        cells, AnalysisSettings(margins={"fraction": 0.02}, groups=groups, reference=codes[0])
    )
    seconds, busy = time.perf_counter() - start, time.process_time() - cpu
    print(f"{variants} variants x {languages} languages x {items} items x {len(METRICS)} metrics")
    print(
        f"{len(found.effects)} effects, {len(found.contrasts)} contrasts of groups, "
        f"{len(found.references)} of languages"
    )
    print(f"{seconds:.1f} s, of which {busy:.1f} s on the processor")


if __name__ == "__main__":
    main()
