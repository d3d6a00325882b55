"""The Slurm script, run by bash with stand-ins for Slurm's and Ray's commands that log their calls.

Slurm itself is not run here.
"""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from babelbits.errors import StudyError
from babelbits.study.planning.sbatch import Allocation, parse_allocation, write_sbatch_script

STAND_IN = """\
#!/usr/bin/env bash
echo "$(basename "$0") $*" >> "$CALLS"
case "$(basename "$0") $1" in
    "scontrol show") printf 'node1\\nnode2\\n' ;;
    srun*) exec sleep 30 ;;
    "babelbits run") trap 'echo "driver ends" >> "$CALLS"; exit 143' TERM
        for _ in $(seq 300); do sleep 0.1; done ;;
esac
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    for name in ("scontrol", "srun", "ray", "babelbits"):
        path = tmp_path / "bin" / name
        path.write_text(STAND_IN)
        path.chmod(0o755)
    return tmp_path


def test_the_time_ends_the_driver_records_and_the_job_is_queued_again(place: Path) -> None:
    script = place / "study.sbatch"
    allocation = Allocation(nodes=2, devices=8)
    script.write_text(write_sbatch_script("my study.toml", name="a/b", allocation=allocation))
    calls = place / "calls"
    environment = {
        "PATH": f"{place / 'bin'}:{os.environ['PATH']}",
        "CALLS": str(calls),
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_JOB_ID": "77",
    }
    child = subprocess.Popen(["bash", str(script)], env=environment, start_new_session=True)
    try:
        deadline = time.monotonic() + 20
        while "babelbits run" not in (calls.read_text() if calls.exists() else ""):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(0.3)
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=20) == 143
    finally:
        os.killpg(child.pid, signal.SIGKILL)
    told = calls.read_text()
    assert "srun --nodes=1 --ntasks=1 --nodelist=node1 ray start --head" in told
    assert "srun --nodes=1 --ntasks=1 --exclude=node1 ray start --address=node1:6379" in told
    assert "babelbits run my study.toml --ray node1:6379" in told
    assert told.index("driver ends") < told.index("scontrol requeue 77")


def test_a_node_without_gpus_asks_for_none() -> None:
    script = write_sbatch_script("s.toml", name="s", allocation=parse_allocation("2x0"))
    assert "--gpus-per-node" not in script
    assert "#SBATCH --nodes=2" in script


@pytest.mark.parametrize("text", ["", "8", "0x8", "x8", "2x", "2x8x8"])
def test_what_is_no_allocation_is_refused(text: str) -> None:
    with pytest.raises(StudyError):
        parse_allocation(text)
