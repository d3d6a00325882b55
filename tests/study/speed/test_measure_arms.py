"""Rounds, resuming, and what goes wrong, with processes whose speed is known."""

from collections import Counter
from pathlib import Path
from typing import Any, cast

import pytest

from babelbits.errors import EngineError, StoreError
from babelbits.store import Store
from babelbits.study.execution.interrupt import Stop
from babelbits.study.speed.measure_arms import Measurement
from babelbits.study.speed.speed_records import (
    SpeedSession,
    read_session,
    read_sessions,
    session_id,
    speed_folder,
)
from babelbits.study.speed.speed_summary import summarise_session
from fake_arms import HOST, FakePlan, FakeWorld, arm, session


def measure(
    asked: SpeedSession,
    store: Store,
    world: FakeWorld,
    *,
    rounds: int = 3,
    stop: Stop | None = None,
) -> tuple[SpeedSession, list[str]]:
    said: list[str] = []
    how = {one.key: FakePlan(one.title, world, store.root) for one in asked.arms}
    found = Measurement(
        asked, store, cast("Any", how), rounds=rounds, say=said.append, stop=stop or Stop()
    ).run()
    return found, said


def test_every_arm_has_every_round_and_three_cold_starts(tmp_path: Path) -> None:
    found, _ = measure(session("a", "b"), Store(tmp_path), FakeWorld())
    for one in found.arms:
        assert [turn.number for turn in one.rounds] == [0, 1, 2]
        assert len(one.cold_starts) == 3
        assert one.tokens == {"en": 200, "ml": 800}
    assert read_sessions(Store(tmp_path)) == (found,)


def test_arms_take_turns_in_an_order_that_changes(tmp_path: Path) -> None:
    world = FakeWorld()
    measure(session("a", "b"), Store(tmp_path), world, rounds=15)
    turns = [name for kind, name in world.log if kind == "time"]
    # 4 arms; the first pass of each is a warm one, without a record
    assert Counter(turns) == dict.fromkeys(("baseline", "baseline again", "a", "b"), 16)
    last = [tuple(turns[-4 * n : -4 * (n - 1) or None]) for n in range(1, 11)]
    assert all(len(set(one)) == 4 for one in last)
    assert len(set(last)) > 1


def test_a_killed_measurement_goes_on(tmp_path: Path) -> None:
    """Killed in its 14th call: what was recorded stays, and no round is measured twice."""
    store = Store(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        measure(session("a", "b"), store, FakeWorld(stop_after=13), rounds=5)
    kept = read_session(speed_folder(store) / f"{'0' * 16}.json")
    n_before = sum(len(one.rounds) for one in kept.arms)
    assert n_before == 13 - 4  # but the warm passes
    world = FakeWorld()
    found, _ = measure(kept, store, world, rounds=5)
    calls = sum(kind == "time" for kind, _ in world.log)
    assert calls == 4 + 5 * 4 - n_before
    assert all([turn.number for turn in one.rounds] == [*range(5)] for one in found.arms)

    assert all(len(one.cold_starts) == 3 for one in found.arms)


def test_stopping_keeps_what_is_there(tmp_path: Path) -> None:
    stop = Stop()
    stop.request()
    found, _ = measure(session("a"), Store(tmp_path), FakeWorld(), stop=stop)
    assert all(not one.rounds for one in found.arms)


def test_a_batch_that_does_not_fit_is_said_and_smaller_ones_go_on(tmp_path: Path) -> None:
    asked = session("a", batches=(1, 8, 32))
    found, said = measure(asked, Store(tmp_path), FakeWorld(largest=8))
    for one in found.arms:
        assert one.failed == {"32": "out of memory"}
        assert [times.batch for times in one.rounds[0].times] == [1, 8]
        assert [memory.batch for memory in one.memory] == [1, 8]
    assert "a: batch 32: out of memory" in said
    arms = summarise_session(found).arms
    assert arms[2].batches[2].failed == "out of memory"
    assert arms[2].batches[2].decode is None


def test_an_arm_that_cannot_be_loaded_is_left_out(tmp_path: Path) -> None:
    world = FakeWorld(broken=frozenset({"a"}))
    found, said = measure(session("a", "b"), Store(tmp_path), world)
    assert found.arms[2].not_measured == "it could not be loaded: no such kernel"
    assert len(found.arms[3].rounds) == 3
    assert "a: it could not be loaded: no such kernel" in said


def test_nothing_is_measured_without_the_baseline(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no such kernel"):
        measure(session("a"), Store(tmp_path), FakeWorld(broken=frozenset({"baseline"})))


def test_an_emulated_arm_is_never_started(tmp_path: Path) -> None:
    asked = session()
    emulated = arm("w8a8", not_measured="quality only: an imitation")
    asked = SpeedSession(**{**_fields(asked), "arms": (*asked.arms, emulated)})
    world = FakeWorld()
    found, _ = measure(asked, Store(tmp_path), world)
    assert ("start", "w8a8") not in world.log
    told = summarise_session(found).arm("w8a8")
    assert told is not None
    assert (told.memory, told.decode, told.cold_start) == (None, None, None)


def _fields(one: SpeedSession) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__slots__}


def test_other_weights_are_another_session() -> None:
    asked = session("a")
    other = [*asked.arms[:2], reweighed("a", "other")]
    ids = {session_id(arms, asked.settings, HOST) for arms in (asked.arms, other)}
    assert len(ids) == 2


def reweighed(label: str, weights: str) -> Any:
    from dataclasses import replace

    return replace(arm(label), weights_hash=weights)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    measure(session("a"), store, FakeWorld(), rounds=1)
    path = speed_folder(store) / f"{'0' * 16}.json"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StoreError, match="cannot be read"):
        read_sessions(store)
