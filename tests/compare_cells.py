"""Finished cells from plain score lists, for the tests of `compare` and whoever else needs some."""

from collections.abc import Mapping, Sequence
from typing import Literal

from babelbits.analysis import CellResult
from babelbits.records import CellMeta, Failure, ItemRow, Metric, TaskInfo

Score = float | None

ACC = Metric(name="acc", kind="binary", chance=0.25)
EXACT = Metric(name="exact_match", kind="binary")
BITS = Metric(name="bits_per_byte", kind="real", higher_is_better=False, unit="bits/byte")
CHRF = Metric(name="chrf", kind="bounded")


def cell(
    variant: str,
    language: str,
    scores: Sequence[Score],
    *,
    metric: Metric = ACC,
    extra: Mapping[Metric, Sequence[Score]] | None = None,
    suite: str = "xcopa",
    replicate: int = 0,
    output_type: Literal["choice", "text", "generation", "loglikelihood"] = "choice",
    parallel: bool = True,
    sources: Sequence[str] | None = None,
    clusters: Sequence[str] | None = None,
    scorer: str = "1",
    smoke: bool = False,
    truncated: Sequence[int] = (),
) -> CellResult:
    """A cell whose k-th item has score `scores[k]`; None is an item that failed with NaN logits."""
    columns = {metric: scores, **(extra or {})}
    info = TaskInfo(
        name=f"{suite}_{language}",
        suite=suite,
        language=language,
        metrics=tuple(columns),
        primary=metric.name,
        output_type=output_type,
        parallel=parallel,
        scorer_version=scorer,
        origin="test",
    )
    meta = CellMeta(
        cell_id=f"{variant}-{info.name}-{replicate}",
        identity={},
        variant=variant,
        variant_id=variant,
        replicate=replicate,
        task=info,
        n_items=len(scores),
        chunk=8,
        smoke=smoke,
    )
    return CellResult(
        meta=meta,
        rows=tuple(
            _row(
                info,
                variant,
                index,
                {one.name: values[index] for one, values in columns.items()},
                source=f"s{index}" if sources is None else sources[index],
                cluster=None if clusters is None else clusters[index],
                truncated=3 if index in truncated else 0,
            )
            for index in range(len(scores))
        ),
    )


def _row(
    info: TaskInfo,
    variant: str,
    index: int,
    scores: Mapping[str, Score],
    *,
    source: str,
    cluster: str | None,
    truncated: int,
) -> ItemRow:
    failed = scores[info.primary] is None
    return ItemRow(
        item_id=f"{info.name}-{index}",
        source_id=source,
        cluster_id=cluster,
        task=info.name,
        language=info.language,
        variant=variant,
        target="A",
        output="A",
        scores=scores,
        choice_logprobs=None,
        prompt_hash="0",
        prompt="Q",
        prompt_tokens=5,
        output_tokens=1,
        finish_reason=None,
        truncated_tokens=truncated,
        failure=Failure(kind="nan_logits", message="NaN") if failed else None,
    )


def right_wrong(
    *, both_right: int, broke: int, fixed: int, both_wrong: int
) -> tuple[list[float], list[float]]:
    """Baseline and variant scores with a given 2 x 2 table."""
    baseline = [1.0] * (both_right + broke) + [0.0] * (fixed + both_wrong)
    variant = [1.0] * both_right + [0.0] * broke + [1.0] * fixed + [0.0] * both_wrong
    return baseline, variant
