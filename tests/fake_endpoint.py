"""A real HTTP server on the loopback that speaks OpenAI's chat protocol, faults included.

What it says is decided by a function from the request and the number of times that the same prompt
was asked before; what it says of itself (GET) by one from the path. Also a program, for tests that
kill its clients: python tests/fake_endpoint.py prints its URL and serves until its stdin ends.
"""

import json
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PROMPT_TOKENS, OUTPUT_TOKENS = 100, 10
"""What every completion claims to have used."""


@dataclass(frozen=True)
class Answer:
    """What the server does with one request."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    declared: int | None = None
    """Content-Length, where it is a lie: the connection then ends too early."""
    reset: bool = False
    """Break the connection with RST in place of a reply."""
    delay: float = 0.0
    """Seconds before the reply."""
    drip: float = 0.0
    """Seconds between single bytes."""
    head_drip: float = 0.0
    """Seconds between single bytes of a header that never ends."""
    endless: bool = False
    """The body again and again, without a length, until the client goes away."""


def says(text: str, *, finish: str = "stop", model: str = "tiny", **more: Any) -> Answer:
    """A completion."""
    reply: dict[str, Any] = {
        "id": "x",
        "object": "chat.completion",
        "model": model,
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "message": {"role": "assistant", "content": text},
            }
        ],
        "usage": {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": OUTPUT_TOKENS},
    }
    return Answer(body=json.dumps(reply | more).encode())


def refuses(status: int, message: str = "no", **headers: str) -> Answer:
    """An error of the API."""
    body = json.dumps({"error": {"message": message, "code": None}}).encode()
    return Answer(
        body=body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


Decide = Callable[[dict[str, Any], int], Answer]


Look = Callable[[str], Answer]


def lists(*models: str, **more: Any) -> Look:
    """A server that lists models, and has JSON at other paths: version={"version": "1"}."""
    data = [{"id": name, "object": "model", "created": time.time_ns()} for name in models]
    pages: dict[str, Any] = {"/v1/models": {"data": data}}
    pages |= {f"/{name.replace('__', '/')}": value for name, value in more.items()}

    def look(path: str) -> Answer:
        if path not in pages:
            return refuses(404)
        return Answer(body=json.dumps(pages[path]).encode())

    return look


def _nothing(_path: str) -> Answer:
    return refuses(404)


def echo(request: dict[str, Any], _times: int) -> Answer:
    """The last message, backwards."""
    return says(request["messages"][-1]["content"][::-1])


class FakeEndpoint:
    """The server; `requests` are the bodies that reached it, `keys` the authorizations."""

    def __init__(self, decide: Decide, *, look: Look = _nothing) -> None:
        self.look = look
        self.paths: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.keys: list[str | None] = []
        self.most_at_once = 0
        self._at_once = 0
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with suppress(OSError):  # the client is gone
                    self._reply(server.look(self.path))

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                with server._lock:
                    request = json.loads(raw)
                    server.requests.append(request)
                    server.paths.append(self.path)
                    server.times.append(time.monotonic())
                    server.keys.append(self.headers.get("Authorization"))
                    prompt = json.dumps(request.get("messages", request.get("prompt")))
                    times = server._asked[prompt]
                    server._asked[prompt] += 1
                    server._at_once += 1
                    server.most_at_once = max(server.most_at_once, server._at_once)
                try:
                    self._reply(decide(request, times))
                except OSError:
                    pass  # the client is gone
                finally:
                    with server._lock:
                        server._at_once -= 1

            def _reply(self, answer: Answer) -> None:
                time.sleep(answer.delay)
                if answer.reset:
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.connection.close()
                    self.close_connection = True
                    return
                self.close_connection = answer.endless or bool(answer.head_drip)
                if answer.head_drip:
                    self.wfile.write(f"HTTP/1.1 {answer.status} X\r\nX-Slow: ".encode())
                    while True:
                        self.wfile.write(b"a")
                        time.sleep(answer.head_drip)
                self.send_response(answer.status)
                headers = {"Content-Type": "application/json"} | dict(answer.headers)
                if not answer.endless:
                    headers["Content-Length"] = str(answer.declared or len(answer.body))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if answer.drip:
                    for byte in answer.body:
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
                        time.sleep(answer.drip)
                else:
                    self.wfile.write(answer.body)
                while answer.endless:
                    self.wfile.write(answer.body)
                if answer.declared:
                    self.close_connection = True

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def serving(decide: Decide = echo, *, look: Look = _nothing) -> Iterator[FakeEndpoint]:
    """A server while inside."""
    server = FakeEndpoint(decide, look=look)
    try:
        yield server
    finally:
        server.close()


if __name__ == "__main__":
    with serving() as running:
        print(running.url, flush=True)
        sys.stdin.read()
