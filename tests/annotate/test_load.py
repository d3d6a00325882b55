"""Many raters at once, and a server that is killed: no vote lost, none twice, overlap exact."""

import asyncio
import random
import signal
import threading
import time
from pathlib import Path

import pytest

from annotate import load, postgres
from annotate.campaigns import invite, make, pairs, plain
from babelbits.annotate.folder import Campaign, open_campaign

pytestmark = pytest.mark.slow

RATERS, UNITS, OVERLAP = 24, 24, 8


def campaign_for(folder: Path, url: str | None) -> tuple[Campaign, list[str]]:
    settings = plain(overlap=OVERLAP, overlap_share=1.0)
    campaign = make(folder, pairs(["en"], UNITS), settings, database_url=url)
    tokens = [invite(campaign, ["en"], now=time.time())[1] for _ in range(RATERS)]
    campaign.close()
    return campaign, tokens


def check(folder: Path, votes: load.Votes) -> load.Found:
    campaign = open_campaign(folder)
    found = load.look(campaign, votes)
    campaign.close()
    assert (found.lost, found.duplicated, found.altered) == (0, 0, 0)
    assert (found.unbalanced, found.doubled_raters) == (0, 0)
    return found


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_raters_at_once_fill_every_slot_exactly_once(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = None
    if database == "postgresql":
        url = postgres.new_database(request.getfixturevalue("postgres_url"), "load")
    folder = tmp_path / "campaign"
    _, tokens = campaign_for(folder, url)
    with load.serving(folder) as address:
        votes = asyncio.run(load.rate_all(address, tokens))
    found = check(folder, votes)
    assert found.unfilled == 0
    assert found.answers == len(votes.acknowledged) == UNITS * OVERLAP


def test_a_server_killed_and_restored_under_load_keeps_every_acknowledged_vote(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "campaign"
    _, tokens = campaign_for(folder, None)
    port, kills = load.free_port(), 8
    delays = random.Random(1)
    server = load.start_server(folder, port)
    load.wait_until_up(port, server)
    votes = load.Votes()
    worker = threading.Thread(
        target=lambda: votes.__dict__.update(
            asyncio.run(load.rate_all(f"http://127.0.0.1:{port}", tokens, patient=True)).__dict__
        )
    )
    worker.start()
    killed = 0
    for _ in range(kills):
        time.sleep(delays.uniform(0.05, 0.4))
        if not worker.is_alive():
            break
        server.send_signal(signal.SIGKILL)
        server.wait()
        killed += 1
        if killed == kills // 2:
            load.lose_and_restore(folder)
        server = load.start_server(folder, port)
        load.wait_until_up(port, server)
    worker.join()
    server.send_signal(signal.SIGINT)
    server.wait(timeout=30)
    assert killed >= 3
    assert votes.retries > 0
    found = check(folder, votes)
    assert found.unfilled == 0
    assert found.answers == UNITS * OVERLAP
