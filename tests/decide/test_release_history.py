"""Releases in a row: what the file keeps, and what is said of it."""

from pathlib import Path

import pytest

from babelbits.cli.main import run
from babelbits.decide.release_history import (
    Release,
    ReleaseStep,
    describe_tracks,
    follow,
    read_history,
    track_releases,
    write_history,
)
from babelbits.errors import StudyError, TaskError


def release(name: str, previous: str, **z: float) -> Release:
    steps = {
        suite: ReleaseStep(delta=value / 100, unit="fraction", z=value)
        for suite, value in z.items()
    }
    return Release(release=name, previous=previous, steps=steps)


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    history = [release("v1", "v0", math=-1.0), release("v2", "v1", math=0.5, text=-0.25)]
    write_history(tmp_path / "h.jsonl", history)
    assert read_history(tmp_path / "h.jsonl") == history
    assert read_history(tmp_path / "none.jsonl") == []


def test_a_release_follows_the_one_before_it() -> None:
    history = [release("v1", "v0", math=-1.0)]
    assert len(follow(history, release("v2", "v1", math=0.0))) == 2
    again = follow(history, release("v1", "v0", math=-2.0))
    assert [one.steps["math"].z for one in again] == [-2.0], "the same comparison once more"
    with pytest.raises(StudyError, match="the history ends with 'v1'"):
        follow(history, release("v3", "v2", math=0.0))


@pytest.mark.parametrize("text", ["[]", "{}", '{"release": "a"', '{"release": 1, "steps": 3}'])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "h.jsonl").write_text(text + "\n", "utf-8")
    with pytest.raises(TaskError, match="no line of a history") as caught:
        read_history(tmp_path / "h.jsonl")
    assert str(caught.value.where).endswith("h.jsonl:1")


def test_small_losses_in_a_row_are_told_and_their_run_length_is_stated() -> None:
    """Limit 2.85 at a run length of 100 (R: spc::xcusum.crit); losses of 1.5 add 1."""
    history = [release(f"v{k + 1}", f"v{k}", math=-1.5) for k in range(3)]
    [early] = track_releases(history[:2], length=100)
    [late] = track_releases(history, length=100)
    assert (early.alarm, late.alarm) == (False, True)
    assert late.limit == pytest.approx(2.8497, rel=0.01)
    said = describe_tracks([late], length=100)
    assert "one false alarm in 100 on average" in said[0]
    assert said[1].startswith("math: ALARM")
    after = track_releases([*history, release("v4", "v3", math=1.0)], length=100)
    assert (after[0].alarm, after[0].earlier_alarms) == (False, ("v3",))


def test_more_benchmarks_raise_the_limit_of_each() -> None:
    """Two benchmarks: each may err once in 200, so that any does once in 100."""
    one = track_releases([release("v1", "v0", math=0.0)], length=100)
    two = track_releases([release("v1", "v0", math=0.0, text=0.0)], length=100)
    assert two[0].limit == two[1].limit == pytest.approx(track_releases(
        [release("v1", "v0", math=0.0)], length=200
    )[0].limit)  # fmt: skip
    assert two[0].limit > one[0].limit


def test_the_command_remembers_one_release_at_a_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, lost in (("v1", 0), ("v2", 12), ("v3", 30)):
        rows = [f"q{k},{code},{int(k >= lost)}" for code in ("en", "sw") for k in range(100)]
        (tmp_path / f"{name}.csv").write_text(
            "\n".join(["item_id,language,score", *rows]) + "\n", "utf-8"
        )
    files = {name: f"{name}={tmp_path / name}.csv" for name in ("v1", "v2", "v3")}
    history = str(tmp_path / "h.jsonl")
    assert run(["compare", files["v1"], files["v2"], "--history", history]) == 0
    out = capsys.readouterr().out
    assert "no language of table loses more than" in out
    assert "v2" in (tmp_path / "h.jsonl").read_text("utf-8")
    assert run(["compare", files["v2"], files["v3"], "--history", history]) == 0
    assert "table: ALARM" in capsys.readouterr().out
    assert len(read_history(Path(history))) == 2
    assert run(["compare", files["v1"], files["v2"], files["v3"], "--history", history]) == 2
    assert "one release at a time" in capsys.readouterr().err
