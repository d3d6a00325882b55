"""Collapsed answers from cells to sentences: known truths, A/A runs, and what is shown."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from babelbits.analysis import AnalysisSettings, CellResult
from babelbits.analysis.analyse import analyse
from babelbits.cli.compare import print_collapses
from babelbits.records import CellMeta, ItemRow, Metric, TaskInfo
from babelbits.report import collapse_section, exports
from babelbits.report.build import build
from babelbits.results.collapses import Collapses, find_collapses
from babelbits.results.load import load_run
from babelbits.results.results import Results
from report import synthetic

LOOP = "and so on " * 12
SETTINGS = AnalysisSettings(margins={"fraction": 0.02}, resamples=2000)


def cell(
    variant: str,
    outputs: Sequence[str],
    *,
    replicate: int = 0,
    language: str = "en",
    scores: Sequence[float] | None = None,
) -> CellResult:
    info = TaskInfo(
        name=f"sums_{language}", suite="sums", language=language,
        metrics=(Metric(name="exact_match", kind="binary"),), primary="exact_match",
        output_type="generation", parallel=True, scorer_version="1", origin="test",
    )  # fmt: skip
    meta = CellMeta(
        cell_id=f"{variant}-{language}-{replicate}", identity={}, variant=variant,
        variant_id=variant, replicate=replicate, task=info, n_items=len(outputs), chunk=8,
        smoke=False,
    )  # fmt: skip
    right = [1.0] * len(outputs) if scores is None else scores
    return CellResult(
        meta=meta,
        rows=tuple(
            ItemRow(
                item_id=f"{language}-{number}", source_id=f"s{number}", task=info.name,
                language=language, variant=variant, target="18", output=output,
                scores={"exact_match": right[number]}, choice_logprobs=None, prompt_hash="h",
                prompt=f"How many are {number} and one?", prompt_tokens=1, output_tokens=1,
                finish_reason="stop",
            )
            for number, output in enumerate(outputs)
        ),
    )  # fmt: skip


def found(cells: Sequence[CellResult]) -> Collapses:
    return find_collapses(cells, analyse(cells, SETTINGS).effects, SETTINGS)


def loops(count: int, n_items: int = 100) -> list[str]:
    return [LOOP] * count + ["18"] * (n_items - count)


def test_a_rise_in_loops_is_worse_and_the_interval_is_that_of_paired_shares() -> None:
    """30 of 100 answers loop in place of 2: Tango's interval and mid-p of 28 broke, 0 fixed."""
    cells = [cell("baseline", loops(2)), cell("w4", loops(30))]
    [one] = found(cells).effects
    effect = one.effect
    assert (effect.arms.baseline_score, effect.arms.variant_score) == (0.02, 0.30)
    assert effect.delta == pytest.approx(-0.28)
    assert effect.decision.verdict == "worse"
    assert effect.inference.p_value == pytest.approx(stats.binomtest(0, 28).pvalue / 2)
    assert one.baseline == {"loop": 2}
    assert one.variant == {"loop": 30}


def test_its_family_is_its_own_and_nothing_is_confirmed() -> None:
    cells = [cell("baseline", loops(0)), cell("w4", loops(60))]
    [one] = found(cells).effects
    assert one.effect.inference.family == "collapse · w4 · sums · languages"
    assert one.effect.decision.level is None
    assert one.effect.inference.p_report is None
    # The analysis of the study itself is as it was: no family, question or metric more.
    study = analyse(cells, SETTINGS)
    assert [f.name for f in study.families] == ["w4 · sums · languages"]
    assert {e.metric for e in study.effects} == {"exact_match"}


def test_what_a_study_declares_confirmatory_changes_nothing_here() -> None:
    from babelbits.analysis import Confirmatory

    cells = [cell("baseline", loops(0)), cell("w4", loops(60))]
    declared = replace(SETTINGS, confirmatory=Confirmatory(variants=("w4",)), margins={"sums": 0.5})
    [one] = find_collapses(cells, analyse(cells, declared).effects, declared).effects
    assert one.effect.inference.family == "collapse · w4 · sums · languages"
    assert one.effect.decision.margin is None  # the suite's margin is about its own metric


def test_degenerate_answers_are_told_apart_from_wrong_ones() -> None:
    """40 items become wrong, 15 of them because their answers loop."""
    outputs = [LOOP] * 15 + ["19"] * 25 + ["18"] * 60
    right = [0.0] * 40 + [1.0] * 60
    cells = [cell("baseline", ["18"] * 100), cell("w4", outputs, scores=right)]
    [one] = found(cells).effects
    assert one.lost is not None
    assert (one.lost.n_lost, one.lost.n_collapsed) == (40, 15)
    assert one.lost.loss_collapsed == pytest.approx(15 / 40)


def test_each_arm_is_judged_by_itself() -> None:
    """A variant's answers are judged the same whatever the baseline wrote."""
    for baseline in (loops(0), loops(100)):
        [one] = found([cell("baseline", baseline), cell("w4", loops(30))]).effects
        assert one.effect.arms.variant_score == 0.30


def test_of_two_runs_of_one_model_the_difference_is_zero_within_its_interval() -> None:
    """Simulated: 300 runs of 80 items, each arm empty at 15 % by itself.

    Of the 95 % intervals no fewer hold zero, and of the verdicts no more are "worse", than three
    standard errors allow.
    """
    rng = np.random.default_rng(1)
    held = shown = 0
    for _ in range(300):
        draw = [["" if collapsed else "18" for collapsed in rng.random(80) < 0.15]
                for _ in range(2)]  # fmt: skip
        cells = [cell("baseline", draw[0]), cell("baseline", draw[1], replicate=1)]
        cells.append(cell("w4", draw[1]))
        [one] = found(cells).effects
        assert one.aa is not None
        interval = one.aa.inference.interval
        assert interval is not None
        held += interval.low <= 0 <= interval.high
        shown += one.effect.decision.verdict == "worse"
    assert held >= 0.95 * 300 - 3 * np.sqrt(300 * 0.95 * 0.05)
    assert shown <= 0.025 * 300 + 3 * np.sqrt(300 * 0.025 * 0.975)


def results(cells: Sequence[CellResult], base: Results) -> Results:
    return replace(base, cells=tuple(cells), analysis=analyse(cells, SETTINGS))


@pytest.fixture(scope="module")
def harmed() -> Results:
    hostile = "<script>alert(1)</script>\x1b[31m" + "so on " * 20
    cells = [
        *(cell("baseline", loops(2), language=code) for code in ("en", "ar")),
        *(cell("baseline", loops(2), language=code, replicate=1) for code in ("en", "ar")),
        cell("w4", [hostile] * 40 + ["18"] * 60, language="en"),
        cell("w4", loops(3), language="ar"),
    ]
    return results(cells, synthetic.make(languages=("en", "ar"), variants={"w4": 4.0},
                                         suites=("math",), items=20))  # fmt: skip


def test_the_sentence_says_where_and_nothing_where_nothing_is_shown(harmed: Results) -> None:
    assert collapse_section.describe_collapse(harmed.collapses) == (
        "w4 on sums: more answers collapsed in en (2.0 to 40.0 %).",
    )
    calm = results([cell("baseline", loops(2)), cell("w4", loops(3))], harmed)
    assert collapse_section.describe_collapse(calm.collapses) == (
        "w4 on sums: no change in collapsed answers is shown.",
    )
    quiet = results([cell("baseline", loops(0)), cell("w4", loops(0))], harmed)
    section = collapse_section.make_section(quiet)
    assert section is not None
    assert section.rows == ()
    assert section.quiet == "No answer collapsed in any arm: sums (1 language)."


def test_page_markdown_json_and_table_show_it(
    harmed: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    page = build(harmed)
    assert 'id="collapse"' in page
    assert "<script>alert(1)" not in page
    assert "\x1b" not in page
    assert "more answers collapsed in en" in exports.to_markdown(harmed)
    value = json.loads(exports.to_json(harmed))["collapses"]
    [english] = [one for one in value["effects"] if one["where"] == "en"]
    assert english["signs"] == {"loop": 40}
    assert english["verdict"] == "worse"
    print_collapses(harmed)
    printed = capsys.readouterr().out
    assert re.search(r"w4\s+sums\s+English\s+100\s+2\.0\s+40\.0\s+−38\.0", printed)
    assert "\x1b[31m" not in printed


def test_a_study_without_written_answers_has_no_section() -> None:
    made = synthetic.make(languages=("en",), variants={"w8": 8.1}, suites=("pairs",), items=40)
    assert collapse_section.make_section(made) is None
    assert 'id="collapse"' not in build(made)


@pytest.mark.slow
def test_a_real_baseline_against_itself_collapses_as_often(tmp_path: Path) -> None:
    """The bundled model twice, in other batches: the difference is zero within its interval.

    The rate of the first run is not zero, so that there is something to differ.
    """
    from babelbits import load_study, run

    file = tmp_path / "aa.toml"
    file.write_text(
        '[model]\npath = "bundled"\n[engine]\ndevice = "cpu"\n[analysis]\naa = true\n'
        '[[tasks]]\nsuite = "extended"\nlanguages = ["en", "hi"]\ntokens = 48\nbucket = 24\n'
        '[[variants]]\nrecipe = "w8"\n'
    )
    study = load_study(file)
    run(study)
    collapses = load_run(study.folder).collapses
    effects = [one.aa for one in collapses.effects]
    assert len(effects) == 3
    for effect in effects:
        assert effect is not None
        assert effect.inference.interval is not None
        assert effect.arms.baseline_score > 0
        assert effect.inference.interval.low <= 0 <= effect.inference.interval.high
