"""What the transformers engine is: its name, and what numbers depend on. Imports no library."""

from babelbits.engines.base import with_libraries

NAME = "transformers"
LIBRARIES = ("transformers", "torch")
REVISION = 2
"""Counts changes of this engine that may change its numbers."""


def make_engine_version(*, scaled: bool = False) -> str:
    """Version of the engine with those of its libraries; imports none of them.

    `scaled` says that the engine multiplies logits which transformers leaves as they are
    (`formats.logit_scale`): numbers of these models are others than they were without.
    """
    revision = f"{REVISION} with logit_scale" if scaled else REVISION
    return with_libraries(revision, LIBRARIES)
