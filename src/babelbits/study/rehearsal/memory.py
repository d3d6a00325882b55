"""Results of rehearsals, kept by what they depend on: `rehearsals/` in the user's cache folder.

A key is made of the base's config and tokenizer files (not its weights: a miniature has its own),
the recipe with its parameters, the engine's settings that matter, the versions of the libraries and
of the rehearsal. One small file a result, written whole; the folder can be deleted at any time, and
processes that write the same result at the same time do no harm.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from babelbits.libraries import find_version
from babelbits.recipes.family import find_family, list_families
from babelbits.recipes.manifests import hash_file
from babelbits.records import JSON, digest
from babelbits.store.atomic import write_atomically
from babelbits.study.config.spec import VariantSpec
from babelbits.study.planning.hashes import find_cache_folder
from babelbits.study.rehearsal.outcomes import RehearsalResult, Stage

VERSION = 1
"""Raised when a rehearsal checks something else."""
_READ = ("*.json", "*.jinja", "*.txt", "*.model", "*.tiktoken", "*.py")


def find_folder() -> Path:
    """Where results are kept."""
    return find_cache_folder() / "rehearsals"


def name_architecture(base: Path) -> str:
    """The base's model type, for people; 'unknown' where its config does not say."""
    config = _config(base)
    return str(config.get("model_type") or "unknown")


def make_key(stage: Stage, variant: VariantSpec) -> str:
    """What a variant's rehearsal depends on, as a hash.

    Of calibration text only whether there is any: a rehearsal draws a few short samples of it.
    Texts count for formats alone that bring their own tokenizer, as llama.cpp's do.
    """
    engine = stage.engine
    named = [] if engine.name == "auto" else [engine.name]
    return digest(
        {
            "version": VERSION,
            "base": _files(stage.base),
            "recipe": variant.recipe,
            "parameters": dict(variant.parameters),
            "calibrated": variant.calibration is not None,
            "texts": dict(stage.texts) if find_family(variant.recipe).has_own_tokenizer else {},
            "engine": [engine.device, engine.dtype, engine.token_budget, engine.sharing, *named],
            "chat": stage.chat,
            "trust": [stage.trust.remote_code, stage.trust.pickle, stage.allow_token_differences],
            "libraries": _libraries(stage.base),
        },
        length=32,
    )


def _libraries(base: Path) -> dict[str, str | None]:
    """Versions of all that makes variants."""
    names = {name for one in list_families() for name in (*one.libraries(base), *one.packages)}
    return {name: find_version(name) for name in ("babelbits", "tokenizers", *sorted(names))}


def _files(base: Path) -> dict[str, str]:
    """Hashes of the files that a miniature is made from."""
    if base.is_file():
        return {base.name: str(base.stat().st_size)}
    found = {path for pattern in _READ for path in base.glob(pattern)}
    return {
        path.name: hash_file(path)
        for path in sorted(found)
        if not path.name.endswith(".index.json") and path.is_file()
    }


def _config(base: Path) -> JSON:
    with suppress(OSError, ValueError):
        found: Any = json.loads((base / "config.json").read_text("utf-8"))
        if isinstance(found, dict):
            return found
    return {}


def find(key: str) -> RehearsalResult | None:
    """A result that is known; None where it is not, or cannot be read."""
    try:
        return RehearsalResult.from_object(
            json.loads((find_folder() / f"{key}.json").read_text("utf-8"))
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None


def keep(key: str, result: RehearsalResult) -> None:
    """Keep a result, where that is possible."""
    text = json.dumps(result.as_object(), ensure_ascii=False, indent=1)
    with suppress(OSError):
        write_atomically(find_folder() / f"{key}.json", f"{text}\n".encode())
