"""What an equivalence rests on, and when it is not said: caps, chance levels, rare losses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from babelbits.analysis import AnalysisSettings
from babelbits.analysis.analyse import analyse
from babelbits.cli.main import run
from babelbits.errors import ExitCode, StudyError
from babelbits.interop.metric_inference import find_known_chance
from babelbits.records import Effect, Metric
from babelbits.results.analyse_logs import CompareOptions, load_foreign, parse_source
from compare_cells import BITS, cell

SETTINGS = AnalysisSettings(margins={"fraction": 0.02, "bits/byte": 0.02}, resamples=999)
SCORE = Metric(name="acc", kind="binary")


def text_effect(losses: np.ndarray, settings: AnalysisSettings = SETTINGS) -> Effect:
    before = np.full(losses.size, 1.0)
    cells = [
        cell(name, "en", list(values), metric=BITS, suite="text", output_type="text")
        for name, values in (("baseline", before), ("w4", before + losses))
    ]
    [effect] = analyse(cells, settings).effects
    return effect


def jitter(n: int) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 0.002, n)


# --- rare losses --------------------------------------------------------------------------------


def test_eighty_documents_cannot_rule_out_that_one_in_a_hundred_loses_two_bits() -> None:
    """Ln 0.05 / ln(1 - 0.02 / 2) = 298.07: from 299 on."""
    effect = text_effect(jitter(80))
    assert (effect.decision.verdict, effect.inference.loss_cap, effect.counts.fewest_units) == (
        "undecided",
        2.0,
        299,
    )
    assert effect.decision.reason == "fewer than the 299 units that the margin takes"
    assert (
        "one item is taken to lose at most 2 bits/byte: below 299 units the margin cannot be shown"
        in effect.notes
    )


def test_enough_documents_or_a_smaller_declared_cap_can() -> None:
    assert text_effect(jitter(400)).decision.verdict == "equivalent"
    declared = replace(SETTINGS, loss_caps={"bits/byte": 0.2})
    assert text_effect(jitter(80), declared).decision.verdict == "equivalent"


def test_one_loss_above_the_cap_withholds_it_and_is_not_cut_off() -> None:
    losses = jitter(4000)
    losses[7] = 2.5
    effect = text_effect(losses)
    assert effect.delta == pytest.approx(-losses.mean())
    assert effect.decision.verdict == "undecided"
    assert (
        effect.decision.withheld == "one item lost 2.5 bits/byte, more than the cap of 2 bits/byte"
    )
    assert effect.decision.reason.endswith(effect.decision.withheld)


def test_a_unit_without_a_cap_is_never_called_equivalent() -> None:
    effect = text_effect(jitter(4000), replace(SETTINGS, loss_caps={}))
    assert effect.decision.verdict == "undecided"
    assert effect.decision.withheld == "no cap on the loss of one item is declared for bits/byte"


def test_a_loss_that_is_shown_stays_shown() -> None:
    """The wider bound is for equivalence: test, interval and "worse" are as they were."""
    effect = text_effect(jitter(80) + 0.03)
    assert effect.decision.verdict == "worse"
    assert effect.inference.interval is not None
    assert effect.inference.interval.method == "bootstrap-t or t, the wider"


def test_a_shown_loss_inside_the_margin_is_neither_harm_nor_equivalent() -> None:
    """80 documents each lose 0.005, the margin is 0.02: small, and rare large ones are unseen."""
    effect = text_effect(jitter(80) + 0.005)
    assert effect.inference.p_value is not None
    assert effect.inference.p_value < 0.001
    assert effect.decision.verdict == "undecided"
    assert effect.decision.reason == (
        "a loss inside the margin is shown; large losses too rare to be seen could exceed it"
    )


def test_caps_are_positive_and_chance_is_a_share() -> None:
    with pytest.raises(ValueError, match="caps"):
        AnalysisSettings(loss_caps={"bits/byte": 0.0})
    with pytest.raises(ValueError, match="chance"):
        AnalysisSettings(chance=25)


# --- chance -------------------------------------------------------------------------------------


def choice_effect(share: float, *, settings: AnalysisSettings = SETTINGS) -> Effect:
    right = round(600 * share)
    scores = [1.0] * right + [0.0] * (600 - right)
    cells = [
        cell(name, "en", scores, metric=SCORE, suite="quiz", output_type="loglikelihood")
        for name in ("baseline", "w4")
    ]
    [effect] = analyse(cells, settings).effects
    return effect


def test_a_score_that_could_be_a_guess_is_not_called_equivalent() -> None:
    """150 of 600 is what four choices give a guesser, and nobody says how many there were."""
    effect = choice_effect(0.25)
    assert effect.decision.verdict == "undecided"
    assert effect.decision.withheld == "what a guess scores is not known: --chance says it"


def test_no_choice_gives_a_guess_more_than_one_half() -> None:
    assert choice_effect(0.80).decision.verdict == "equivalent"
    assert choice_effect(0.52).decision.verdict == "undecided", "Wilson's interval reaches 0.48"


def test_a_stated_chance_decides() -> None:
    four = replace(SETTINGS, chance=0.25)
    assert choice_effect(0.25, settings=four).decision.reason == "at floor"
    assert choice_effect(0.40, settings=four).decision.verdict == "equivalent"


def test_nothing_right_is_at_the_floor_whatever_the_task() -> None:
    effect = choice_effect(0.0)
    assert (effect.arms.at_floor, effect.decision.reason) == (True, "at floor")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("xcopa_et", 0.5), ("MMLU-Pro", 0.1), ("mmlu_abstract_algebra", 0.25), ("gsm8k", 0.0),
        ("global_mmlu_full_sw", 0.25), ("arcade", None), ("my own quiz", None), ("xnli_ur", 1 / 3),
    ],
)  # fmt: skip
def test_public_benchmarks_have_their_papers_number_of_choices(
    name: str, expected: float | None
) -> None:
    assert find_known_chance(name) == expected


# --- tables of one's own ------------------------------------------------------------------------


def table(folder: Path, name: str, scores: list[float]) -> Path:
    file = folder / f"{name}.csv"
    rows = "\n".join(f"q{k},en,quiz,{score}" for k, score in enumerate(scores))
    file.write_text(f"item_id,language,task,score\n{rows}\n", "utf-8")
    return file


def test_an_imported_table_at_chance_does_not_pass(tmp_path: Path) -> None:
    scores = [1.0] * 150 + [0.0] * 450
    paths = [table(tmp_path, name, scores) for name in ("fp16", "w4")]
    arguments = ["gate", str(paths[1]), "--baseline", str(paths[0]), "--variant", "w4"]
    assert run(arguments) == ExitCode.UNDECIDED
    assert run([*arguments, "--chance", "0"]) == ExitCode.DONE
    assert run([*arguments, "--chance", "25"]) == ExitCode.UNDECIDED


def test_a_margin_that_nothing_is_measured_in_is_refused(tmp_path: Path) -> None:
    """Scores of 0 to 100 are no fractions: two points would be silently without effect."""
    rng = np.random.default_rng(2)
    scores = list(rng.uniform(20, 90, 50))
    ours, theirs = (parse_source(str(table(tmp_path, name, scores))) for name in ("fp16", "w4"))
    wishes = CompareOptions(margins={"fraction": 0.02}, named_margins=("fraction",))
    with pytest.raises(StudyError, match="a margin in points, and what is compared is measured in"):
        load_foreign(ours, [theirs], aa=None, wishes=wishes)
    fits = CompareOptions(margins={"score": 1.5}, named_margins=("score",))
    effects = load_foreign(ours, [theirs], aa=None, wishes=fits).analysis.effects
    assert {effect.decision.margin for effect in effects} == {1.5}
    arguments = ["compare", str(tmp_path / "fp16.csv"), str(tmp_path / "w4.csv"), "--margin"]
    assert run([*arguments, "2"]) == StudyError.exit_code
    assert run([*arguments, "score=2"]) in (ExitCode.DONE, ExitCode.INCOMPLETE)


# --- what could have been seen ------------------------------------------------------------------


def study(languages: int) -> list[Effect]:
    """One language loses 4 of 300 items, the others nothing."""
    before = [1.0] * 300
    cells = []
    for k in range(languages):
        after = [0.0] * (4 if k == 0 else 0) + [1.0] * (300 - (4 if k == 0 else 0))
        code = ("en", "de", "fr", "es", "it")[k]
        cells += [
            cell(name, code, scores, metric=SCORE, suite="quiz")
            for name, scores in (("baseline", before), ("w4", after))
        ]
    return list(analyse(cells, SETTINGS).effects)


def test_what_could_have_been_seen_counts_the_family_and_the_report() -> None:
    """Alone 5 losses are worse (mid-p 0.5^5 = 0.031); of five languages 7 (0.0078 < 0.05 / 5).

    P(Binomial(300, d) >= k) = 0.8: d = 2.23 % for 5 and 3.01 % for 7 (scipy). The report's graph
    gives each language 0.05 / 2 / 5, one-sided and exact: 8 losses (0.0039 < 0.005), 3.39 %.
    """
    [alone] = study(1)
    first = study(5)[0]
    assert alone.inference.minimal_detectable_effect == pytest.approx(0.0223, abs=1e-3)
    assert first.inference.minimal_detectable_effect == pytest.approx(0.0301, abs=2e-4)
    assert first.inference.minimal_detectable_confirmed == pytest.approx(0.0339, abs=2e-4)
    for effect in (alone, first):
        assert effect.inference.interval is not None
        assert effect.inference.minimal_detectable_effect is not None
        half = (effect.inference.interval.high - effect.inference.interval.low) / 2
        assert effect.inference.minimal_detectable_effect >= half


def test_a_pooled_mean_can_see_no_less_than_its_interval_leaves_open() -> None:
    for effect in study(5):
        assert effect.inference.interval is not None
        assert effect.inference.minimal_detectable_effect is not None
        half = (effect.inference.interval.high - effect.inference.interval.low) / 2
        assert effect.inference.minimal_detectable_effect >= half - 1e-12
