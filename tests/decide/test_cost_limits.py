"""Limits of memory and speed: how they are read, whom they rule out, and what is said, with truths.

`fake_arms.measured` decodes at a known speed, with 10 tokens a sentence in English and 40 in
Malayalam.
"""

from dataclasses import replace

import pytest

from babelbits.decide.cost_limits import CostLimits, close_calls, find_exceeded, read_limits
from babelbits.decide.decision_input import DecisionInput
from babelbits.decide.decision_query import ask
from babelbits.decide.recommend import (
    Recommendation,
    Size,
    describe_recommendation,
    list_reasons,
    recommend,
)
from babelbits.errors import StudyError
from babelbits.study.speed.recorded_speed import RecordedSpeed
from babelbits.study.speed.speed_records import BatchTimes, SpeedArm
from babelbits.study.speed.speed_summary import summarise_session
from compare_cells import right_wrong
from decision_cells import findings_of, study_cells
from fake_arms import arm, measured, session

GB = 10**9
SIZES = {
    "w8": Size(bytes_on_disk=500, bits_per_weight=8.0),
    "w4": Size(bytes_on_disk=250, bits_per_weight=4.0),
}
BASE = Size(bytes_on_disk=1000, bits_per_weight=16.0)


def recorded(*arms: SpeedArm) -> RecordedSpeed:
    base = (
        measured("baseline", speed=100, memory=16 * GB),
        measured("baseline", speed=100, memory=16 * GB, replicate=1),
    )
    return RecordedSpeed(tables=(summarise_session(replace(session(), arms=(*base, *arms))),))


def unharmed() -> DecisionInput:
    """Two variants that change nothing."""
    before, _ = right_wrong(both_right=400, broke=0, fixed=0, both_wrong=100)
    first = study_cells({"en": (before, before)}, variant="w8")
    second = study_cells({"en": (before, before)}, variant="w4")
    return findings_of([*first, *(one for one in second if one.meta.variant == "w4")])


def choose(limits: CostLimits, speed: RecordedSpeed | None) -> Recommendation:
    found = unharmed()
    return recommend(found, ask(found), sizes=SIZES, baseline=BASE, limits=limits, speed=speed)


def said(found: Recommendation) -> str:
    assert found.query is not None
    return describe_recommendation(found, found.query)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("8GB", 8e9), ("500 MB", 5e8), ("7.5 GiB", 7.5 * 2**30), ("2g", 2e9), ("1 tb", 1e12)],
)
def test_sizes_are_read(text: str, expected: float) -> None:
    assert read_limits(max_memory=text, min_speed=None, languages=()).memory == expected


@pytest.mark.parametrize("text", ["", "8", "GB", "0GB", "-1GB", "8 PB", "eight"])
def test_what_is_no_size_is_an_error(text: str) -> None:
    with pytest.raises(StudyError, match="is no size"):
        read_limits(max_memory=text, min_speed=None, languages=())


def test_speeds_are_read() -> None:
    def read(text: str) -> CostLimits:
        return read_limits(max_memory=None, min_speed=text, languages=("nb", "hi"))

    assert read("20") == read("20 tokens/s") == CostLimits(tokens=20)
    assert read("5 sentences/s") == CostLimits(sentences=5, languages=("nb", "hi"))
    assert read("5 sentences/s in mal_Mlym") == CostLimits(sentences=5, languages=("ml",))
    for text in ("fast", "0", "20 in ml", "5 words/s", ""):
        with pytest.raises(StudyError, match="is no speed"):
            read(text)
    with pytest.raises(StudyError, match="no parallel sentences in Finnish are bundled"):
        read("5 sentences/s in fi")


def test_a_variant_that_holds_too_much_is_passed_over() -> None:
    """w8 would come first; it holds 9 GB, and 8 are there."""
    speed = recorded(
        measured("w8", speed=50, memory=9 * GB), measured("w4", speed=60, memory=5 * GB)
    )
    found = choose(CostLimits(memory=8 * GB), speed)
    assert found.chosen is not None
    assert found.chosen.variant == "w4"
    assert "with at most 8 GB of memory" in said(found)
    lost = next(one for one in found.candidates if one.variant == "w8")
    assert lost.exceeds == ("its peak memory at batch 1 is 9 GB, more than 8 GB",)
    assert found.query is not None
    assert list_reasons(lost, found.query, alpha=0.05)[0] == lost.exceeds[0]


def test_a_variant_that_is_too_slow_is_passed_over() -> None:
    speed = recorded(measured("w8", speed=50, memory=GB), measured("w4", speed=60, memory=GB))
    found = find_exceeded(CostLimits(tokens=55), speed, ("w8", "w4"))
    assert found == {"w8": ("it writes 50 tokens a second, fewer than 55",)}
    assert find_exceeded(CostLimits(tokens=50), speed, ("w8", "w4")) == {}


def test_a_limit_in_sentences_is_about_its_language() -> None:
    """60 tokens/s are 6 sentences/s in English at 10 tokens each, 1.5 in Malayalam at 40."""
    speed = recorded(measured("w4", speed=60, memory=GB))
    in_english = CostLimits(sentences=5, languages=("en",))
    assert find_exceeded(in_english, speed, ("w4",)) == {}
    in_both = CostLimits(sentences=5, languages=("en", "ml"))
    expected = ("it writes 1.5 sentences a second in Malayalam, fewer than 5",)
    assert find_exceeded(in_both, speed, ("w4",)) == {"w4": expected}


def test_nothing_is_chosen_where_nothing_was_measured() -> None:
    found = choose(CostLimits(memory=8 * GB), None)
    assert found.chosen is None
    assert said(found) == (
        "none: no variant is shown to run with at most 8 GB of memory: memory and speed were not "
        "measured: babelbits speed measures them"
    )
    assert choose(CostLimits(), None).chosen is not None


def test_an_imitation_is_no_measurement() -> None:
    speed = recorded(
        arm("w8", not_measured="quality only: no kernel"), measured("w4", speed=60, memory=GB)
    )
    found = choose(CostLimits(tokens=10), speed)
    assert found.chosen is not None
    assert found.chosen.variant == "w4"
    assert found.candidates[0].exceeds == ("quality only: no kernel",)


def test_without_limits_all_is_as_it_was() -> None:
    speed = recorded(measured("w8", speed=1, memory=99 * GB))
    with_speed, without = choose(CostLimits(), speed), choose(CostLimits(), None)
    assert said(with_speed) == said(without)
    assert [one.exceeds for one in with_speed.candidates] == [(), ()]


def test_a_close_call_is_said_and_a_clear_one_is_not() -> None:
    """Speeds of 40, 50, 60, 70 and 80: quartiles 50 and 70."""
    even = measured("w4", speed=60, memory=GB)
    times = [
        BatchTimes(
            batch=1, first_seconds=0.5, whole_seconds=0.5 + 10 / speed, prompt_tokens=8,
            output_tokens=11,
        )
        for speed in (40, 50, 60, 70, 80)
    ]  # fmt: skip
    rounds = tuple(
        replace(turn, times=(one,)) for turn, one in zip(even.rounds, times, strict=True)
    )
    speed = recorded(replace(even, rounds=rounds))
    assert close_calls(CostLimits(tokens=65), speed, ("w4",)) == [
        "w4 is close to the limit of 65 tokens a second: its quartiles are 50 to 70"
    ]
    assert close_calls(CostLimits(tokens=30), speed, ("w4",)) == []
    assert close_calls(CostLimits(tokens=90), speed, ("w4",)) == []
