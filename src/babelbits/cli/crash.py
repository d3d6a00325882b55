"""A crash report: what a maintainer needs to see, in a file, with nothing secret in it."""

import os
import platform
import re
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from babelbits.libraries import EXTRAS, find_version

_LIBRARIES = (
    "babelbits",
    *EXTRAS["run"],
    "llama-cpp-python",
    "numpy",
    "scipy",
    "statsmodels",
    "pyarrow",
    "altair",
)
_SECRET = re.compile(
    r"(?i)"
    r"\b(?:hf_|sk-|gsk_|xai-|ghp_|github_pat_|AIza|AKIA)[\w-]{8,}"  # keys by how they begin
    r"|(?P<scheme>\b(?:bearer|basic)\s+)[\w.~+/=-]{6,}"
    r"|(?P<url>\b[a-z][\w+.-]*://)[^\s/@]+@"  # user and password of a URL
    r"|(?P<named>(?:token|key|secret|password)\S{0,10}[=:]\s*)\S+"
)
_NAMES = re.compile(r"(?i)token|key|secret|password|credential|dsn|database_url")
_SHORTEST = 8
"""Letters of a variable's value that is looked for; shorter ones are words."""


def find_library_versions() -> dict[str, str]:
    """Installed versions of what Babelbits stands on, without importing any of it."""
    return {name: find_version(name) or "not installed" for name in _LIBRARIES}


def redacted(text: str, *, environment: Mapping[str, str] = MappingProxyType({})) -> str:
    """`text` without what looks like tokens, keys, passwords and the users of URLs.

    Parameters
    ----------
    text : str
        A command line and a traceback.
    environment : mapping
        Variables; the values of those whose names sound secret are taken out as well.
    """
    for name, value in environment.items():
        if _NAMES.search(name) and len(value) >= _SHORTEST:
            text = text.replace(value, "[redacted]")
    return _SECRET.sub(_marked, text)


def _marked(found: re.Match[str]) -> str:
    """What stays of a secret: what it was for."""
    at = "@" if found["url"] else ""
    return f"{found['scheme'] or found['url'] or found['named'] or ''}[redacted]{at}"


def write_crash_report(error: BaseException, arguments: list[str]) -> Path | None:
    """Write the report to the temporary folder; its path, or None where that failed.

    Parameters
    ----------
    arguments : list of str
        The command line, without the program's name.
    """
    trace = "".join(traceback.format_exception(error))
    lines = [
        f"command: babelbits {' '.join(arguments)}",
        f"python: {sys.version.split()[0]} on {platform.platform()}",
        *(f"{name}: {version}" for name, version in find_library_versions().items()),
        "",
        trace,
    ]
    try:
        descriptor, name = tempfile.mkstemp(prefix="babelbits-crash-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(redacted("\n".join(lines), environment=os.environ))
    except OSError:
        return None
    return Path(name)
