"""What is done to make a golden folder: all of it by `write.py`, parts of it anew by the test.

Everything is done by the command; an endpoint on the loopback plays the judge, and scripted raters
open their links over HTTP.
"""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fake_endpoint import Answer, says, serving
from golden import reading

LANGUAGES = ("en", "nb")
PROMPTS = {
    "en": ("The town by the sea", "In the morning she", "A good teacher", "The winter was"),
    "nb": ("Byen ved havet", "Om morgenen gikk hun", "En god lærer", "Vinteren var"),
}
STUDY = """\
[study]
name = "golden"
folder = "run"

[model]
path = "bundled"

[engine]
device = "cpu"

[[variants]]
recipe = "w8a8"

[[variants]]
recipe = "w4-rtn"

[[variants]]
recipe = "q2_k_s"
calibration = "en"

[[tasks]]
suite = "text"
languages = ["en", "nb"]

[[tasks]]
suite = "pairs"
languages = ["en", "nb"]

[[tasks]]
suite = "math"
languages = ["en", "nb"]

[groups]
mine = ["en", "nb"]

[analysis]
margins = { fraction = 0.05, "bits/byte" = 0.02 }
confirmatory = { variants = ["w8a8"], suites = ["pairs"] }
reference = "en"
"""
RUN = ("run", "study.toml", "--no-report", "--workers", "1")


def make(folder: Path, source: Path) -> None:
    """Make the study in a folder, with all that stands beside a run, by the code of a source."""
    (folder / "study.toml").write_text(STUDY, "utf-8")
    run_all(folder, source=source)
    with serving(judge) as server:
        judge_all(folder, server.url, source=source)
        grade_all(folder, server.url, source=source)
    _campaign(folder, source)
    export_campaign(folder, source=source)
    write_table(folder)
    import_votes(folder, source=source)


def do(folder: Path, *arguments: str, source: Path | None = None) -> None:
    """Run the command in a folder; it has to succeed."""
    done = reading.babelbits(arguments, cwd=folder, source=source)
    if done.returncode:
        raise RuntimeError(f"babelbits {' '.join(arguments)}: {done.returncode}\n{done.stderr}")


def run_all(folder: Path, *, source: Path | None = None) -> None:
    """A full run and a smoke run, divergences, answers to open prompts."""
    do(folder, *RUN, source=source)
    do(folder, *RUN, "--limit", "8", source=source)
    do(folder, "kl", "study.toml", "--json", source=source)
    generate(folder, source=source)


def generate(folder: Path, *, source: Path | None = None) -> None:
    """Answers to open prompts, and their pairs."""
    prompts = [
        {"id": str(number), "language": language, "prompt": prompt}
        for language in LANGUAGES
        for number, prompt in enumerate(PROMPTS[language])
    ]
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in prompts)
    (folder / "prompts.jsonl").write_text("".join(lines), "utf-8")
    asked = ("generate", "study.toml", "--prompts", "prompts.jsonl", "--workers", "1")
    do(folder, *asked, "--max-new-tokens", "24", "--pairs", "pairs.jsonl", source=source)


def judge_all(folder: Path, url: str, *, source: Path | None = None) -> None:
    """A judge's votes on all pairs."""
    do(folder, "judge", "study.toml", "--endpoint", url, "--model", "judge", source=source)


def grade_all(folder: Path, url: str, *, source: Path | None = None) -> None:
    """A judge's grades of the first sums."""
    asked = ("--endpoint", url, "--model", "judge")
    do(folder, "grade", "study.toml", *reading.GRADED, *asked, source=source)


def export_campaign(folder: Path, *, source: Path | None = None) -> None:
    """What comes out of a finished campaign, blinded and not."""
    do(folder, "annotate", "export", "campaign", source=source)
    do(folder, "annotate", "unblind", "campaign", "--reason", "all is rated", source=source)


def import_votes(folder: Path, *, source: Path | None = None) -> None:
    """People's votes beside the run: of the campaign, and of a table of others."""
    campaign = ("votes", "campaign/unblinded/votes.jsonl", "study.toml", "--name", "campaign")
    do(folder, *campaign, source=source)
    table = ("votes", "table.csv", "study.toml", "--pairs", "pairs.jsonl", "--name", "table")
    do(folder, *table, source=source)


def judge(request: Mapping[str, Any], _times: int) -> Answer:
    """Prefers the longer answer; gives an answer a grade by its first digit."""
    content = request["messages"][-1]["content"]
    quoted = {
        name: (nonce, text)
        for name, nonce, text in re.findall(
            r"\[(answer(?: [AB])?) (\w+)\]\n(.*?)\n\[end of \1 \2\]", content, re.DOTALL
        )
    }
    if "answer" in quoted:
        nonce, text = quoted["answer"]
        digit = re.search(r"\d", text)
        return says(f"Compared.\nGRADE {nonce}: 0.{digit[0] if digit else 0}", model="judge")
    (nonce, first), (_, second) = quoted["answer A"], quoted["answer B"]
    longer = (len(first) > len(second)) - (len(first) < len(second))
    word = {1: "A", 0: "TIE", -1: "B"}[longer]
    return says(f"Compared.\nVERDICT {nonce}: {word}", model="judge")


def _campaign(folder: Path, source: Path) -> None:
    """A campaign about all pairs, rated to its end by one rater a language."""
    raters = ("--raters", "en=1,nb=1", "--overlap", "1", "--no-repeats", "--json")
    create = ("annotate", "create", "pairs.jsonl", "--folder", "campaign", *raters)
    bare = (
        "--check-every",
        "0",
        "--gold",
        "0",
        "--identical",
        "0",
        "--no-repeats",
        "--screen",
        "0",
    )
    done = reading.babelbits((*create, *bare), cwd=folder, source=source, check=True)
    links = [one["link"] for one in json.loads(done.stdout)["invitations"]]
    with _served(folder, source) as url:
        for link in links:
            _rate(url, link.rpartition("/")[2])


@contextmanager
def _served(folder: Path, source: Path) -> Iterator[str]:
    from annotate.load import free_port, wait_until_up

    port = free_port()
    command = [*reading.command(source), "annotate", "serve", "campaign", "--port", str(port)]
    server = subprocess.Popen(command, cwd=folder, env=reading.environment(source))
    try:
        wait_until_up(port, server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=30)


def _rate(url: str, token: str) -> None:
    """Rate until nothing is left; choices go round from -2 to 2, some with a reason."""
    import httpx

    page = re.compile(r'data-pair="([^"]+)" data-revision="(\d+)" data-csrf="([^"]+)"')
    with httpx.Client(base_url=url, timeout=60) as client:
        client.post(f"/join/{token}")
        done = 0
        while found := page.search(client.get("/rate").text):
            pair, revision, csrf = found.groups()
            choice = done % 5 - 2
            reasons = {"second_reasons": ["fluency"]} if choice < 0 else {}
            body = {
                "pair": pair,
                "revision": int(revision),
                "elapsed_ms": 1000 + done,
                "form": {"choice": choice, **reasons},
            }
            reply = client.post("/api/answer", json=body, headers={"x-csrf-token": csrf})
            reply.raise_for_status()
            done += 1


def write_table(folder: Path) -> None:
    """A table as a survey tool writes it, of two raters who never agree."""
    pairs = [json.loads(line) for line in (folder / "pairs.jsonl").read_text("utf-8").splitlines()]
    words = ("variant", "baseline", "tie")
    rows = ["pair_id,rater,preference"]
    for number, pair in enumerate(pairs):
        for shift, rater in enumerate(("anna", "bo")):
            rows.append(f"{pair['pair_id']},{rater},{words[(number + shift) % 3]}")
    (folder / "table.csv").write_text("\n".join(rows) + "\n", "utf-8")
