"""Rounds, resuming, and what goes wrong, with processes whose speed is known."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from babelbits.errors import EngineError, StoreError, StudyError
from babelbits.store import Store
from babelbits.study import load
from babelbits.study.config.spec import VariantSpec
from babelbits.study.execution.interrupt import Stop
from babelbits.study.planning.base_model import locate
from babelbits.study.planning.plan import build_light, make_plan
from babelbits.study.speed.measure_arms import Measurement, list_left_out, measure_arms
from babelbits.study.speed.speed_records import (
    SpeedSession,
    SpeedSettings,
    find_speed_folder,
    make_session_id,
    read_session,
    read_sessions,
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
    kept = read_session(find_speed_folder(store) / f"{'0' * 16}.json")
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
    ids = {make_session_id(arms, asked.settings, HOST) for arms in (asked.arms, other)}
    assert len(ids) == 2


def reweighed(label: str, weights: str) -> Any:
    return replace(arm(label), weights_hash=weights)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    measure(session("a"), store, FakeWorld(), rounds=1)
    path = find_speed_folder(store) / f"{'0' * 16}.json"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StoreError, match="cannot be read"):
        read_sessions(store)


# --- from a plan to arms -------------------------------------------------------------------------

STUDY = """\
[study]
name = "arms"
folder = "run"
[model]
path = "bundled"
[[variants]]
recipe = "q8_0"
[[variants]]
recipe = "w8a8"
[analysis]
baseline_by_engine = false
[[tasks]]
suite = "pairs"
languages = ["nb"]
"""


def test_arms_of_a_plan_are_the_baseline_twice_and_what_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """q8_0 is not made; w8a8 is, and transformers imitates it; a stranger serves the third."""
    import babelbits.study.speed.measure_arms as module

    (tmp_path / "study.toml").write_text(STUDY, "utf-8")
    study, store = load(tmp_path / "study.toml"), Store(tmp_path / "run")
    plan = make_plan(study, store, base=locate(study.model), build=build_light)
    base, q8, w8 = plan.variants
    served = replace(
        w8, spec=VariantSpec(label="theirs", recipe="served"), state="done", variant_id="s"
    )
    plan = replace(plan, variants=(base, q8, replace(w8, state="done"), served))
    monkeypatch.setattr(module, "hash_weights_in", lambda *_args, **_kwargs: "w")
    stop = Stop()
    stop.request()  # before the first cold start
    said: list[str] = []
    found = measure_arms(
        plan, store, settings=SpeedSettings(), rounds=1, say=said.append, stop=stop
    )
    assert [one.title for one in found.arms] == ["baseline", "baseline again", "w8a8", "theirs"]
    assert [one.not_measured is None for one in found.arms] == [True, True, False, False]
    assert (found.arms[2].not_measured or "").startswith(
        "quality only: the engine 'transformers' imitates compressed-tensors kernels"
    )
    assert list_left_out(plan) == ["q8_0"]
    with pytest.raises(StudyError, match="no variant 'q8'"):
        measure_arms(
            plan, store, settings=SpeedSettings(), rounds=1, variants=["q8"], say=said.append,
            stop=stop,
        )  # fmt: skip
