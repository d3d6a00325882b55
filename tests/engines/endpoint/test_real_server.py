"""A server that others wrote, on the bundled model in llama.cpp.

It takes `echo` and gives log-probabilities that are not those of the prompt (llama-cpp-python
0.3.36), so choices must be refused; 4-bit weights in place of 8-bit ones must be seen as a change.
"""

import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from babelbits import make_variant
from babelbits.bundled import find_bundled_model
from babelbits.engines.endpoint.abilities import find_abilities
from babelbits.engines.endpoint.likeness import find_change, meet
from babelbits.engines.endpoint.server import Server
from babelbits.engines.endpoint.settings import EndpointSettings

_NEEDED = ("llama_cpp", "fastapi", "uvicorn", "sse_starlette", "starlette_context")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(map(importlib.util.find_spec, _NEEDED)),
        reason="the server of llama-cpp-python is not installed: its extra [server]",
    ),
]


@contextmanager
def llama_server(file: Path) -> Iterator[Server]:
    """llama-cpp-python's own server of a GGUF file while inside."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(file)]
    command += ["--model_alias", "local", "--port", str(port), "--n_ctx", "512", "--n_threads", "1"]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet, env=os.environ)
    url = f"http://127.0.0.1:{port}/v1"
    server = Server(EndpointSettings(url=url, model="local", attempts=2))
    try:
        for _ in range(240):
            if server.models():
                break
            time.sleep(0.5)
        yield server
    finally:
        server.close()
        process.terminate()
        process.wait()


def test_a_real_server_is_found_out_and_known_again(tmp_path: Path) -> None:
    for recipe in ("q8_0", "q4_k_s"):
        make_variant(find_bundled_model(), recipe, tmp_path / recipe)
    with llama_server(tmp_path / "q8_0" / "model.gguf") as server:
        found = find_abilities(server.ask)
        assert found.completions.able
        assert found.chat.able
        assert found.logprobs.able
        assert found.way is None
        assert "most likely" in found.scoring.why
        record = meet(server.ask, says=server.says(), abilities=found)
        assert find_change(server.ask, record, says=server.says()) is None
    with llama_server(tmp_path / "q4_k_s" / "model.gguf") as other:
        assert find_change(other.ask, record, says=record.says) is not None
