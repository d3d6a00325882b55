"""Whether loading a checkpoint would run Python code that came with it.

`auto_map` in `config.json` or `tokenizer_config.json` names such code. Where transformers has the
architecture itself, that code is an older copy of what transformers runs: it is not needed, needs
no trust, and is not run, whatever the study allows. Reads two small files; transformers is asked
for its lists of names only, without torch.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from babelbits.errors import ModelError
from babelbits.formats.trust import Trust


def brings_code(folder: Path) -> bool:
    """Whether the model or its tokenizer can only be loaded with code of the checkpoint's own."""
    return model_brings_code(folder) or tokenizer_brings_code(folder)


def model_brings_code(folder: Path) -> bool:
    """Whether transformers lacks the architecture, so that code of the checkpoint's would run.

    Where transformers is not installed that cannot be known, and the answer is yes.
    """
    config = read_object(folder / "config.json")
    return bool(config.get("auto_map")) and not _has_architecture(config)


def tokenizer_brings_code(folder: Path) -> bool:
    """Whether transformers lacks the tokenizer's class, and no `tokenizer.json` stands for it."""
    config = read_object(folder / "tokenizer_config.json")
    mapped = config.get("auto_map")
    named = mapped.get("AutoTokenizer") if isinstance(mapped, Mapping) else mapped
    if not named or (folder / "tokenizer.json").is_file():
        return False
    name = str(config.get("tokenizer_class") or "")
    return not {name, f"{name}Fast", name.removesuffix("Fast")} & _names() - {"", "Fast"}


def refuse_code(folder: Path, *, trust: Trust) -> None:
    """Raise if the checkpoint brings its own code and the study does not allow it.

    Raises
    ------
    ModelError
        Names the file that names the code.
    """
    if trust.remote_code:
        return
    for name, brings in (
        ("config.json", model_brings_code),
        ("tokenizer_config.json", tokenizer_brings_code),
    ):
        if brings(folder):
            advice = "read that code first; then set trust_remote_code = true in [model]"
            unknown = "; whether it is needed is known where babelbits[run] is installed"
            raise ModelError(
                "the model brings its own code, which would run on this machine",
                where=str(folder / name),
                hint=advice if _names() else advice + unknown,
            )


def _has_architecture(config: Mapping[str, Any]) -> bool:
    """Whether transformers has the type, and the very class where the config names one."""
    architectures = config.get("architectures") or []
    known = not architectures or any(name in _names() for name in architectures)
    return known and config.get("model_type") in _model_types()


def _names() -> set[str]:
    """Everything that transformers offers by name; nothing where it is not installed."""
    try:
        import transformers
    except ImportError:
        return set()
    return set(dir(transformers))


def _model_types() -> Mapping[str, str]:
    try:
        from transformers.models.auto.auto_mappings import CONFIG_MAPPING_NAMES
    except ImportError:
        return {}
    names: Mapping[str, str] = CONFIG_MAPPING_NAMES
    return names


def read_object(file: Path) -> dict[str, Any]:
    """A JSON object; an empty one where there is none, which others complain about."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
