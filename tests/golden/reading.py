"""What the golden test asks of a finished run folder, and how answers are made comparable.

Everything goes through the command in a child process, so that nothing here depends on where a
module of the package stands or what it is called.
"""

import html
import json
import lzma
import os
import re
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ONE_BASELINE = "baseline_by_engine = false\n"
"""In the study's last table, `[analysis]`."""
ENDPOINT = "ENDPOINT"
"""Stands for the judge's recorded address. It is gone: what has all its replies asks for none."""
WORDS = re.compile(
    r"(^|_)(text|reason|reasons|headline|ship|ship_by_mean|sentence|not_shown|notes|left_out|detail"
    r"|fix|method|recipe|rule|what_it_is|family|left_out|others|problems|gaps|warnings|hint)$"
)
"""Keys of sentences, table cells and signatures, which are compared apart from numbers."""
_VERSION = re.compile(r"\d\.\d+\.\d")
MACHINE = frozenset({"seconds", "free", "disk", "workers", "device"})
"""Keys of a plan whose values are about the machine."""


@dataclass(frozen=True)
class Question:
    """One command that is asked of every folder."""

    arguments: tuple[str, ...]
    strip: Callable[[Any], Any] = lambda answer: answer
    """What of its JSON is about the folder and not about the machine."""


def _of_the_folder(answer: dict[str, Any]) -> dict[str, Any]:
    about = ("variant", "cells", "plan", "study", "write")
    kept = [one for one in answer["findings"] if one["what"] in about]
    return {**answer, "findings": sorted(kept, key=lambda one: (one["what"], one["detail"]))}


def _of_any_version(answer: dict[str, Any]) -> dict[str, Any]:
    answer["study"].get("versions", {}).pop("babelbits", None)
    return answer


def _without_machine(answer: Any) -> Any:
    if isinstance(answer, dict):
        return {k: _without_machine(v) for k, v in answer.items() if k not in MACHINE}
    return [_without_machine(one) for one in answer] if isinstance(answer, list) else answer


PLAN = Question(("plan", "study.toml", "--json"), _without_machine)
SMOKE_PLAN = Question(("plan", "study.toml", "--limit", "8", "--json"), _without_machine)
_GATE = ("gate", "study.toml", "--json", "--variant")
_ASKED = ("--endpoint", ENDPOINT, "--model", "judge", "--json")
GRADED = ("--suite", "math", "--limit", "12", "--output", "run/grades")
QUESTIONS: Mapping[str, Question] = {
    "report": Question(("report", "study.toml", "--format", "json"), _of_any_version),
    "report of the smoke run": Question(
        ("report", "run", "--smoke", "--format", "json"), _of_any_version
    ),
    "page": Question(("report", "study.toml", "--output", "page.html")),
    "gate that passes": Question((*_GATE, "w8a8", "--suite", "pairs", "--margin", "6")),
    "gate that fails": Question((*_GATE, "q2_k_s@en", "--suite", "math", "--fail-on", "loss")),
    "gate that is open": Question((*_GATE, "w8a8")),
    "recommend": Question(("recommend", "run", "--suite", "pairs", "--margin", "8", "--json")),
    "recommend nothing": Question(("recommend", "run", "--json")),
    "doctor": Question(("doctor", "run", "--json"), _of_the_folder),
    "judge": Question(("judge", "study.toml", *_ASKED)),
    "grade": Question(
        (
            "grade",
            "study.toml",
            "--suite",
            "math",
            "--limit",
            "12",
            "--output",
            "run/grades",
            *_ASKED,
        )
    ),
}


def command(source: Path | None = None, *, versions: Mapping[str, str] | None = None) -> list[str]:
    """The command; of another source folder if one is named (the first ones had no __main__).

    With `versions`, as if libraries had these versions.
    """
    if versions is not None:
        return [sys.executable, str(HERE / "as_recorded.py"), json.dumps(versions)]
    has_main = source is None or (source / "babelbits" / "__main__.py").exists()
    return [sys.executable, "-m", "babelbits" if has_main else "babelbits.cli.main"]


def environment(source: Path | None = None) -> dict[str, str]:
    """Of a child process: offline, one thread; of another source folder if one is named."""
    own = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    own |= {"COLUMNS": "200", "BABELBITS_NO_REHEARSE": "1", "BABELBITS_API_KEY": "none"}
    own |= {} if source is None else {"PYTHONPATH": str(source)}
    return {**os.environ, **own}


def babelbits(
    arguments: Sequence[str],
    *,
    cwd: Path,
    source: Path | None = None,
    versions: Mapping[str, str] | None = None,
    check: bool = False,
) -> "subprocess.CompletedProcess[str]":
    """Run the command in a folder."""
    return subprocess.run(
        [*command(source, versions=versions), *arguments],
        cwd=cwd,
        env=environment(source),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=check,
    )


def said(
    folder: Path,
    question: Question,
    *,
    source: Path | None = None,
    versions: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Exit code and answer to one question; the folder's path is taken out."""
    endpoint = _endpoint(folder) if ENDPOINT in question.arguments else ""
    arguments = [endpoint if one == ENDPOINT else one for one in question.arguments]
    done = babelbits(arguments, cwd=folder, source=source, versions=versions)
    page = folder / "page.html"
    if "page.html" in question.arguments:
        answer: Any = cells_of(page.read_text("utf-8")) if page.exists() else None
        page.unlink(missing_ok=True)
    else:
        answer = _parsed(done.stdout)
    if answer is None:
        return {"exit": done.returncode, "answer": None, "stderr": _neutral(done.stderr, folder)}
    if isinstance(answer, dict):
        answer = question.strip(answer)
    return {"exit": done.returncode, "answer": json.loads(_neutral(json.dumps(answer), folder))}


def _endpoint(folder: Path) -> str:
    """Address of the endpoint that played the judge, which is part of what the judge is."""
    judges = [json.loads(file.read_text("utf-8")) for file in folder.glob("run/*/*/judge.json")]
    (url,) = {one["model"]["url"] for one in judges if one["mode"] != "people"}
    return str(url)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _neutral(text: str, folder: Path) -> str:
    for name in {str(folder), str(folder.resolve())}:
        text = text.replace(name, "FOLDER")
    return re.sub(r"\bbabelbits=[\w.]+", "babelbits=VERSION", text)


def said_of_everything(folder: Path, *, source: Path | None = None) -> dict[str, Any]:
    """What a source folder's code says of a run folder, by name of the question."""
    return {name: said(folder, one, source=source) for name, one in QUESTIONS.items()}


def plans(folder: Path, *, source: Path | None = None) -> dict[str, Any]:
    """What is to be done in a folder, in an environment with the versions that it recorded."""
    versions = None if source else recorded_versions(folder)
    return {
        "plan": said(folder, PLAN, source=source, versions=versions),
        "plan of the smoke run": said(folder, SMOKE_PLAN, source=source, versions=versions),
    }


def recorded_versions(folder: Path) -> dict[str, str]:
    """Versions of the libraries that made a run folder's variants and computed its cells."""
    files = [*folder.glob("run/**/cells/*/DONE"), *folder.glob("run/variants/*/manifest.json")]
    found: dict[str, str] = {}
    for file in files:
        found |= json.loads(file.read_text("utf-8"))["library_versions"]
    return found


def cells_of(page: str) -> dict[str, int]:
    """Numbers of each of the page's table cells, without its words, and in how many cells."""
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page, re.DOTALL)
    texts = (html.unescape(re.sub(r"<[^>]+>", " ", cell)) for cell in cells)
    numbers = (" ".join(re.findall(r"[−+<≥≤]?\d[\d.,]*(?<=\d)", text)) for text in texts)
    return dict(sorted(Counter(one for one in numbers if one and not _VERSION.search(one)).items()))


def still_there(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """What a page says, without cells that the former one had not: a page may say more."""
    kept = {one: min(found["answer"].get(one, 0), count) for one, count in wanted["answer"].items()}
    return {**found, "answer": kept}


# --- files -------------------------------------------------------------------------------------


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a folder that `write.py` packed.

    Its study has one baseline, as studies had when it was written: what is pinned is the work that
    is recorded, and a baseline of a further engine is new work.
    """
    with tarfile.open(archive) as packed:
        extract(packed, folder)
    study = folder / "study.toml"
    if study.is_file():
        text = study.read_text("utf-8")
        study.write_text(text.rstrip() + "\n" + ONE_BASELINE, "utf-8")
    return folder


def extract(archive: tarfile.TarFile, folder: Path) -> None:
    """Unpack an open archive, nothing outside the folder (Python 3.11.2 knows no filters yet)."""
    archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _path: member)
    archive.extractall(folder)  # noqa: S202  our own archive, in a test


def write_packed(file: Path, text: str) -> None:
    """Write a compressed text."""
    file.write_bytes(lzma.compress(text.encode(), preset=9))


def read_packed(file: Path) -> Any:
    """Read compressed JSON."""
    return json.loads(lzma.decompress(file.read_bytes()))


# --- comparing ---------------------------------------------------------------------------------


def flat(answer: Any, path: str = "") -> dict[str, Any]:
    """Every leaf of a JSON value by its path, e.g. `effects[3].delta`."""
    if isinstance(answer, dict):
        pairs = [(f"{path}.{key}" if path else key, value) for key, value in answer.items()]
    elif isinstance(answer, list):
        pairs = [(f"{path}[{place}]", value) for place, value in enumerate(answer)]
    else:
        return {path: answer}
    if not pairs:
        return {path: answer}
    return {name: leaf for key, value in pairs for name, leaf in flat(value, key).items()}


def is_words(path: str) -> bool:
    """Whether the leaf at a path is a sentence, a table cell or a signature."""
    return any(WORDS.search(part) for part in re.sub(r"\[\d+\]", "", path).split("."))


def differences(wanted: Any, found: Any, *, words: bool) -> list[str]:
    """Leaves that are missing, added or other: only words, or only what is not words."""
    before = {path: leaf for path, leaf in flat(wanted).items() if is_words(path) is words}
    after = {path: leaf for path, leaf in flat(found).items() if is_words(path) is words}
    missing = [f"missing: {path} (was {before[path]!r})" for path in before.keys() - after.keys()]
    added = [f"added: {path} = {after[path]!r}" for path in after.keys() - before.keys()]
    other = [
        f"changed: {path}: {before[path]!r} -> {after[path]!r}"
        for path in before.keys() & after.keys()
        if not same(before[path], after[path])
    ]
    return sorted(missing) + sorted(other) + sorted(added)


def same(one: Any, other: Any) -> bool:
    """Equal, floats to a relative 1e-12."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= 1e-12 * max(1.0, abs(one), abs(other))
    return type(one) is type(other) and one == other
