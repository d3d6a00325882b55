"""A clock that tests move, a browser, a PostgreSQL server."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from annotate import postgres
from annotate.campaigns import NOW
from report import browser


@dataclass
class Clock:
    """Seconds since 1970, as the test says."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def chromium_path() -> str:
    found = browser.find()
    if found is None:
        if os.environ.get("BABELBITS_CI"):
            pytest.fail("CI has no Chromium: install one, the rating app is tested in it")
        pytest.skip("no Chromium on this machine")
    return found


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server of our own on a loopback port; not skipped in CI."""
    lacking = postgres.why_not()
    if lacking is not None:
        if os.environ.get("BABELBITS_CI"):
            pytest.fail(f"CI has no PostgreSQL: {lacking}")
        pytest.skip(lacking)
    with postgres.running() as url:
        yield url
