"""A crash report: what a maintainer needs to see, in a file, with nothing secret in it."""

import os
import platform
import re
import sys
import tempfile
import traceback
from importlib import metadata
from pathlib import Path

_LIBRARIES = (
    "babelbits",
    "torch",
    "transformers",
    "llmcompressor",
    "compressed-tensors",
    "bitsandbytes",
    "lm-eval",
    "numpy",
    "scipy",
    "statsmodels",
    "pyarrow",
    "altair",
)
_SECRET = re.compile(r"(?i)\b(hf_|sk-)[\w-]{8,}|((?:token|key|secret|password)\S{0,10}[=:]\s*)\S+")


def library_versions() -> dict[str, str]:
    """Installed versions of what Babelbits stands on, without importing any of it."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def redacted(text: str) -> str:
    """`text` without what looks like tokens, keys and passwords."""
    return _SECRET.sub(lambda found: f"{found[2] or ''}[redacted]", text)


def write_crash_report(error: BaseException, arguments: list[str]) -> Path | None:
    """Write the report to the temporary folder; its path, or None where that failed.

    Parameters
    ----------
    error : BaseException
        What nobody caught.
    arguments : list of str
        The command line, without the program's name.
    """
    trace = "".join(traceback.format_exception(error))
    lines = [
        f"command: babelbits {' '.join(arguments)}",
        f"python: {sys.version.split()[0]} on {platform.platform()}",
        *(f"{name}: {version}" for name, version in library_versions().items()),
        "",
        trace,
    ]
    try:
        descriptor, name = tempfile.mkstemp(prefix="babelbits-crash-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(redacted("\n".join(lines)))
    except OSError:
        return None
    return Path(name)
