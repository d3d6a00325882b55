"""A model on the hub as people write it: a repository, one of its files, or a type of GGUF.

    owner/model                     the repository, a checkpoint
    hub:owner/model/file.gguf       one file of it
    owner/model:Q4_K_M              its GGUF file of that type, as llama.cpp and Ollama write it

Parses text; nothing is looked up.
"""

import re
from dataclasses import dataclass

_PREFIX = "hub:"
_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_FILE = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)/(?P<file>[^\\:]+\.gguf)")
_TYPE = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+):(?P<type>[\w.-]+)")
WAYS = "'owner/model', 'owner/model:Q4_K_M' or 'hub:owner/model/file.gguf'"
"""How it may be written, for messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubName:
    """Which repository, and what of it."""

    repo: str
    file: str | None = None
    """A GGUF file in it, the first of its parts."""
    type: str | None = None
    """The type of the GGUF file to look for in it."""

    @property
    def is_gguf(self) -> bool:
        """Whether it is a GGUF file and no checkpoint."""
        return self.file is not None or self.type is not None


def parse(written: str) -> HubName | None:
    """What a path names on the hub; None where it cannot be a name of the hub.

    Examples
    --------
    >>> parse("bartowski/Qwen3-4B-GGUF:Q4_K_M")
    HubName(repo='bartowski/Qwen3-4B-GGUF', file=None, type='Q4_K_M')
    """
    plain = written.removeprefix(_PREFIX)
    marked = plain != written
    if (found := _FILE.fullmatch(plain)) and marked and ".." not in plain.split("/"):
        return HubName(repo=found["repo"], file=found["file"])
    if found := _TYPE.fullmatch(plain):
        return HubName(repo=found["repo"], type=found["type"])
    return HubName(repo=plain) if _ID.fullmatch(plain) else None
