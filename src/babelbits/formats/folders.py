"""What people name as a model that is none yet: an adapter, a folder of GGUF files, parts of one.

Looks at names of files and reads two small ones; no torch.
"""

import json
import shlex
from pathlib import Path

from babelbits.errors import ModelError

_TOKENIZERS = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer.model.v*",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "sentencepiece*.model",
    "tekken.json",
    "*.tiktoken",
    "tiktoken.model",
)
"""Any of these holds a vocabulary."""
_WITHOUT_FILES = ("ByT5Tokenizer", "PerceiverTokenizer", "CanineTokenizer", "EvaByteTokenizer")
"""Tokenizers of bytes or characters, which need no vocabulary."""
_MOST_NAMES = 3


def check_folder(folder: Path) -> None:
    """Raise if a folder is no whole Hugging Face checkpoint, judged by its files' names.

    Raises
    ------
    ModelError
        Says what the folder holds, and what to do.
    """
    if (folder / "adapter_config.json").is_file() and not _has_weights(folder):
        raise _adapter(folder)
    has_config = (folder / "config.json").is_file()
    if not _has_weights(folder) or not has_config:
        _refuse_gguf(folder)
        _refuse_original(folder)


def check_tokenizer(folder: Path) -> None:
    """Raise if a checkpoint comes without a tokenizer.

    Raises
    ------
    ModelError
        Says what to do.
    """
    if not has_tokenizer(folder):
        raise ModelError(
            "the folder holds no tokenizer (tokenizer.json or tokenizer.model)",
            where=str(folder),
            hint="copy the files of the model's tokenizer into it, or save it there: "
            "AutoTokenizer.from_pretrained(...).save_pretrained(folder)",
        )


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder holds a tokenizer's vocabulary, or names one that needs none."""
    if any(any(folder.glob(pattern)) for pattern in _TOKENIZERS):
        return True
    try:
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(config.get("auto_map")) or config.get("tokenizer_class") in _WITHOUT_FILES


def _has_weights(folder: Path) -> bool:
    """Whether there are weights of a whole model, in any format that transformers reads."""
    patterns = ("*.safetensors", "pytorch_model*.bin")
    names = (path.name for pattern in patterns for path in folder.glob(pattern))
    return any(not name.startswith("adapter_") for name in names)


def _adapter(folder: Path) -> ModelError:
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        base = str(config.get("base_model_name_or_path") or "its base model")
    except (OSError, ValueError):
        base = "its base model"
    merged = f"{folder}-merged"
    program = (
        "from peft import AutoPeftModelForCausalLM as M; from transformers import AutoTokenizer; "
        f"m = M.from_pretrained({str(folder)!r}, dtype='auto').merge_and_unload(); "
        f"m.save_pretrained({merged!r}); "
        f"AutoTokenizer.from_pretrained(m.config._name_or_path).save_pretrained({merged!r})"
    )
    return ModelError(
        f"the folder holds a PEFT adapter for '{base}', not a model",
        where=str(folder),
        hint="merge it first (pip install peft), and name the merged folder in [model]:\n  "
        f"python -c {shlex.quote(program)}",
    )


def _refuse_gguf(folder: Path) -> None:
    found = sorted(
        path.name for path in folder.glob("*.gguf") if not path.name.startswith("mmproj")
    )
    if not found:
        return
    more = f" and {len(found) - _MOST_NAMES} more" if len(found) > _MOST_NAMES else ""
    raise ModelError(
        f"the folder holds GGUF files ({', '.join(found[:_MOST_NAMES])}{more}), no Hugging Face "
        "checkpoint",
        where=str(folder),
        hint=f'name one of them: path = "{folder / _plainest(found)}"',
    )


def _plainest(names: list[str]) -> str:
    """The file whose name promises the least quantization."""
    for kind in ("f32", "bf16", "f16", "q8_0"):
        for name in names:
            if kind in name.casefold():
                return name
    return names[0]


def _refuse_original(folder: Path) -> None:
    """Refuse what only a model's makers read: Meta's and Mistral's own format."""
    if (folder / "config.json").is_file() or not (folder / "params.json").is_file():
        return
    raise ModelError(
        "the folder holds a model in its maker's own format (params.json), which transformers "
        "cannot load",
        where=str(folder),
        hint="take the Hugging Face checkpoint (with config.json) of the same model",
    )
