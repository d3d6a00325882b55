"""A study on a Ray cluster of three nodes on this machine; expected rows are the local run's."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from babelbits.errors import ExitCode
from kill_and_resume import check_nothing_was_rewritten, journals, recorded_items, results
from study_files import write_study

pytestmark = pytest.mark.slow

TinyModel = Callable[[str], Path]
ITEMS = 6 * 40


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head without CPUs, so that all actors are on the two other nodes."""
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        yield made
    finally:
        made.shutdown()


def start(study: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "babelbits.cli.main", "run", str(study), "--no-report"]
    return subprocess.Popen([*command, *arguments], stderr=subprocess.PIPE, text=True)


def wait_for_items(folder: Path, number: int, child: subprocess.Popen[str]) -> None:
    while child.poll() is None and recorded_items(folder, smoke=True) < number:
        time.sleep(0.1)


def test_nodes_and_the_driver_die_and_the_rows_are_those_of_one_machine(
    tiny_model: TinyModel, tmp_path: Path, cluster: Any
) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    child = start(write_study(plain, model=tiny_model("llama"), items=40, chunk=2))
    assert child.wait(timeout=300) == ExitCode.DONE
    folder = tmp_path / "ray"
    folder.mkdir()
    study = write_study(folder, model=tiny_model("llama"), items=40, chunk=2)
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    child = start(study, "--ray", cluster.address)
    wait_for_items(folder / "run", 20, child)
    cluster.remove_node(nodes[0], allow_graceful=False)
    cluster.add_node(num_cpus=1)
    wait_for_items(folder / "run", 80, child)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    before, had = journals(folder / "run"), recorded_items(folder / "run", smoke=True)
    assert 20 <= had < ITEMS
    child = start(study, "--ray", cluster.address)
    talk = child.communicate(timeout=300)[1]
    assert child.returncode == ExitCode.DONE, talk
    assert f"computed {ITEMS - had} items" in talk  # none again that was recorded
    check_nothing_was_rewritten(before, journals(folder / "run"))
    assert results(folder / "run", smoke=True) == results(plain / "run", smoke=True)
    assert not list((folder / "run").glob(".ray*"))


def test_an_address_where_nobody_is_and_a_cluster_without_room_are_named(
    tiny_model: TinyModel, tmp_path: Path, cluster: Any
) -> None:
    study = write_study(tmp_path, model=tiny_model("llama"))
    child = start(study, "--ray", cluster.address)
    talk = child.communicate(timeout=120)[1]
    assert child.returncode != ExitCode.DONE
    assert "the cluster has no room for a worker" in talk
    child = start(study, "--ray", "127.0.0.1:1")
    talk = child.communicate(timeout=120)[1]
    assert child.returncode != ExitCode.DONE
    assert "no Ray cluster at '127.0.0.1:1'" in talk
    assert "Traceback" not in talk
