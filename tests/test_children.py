"""A child ends when its parent is killed, and is not disturbed while the parent lives."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PARENT = """
import subprocess, sys, time
from babelbits.children import lifeline
with lifeline() as alive:
    child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=alive)
    print(child.pid, flush=True)
    print(child.wait(), flush=True)
"""
CHILD = "import time; from babelbits.children import end_with_parent; end_with_parent(); "
FOREVER, SHORT = (f"{CHILD}time.sleep({seconds})" for seconds in (600, 1))


def start(child: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PARENT, child], stdout=subprocess.PIPE, text=True
    )


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat").read_text()  # a zombie that nobody waits for is no process
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_a_child_of_a_killed_parent_ends() -> None:
    with start(FOREVER) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert runs(pid)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    for _ in range(600):
        if not runs(pid):
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    raise AssertionError("the child outlives its parent")


def test_a_child_works_to_its_end_while_the_parent_lives() -> None:
    with start(SHORT) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline()
        assert parent.stdout.readline() == "0\n"


LINES = """
import sys, time
from babelbits.children import read_commands
for line in read_commands():
    print(line.decode().upper(), flush=True)
    if line == b"busy":
        time.sleep(600)
"""


def test_a_child_answers_lines_and_ends_with_its_pipe_even_when_busy() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LINES], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"first\nsec")
        child.stdin.flush()
        assert child.stdout.readline() == b"FIRST\n"
        child.stdin.write(b"ond\nbusy\n")
        child.stdin.flush()
        assert [child.stdout.readline() for _ in range(2)] == [b"SECOND\n", b"BUSY\n"]
        child.stdin.close()
        assert child.wait(20) == 1
