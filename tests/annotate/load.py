"""Many raters voting at once through HTTP, and what must be true afterwards.

A server is a child process; raters are coroutines that open their link, agree, and rate until there
is nothing left. Every acknowledged answer is remembered, and looked for in the database afterwards.
"""

import asyncio
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from sqlalchemy import select

from babelbits.annotate.backup import restore, write_backup
from babelbits.annotate.folder import Campaign, open_campaign
from babelbits.annotate.models import event, showing, slot, unit

_PAGE = re.compile(r'data-pair="([^"]+)" data-revision="(\d+)" data-csrf="([^"]+)"')
_FINISHED = ("There is nothing more to rate", "Others are working on the last pairs")


@dataclass
class Votes:
    """What raters were told was recorded."""

    acknowledged: dict[tuple[str, int], int] = field(default_factory=dict)
    """(pair, revision) to choice."""
    seconds: list[float] = field(default_factory=list)
    """Of each accepted answer, as the rater waited for it."""
    retries: int = 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_server(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "babelbits.cli.main", "annotate", "serve", str(folder)]
    return subprocess.Popen([*command, "--port", str(port)], stderr=subprocess.DEVNULL)


def wait_until_up(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with {server.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError("the server did not come up")


def lose_and_restore(folder: Path) -> None:
    """Back up what a kill left on the disk, lose the database, restore the backup."""
    backup = folder.parent / f"{folder.name}.backup.sqlite"
    campaign = open_campaign(folder)
    write_backup(campaign, backup)
    campaign.close()
    for file in folder.glob("votes.sqlite*"):
        file.unlink()
    restore(folder, backup, overwrite=False)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A server in a child process; yields its address."""
    port = free_port()
    server = start_server(folder, port)
    try:
        wait_until_up(port, server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


async def rate_all(
    url: str, tokens: Sequence[str], *, patient: bool = False, limit: int | None = None
) -> Votes:
    """All raters at once, each until there is nothing left (or after `limit` answers).

    Parameters
    ----------
    patient : bool
        Try again where the server is away, as the page does.
    """
    votes = Votes()
    await asyncio.gather(
        *(_Rater(url, token, votes, seed, patient).work(limit) for seed, token in enumerate(tokens))
    )
    return votes


@dataclass
class _Rater:
    url: str
    token: str
    votes: Votes
    seed: int
    patient: bool

    async def work(self, limit: int | None) -> None:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
        async with httpx.AsyncClient(base_url=self.url, timeout=120, limits=limits) as client:
            await self._ask(client, "POST", f"/join/{self.token}")
            done = 0
            while limit is None or done < limit:
                page = (await self._ask(client, "GET", "/rate")).text
                found = _PAGE.search(page)
                if found is None:
                    assert any(words in page for words in _FINISHED), page
                    return
                await self._vote(client, *found.groups())
                done += 1

    async def _vote(self, client: httpx.AsyncClient, pair: str, revision: str, csrf: str) -> None:
        headers = {"x-csrf-token": csrf}
        shown = {"pair": pair, "kind": "shown", "elapsed_ms": 1}
        await self._ask(client, "POST", "/api/event", json=shown, headers=headers)
        choice = (len(self.votes.acknowledged) + self.seed) % 5 - 2
        body = {"pair": pair, "revision": int(revision), "form": {"choice": choice}}
        started = time.perf_counter()
        reply = await self._ask(client, "POST", "/api/answer", json=body, headers=headers)
        assert reply.status_code == 200, reply.text
        self.votes.seconds.append(time.perf_counter() - started)
        self.votes.acknowledged[pair, int(revision)] = reply.json()["form"]["choice"]

    async def _ask(
        self, client: httpx.AsyncClient, method: str, path: str, **more: object
    ) -> httpx.Response:
        while True:
            try:
                reply = await client.request(method, path, **more)
                assert reply.status_code < 500, reply.text
                return reply
            except httpx.TransportError:
                if not self.patient:
                    raise
                self.votes.retries += 1
                await asyncio.sleep(0.5)


@dataclass(frozen=True)
class Found:
    """What the database holds, held against what raters were told."""

    lost: int
    duplicated: int
    altered: int
    answers: int
    unfilled: int
    """Slots without a judgment."""
    unbalanced: int
    """Units whose two orders differ by more than one."""
    doubled_raters: int
    """Units with one rater in two slots."""


def look(campaign: Campaign, votes: Votes) -> Found:
    """Read the database independently of the app's own queries."""
    with campaign.database.reading() as connection:
        answers = connection.execute(
            select(showing.c.public_id, event.c.revision, event.c.body)
            .join(showing, showing.c.id == event.c.showing_id)
            .where(event.c.kind == "answer")
        ).all()
        slots = connection.execute(
            select(slot.c.unit_id, slot.c.done_at, showing.c.rater_id, showing.c.a_first)
            .join(unit, unit.c.id == slot.c.unit_id)
            .outerjoin(showing, showing.c.id == slot.c.showing_id)
        ).all()
    kept = Counter((row.public_id, row.revision) for row in answers)
    choices = {(row.public_id, row.revision): row.body["choice"] for row in answers}
    orders: dict[int, list[bool]] = defaultdict(list)
    raters: dict[int, list[int]] = defaultdict(list)
    for row in slots:
        if row.done_at is not None:
            orders[row.unit_id].append(row.a_first)
            raters[row.unit_id].append(row.rater_id)
    told = votes.acknowledged
    return Found(
        lost=sum(kept[one] == 0 for one in told),
        duplicated=sum(count - 1 for count in kept.values()),
        altered=sum(choices.get(one, choice) != choice for one, choice in told.items()),
        answers=len(answers),
        unfilled=sum(row.done_at is None for row in slots),
        unbalanced=sum(abs(2 * sum(seen) - len(seen)) > 1 for seen in orders.values()),
        doubled_raters=sum(len(set(names)) != len(names) for names in raters.values()),
    )
