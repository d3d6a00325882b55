"""What is told of times: quartiles, ratios, the noise floor, and sentences, with known truths."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from babelbits.study.speed.speed_records import ArmRound, SpeedArm
from babelbits.study.speed.speed_summary import (
    SpeedTable,
    find_quartiles,
    summarise_session,
    tell_apart,
)
from babelbits.study.speed.speed_words import (
    describe_arm,
    describe_floor,
    describe_languages,
    format_number,
    list_notes,
    make_language_rows,
    make_size_rows,
    make_speed_rows,
)
from fake_arms import FakePlan, FakeWorld, arm, session


def table(folder: Path, world: FakeWorld, *labels: str, rounds: int = 15) -> SpeedTable:
    """As `Measurement` would record it, without a file."""
    asked = session(*labels)
    arms = [_measured(one, world, folder, rounds=rounds) for one in asked.arms]
    imitated = arm("w8a8", not_measured="quality only: no kernel")
    return summarise_session(replace(asked, arms=(*arms, imitated)))


def _measured(one: SpeedArm, world: FakeWorld, folder: Path, *, rounds: int) -> SpeedArm:
    process = FakePlan(one.title, world, folder).start()
    turns = [process.time(batch=1, prompt_tokens=8, new_tokens=11)[0] for _ in range(rounds)]
    return replace(
        one,
        rounds=tuple(
            ArmRound(number=number, started=0.0, load_average=0.1, times=(times,))
            for number, times in enumerate(turns)
        ),
        context_length=1024,
        **process.count(),
    )


def noisy(truth: dict[str, float], *, seed: int, spread: float = 0.1) -> FakeWorld:
    rng = np.random.default_rng(seed)
    return FakeWorld(
        decode=lambda name, _turn: truth.get(name, 100.0) * float(np.exp(rng.normal(0, spread)))
    )


def test_quartiles_are_those_of_r() -> None:
    """R: quantile(c(1, 2, 3, 4, 10)) is 1, 2, 3, 4, 10; of 1:4 the quartiles are 1.75 and 3.25."""
    found = find_quartiles([10, 3, None, 1, 2, 4])
    assert found is not None
    assert (found.low, found.median, found.high, found.n) == (2, 3, 4, 5)
    found = find_quartiles([1, 2, 3, 4])
    assert found is not None
    assert (found.low, found.median, found.high) == (1.75, 2.5, 3.25)
    assert find_quartiles([None]) is None


def test_speed_of_known_truth(tmp_path: Path) -> None:
    found = table(tmp_path, FakeWorld(decode=lambda n, _: 250.0 if n == "fast" else 100.0), "fast")
    fast = found.arm("fast")
    assert fast is not None
    assert fast.decode is not None
    assert fast.decode.median == pytest.approx(250)
    alone = fast.at(1)
    assert alone is not None
    assert alone.ratio is not None
    assert alone.ratio.median == pytest.approx(2.5)
    assert alone.told == "faster"
    assert (
        describe_arm(fast, "baseline") == "fast decodes 2.50 × as fast as baseline (2.50 to 2.50)"
    )


def test_sentences_a_second_are_tokens_over_fertility(tmp_path: Path) -> None:
    """100 tokens/s at 10 tokens a sentence in English and 40 in Malayalam: 10 and 2.5."""
    found = table(tmp_path, FakeWorld())
    base = found.arms[0]
    english, malayalam = base.sentences("en"), base.sentences("ml")
    assert english is not None
    assert malayalam is not None
    assert (english.median, malayalam.median) == (pytest.approx(10), pytest.approx(2.5))
    assert base.sentences("fi") is None
    assert describe_languages(found) == [
        "baseline writes 10 sentences a second in English, 2.5 in Malayalam (batch 1)"
    ]
    _, rows, _ = make_language_rows(found)
    assert rows[1][:4] == ["Malayalam", "40.0", "4.00", "26"]  # 1024 / 40


def test_what_is_as_fast_is_rarely_told_apart(tmp_path: Path) -> None:
    """Same truth, 10 % noise, 15 rounds: the median is inside the floor's range in all of 40."""
    told = []
    for seed in range(40):
        found = table(tmp_path / str(seed), noisy({}, seed=seed), "same")
        alone = found.arms[2].at(1)
        assert alone is not None
        told.append(alone.told)
    assert set(told) == {"not told apart"}


def test_twice_as_fast_is_always_told_apart(tmp_path: Path) -> None:
    for seed in range(20):
        world = noisy({"fast": 200.0, "slow": 50.0}, seed=seed)
        found = table(tmp_path / str(seed), world, "fast", "slow")
        told = [one.batches[0].told for one in found.arms[2:4]]
        assert told == ["faster", "slower"]


def test_without_a_floor_nothing_is_told_apart() -> None:
    assert tell_apart(5.0, None) == "not told apart"
    assert tell_apart(1.2, 0.1) == "faster"
    assert tell_apart(1 / 1.2, 0.1) == "slower"
    assert tell_apart(1.05, 0.1) == "not told apart"


def test_the_floor_stands_first_and_is_said(tmp_path: Path) -> None:
    world = FakeWorld(decode=lambda name, _: 110.0 if name == "baseline again" else 100.0)
    found = table(tmp_path, world, "a")
    assert describe_floor(found).startswith(
        "noise floor: the baseline against itself decodes 1.10 × as fast at batch 1 "
        "(quartiles 1.10 to 1.10, 15 rounds)"
    )
    heads, rows, _ = make_speed_rows(found)
    assert rows[0][0] == "baseline again (noise floor)"
    assert len({len(row) for row in (heads, *rows)}) == 1
    said = describe_arm(found.arms[2], "baseline")
    assert said == "a is not told apart from baseline in speed: inside the noise floor"


def test_an_imitation_has_no_numbers(tmp_path: Path) -> None:
    found = table(tmp_path, FakeWorld(), rounds=1)
    row = next(one for one in make_speed_rows(found)[1] if one[0] == "w8a8")
    assert row == ["w8a8", "–", "–", "–", "–", "–", "quality only"]
    row = next(one for one in make_size_rows(found)[1] if one[0] == "w8a8")
    assert row[2:] == ["1 GB", "–", "–", "–"]
    assert "w8a8: quality only: no kernel" in list_notes(found)
    assert not any("w8a8" in line for line in describe_languages(found))


def test_few_rounds_tell_nothing_apart(tmp_path: Path) -> None:
    world = FakeWorld(decode=lambda n, _: 250.0 if n == "fast" else 100.0)
    found = table(tmp_path, world, "fast", rounds=4)
    alone = found.arms[2].at(1)
    assert alone is not None
    assert alone.told == "not told apart"
    assert describe_floor(found).endswith("fewer than 5 rounds tell nothing apart")
    assert describe_arm(found.arms[2], "baseline") is None


def test_nothing_measured_yet_says_so() -> None:
    empty = summarise_session(session("a"))
    assert describe_floor(empty).startswith("noise floor: not measured yet")
    assert describe_languages(empty) == []
    assert make_language_rows(empty)[1] == []


def test_a_busy_machine_is_said(tmp_path: Path) -> None:
    found = table(tmp_path, FakeWorld(), rounds=1)
    busy = find_quartiles([7.0])
    assert any("busy" in line for line in list_notes(replace(found, load_average=busy)))
    free = find_quartiles([0.3])
    assert not any("busy" in line for line in list_notes(replace(found, load_average=free)))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1239, "0.124"), (38.21, "38.2"), (412.4, "412"), (1238.0, "1,240"), (45_678.0, "45,700")],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert format_number(value) == text
