"""Names and types of everything that files on disk hold: the contract with folders of users.

    python tests/golden/fields.py     writes fields.json anew, from now.tar.xz

Kinds that came later than that folder (study.json) stay in it as they are.

`fields.json` maps each kind of file to its key paths and their types. A kind is a path in which ids
and names of judges are `*`. `[]` is an entry of a list; a file of several lines is a list.
"""

import json
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SNAPSHOT = HERE / "fields.json"
Shapes = dict[str, dict[str, list[str]]]
"""Kind of file to key path to names of types."""

_ID = re.compile(r"^(?:.+--)?[0-9a-f]{12,}(-[0-9]+)*(?=\.|$)")
_CHECKSUM = re.compile(r"^[0-9a-f]{8} (?=[{])")
_OPEN = frozenset({"library_versions", "libraries", "scores", "parameters", "margins", "caps"})
"""Keys whose entries are named by data, not by us."""
_OF_LIBRARIES = frozenset(
    {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"}
)
_NAMES = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}


def shapes(folder: Path) -> Shapes:
    """Key paths and types of every JSON, JSON Lines, CSV and Parquet file in a folder."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for file in sorted(folder.rglob("*")):
        # Folders that begin with a dot are made again at will, and no report reads them.
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.is_file() and not hidden and file.name not in _OF_LIBRARIES:
            for path, name in _leaves(file):
                found[kind(file.relative_to(folder))][path].add(name)
    return {
        one: {path: sorted(names) for path, names in sorted(paths.items())}
        for one, paths in sorted(found.items())
    }


def kind(file: Path) -> str:
    """A file's path with what is data replaced by a star; a smoke run's files are of one kind."""
    parts = [_ID.sub("*", part) for part in file.parts if part != "smoke"]
    for place, part in enumerate(parts[:-1]):
        if part in ("judgments", "people", "grades") and place + 2 < len(parts):
            parts[place + 1] = "*"
    return "/".join(parts)


def _leaves(file: Path) -> Iterator[tuple[str, str]]:
    if file.suffix == ".parquet":
        import pyarrow.parquet as pq

        for field in pq.read_schema(file):
            yield field.name, str(field.type)
    elif file.suffix == ".json" or file.name == "DONE":
        yield from walk(json.loads(file.read_text("utf-8")))
    elif file.suffix == ".jsonl":
        for line in file.read_text("utf-8").splitlines():
            yield from walk([json.loads(_CHECKSUM.sub("", line))])
    elif file.suffix == ".csv":
        with file.open(encoding="utf-8", newline="") as text:
            yield from ((column, "column") for column in next(text).strip().split(","))


def walk(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Key paths of a JSON value with the names of their types, itself included."""
    if path:
        yield path, _name(value)
    if isinstance(value, dict):
        for key, one in value.items():
            name = "*" if path.rpartition(".")[2] in _OPEN else str(key)
            yield from walk(one, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for one in value:
            yield from walk(one, f"{path}[]")


def _name(value: Any) -> str:
    return _NAMES.get(type(value), "number")


def lost(wanted: Shapes, found: Shapes) -> list[str]:
    """Fields and types of the snapshot that are not there any more, and files without any."""
    gone = []
    for one in wanted:
        if one not in found:
            gone.append(f"no file {one}")
            continue
        for path, names in wanted[one].items():
            if path not in found[one]:
                gone.append(f"{one}: no field {path}")
            elif other := set(found[one][path]) - set(names):
                gone.append(f"{one}: {path} is {sorted(other)}, was {names}")
    return gone


def added(wanted: Shapes, found: Shapes) -> list[str]:
    """Fields and kinds of files that the snapshot does not know."""
    new = [f"file {one}" for one in found.keys() - wanted.keys()]
    for one in found.keys() & wanted.keys():
        new += [f"{one}: {path}" for path in found[one].keys() - wanted[one].keys()]
    return sorted(new)


def main() -> None:
    """Write the snapshot anew."""
    sys.path.insert(0, str(HERE.parent))
    from golden import reading

    with tempfile.TemporaryDirectory() as scratch:
        found = shapes(reading.unpack(HERE / "now.tar.xz", Path(scratch)))
    found = {**json.loads(SNAPSHOT.read_text("utf-8")), **found}
    SNAPSHOT.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main()
