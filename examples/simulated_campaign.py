"""The whole way from answers to the picture of metrics, judges and people, with SIMULATED votes.

    python examples/simulated_campaign.py RUN_FOLDER [--suite confusion] [--languages en,ar]

Takes the answers that a run's models really wrote, makes a campaign of them, starts the rating
app, and lets programs rate in it through its own pages: they prefer the answer that stays in one
script and repeats itself less, with a good deal of noise. (They know words by spaces: in Japanese
they fail the app's screen.) A program is the judge, too, behind a local endpoint. Nobody was asked:
every vote is stamped SIMULATED, and so is the report.
"""

import argparse
import html
import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import numpy as np

RATERS = 3
"""In each language."""
PAGE = re.compile(r'data-pair="([^"]+)" data-revision="(\d+)" data-csrf="([^"]+)"')
TEXT = r'id="{name}">(.*?)</div>'


def quality(text: str) -> float:
    """Between 0 and 1: letters of one script, and words that are not repeated."""
    letters = [unicodedata.name(char, "?").split()[0] for char in text if char.isalpha()]
    words = text.split()
    if not letters or not words:
        return 0.0
    one_script = max(letters.count(script) for script in set(letters)) / len(letters)
    return one_script * len(set(words)) / len(words)


def main() -> None:
    """Run the campaign and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--suite", default="confusion")
    parser.add_argument("--languages", default="en,ar")
    parser.add_argument("--limit", type=int, default=40, help="prompts a language")
    wishes = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        pairs, campaign = Path(scratch) / "pairs.jsonl", Path(scratch) / "campaign"
        chosen = ["--suite", wishes.suite, "-l", wishes.languages, "--limit", str(wishes.limit)]
        babelbits("pairs", wishes.run, *chosen, "-o", pairs)
        wanted = ",".join(f"{code}={RATERS}" for code in wishes.languages.split(","))
        made = babelbits("annotate", "create", pairs, "--folder", campaign, "--raters", wanted,
                         "--overlap-share", "1", "--json")  # fmt: skip
        with serving(campaign) as address:
            for number, invitation in enumerate(json.loads(made)["invitations"]):
                rated = rate(address, invitation, np.random.default_rng(number))
                print(f"{invitation['rater']}: {rated} pairs rated (SIMULATED)")
        babelbits("annotate", "unblind", campaign, "--reason", "a simulation")
        votes = next(campaign.rglob("unblinded/**/votes.jsonl"))
        babelbits("votes", votes, wishes.run, "--name", "people", "--simulated")
    with answering(np.random.default_rng(99)) as address:
        model = "program (SIMULATED)"
        babelbits("judge", wishes.run, *chosen, "--endpoint", address, "--model", model)
    print(babelbits("report", wishes.run))


def babelbits(*arguments: object) -> str:
    """The command's stdout; ends this program if it fails."""
    command = [sys.executable, "-m", "babelbits.cli.main", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    sys.stderr.write(done.stderr)
    if done.returncode:
        sys.exit(f"{' '.join(command[3:])} ended with {done.returncode}")
    return done.stdout


# --- people ----------------------------------------------------------------------------------


@contextmanager
def serving(campaign: Path) -> Iterator[str]:
    """The rating app in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "babelbits.cli.main", "annotate", "serve", str(campaign)]
    server = subprocess.Popen([*command, "--port", str(port)], stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                httpx.get(address, timeout=5)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait()


def rate(address: str, invitation: dict[str, str], rng: np.random.Generator) -> int:
    """One rater: until there is nothing left to rate; returns how many pairs that was."""
    path = "/" + invitation["link"].split("/", 3)[3]
    rated = 0
    with httpx.Client(base_url=address, follow_redirects=True, timeout=60) as client:
        client.post(path)
        while (found := PAGE.search(page := client.get("/rate").text)) is not None:
            pair, revision, csrf = found.groups()
            first, second = (written(page, name) for name in ("first", "second"))
            body = {"choice": choice(first, second, rng)}
            client.post(
                "/api/answer",
                json={"pair": pair, "revision": int(revision), "form": body},
                headers={"x-csrf-token": csrf},
            ).raise_for_status()
            rated += 1
    return rated


def written(page: str, name: str) -> str:
    """The text of one answer on a page."""
    found = re.search(TEXT.format(name=name), page, re.DOTALL)
    return html.unescape(found[1]) if found else ""


def choice(first: str, second: str, rng: np.random.Generator) -> int:
    """-2 to 2; positive prefers the second."""
    if first == second:
        return 0
    leaning = quality(second) - quality(first) + rng.normal(0, 0.15)
    return int(np.clip(np.round(leaning * 5), -2, 2))


# --- the judge -------------------------------------------------------------------------------


@contextmanager
def answering(rng: np.random.Generator) -> Iterator[str]:
    """A local endpoint whose model is a program."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(lambda text: verdict(text, rng)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()


def handler(say: Callable[[str], str]) -> type[BaseHTTPRequestHandler]:
    """Answers every chat completion with what `say` makes of its last message."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            asked = json.loads(self.rfile.read(length))
            reply = {
                "id": "1",
                "object": "chat.completion",
                "created": 0,
                "model": asked["model"],
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": "stop",
                        "message": {
                            "role": "assistant",
                            "content": say(asked["messages"][-1]["content"]),
                        },
                    }
                ],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
            }
            content = json.dumps(reply).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    return Handler


def verdict(asked: str, rng: np.random.Generator) -> str:
    """Prefers the better answer, and longer ones a little, as judges do."""
    quoted = r"\[answer {} (\w+)\]\n(.*?)\n\[end of answer {} \1\]"
    first, second = (re.search(quoted.format(name, name), asked, re.DOTALL) for name in "AB")
    if first is None or second is None:
        return "I cannot see two answers."
    a, b = first[2], second[2]
    leaning = quality(b) - quality(a) + 0.0005 * (len(b) - len(a)) + rng.normal(0, 0.1)
    said = "TIE" if abs(leaning) < 0.03 else "B" if leaning > 0 else "A"
    return f"One of them reads better.\nVERDICT {first[1]}: {said}"


if __name__ == "__main__":
    main()
