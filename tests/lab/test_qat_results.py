"""The analysis over seeds on simulated labs of known truth: what is shown, and what is not."""

from collections.abc import Mapping

import numpy as np
import pytest

from babelbits.analysis.columns import Columns
from babelbits.errors import UnpairedItemsError
from babelbits.lab.qat_design import HELD_OUT, QatDesign
from babelbits.lab.qat_results import (
    QatDifference,
    QatResults,
    compare_arms,
    with_verdicts,
)
from babelbits.lab.qat_sentences import describe_results
from babelbits.records import Metric, TaskInfo

LANGUAGES = ("en", "nb", "hi")
N_ITEMS = 60
BITS = Metric(
    name="bits_per_byte", kind="real", higher_is_better=False, unit="bits/byte", corpus="ratio"
)
RIGHT = Metric(name="accuracy", kind="binary", higher_is_better=True, unit="fraction", chance=0.5)


def info(suite: str, language: str, metric: Metric) -> TaskInfo:
    return TaskInfo(
        name=f"{suite}_{language}", suite=suite, language=language, metrics=(metric,),
        primary=metric.name, output_type="text" if metric is BITS else "choice", parallel=False,
        scorer_version="1", origin="a simulation",
    )  # fmt: skip


def column(task: TaskInfo, scores: np.ndarray, sizes: np.ndarray | None = None) -> Columns:
    n = scores.size
    start = 1000 * LANGUAGES.index(task.language)
    none = np.zeros(n, bool)
    metric = task.metrics[0].name
    statistics = {} if sizes is None else {metric: np.column_stack([scores * sizes, sizes])}
    return Columns(
        info=task, item_ids=tuple(f"{task.name}-{k}" for k in range(n)),
        sources=np.arange(start, start + n), clusters=np.full(n, -1), scores={metric: scores},
        truncated=none, refused=none, cut=none, statistics=statistics,
    )  # fmt: skip


def lab(
    gains: Mapping[str, float], *, seeds: int = 3, seed_sd: float = 0.002, luck: int = 0
) -> list[dict[str, dict[tuple[str, str], Columns]]]:
    """Seeds of a lab in which `qat` has `gains` bits per byte less than `ptq`, by language."""
    items = np.random.default_rng(luck)
    levels = {code: items.normal(2.5, 0.4, N_ITEMS) for code in LANGUAGES}
    harm = {code: items.normal(0.08, 0.02, N_ITEMS) for code in LANGUAGES}
    sizes = {code: items.integers(20, 200, N_ITEMS).astype(float) for code in LANGUAGES}
    found = []
    for seed in range(seeds):
        rng = np.random.default_rng([luck, seed])
        cells: dict[str, dict[tuple[str, str], Columns]] = {
            arm: {} for arm in ("control", "ptq", "gptq", "qat")
        }
        for code in LANGUAGES:
            task = info(HELD_OUT, code, BITS)
            shift = {
                "control": 0.0,
                "ptq": harm[code],
                "gptq": 0.7 * harm[code],
                "qat": harm[code] - gains.get(code, 0.0) + rng.normal(0, seed_sd),
            }
            for arm, change in shift.items():
                noise = rng.normal(0, 0.01, N_ITEMS)
                scores = levels[code] + change + noise
                cells[arm][HELD_OUT, code] = column(task, scores, sizes[code])
        found.append(cells)
    return found


def primary(rows: tuple[QatDifference, ...]) -> QatDifference:
    [row] = [one for one in rows if one.primary]
    return row


def by_language(rows: tuple[QatDifference, ...]) -> dict[str | None, QatDifference]:
    return {
        one.language: one
        for one in rows
        if one.scope == "language" and (one.first, one.second) == ("qat", "ptq")
    }


def analysed(cells: list[dict[str, dict[tuple[str, str], Columns]]]) -> tuple[QatDifference, ...]:
    return with_verdicts(compare_arms(cells, mix="balanced", alpha=0.05), alpha=0.05)


def test_a_gain_that_is_there_is_shown_with_its_size_and_sign() -> None:
    """Fewer bits are better, so the difference is positive; Hindi gains nothing."""
    rows = analysed(lab({"en": 0.04, "nb": 0.04}, seed_sd=0.002))
    found = primary(rows)
    assert found.verdict == "better"
    assert found.estimate == pytest.approx(0.08 / 3, abs=0.006)
    assert found.interval is not None
    assert found.interval.low < 0.08 / 3 < found.interval.high
    languages = by_language(rows)
    assert {code: one.verdict for code, one in languages.items()} == {
        "en": "better", "nb": "better", "hi": "undecided",
    }  # fmt: skip
    others = next(one for one in rows if one.scope == "others" and one.second == "ptq")
    assert others.estimate == pytest.approx(0.02, abs=0.006)
    assert others.verdict is None  # no question of the lab


def test_harm_is_negative_and_called_worse() -> None:
    found = primary(analysed(lab(dict.fromkeys(LANGUAGES, -0.05))))
    assert found.verdict == "worse"
    assert found.estimate < 0


def test_the_damage_of_rounding_is_that_of_the_simulation() -> None:
    rows = analysed(lab({}))
    damage = next(
        one for one in rows if one.key[2:5] == ("ptq", "control", "all") and one.suite == HELD_OUT
    )
    assert damage.estimate == pytest.approx(-0.08, abs=0.01)
    assert damage.verdict is None


@pytest.mark.parametrize("seeds", [1, 2])
def test_with_fewer_than_three_seeds_nothing_is_shown(seeds: int) -> None:
    found = primary(analysed(lab(dict.fromkeys(LANGUAGES, 0.05), seeds=seeds)))
    assert found.verdict == "undecided"
    assert len(found.by_seed) == seeds
    assert (found.interval is None) == (seeds == 1)


def test_where_nothing_is_there_few_labs_show_something() -> None:
    """20 labs without a gain: at 8 %, four or fewer show one in 98 % of draws."""
    shown = [primary(analysed(lab({}, luck=luck))).verdict for luck in range(100, 120)]
    assert shown.count("undecided") >= 16


def test_a_language_at_its_floor_is_left_out_of_the_mean_and_has_no_verdict() -> None:
    rng = np.random.default_rng(4)
    cells: list[dict[str, dict[tuple[str, str], Columns]]] = []
    for _ in range(3):
        arms: dict[str, dict[tuple[str, str], Columns]] = {}
        for arm in ("control", "ptq", "gptq", "qat"):
            arms[arm] = {
                ("pairs", code): column(
                    info("pairs", code, RIGHT),
                    (rng.random(200) < (0.5 if code == "hi" else 0.9)).astype(float),
                )
                for code in LANGUAGES
            }
        cells.append(arms)
    rows = analysed(cells)
    whole = next(one for one in rows if one.scope == "all" and one.key[2:4] == ("qat", "ptq"))
    assert whole.left_out == ("hi",)
    assert by_language(rows)["hi"].at_floor
    assert by_language(rows)["hi"].verdict == "undecided"


def test_seeds_with_other_items_are_refused() -> None:
    cells = lab({})
    task = info(HELD_OUT, "en", BITS)
    cells[1]["qat"][HELD_OUT, "en"] = column(task, np.full(3, 2.0), np.full(3, 50.0))
    with pytest.raises(UnpairedItemsError, match="other items with another seed"):
        compare_arms(cells, mix="balanced", alpha=0.05)


def test_sentences_say_what_is_shown_where_and_of_what_model() -> None:
    rows = analysed(lab({"en": 0.04, "nb": 0.04}))
    design = QatDesign(
        model="bundled", model_hash="", languages=LANGUAGES, text_hashes={}, number_format={}
    )
    results = QatResults(
        design=design, differences=rows, seeds={"balanced": (0, 1, 2)}, missing=("english, seed 2",)
    )
    said = list(describe_results(results))
    assert said[0].startswith("Text balanced over the languages, held-out: qat less ptq +0.0")
    assert "training with quantization is better than rounding afterwards" in said[0]
    assert "Holm over 2 mixes" in said[0]
    assert said[1].count("against the control: ptq \N{MINUS SIGN}0.0") == 1
    [hindi] = [one for one in said if one.startswith("Hindi,")]
    assert "no difference between the two is shown" in hindi
    assert "Said of this model (bundled)" in said[-2]
    assert "of other models, sizes and longer training it says nothing" in said[-2]
    assert said[-1] == "Not finished: english, seed 2."


def test_the_picture_has_a_mark_an_arm_language_and_mix() -> None:
    from babelbits.report import svg
    from babelbits.report.qat_picture import draw

    rows = analysed(lab({"en": 0.04}))
    design = QatDesign(
        model="bundled", model_hash="", languages=LANGUAGES, text_hashes={}, number_format={}
    )
    results = QatResults(design=design, differences=rows, seeds={"balanced": (0, 1, 2)}, missing=())
    chart = draw(results)
    assert chart is not None
    drawn = svg.make_specification(chart)["datasets"]["rows"]
    assert len(drawn) == 3 * (len(LANGUAGES) + 1)  # and the mean over languages
    english = next(one for one in drawn if one["about"].startswith("English, rounded to nearest"))
    assert english["delta"] == pytest.approx(-0.08, abs=0.01)  # the simulation's harm: left of 0
    assert english["low"] < english["delta"] < english["high"]
    assert draw(QatResults(design=design, differences=(), seeds={}, missing=())) is None
