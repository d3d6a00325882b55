"""Half-open connections: bounded in time and number, and raters get through meanwhile."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import uvicorn

from annotate.load import free_port
from babelbits.annotate.web.connections import count_connections, make_bounded_protocol


async def app(scope: dict[str, object], receive: object, send: object) -> None:
    """Answer 'here'."""
    if scope["type"] == "http":
        headers = [(b"content-length", b"4")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})  # type: ignore[operator]
        await send({"type": "http.response.body", "body": b"here"})  # type: ignore[operator]


@contextmanager
def serving(*, most: int, seconds: float) -> Iterator[int]:
    port = free_port()
    config = uvicorn.Config(
        app, port=port, log_level="critical", http=make_bounded_protocol(most=most, seconds=seconds)
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield port
    server.should_exit = True
    thread.join(timeout=20)


def connect(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=20)
    made.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n")  # and never the empty line
    return made


def ask(port: int) -> bytes:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=20)) as asking:
        asking.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        reply = b""
        while part := asking.recv(1000):
            reply += part
        return reply


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_request_that_never_ends_is_given_up() -> None:
    with serving(most=100, seconds=0.5) as port, closing(connect(port)) as silent:
        begun = time.monotonic()
        while not silent.fileno() < 0 and time.monotonic() < begun + 20:
            try:
                silent.sendall(b"x: y\r\n")  # drip by drip
                time.sleep(0.1)
            except OSError:
                break
        assert is_closed(silent)
        assert ask(port).endswith(b"here")


def test_more_half_open_connections_than_allowed_stop_nobody() -> None:
    with serving(most=40, seconds=60) as port:
        silent = [connect(port) for _ in range(150)]
        assert ask(port).endswith(b"here")
        assert sum(map(is_closed, silent[:100])) == 100  # the longest silent made room
        for one in silent:
            one.close()


def test_a_body_that_does_not_come_is_given_up() -> None:
    with serving(most=100, seconds=0.5) as port:
        with closing(socket.create_connection(("127.0.0.1", port), timeout=20)) as posting:
            posting.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n1")
            while not is_closed(posting):
                pass
        assert ask(port).endswith(b"here")


def test_this_process_may_hold_more_connections_than_a_class_needs() -> None:
    assert count_connections() >= 200
