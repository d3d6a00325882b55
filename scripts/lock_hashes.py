"""Writes requirements.hashed.lock: every pinned version with the SHA-256 of all its files.

    .venv/bin/python scripts/lock_hashes.py

The hashes come from the index itself (its JSON page of PEP 691, else its HTML page of PEP 503), for
the files of all platforms; where it gives none, the file that fits here is downloaded and hashed.
Which extras need a distribution is read from the environment that runs this, which must have all
extras installed (`make install-dev`). Whoever publishes a version can add files to it later: run
this again then. Left out, because their builds have hashes of their own: see `EXEMPT`.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html.parser import HTMLParser
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version
from pip_in import HASHED_LOCK, HERE, LOCK

EXEMPT = ("torch", "llama-cpp-python")
"""torch's CPU build is another file than the index's; llama.cpp is compiled on the machine."""
_BUILDS_US = "setuptools"
"""What builds the package itself; not among its dependencies."""
_JSON = "application/vnd.pypi.simple.v1+json"
_HEAD = f"""\
# {LOCK.name} with the SHA-256 of every file, for `make install HASHED=1`. Written by
# scripts/lock_hashes.py; without {" and ".join(EXEMPT)}, which are installed as ever.
"""


def pins(text: str) -> dict[str, str]:
    """Canonical name to version, of every `name==version` of a lock file."""
    found = re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.MULTILINE)
    return {str(canonicalize_name(name)): version for name, version in found}


# --- the index ---------------------------------------------------------------------------------


class _Links(HTMLParser):
    """File name to hash of a PEP 503 page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take notice of a link."""
        address, _, fragment = (dict(attrs).get("href") or "").partition("#")
        if tag == "a" and fragment.startswith("sha256="):
            self.found[address.rpartition("/")[2]] = fragment.removeprefix("sha256=")


def files_of(page: bytes, content_type: str) -> dict[str, str]:
    """File name to SHA-256 of a project's page; files without one are left out."""
    if "json" in content_type:
        files = json.loads(page)["files"]
        pairs = ((one["filename"], one.get("hashes", {}).get("sha256")) for one in files)
        return {name: value for name, value in pairs if value}
    parser = _Links()
    parser.feed(page.decode("utf-8", "replace"))
    return parser.found


def is_of(file: str, name: str, version: str) -> bool:
    """Whether a file name is a wheel or a source archive of this version."""
    try:
        if file.endswith(".whl"):
            found, of_file, *_ = parse_wheel_filename(file)
        else:
            found, of_file = parse_sdist_filename(file)
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return False
    return found == name and of_file == Version(version)


def index() -> str:
    """The index that pip is set to use."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
    )
    return os.environ.get("PIP_INDEX_URL") or done.stdout.strip() or "https://pypi.org/simple"


def hashes(name: str, version: str, *, where: str) -> list[str]:
    """SHA-256 of every file of a version.

    Raises
    ------
    OSError
        If the index cannot be reached.
    """
    request = urllib.request.Request(  # noqa: S310  an index of the user's choice
        f"{where.rstrip('/')}/{name}/", headers={"Accept": f"{_JSON}, text/html;q=0.5"}
    )
    with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310  as above
        files = files_of(reply.read(), reply.headers.get("Content-Type", ""))
    found = sorted({value for file, value in files.items() if is_of(file, name, version)})
    return found or sorted(_downloaded(name, version))


def _downloaded(name: str, version: str) -> Iterator[str]:
    """The hash of the file that fits here, where the index gives none."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
        subprocess.run([*command, folder, f"{name}=={version}"], check=True)
        for file in Path(folder).iterdir():
            yield hashlib.sha256(file.read_bytes()).hexdigest()


# --- who needs it ------------------------------------------------------------------------------


def needed(requirements: Iterable[str], ours: Mapping[str, Sequence[str]]) -> set[str]:
    """Canonical names of everything that requirements bring, as far as it is installed here.

    Parameters
    ----------
    requirements : iterable of str
        As in pyproject.toml.
    ours : mapping
        Extra of the package itself to its requirements; `base` for none.
    """
    found: set[str] = set()
    todo = [Requirement(one) for one in requirements]
    seen: set[tuple[str, str]] = set()
    while todo:
        one = todo.pop()
        name = str(canonicalize_name(one.name))
        if name == "babelbits":
            todo += [Requirement(inner) for extra in one.extras for inner in ours[extra]]
            continue
        try:
            brought = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        for extra in ("", *one.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for text in brought:
                inner = Requirement(text)
                if inner.marker is None or inner.marker.evaluate({"extra": extra}):
                    todo.append(inner)
    return found


def extras_of(project: Mapping[str, object]) -> dict[str, set[str]]:
    """Extra to what it needs; `base` is what all of them need."""
    table: Mapping[str, object] = project["project"]  # type: ignore[assignment]
    extras: Mapping[str, list[str]] = table["optional-dependencies"]  # type: ignore[assignment]
    base = needed(table["dependencies"], extras) | {_BUILDS_US}  # type: ignore[arg-type]
    return {"base": base, **{name: needed(inner, extras) for name, inner in extras.items()}}


def main() -> int:
    """Write the file."""
    pinned = pins(LOCK.read_text("utf-8"))
    pinned.setdefault(_BUILDS_US, metadata.version(_BUILDS_US))
    extras = extras_of(tomllib.loads((HERE / "pyproject.toml").read_text("utf-8")))
    where = index()
    lines = [_HEAD]
    for name, version in sorted(pinned.items()):
        if name in EXEMPT:
            continue
        found = hashes(name, version, where=where)
        print(f"{name}=={version}: {len(found)}", flush=True)
        who = "base" if name in extras["base"] else " ".join(e for e in extras if name in extras[e])
        body = " \\\n".join(f"    --hash=sha256:{value}" for value in found)
        lines.append(f"# for: {who or 'none'}\n{name}=={version} \\\n{body}\n")
    HASHED_LOCK.write_text("".join(lines), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
