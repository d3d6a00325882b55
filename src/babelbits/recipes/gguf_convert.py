"""A Hugging Face checkpoint as a GGUF file, by llama.cpp's own converter in a child process.

The converter needs a name for how a byte-level tokenizer splits text before it merges bytes. It
knows the tokenizers of published models by a hash; for others the name is derived here from
`tokenizer.json`. Either way nothing is taken on trust: `same_tokens` has llama.cpp and the original
tokenizer read the same texts in many languages, and any difference is an error that shows it.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from babelbits.errors import ModelError, RecipeError
from babelbits.llamacpp import converter
from babelbits.llamacpp.vocabulary import difference, open_vocabulary
from babelbits.records import JSON
from babelbits.store.atomic import check_growth

_HEAD = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?"
_TAIL = r"+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_SPLITS = {
    _HEAD + r"\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]" + _TAIL: "llama-bpe",
    _HEAD + r"\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]" + _TAIL: "qwen2",
    _HEAD + r"[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]" + _TAIL: "qwen35",
}
"""Regular expressions of `tokenizer.json` and llama.cpp's name for each (`src/llama-vocab.cpp`)."""


def convert(base: Path, out: Path, *, kind: str = "f16", trust_remote_code: bool = False) -> None:
    """Write the checkpoint in `base` to the GGUF file `out`.

    Parameters
    ----------
    base : Path
        Folder of a Hugging Face checkpoint.
    out : Path
        File to write; the caller sees to it that it is whole or not there.
    kind : str
        'f16', 'bf16' or 'f32'; the norms are always f32.
    trust_remote_code : bool
        Allow the model's own code, which the converter would run without asking.

    Raises
    ------
    ModelError
        If the model brings its own code, and that is not trusted.
    RecipeError
        If the converter does not know the architecture or the tokenizer, or fails.
    OSError
        If the disk is full.
    MissingExtraError, StoreError
        If the converter is not there and cannot be got, or not be kept.
    """
    if not trust_remote_code:
        _refuse_code(base)
    folder = converter.need()
    command = [sys.executable, "-m", "babelbits.llamacpp.convert_child", str(folder)]
    what = [pre_tokenizer(base) or "", str(base), "--outfile", str(out), "--outtype", kind]
    child = subprocess.run([*command, *what], capture_output=True, text=True, check=False)
    if child.returncode == 0 and out.is_file():
        return
    try:
        check_growth(out)
    finally:
        out.unlink(missing_ok=True)
    raise RecipeError(
        f"llama.cpp's converter failed: {_reason(child.stderr) or f'exit {child.returncode}'}",
        where=str(base),
        hint="it knows the architectures and tokenizers of published models; see "
        f"`python {converter.folder() / converter.SCRIPT} --print-supported-models`",
    )


def _refuse_code(base: Path) -> None:
    for name in ("config.json", "tokenizer_config.json"):
        path = base / name
        if path.is_file() and "auto_map" in json.loads(path.read_text(encoding="utf-8")):
            raise ModelError(
                "the model brings its own code, and llama.cpp's converter would run it",
                where=str(path),
                hint="read that code first; then set trust_remote_code = true in [model]",
            )


def _reason(log: str) -> str:
    """Why the converter gave up: its last error, or where an assertion stands."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    if not lines:
        return ""
    if lines[-1] == "AssertionError":
        return (
            " ".join(line for line in lines[-4:-1] if not line.startswith("^")) + " does not hold"
        )
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines)[-1].removeprefix("ERROR:hf-to-gguf:")


# --- tokenizers --------------------------------------------------------------------------------


def pre_tokenizer(base: Path) -> str | None:
    """llama.cpp's name for how a byte-level tokenizer splits text; None where it has none known."""
    try:
        parsed: JSON = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return _name_of(parsed.get("pre_tokenizer") or {})


def _name_of(split: JSON) -> str | None:
    steps = split.get("pretokenizers", [split])
    kinds = [step.get("type") for step in steps]
    by_words = steps[-1].get("use_regex", True)
    if kinds == ["ByteLevel"] and by_words:
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"] and steps[0].get("individual_digits") and by_words:
        return "command-r"
    if kinds == ["Split", "ByteLevel"] and not by_words:
        return _SPLITS.get(steps[0].get("pattern", {}).get("Regex", ""))
    return None


def same_tokens(file: Path, *, tokenizer: Any, texts: Sequence[str]) -> None:
    """Raise unless llama.cpp reads every text as the original tokenizer does, id by id.

    Parameters
    ----------
    file : Path
        The GGUF file.
    tokenizer : Hugging Face tokenizer
        Of the model that it was made from.
    texts : sequence of str
        In the languages that matter.

    Raises
    ------
    RecipeError
        Shows the text and what each makes of it, from the first difference.
    ModelError
        If llama.cpp cannot load the file's vocabulary.
    """
    with open_vocabulary(file) as vocabulary:
        for text in texts:
            theirs = vocabulary.encode(text, add_special_tokens=False)
            ours = list(tokenizer(text, add_special_tokens=False)["input_ids"])
            if theirs != ours:
                raise RecipeError(
                    "llama.cpp reads a text otherwise than the model's own tokenizer: "
                    + difference(text, expected=ours, found=theirs, tokenizer=tokenizer),
                    where=str(file),
                    hint="results of such a file would say more about tokens than about "
                    "quantization; llama.cpp has no pre-tokenizer for this model yet",
                )
