"""Two hundred raters voting at once, and a server that is killed again and again.

    python bench/annotate_load.py                        SQLite: load, then 50 kills
    python bench/annotate_load.py --postgres             a PostgreSQL server of its own, too
    python bench/annotate_load.py --raters 50 --kills 0

Raters are coroutines of one process that open their link, agree, and vote without thinking; server
and raters share the machine, so latencies are those of a machine that does nothing but vote. What
the database holds afterwards is held against what raters were told. Half-way
through the kills the database is lost, and a backup of what the killed server had left is restored.
"""

import argparse
import asyncio
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from annotate import load, postgres
from annotate.campaigns import invite, make, pairs, plain
from babelbits.annotate.folder import open_campaign

_SEED = 20261126


def prepare(folder: Path, url: str | None, *, raters: int, each: int, overlap: int) -> list[str]:
    """A campaign in which every rater finds about `each` pairs; returns the links' tokens."""
    settings = plain(overlap=overlap, overlap_share=1.0)
    campaign = make(folder, pairs(["en"], raters * each // overlap), settings, database_url=url)
    tokens = [invite(campaign, ["en"], now=time.time())[1] for _ in range(raters)]
    campaign.close()
    return tokens


def report(name: str, folder: Path, votes: load.Votes, seconds: float) -> None:
    """Print what was found."""
    campaign = open_campaign(folder)
    found = load.look(campaign, votes)
    campaign.close()
    wait = 1000 * np.array(votes.seconds)
    p50, p95, p99 = np.percentile(wait, [50, 95, 99])
    print(
        f"{name}: {len(wait)} votes acknowledged in {seconds:.0f} s ({len(wait) / seconds:.0f}/s)"
    )
    print(
        f"  wait for a vote: median {p50:.0f}, p95 {p95:.0f}, p99 {p99:.0f},"
        f" longest {wait.max():.0f} ms"
    )
    print(
        f"  lost {found.lost}, duplicated {found.duplicated}, altered {found.altered};"
        f" answers {found.answers}, places not filled {found.unfilled}; pairs with a rater twice"
        f" {found.doubled_raters}, with orders out of balance {found.unbalanced}"
    )


def load_test(name: str, folder: Path, url: str | None, options: argparse.Namespace) -> None:
    """All raters at once until nothing is left."""
    sizes = {"raters": options.raters, "each": options.each, "overlap": options.overlap}
    tokens = prepare(folder, url, **sizes)
    with load.serving(folder) as address:
        started = time.perf_counter()
        votes = asyncio.run(load.rate_all(address, tokens))
        report(
            f"{name}, {options.raters} raters at once", folder, votes, time.perf_counter() - started
        )


def kill_test(folder: Path, options: argparse.Namespace) -> None:
    """The same with SIGKILL at random moments; the raters try again, as the page does."""
    sizes = {"raters": options.raters, "each": options.each, "overlap": options.overlap}
    tokens = prepare(folder, None, **sizes)
    delays, port = random.Random(_SEED), load.free_port()  # noqa: S311
    server = load.start_server(folder, port)
    load.wait_until_up(port, server)
    done: list[load.Votes] = []
    address = f"http://127.0.0.1:{port}"
    work: Callable[[], None] = lambda: done.append(  # noqa: E731
        asyncio.run(load.rate_all(address, tokens, patient=True))
    )
    worker = threading.Thread(target=work)
    started = time.perf_counter()
    worker.start()
    killed = 0
    while killed < options.kills and worker.is_alive():
        time.sleep(delays.uniform(0.05, 1.5))
        server.send_signal(signal.SIGKILL)
        server.wait()
        killed += 1
        if killed == options.kills // 2:
            load.lose_and_restore(folder)
        server = load.start_server(folder, port)
        load.wait_until_up(port, server)
    worker.join()
    seconds = time.perf_counter() - started
    server.send_signal(signal.SIGINT)
    server.wait()
    (votes,) = done
    report(f"SQLite, killed {killed} times ({votes.retries} retries)", folder, votes, seconds)


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--raters", type=int, default=200)
    parser.add_argument("--each", type=int, default=10, help="pairs a rater, about")
    parser.add_argument("--overlap", type=int, default=4, help="judgments a pair")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--kills-only", action="store_true")
    parser.add_argument("--postgres", action="store_true")
    options = parser.parse_args()
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if not options.kills_only:
            load_test("SQLite", home / "sqlite", None, options)
        if options.postgres:
            url = stack.enter_context(postgres.running())
            load_test(
                "PostgreSQL", home / "postgresql", postgres.new_database(url, "votes"), options
            )
        if options.kills:
            kill_test(home / "killed", options)


if __name__ == "__main__":
    main()
