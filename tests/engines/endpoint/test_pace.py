"""Windows against brute force, Retry-After against RFC 9110, back-off against its bounds."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelbits.engines.endpoint.pace import Window, compute_backoff, retry_after


@given(
    st.lists(st.tuples(st.floats(0, 30), st.integers(1, 40)), max_size=30),
    st.integers(40, 100),
)
def test_no_minute_ever_holds_more_than_the_limit(
    arrivals: list[tuple[float, int]], limit: int
) -> None:
    """Law, checked by counting every window that ends at a sending."""
    window = Window(limit)
    now, sent = 0.0, []
    for pause, amount in arrivals:
        now += pause
        now += window.seconds_until(amount, now=now)
        assert window.seconds_until(amount, now=now + 1e-6) <= 1e-6
        now += 1e-6
        window.take(amount, now=now)
        sent.append((now, amount))
    for end, _ in sent:
        assert sum(amount for when, amount in sent if end - 60 < when <= end) <= limit


def test_a_request_larger_than_the_limit_waits_for_an_empty_window() -> None:
    window = Window(10)
    assert window.seconds_until(50, now=0.0) == 0
    window.take(50, now=0.0)
    assert window.seconds_until(1, now=15.0) == 45


def test_counted_tokens_replace_reserved_ones() -> None:
    window = Window(100)
    entry = window.take(100, now=0.0)
    assert window.seconds_until(50, now=1.0) == 59
    entry[1] = 30
    assert window.seconds_until(50, now=1.0) == 0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("0.5", 0.5),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 9),
        ("Fri, 31 Dec 1999 23:59:00 GMT", 0),
        ("soon", None),
        ("nan", None),
        (None, None),
        ("-3", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    """The examples of RFC 9110, section 10.2.3, and what servers send besides."""
    now = datetime(1999, 12, 31, 23, 59, 50, tzinfo=UTC)
    assert retry_after(value, now=now) == seconds


@given(st.integers(1, 5000), st.text())
def test_back_off_doubles_within_half_and_all(attempt: int, salt: str) -> None:
    whole = min(60.0, 2.0 ** min(attempt - 1, 20))
    wait = compute_backoff(attempt, first=1.0, longest=60.0, salt=salt)
    assert whole / 2 <= wait <= whole


def test_clients_that_failed_together_return_apart() -> None:
    waits = {compute_backoff(3, first=1, longest=60, salt=str(i)) for i in range(100)}
    assert len(waits) == 100
