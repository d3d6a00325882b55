"""A study on a Ray cluster whose network and machines fail: `sudo python bench/ray_faults.py`.

Three nodes, each in a network namespace of its own, joined by a bridge. While the study runs on
them the network of one node goes down in the middle of a batch, nodes are killed twice, and the
driver once; then the same command goes on. Rows must be those of a run on this machine alone, none
recorded twice, and what is computed again at most one shard for each engine that was lost.

Needs root (namespaces), `ip`, and babelbits[run,ray]. All that is started is ended by its process
id; the namespaces and the bridge are removed, whatever happens.
"""

import argparse
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from babelbits.store import Store
from babelbits.study.execution.shards import BATCHES

NODES = ("head", "one", "two")
BATCH = 8
STUDY = """\
[study]
folder = "run"
[engine]
device = "cpu"
batch_items = {batch}
[[tasks]]
suite = "math"
languages = [{languages}]
[[tasks]]
suite = "pairs"
languages = [{languages}]
[limits]
items = {items}
"""
LANGUAGES = ("en", "de", "fr", "nb", "hi", "ml")
QUICK = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
}
"""Ray takes a node for dead after some 5 seconds in place of 50."""


def ip(*words: str, check: bool = True) -> str:
    """Run `ip`; what it prints."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise SystemExit(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


class Network:
    """Namespaces on a bridge, gone when closed."""

    def __init__(self) -> None:
        self._tag = f"bb{os.getpid() % 100_000}"
        self._bridge = f"{self._tag}br"

    def open(self) -> None:
        """Make all of it."""
        ip("link", "add", self._bridge, "type", "bridge")
        ip("link", "set", self._bridge, "up")
        for number, node in enumerate(NODES):
            space, cable = self.space(node), self.cable(node)
            ip("netns", "add", space)
            ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", space)
            ip("link", "set", cable, "master", self._bridge, "up")
            ip("-n", space, "addr", "add", f"{self.address(number)}/24", "dev", "eth0")
            ip("-n", space, "link", "set", "eth0", "up")
            ip("-n", space, "link", "set", "lo", "up")

    def close(self) -> None:
        """End what runs inside, and remove all of it."""
        for node in NODES:
            self.kill(node)
            ip("netns", "delete", self.space(node), check=False)
        ip("link", "delete", self._bridge, check=False)

    def space(self, node: str) -> str:
        """A node's namespace."""
        return f"{self._tag}{node}"

    def cable(self, node: str) -> str:
        """The end of its cable that is on the bridge."""
        return f"{self._tag}{node[:3]}"

    @staticmethod
    def address(number: int) -> str:
        """Of a node by its number."""
        return f"10.231.77.{number + 11}"

    def link(self, node: str, state: str) -> None:
        """Put a node's cable 'up' or 'down'."""
        ip("link", "set", self.cable(node), state)

    def pids(self, node: str) -> list[int]:
        """What runs in a node."""
        return [int(one) for one in ip("netns", "pids", self.space(node), check=False).split()]

    def kill(self, node: str) -> None:
        """End all of a node at once, as where its power is cut."""
        for _ in range(20):
            pids = self.pids(node)
            if not pids:
                return
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)

    def start(self, node: str, *command: str, place: Path, **streams: int) -> subprocess.Popen[str]:
        """Start a command in a node."""
        return subprocess.Popen(
            ["ip", "netns", "exec", self.space(node), *command],
            env={**os.environ, **QUICK, "HOME": str(place)},
            text=True,
            **streams,  # type: ignore[call-overload]  # of Popen
        )


class FaultyCluster:
    """Ray on the nodes; the head has no CPUs, so that engines are on the two others."""

    def __init__(self, network: Network, place: Path) -> None:
        self._network = network
        self._place = place
        self._ray = str(Path(sys.executable).with_name("ray"))
        self.address = f"{network.address(0)}:6379"
        self.started: list[subprocess.Popen[str]] = []

    def begin(self, node: str) -> None:
        """Start Ray on a node; the head first."""
        number = NODES.index(node)
        head = ("--head", "--port=6379", "--include-dashboard=false", f"--temp-dir={self._place}/r")
        where = head if number == 0 else (f"--address={self.address}",)
        cpus = "--num-cpus=0" if number == 0 else "--num-cpus=1"
        own = f"--node-ip-address={self._network.address(number)}"
        command = (sys.executable, self._ray, "start", *where, own, cpus, "--block")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        memory = "--object-store-memory=100000000"
        self.started.append(self._network.start(node, *command, memory, place=self._place, **quiet))

    def wait(self, cpus: int, *, seconds: float = 90) -> None:
        """Wait until the cluster has so many CPUs."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            asked = self._network.start(
                "head", sys.executable, self._ray, "status", f"--address={self.address}",
                place=self._place, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            if f"/{cpus}.0 CPU" in asked.communicate(timeout=60)[0]:
                return
            time.sleep(0.5)
        raise SystemExit(f"the cluster has not got {cpus} CPUs in {seconds:.0f} s")


class Driver:
    """`babelbits run --ray` in the head's namespace, and what it says."""

    def __init__(self, network: Network, study: Path, address: str, place: Path) -> None:
        self._said: queue.Queue[str] = queue.Queue()
        self.lines: list[str] = []
        command = (sys.executable, "-m", "babelbits", "run", str(study), "--no-report")
        self.process = network.start(
            "head", *command, "--ray", address, place=place, stderr=subprocess.PIPE
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._said.put(line.rstrip())

    def hear(self) -> list[str]:
        """What it has said since."""
        found = []
        while not self._said.empty():
            found.append(self._said.get())
        self.lines += found
        return found

    def wait(self, what: str, done: object, *, seconds: float = 240) -> None:
        """Wait until `done()`; stops where the driver ends or time is over."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for line in self.hear():
                print(f"    {line}", flush=True)
            if done():  # type: ignore[operator]  # a callable
                return
            if self.process.poll() is not None:
                raise SystemExit(f"the driver ended before: {what}\n" + "\n".join(self.lines))
            time.sleep(0.05)
        raise SystemExit(f"{what}: not within {seconds:.0f} s")


def recorded(folder: Path) -> int:
    """Items that are durably recorded."""
    store = Store(folder, smoke=True)
    with suppress(Exception):  # the folder is being written
        return sum(store.status(meta).n_recorded for meta in store.planned())
    return 0


def rows(folder: Path) -> dict[tuple[str, int, str], list[object]]:
    """All rows of a run, by cell."""
    store = Store(folder, smoke=True)
    return {
        (meta.variant, meta.replicate, meta.task.name): list(store.rows(meta))
        for meta in store.planned()
    }


def lost(driver: Driver) -> int:
    """Workers that the driver says it lost."""
    return sum("worker on" in line for line in driver.lines)


def write(folder: Path, items: int) -> Path:
    """The study file."""
    folder.mkdir()
    languages = ", ".join(f'"{one}"' for one in LANGUAGES)
    file = folder / "study.toml"
    file.write_text(STUDY.format(batch=BATCH, items=items, languages=languages), "utf-8")
    return file


def main() -> None:
    """Run it, and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=120, help="of each of 24 cells")
    items = parser.parse_args().items
    if os.geteuid() != 0 or shutil.which("ip") is None:
        raise SystemExit("network namespaces need root and the command `ip` (iproute2)")
    began = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True)

    with ExitStack() as stack:
        place = Path(tempfile.mkdtemp(prefix="bb", dir="/tmp"))
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        plain = write(place / "plain", items)
        command = [sys.executable, "-m", "babelbits", "run", str(plain), "--no-report"]
        subprocess.run(
            [*command, "--workers", "1"], env={**os.environ, **QUICK}, check=True,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        total = recorded(place / "plain" / "run")
        tell(f"run on this machine alone: {total} items")

        study = write(place / "ray", items)
        folder = place / "ray" / "run"
        network = Network()
        stack.callback(network.close)
        network.open()
        cluster = FaultyCluster(network, place)
        for node in NODES:
            cluster.begin(node)
            time.sleep(5 if node == "head" else 0)
        cluster.wait(cpus=len(NODES) - 1)
        tell("three nodes in network namespaces")
        driver = Driver(network, study, cluster.address, place)
        share = total // 8

        def at(number: int) -> None:
            driver.wait(f"{number} items", lambda: recorded(folder) >= number)

        def fail(what: str, node: str, act: object) -> None:
            """Break a node, wait until the driver knows, and bring a new one."""
            before, had = lost(driver), recorded(folder)
            tell(f"{what} (node {node}) with {had} items recorded")
            act()  # type: ignore[operator]  # a callable
            driver.wait("the loss is told", lambda: lost(driver) > before)
            network.kill(node)
            network.link(node, "up")
            cluster.begin(node)

        at(share)
        fail("network down", "one", lambda: network.link("one", "down"))
        at(2 * share)
        fail("killed", "two", lambda: network.kill("two"))
        at(4 * share)
        fail("killed", "one", lambda: network.kill("one"))
        at(6 * share)
        driver.process.send_signal(signal.SIGKILL)
        for pid in _drivers(network, study):
            os.kill(pid, signal.SIGKILL)
        driver.process.wait()
        had = recorded(folder)
        tell(f"driver killed with {had} items recorded; the same command again")
        second = Driver(network, study, cluster.address, place)
        second.process.wait(timeout=400)
        time.sleep(0.5)
        second.hear()
        tell(f"it ended with {second.process.returncode}")
        print("\n".join(f"    {line}" for line in second.lines[-3:]))
        _report(place, driver, second, had=had, total=total)
        network.close()
        left = [pid for node in NODES for pid in network.pids(node)]
        print(f"processes left in the namespaces: {len(left)}")
    tell("done")


def _drivers(network: Network, study: Path) -> list[int]:
    """Processes of the head's namespace that run this study's command."""
    found = []
    for pid in network.pids("head"):
        with suppress(OSError):
            if str(study) in Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace"):
                found.append(pid)
    return found


def _report(place: Path, first: Driver, second: Driver, *, had: int, total: int) -> None:
    here, there = rows(place / "plain" / "run"), rows(place / "ray" / "run")
    same = here == there
    ids = [(cell, one.item_id) for cell, some in there.items() for one in some]  # type: ignore[attr-defined]
    told = "\n".join(first.lines)
    again = [int(one) for one in re.findall(r"(\d+) items? of its shard", told)]
    computed = re.search(r"computed (\d+) items", "\n".join(second.lines))
    n_second = int(computed[1]) if computed else -1
    print(f"rows identical to the local run: {same} ({len(ids)} of {total})")
    print(f"recorded twice: {len(ids) - len(set(ids))}")
    print(f"engines lost: {lost(first)}; items of their shards computed again: {again}")
    most = BATCHES * BATCH
    print(f"at most a shard each ({most} items): {max(again, default=0) <= most}")
    print(f"recorded when the driver was killed: {had}; computed by the next: {n_second}")
    if not same or len(ids) != len(set(ids)) or n_second != total - had:
        raise SystemExit("FAILED")


if __name__ == "__main__":
    main()
