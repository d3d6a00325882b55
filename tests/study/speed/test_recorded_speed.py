"""What of a run folder's sessions counts: the newest, of today's weights, under today's labels."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from babelbits.cli.main import run as babelbits
from babelbits.errors import ExitCode
from babelbits.records import CellMeta, Manifest
from babelbits.store import Store
from babelbits.study.speed.recorded_speed import read_recorded_speed
from babelbits.study.speed.speed_records import SpeedArm, read_sessions, write_session
from fake_arms import arm, measured, session

GB = 10**9
BASE = (
    measured("baseline", speed=100, memory=GB),
    measured("baseline", speed=100, memory=GB, replicate=1),
)


def keep(store: Store, number: int, *arms: SpeedArm) -> None:
    kept = replace(session(), session_id=f"{number:016}", began=float(number), arms=(*BASE, *arms))
    write_session(store, kept)


def planned(**labels: str) -> tuple[CellMeta, ...]:
    """Cells of variants whose ids are 'id-NAME', under other labels."""
    named = {"baseline": "baseline", **labels}
    metas = [
        type("Meta", (), {"variant_id": f"id-{name}", "variant": label})
        for name, label in named.items()
    ]
    return cast("tuple[CellMeta, ...]", tuple(metas))


def manifests(**weights: str) -> dict[str, Manifest]:
    found = {
        name: type("Made", (), {"variant_id": f"id-{name}", "weights_hash": one})
        for name, one in weights.items()
    }
    return cast("dict[str, Manifest]", found)


def test_nothing_measured_is_none(tmp_path: Path) -> None:
    assert read_recorded_speed(Store(tmp_path), planned(), {}) is None


def test_the_newest_session_of_each_variant_counts(tmp_path: Path) -> None:
    store = Store(tmp_path)
    keep(store, 1, measured("a", speed=10, memory=GB), measured("b", speed=30, memory=GB))
    keep(store, 2, measured("a", speed=20, memory=GB))
    found = read_recorded_speed(store, planned(a="a", b="b"), {})
    assert found is not None
    speeds = {name: one.decode.median for name, one in found.arms.items() if one.decode}
    assert speeds == {"baseline": pytest.approx(100), "a": pytest.approx(20),
                      "b": pytest.approx(30)}  # fmt: skip
    shown = [[one.label for one in table.arms] for table in found.tables]
    assert shown == [["baseline", "baseline", "a"], ["baseline", "baseline", "b"]]


def test_labels_are_those_of_now_and_what_was_taken_out_is_gone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    keep(store, 1, measured("a", speed=10, memory=GB), measured("b", speed=30, memory=GB))
    found = read_recorded_speed(store, planned(a="mine"), {})
    assert found is not None
    assert set(found.arms) == {"baseline", "mine"}


def test_other_weights_are_stale_and_have_no_numbers(tmp_path: Path) -> None:
    store = Store(tmp_path)
    keep(store, 1, measured("a", speed=10, memory=GB), measured("b", speed=30, memory=GB))
    now = manifests(a="w", b="others")
    found = read_recorded_speed(store, planned(a="a", b="b"), now)
    assert found is not None
    assert set(found.arms) == {"baseline", "a"}
    assert found.stale == ("b",)


def test_an_arm_that_was_only_begun_says_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    keep(store, 1, measured("a", speed=10, memory=GB))
    keep(store, 2, arm("a"))
    found = read_recorded_speed(store, planned(a="a"), {})
    assert found is not None
    assert found.arms["a"].decode is not None


STUDY = """\
[study]
name = "speed"
folder = "run"
[model]
path = "bundled"
[[tasks]]
suite = "pairs"
languages = ["nb"]
"""


@pytest.mark.slow
def test_the_command_measures_and_says_so_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The baseline against itself: its true ratio is 1, and one round tells nothing apart."""
    study = tmp_path / "study.toml"
    study.write_text(STUDY, "utf-8")
    asked = ["speed", str(study), "--rounds", "1", "--batch", "1", "--new-tokens", "8", "--json"]
    assert babelbits(asked) == ExitCode.DONE
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert [one["again"] for one in found["arms"]] == [False, True]
    for one in found["arms"]:
        (batch,) = one["batches"]
        assert batch["prefill"]["median"] > 0
        assert one["memory"] > 10**8
        assert one["cold_start"]["n"] == 3
        assert batch["told"] is None
    (kept,) = read_sessions(Store(tmp_path / "run"))
    assert babelbits(asked) == ExitCode.DONE
    out, err = capsys.readouterr()
    assert "1 round recorded already; --again measures anew" in err
    assert json.loads(out) == found
    assert read_sessions(Store(tmp_path / "run")) == (kept,)
