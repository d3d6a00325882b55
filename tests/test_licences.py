"""Licences of everything that an installation brings: known, and such that we can use it.

Read from the metadata of what is installed (PEP 639's License-Expression, else classifiers, else
the old License field). Exceptions are named one by one, each with the reason why it is one.
"""

import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from lock_hashes import extras_of, pins
from packaging.utils import canonicalize_name
from pip_in import HASHED_LOCK, LOCK, hashed_for

ROOT = Path(__file__).resolve().parent.parent

ALLOWED = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause",
    "BSL-1.0", "CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-CMU", "PSF-2.0", "Python-2.0",
    "Unlicense", "Zlib",
}  # fmt: skip
"""Permissive ones of the SPDX list."""

WORDS = {
    "MIT License": "MIT",
    "The MIT License (MIT)": "MIT",
    "BSD License": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.1-or-later",
}
"""What classifiers and old fields call them."""

_FILES = "weak copyleft of its own files, which are installed unchanged from the index"
_LIBRARY = "a library, imported unchanged and replaceable by the user"
EXCEPTIONS = {
    "certifi": ("MPL-2.0", _FILES),
    "hypothesis": ("MPL-2.0", f"for tests only; {_FILES}"),
    "pathspec": ("MPL-2.0", f"for mypy only; {_FILES}"),
    "tqdm": ("MPL-2.0", _FILES),
    "chardet": ("LGPL-2.1-or-later", f"brought by lm-eval's tables; {_LIBRARY}"),
    "psycopg": ("LGPL-3.0-only", f"with the extra 'postgres' only; {_LIBRARY}"),
    "psycopg-binary": ("LGPL-3.0-only", f"with the extra 'postgres' only; {_LIBRARY}"),
    "torchao": ("", "with the extra 'lab' only; its licence file is BSD's, its metadata none"),
    "axe-playwright-python": ("", "for tests only; its licence file is MIT's, its metadata none"),
}
"""Licence beyond the list, and why it may be here."""
_NVIDIA = re.compile(r"nvidia-|cuda-|triton$")
"""What torch's CUDA build brings: NVIDIA's redistributable libraries, on machines with a card."""


def parts_of(text: str) -> Iterator[str]:
    """Licences that all hold, of an SPDX expression; of alternatives an allowed one is taken."""
    flat = text.strip()
    pieces = split(flat, " AND ")
    if len(pieces) > 1:
        for piece in pieces:
            yield from parts_of(piece)
        return
    choices = split(flat, " OR ")
    if len(choices) > 1:
        yield next((one for one in choices if set(parts_of(one)) <= ALLOWED), flat)
        return
    yield from parts_of(flat[1:-1]) if flat.startswith("(") else (WORDS.get(flat, flat),)


def split(text: str, word: str) -> list[str]:
    """The text cut at a word outside of parentheses."""
    depth, pieces = 0, [""]
    for part in re.split(rf"({word}|[()])", text):
        depth += (part == "(") - (part == ")")
        if part == word and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += part
    return [piece.strip() for piece in pieces]


def licences(name: str) -> set[str]:
    """What a distribution says."""
    found = metadata.metadata(name)
    expression = found.get("License-Expression")
    if expression:
        return set(parts_of(expression))
    classified = [
        line.rpartition(" :: ")[2]
        for line in found.get_all("Classifier") or ()
        if line.startswith("License :: ") and not line.endswith("OSI Approved")
    ]
    if classified:
        return {WORDS.get(one, one) for one in classified}
    first = (found.get("License") or "").strip().splitlines()
    return set(parts_of(first[0])) if first else {""}


def ours() -> list[str]:
    """Everything that the extras bring and that is installed here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    named = set().union(*extras_of(project).values())
    there = {str(canonicalize_name(found.metadata["Name"])) for found in metadata.distributions()}
    return sorted(named & there)


def test_every_dependency_has_a_licence_that_is_allowed_or_a_named_exception() -> None:
    wrong = {}
    for name in ours():
        excepted, _ = EXCEPTIONS.get(name, (None, ""))
        found = licences(name) - ALLOWED - {excepted}
        if found and not _NVIDIA.match(name):
            wrong[name] = sorted(found)
    assert wrong == {}


def test_no_exception_is_left_over() -> None:
    there = [name for name in ours() if name in EXCEPTIONS]
    assert [name for name in there if licences(name) <= ALLOWED] == []


@pytest.mark.parametrize(
    ("expression", "parts"),
    [
        ("MIT", {"MIT"}),
        ("MIT AND (BSD-2-Clause OR LGPL-2.1-or-later)", {"MIT", "BSD-2-Clause"}),
        ("GPL-3.0-only OR MIT", {"MIT"}),
        ("(GPL-3.0-only OR LGPL-3.0-only) AND MIT", {"GPL-3.0-only OR LGPL-3.0-only", "MIT"}),
        ("Apache-2.0 AND Apache-2.0 WITH LLVM-exception",
         {"Apache-2.0", "Apache-2.0 WITH LLVM-exception"}),
    ],
)  # fmt: skip
def test_expressions_are_read_as_spdx_means_them(expression: str, parts: set[str]) -> None:
    """SPDX 2.3, annex D: AND binds before OR, parentheses before both."""
    assert set(parts_of(expression)) == parts


# --- the hashed lock -----------------------------------------------------------------------------


def test_the_hashed_lock_pins_what_the_lock_does_and_each_file_has_a_hash() -> None:
    plain, text = pins(LOCK.read_text("utf-8")), HASHED_LOCK.read_text("utf-8")
    hashed = pins(text)
    assert {name: version for name, version in hashed.items() if name != "setuptools"} == {
        name: version
        for name, version in plain.items()
        if name not in ("torch", "llama-cpp-python")
    }
    blocks = re.findall(
        r"^[\w.-]+==\S+ \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.M
    )
    assert len(blocks) == len(hashed)


def test_an_installation_takes_from_the_hashed_lock_what_its_extras_need() -> None:
    text = HASHED_LOCK.read_text("utf-8")
    base, run = pins(hashed_for((), text)), pins(hashed_for(("run", "gguf"), text))
    assert {"numpy", "click", "setuptools"} <= set(base)
    assert "transformers" not in base
    assert {"transformers", "lm-eval", "diskcache"} <= set(run)
    assert "playwright" not in run
