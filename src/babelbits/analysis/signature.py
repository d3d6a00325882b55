"""How a number was computed, in one line: test|interval|units|draws|seed|version."""

from functools import cache
from importlib.metadata import version


def signature(*pieces: str) -> str:
    """The pieces and this package's version, joined by bars."""
    return "|".join([*pieces, f"babelbits={_version()}"])


@cache
def _version() -> str:
    return version("babelbits")
