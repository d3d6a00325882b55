"""Corpus metrics in an analysis: against sacrebleu's paired tests, and against the definition."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.significance import PairedTest

from babelbits.analysis import AnalysisSettings, CellResult
from babelbits.analysis.analyse import analyse
from babelbits.analysis.corpora import linearised
from babelbits.records import Effect, Metric
from babelbits.stats.corpus_scores import bleu, chrf
from babelbits.tasks.translation.metrics import SegmentMetric, list_segment_metrics
from compare_cells import cell
from translations import damaged, references

GOLD = {language: references(language) for language in ("de", "hi", "ja")}
SETTINGS = AnalysisSettings(margins={"fraction": 0.02}, groups={"latin": ("de",)})


def translated(
    variant: str,
    language: str,
    hypotheses: Sequence[str],
    *,
    replicate: int = 0,
    chance: float | None = None,
) -> CellResult:
    """A cell of a translation task, scored as the task does."""
    tools = [
        replace(one, metric=replace(one.metric, chance=chance))
        for one in list_segment_metrics(language)
    ]
    gold = GOLD[language][: len(hypotheses)]
    first, *others = [scores(one, hypotheses, gold) for one in tools]
    made = cell(
        variant,
        language,
        first,
        metric=tools[0].metric,
        extra=dict(zip([one.metric for one in tools[1:]], others, strict=True)),
        suite="flores",
        replicate=replicate,
        output_type="generation",
    )
    rows = tuple(
        replace(row, statistics={one.metric.name: one.statistics(text, right) for one in tools})
        for row, text, right in zip(made.rows, hypotheses, gold, strict=True)
    )
    return replace(made, rows=rows)


def scores(tool: SegmentMetric, hypotheses: Sequence[str], gold: Sequence[str]) -> list[float]:
    return [tool.score(a, b) for a, b in zip(hypotheses, gold, strict=True)]


def effects(cells: Sequence[CellResult], settings: AnalysisSettings = SETTINGS) -> list[Effect]:
    return list(analyse(cells, settings).effects)


def systems(language: str) -> tuple[list[str], list[str]]:
    gold = GOLD[language]
    return damaged(gold, share=0.2, seed=1), damaged(gold, share=0.23, seed=2)


@pytest.mark.parametrize("language", ["de", "hi", "ja"])
def test_scores_and_difference_are_sacrebleus(language: str) -> None:
    first, second = systems(language)
    gold = GOLD[language]
    found = effects([translated("baseline", language, first), translated("w4", language, second)])
    tools = {"chrf++": CHRF(word_order=2), "bleu": list_segment_metrics(language)[1].tool}
    assert {effect.metric for effect in found} == set(tools)
    for effect in found:
        before, after = (
            tools[effect.metric].corpus_score(texts, [gold]).score / 100
            for texts in (first, second)
        )
        assert effect.arms.baseline_score == pytest.approx(before, abs=1e-12)
        assert effect.arms.variant_score == pytest.approx(after, abs=1e-12)
        assert effect.delta == pytest.approx(after - before, abs=1e-12)
        signature = str(tools[effect.metric].get_signature())
        assert signature in effect.recipe


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.2, 0.205, 0.21, 0.23])
def test_p_is_that_of_sacrebleus_paired_tests(
    share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Approximate randomisation with 10,000 trials: draws, like ours.

    sacrebleu's paired bootstrap answers nearly the same question; it is asked with less precision.
    """
    monkeypatch.setenv("SACREBLEU_SEED", "12345")
    gold = GOLD["de"]
    first, second = damaged(gold, share=0.2, seed=1), damaged(gold, share=share, seed=3)
    found = effects([translated("baseline", "de", first), translated("w4", "de", second)])
    single = [effect for effect in found if effect.scope == "language"]
    for effect, tool in zip(single, (CHRF(word_order=2), BLEU()), strict=True):
        for kind, trials, tolerance in (("ar", 10_000, 0.015), ("bs", 2_000, 0.06)):
            test = PairedTest(
                [("baseline", first), ("w4", second)],
                {"m": tool},
                [gold],
                test_type=kind,
                n_samples=trials,
            )
            _, results = test()
            expected = next(v for k, v in results.items() if k != "System")[1].p_value
            assert effect.inference.p_value == pytest.approx(expected, abs=tolerance), (
                effect.metric,
                kind,
            )


@pytest.mark.slow
def test_interval_is_that_of_resampled_and_rescored_segments() -> None:
    """2,000 paired draws of segments, each scored by sacrebleu from text statistics."""
    gold = GOLD["de"]
    first, second = systems("de")
    found = effects([translated("baseline", "de", first), translated("w4", "de", second)])[0]
    tool = CHRF(word_order=2)
    before, after = (
        np.array(tool._extract_corpus_statistics(texts, [gold])) for texts in (first, second)
    )
    rng = np.random.default_rng(5)
    drawn = []
    for _ in range(2000):
        rows = rng.integers(0, len(gold), len(gold))
        a, b = (tool._aggregate_and_compute(one[rows].tolist()).score for one in (before, after))
        drawn.append((b - a) / 100)
    low, high = np.percentile(drawn, [2.5, 97.5])
    assert found.inference.interval is not None
    width = high - low
    assert found.inference.interval.low == pytest.approx(low, abs=0.1 * width)
    assert found.inference.interval.high == pytest.approx(high, abs=0.1 * width)


def test_identical_outputs_show_nothing() -> None:
    """KA-28: p is 1, nothing moved, nothing is claimed; sacrebleu gives p = 1/(n + 1) here."""
    texts, _ = systems("hi")
    found = effects([translated("baseline", "hi", texts), translated("w4", "hi", texts)])
    for effect in found:
        assert (effect.delta, effect.inference.p_value, effect.counts.churn) == (0.0, 1.0, 0.0)
        assert effect.decision.verdict == "undecided"
        assert effect.decision.reason == "too few items changed for an interval"


def test_churn_counts_segments_whose_statistics_changed() -> None:
    """3 of the sentences differ; the linearised values of the others move, and do not count."""
    gold = GOLD["de"]
    first = damaged(gold, share=0.2, seed=1)
    second = ["nichts davon", *first[1:-2], "", "x"]
    found = effects([translated("baseline", "de", first), translated("w4", "de", second)])[0]
    assert found.counts.churn == pytest.approx(3 / len(gold))


def test_languages_are_averaged_as_corpora() -> None:
    """The effect over all languages is the mean of the languages' corpus scores."""
    cells = []
    for language in GOLD:
        texts = systems(language)
        cells += [translated(name, language, texts[k]) for k, name in enumerate(("baseline", "w4"))]
    found = [effect for effect in effects(cells) if effect.metric == "chrf++"]
    single = [effect for effect in found if effect.scope == "language"]
    [whole] = [effect for effect in found if effect.scope == "all"]
    assert len(single) == 3
    assert whole.delta == pytest.approx(np.mean([effect.delta for effect in single]))
    assert whole.arms.baseline_score == pytest.approx(
        np.mean([e.arms.baseline_score for e in single])
    )
    assert whole.inference.p_value is not None
    assert whole.inference.p_value < 0.05


def test_a_baseline_no_better_than_unrelated_text_is_at_its_floor() -> None:
    gold = GOLD["de"]
    unrelated, worse = [*gold[1:], gold[0]], damaged(gold, share=0.99, seed=1)
    level = CHRF(word_order=2).corpus_score(unrelated, [gold]).score / 100
    found = effects(
        [
            translated("baseline", "de", unrelated, chance=level),
            translated("w4", "de", worse, chance=level),
        ]
    )[0]
    assert (found.arms.at_floor, found.decision.verdict, found.decision.reason) == (
        True,
        "undecided",
        "at floor",
    )
    good, _ = systems("de")
    found = effects(
        [
            translated("baseline", "de", good, chance=level),
            translated("w4", "de", worse, chance=level),
        ]
    )[0]
    assert not found.arms.at_floor
    assert found.decision.verdict == "worse"


def test_a_segment_without_statistics_is_a_failed_item() -> None:
    first, second = systems("de")
    broken = translated("w4", "de", second)
    rows = (replace(broken.rows[0], statistics={}), *broken.rows[1:])
    found = effects([translated("baseline", "de", first), replace(broken, rows=rows)])[0]
    assert (found.counts.n_failed, found.counts.n_lost, found.counts.n_items) == (
        1,
        1,
        len(first) - 1,
    )


@pytest.mark.parametrize(("score", "width"), [(bleu, 10), (chrf, 24)])
def test_linearised_values_have_the_corpus_score_as_mean(score: object, width: int) -> None:
    rng = np.random.default_rng(1)
    counts = rng.integers(5, 30, (40, width)).astype(float)
    values = linearised(counts, score)  # type: ignore[arg-type]
    assert values.mean() == pytest.approx(score(counts.sum(0)[None])[0])  # type: ignore[operator]
    assert len(linearised(counts[:1], score)) == 1  # type: ignore[arg-type]


def test_a_metric_that_is_a_mean_keeps_its_own_values() -> None:
    metric = Metric(name="acc", kind="binary")
    cells = [cell("baseline", "de", [1, 1, 0], metric=metric), cell("w4", "de", [1, 0, 0])]
    assert cells[0].meta.task.metrics[0].corpus is None


def test_an_interval_of_few_segments_stays_within_what_scores_can_differ_by() -> None:
    """Two of four segments change in the first language, all in the second; t has 3 degrees."""
    cells = []
    for language, kept in (("de", 2), ("hi", 0)):
        gold = GOLD[language][:4]
        texts = ["x" * 9] * 4, [*["x" * 9] * kept, *gold[kept:]]
        cells += [translated(name, language, texts[k]) for k, name in enumerate(("baseline", "w4"))]
    found = [effect for effect in effects(cells) if effect.scope == "all"]
    ends = [
        (e.inference.interval.low, e.inference.interval.high)
        for e in found
        if e.inference.interval is not None
    ]
    assert ends
    assert all(-1 <= low <= high <= 1 for low, high in ends)
    assert max(high for _, high in ends) == 1.0
