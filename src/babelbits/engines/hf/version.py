"""What the transformers engine is: its name, and what numbers depend on. Imports no library."""

from babelbits.engines.base import with_libraries

NAME = "transformers"
LIBRARIES = ("transformers", "torch")
REVISION = 2
"""Counts changes of this engine that may change its numbers."""


def engine_version() -> str:
    """Version of the engine with those of its libraries; imports none of them."""
    return with_libraries(REVISION, LIBRARIES)
