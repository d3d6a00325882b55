"""Bits per byte: total bits over total bytes, with the paired interval of a ratio.

Expected values by hand, from scipy's jackknife-free textbook formula, or from simulation.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from babelbits.analysis import AnalysisSettings, CellResult
from babelbits.analysis.analyse import analyse
from babelbits.analysis.cells import rename_by_content
from babelbits.records import Effect, Metric
from babelbits.stats.cluster import cluster_scores, cluster_t_interval
from compare_cells import cell

RATIO = Metric(
    name="bits_per_byte", kind="real", higher_is_better=False, unit="bits/byte", corpus="ratio"
)
MEAN = Metric(name="mean_bits_per_byte", kind="real", higher_is_better=False, unit="bits/byte")


def texts(
    variant: str, bits: list[float], n_bytes: list[float], language: str = "en"
) -> CellResult:
    """Documents with their bits and bytes."""
    each = [one / size for one, size in zip(bits, n_bytes, strict=True)]
    found = cell(
        variant, language, each, metric=RATIO, extra={MEAN: each}, suite="text", output_type="text",
        scorer="text 2",
    )  # fmt: skip
    rows = [
        replace(row, statistics={"bits_per_byte": pair})
        for row, pair in zip(found.rows, zip(bits, n_bytes, strict=True), strict=True)
    ]
    return CellResult(meta=found.meta, rows=tuple(rows))


def effects_of(cells: list[CellResult]) -> dict[str, Effect]:
    settings = AnalysisSettings(margins={"bits/byte": 0.02}, resamples=2000)
    return {one.metric: one for one in analyse(cells, settings).effects}


def test_a_long_document_counts_for_more_than_a_short_one() -> None:
    """100 + 900 bits over 100 + 500 bytes are 1.6667; the documents' own are 1 and 1.8: mean 1.4.

    The variant takes 110 and 900: 1010 / 600 = 1.68333, and the mean of 1.1 and 1.8 is 1.45.
    """
    found = effects_of(
        [texts("baseline", [100, 900], [100, 500]), texts("w4", [110, 900], [100, 500])]
    )
    total, mean = found["bits_per_byte"], found["mean_bits_per_byte"]
    assert total.arms.baseline_score == pytest.approx(1000 / 600)
    assert total.arms.variant_score == pytest.approx(1010 / 600)
    assert total.delta == pytest.approx(-10 / 600)
    assert (mean.arms.baseline_score, mean.delta) == pytest.approx((1.4, -0.05))


def test_the_ratio_estimators_interval_is_the_textbooks() -> None:
    """Cochran (1977), section 6.3: variance of sum(d) / sum(b) from the residuals d - R b."""
    rng = np.random.default_rng(3)
    sizes = rng.lognormal(6, 0.8, 60)
    losses = rng.normal(0.01, 0.02, 60) * sizes
    ratio = losses.sum() / sizes.sum()
    residuals = (losses - ratio * sizes) / sizes.mean()
    error = residuals.std(ddof=1) / np.sqrt(60)
    scores = cluster_scores(-losses / sizes, clusters=np.arange(60), sizes=sizes)
    assert scores.estimate == pytest.approx(-ratio)
    assert scores.contributions.mean() == pytest.approx(-ratio)
    found = cluster_t_interval(scores)
    assert found is not None
    low, high = stats.t.interval(0.95, 59, loc=-ratio, scale=error)
    assert (found.low, found.high) == pytest.approx((low, high))


def test_texts_of_one_length_have_the_mean_as_their_total() -> None:
    rng = np.random.default_rng(4)
    before = rng.normal(500, 50, 40)
    after = before + rng.normal(5, 5, 40)
    size = [400.0] * 40
    found = effects_of([texts("baseline", list(before), size), texts("w4", list(after), size)])
    total, mean = found["bits_per_byte"], found["mean_bits_per_byte"]
    assert total.delta == pytest.approx(mean.delta)
    assert total.inference.interval is not None
    assert mean.inference.interval is not None
    assert total.inference.interval.low == pytest.approx(mean.inference.interval.low, rel=0.05)


def test_languages_are_averaged_after_their_totals() -> None:
    """en: 10/600; de: (0 + 60)/300. The mean over two languages is their plain mean."""
    found = analyse(
        [
            texts("baseline", [100, 900], [100, 500]),
            texts("baseline", [100, 200], [100, 200], "de"),
            texts("w4", [110, 900], [100, 500]),
            texts("w4", [100, 260], [100, 200], "de"),
        ],
        AnalysisSettings(resamples=2000),
    ).effects
    [pooled] = [one for one in found if one.scope == "all" and one.metric == "bits_per_byte"]
    assert pooled.delta == pytest.approx(-(10 / 600 + 60 / 300) / 2)


def test_a_former_cell_without_bytes_has_the_mean_under_its_own_name() -> None:
    old = cell(
        "w4", "en", [1.0, 1.8], metric=replace(RATIO, corpus=None), suite="text",
        output_type="text", scorer="text 1",
    )  # fmt: skip
    found = rename_by_content(old)
    assert found.meta.task.primary == "mean_bits_per_byte"
    assert [row.scores for row in found.rows] == [
        {"mean_bits_per_byte": 1.0},
        {"mean_bits_per_byte": 1.8},
    ]
    new = texts("w4", [100, 900], [100, 500])
    assert rename_by_content(new) is new


@pytest.mark.slow
def test_the_interval_covers_the_ratio_of_unequal_documents() -> None:
    """Losses that are larger in short documents; 600 studies of 120, true ratio by 4 million."""
    rng = np.random.default_rng(5)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        sizes = rng.lognormal(6, 0.8, n)
        return sizes, sizes * (0.01 + 5 / sizes + rng.normal(0, 0.03, n))

    sizes, losses = draw(4_000_000)
    truth = losses.sum() / sizes.sum()
    hits = 0
    for _ in range(600):
        sizes, losses = draw(120)
        found = cluster_t_interval(
            cluster_scores(losses / sizes, clusters=np.arange(120), sizes=sizes)
        )
        assert found is not None
        hits += found.low <= truth <= found.high
    assert hits / 600 == pytest.approx(0.95, abs=0.03)
