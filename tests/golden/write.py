"""Writes the finished run folders that the golden test reads: by this code, and by an earlier one.

    python tests/golden/write.py now                        by the code of this checkout
    python tests/golden/write.py earlier --commit a5ad20c   by the code of a commit
    python tests/golden/write.py words                      new words for what is said of both

A folder is made by the command alone, in a child process, as a user would: a study of the bundled
model (a full run and a smoke run), divergences, answers to open prompts, a judge's votes and grades
(an endpoint on the loopback plays the judge), a campaign that scripted raters finish over HTTP, its
votes and a table of votes of others beside the run. Weights, `report.html` and what is kept to be
faster the next time (the baseline's distributions, llama.cpp's intermediate files) are left out:
no report needs them. What this checkout then says of it goes into `NAME.read.json.xz`, what
another commit said of its own folder into `NAME.written.json.xz`. `words` takes new sentences and
added fields alone, and refuses to where a number, an id or an exit code changed.

It takes minutes, and the extras `run`, `gguf`, `endpoint` and `annotate`. The study is made in
a folder of a neutral name, so that no path of the machine is in what it writes.
"""

import argparse
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))

from golden import reading, scripted  # noqa: E402  a program beside the tests

LEFT_OUT = re.compile(r"(\.safetensors|\.gguf|\.npz|tokenizer\.json|/lock|report\.html)$|/\.gguf-")
"""Files of a run folder that are too big, or are made again, and that no report reads."""


def main() -> None:
    """Write the folder that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Raw)
    parser.add_argument("name", choices=["now", "earlier", "words"])
    parser.add_argument("--commit", help="whose code writes; this checkout's if left out")
    wanted = parser.parse_args()
    if wanted.name == "words":
        for archive in sorted(HERE.glob("*.tar.xz")):
            ask(archive.name.partition(".")[0], only_words=True)
        return
    with _source(wanted.commit) as source:
        folder = Path(tempfile.gettempdir()) / "golden"
        folder.mkdir()
        try:
            scripted.make(folder, source)
            pack(folder, HERE / f"{wanted.name}.tar.xz")
        finally:
            shutil.rmtree(folder)
        if wanted.commit is not None:
            ask(wanted.name, source=source)
    ask(wanted.name)


def ask(name: str, *, source: Path | None = None, only_words: bool = False) -> None:
    """Store what is said of a packed folder: by a source's code, or by this checkout's."""
    file = HERE / f"{name}.{'written' if source else 'read'}.json.xz"
    with tempfile.TemporaryDirectory() as scratch:
        folder = reading.unpack(HERE / f"{name}.tar.xz", Path(scratch))
        said = reading.said_of_everything(folder, source=source)
        said |= reading.plans(folder, source=source)
    if only_words:
        before = reading.read_packed(file)
        page = "page"
        known = {**said, page: reading.still_there(before[page], said[page])}
        other = reading.differences(before, known, words=False)
        if changed := [one for one in other if not one.startswith("added: ")]:
            raise SystemExit("\n".join(["not only words changed:", *changed]))
    reading.write_packed(file, _json(said))
    print(file, file.stat().st_size, "bytes", flush=True)


class _Raw(argparse.RawDescriptionHelpFormatter):
    """The module's text as it stands."""


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


@contextmanager
def _source(commit: str | None) -> Iterator[Path]:
    """The folder of the package's source at a commit."""
    if commit is None:
        yield ROOT / "src"
        return
    with tempfile.TemporaryDirectory() as scratch:
        packed = subprocess.run(
            ["git", "-C", str(ROOT), "archive", commit, "src"], check=True, capture_output=True
        ).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            reading.extract(archive, Path(scratch))
        yield Path(scratch) / "src"


def pack(folder: Path, archive: Path) -> None:
    """Pack a folder without what `LEFT_OUT` names, always in the same order."""
    with tarfile.open(archive, "w:xz", preset=9) as packed:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = file.relative_to(folder).as_posix()
            if LEFT_OUT.search(name) is None:
                packed.add(file, name, filter=_plain)
    print(archive, archive.stat().st_size, "bytes")


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """No owner and no mode of the machine."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o644
    return entry


if __name__ == "__main__":
    main()
