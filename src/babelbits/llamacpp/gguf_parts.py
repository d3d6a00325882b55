"""A GGUF model in several files, as `llama-gguf-split` writes them: which there are or are missing.

Knows names only; llama.cpp itself loads the other parts where it is given the first. Never writes.

Source: `llama_split_path` of llama.cpp, "%s-%05d-of-%05d.gguf".
"""

import re
from collections.abc import Iterable
from pathlib import Path

from babelbits.errors import ModelError
from babelbits.words import plural

_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")
_BESIDE = ("mmproj", "imatrix")
"""How names begin of GGUF files that lie beside a model and hold none."""
MOST = 10_000
"""Parts that anybody has."""


def list_part_names(name: str) -> tuple[str, ...]:
    """Names of all parts of the model that a file name belongs to, itself where it is in one file.

    Examples
    --------
    >>> list_part_names("m-00002-of-00002.gguf")
    ('m-00001-of-00002.gguf', 'm-00002-of-00002.gguf')
    """
    found = _PART.fullmatch(name)
    if found is None or not 0 < int(found["count"]) <= MOST:
        return (name,)
    total = int(found["count"])
    return tuple(f"{found['stem']}-{n:05d}-of-{total:05d}.gguf" for n in range(1, total + 1))


def find_first_part(file: Path) -> Path:
    """The part to load: the first, whichever is named."""
    return file.with_name(list_part_names(file.name)[0])


def list_parts(file: Path) -> tuple[Path, ...]:
    """All files of a model, the first first.

    Parameters
    ----------
    file : Path
        Any of its parts.

    Raises
    ------
    ModelError
        If a part is missing; names it.
    """
    files = tuple(file.with_name(name) for name in list_part_names(file.name))
    missing = [one.name for one in files if not one.is_file()]
    if missing and len(files) > 1:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ModelError(
            f"a part of the GGUF model is missing: {missing[0]}{more}",
            where=str(file.parent),
            hint=f"put all {plural(len(files), 'part')} into this folder",
        )
    return files


def select_models(names: Iterable[str]) -> tuple[str, ...]:
    """Names of the files to load, one a model: no other parts, no projectors, no matrices."""
    gguf = (name for name in names if name.endswith(".gguf"))
    own = (name for name in gguf if not is_beside(name))
    return tuple(sorted(dict.fromkeys(_first(name) for name in own)))


def is_beside(name: str) -> bool:
    """Whether a GGUF file is no language model: a projector for images, or an importance matrix."""
    plain = name.rpartition("/")[2].casefold()
    return plain.startswith(_BESIDE)


def _first(name: str) -> str:
    folder, slash, file = name.rpartition("/")
    return f"{folder}{slash}{list_part_names(file)[0]}"
