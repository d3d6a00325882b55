"""A Hugging Face checkpoint as a GGUF file, by llama.cpp's own converter in a child process.

Only the text model is converted, without the layers that predict several tokens ahead. Nothing is
taken on trust: what comes of it is compared with the original, token by token (`gguf_tokens`) and
number by number (`gguf_compare`).
"""

import subprocess
import sys
from pathlib import Path

from babelbits.children import lifeline
from babelbits.errors import RecipeError
from babelbits.formats.own_code import brings_code, refuse_code
from babelbits.llamacpp import converter
from babelbits.recipes.gguf_tokens import OTHERS, is_byte_level, pre_tokenizer
from babelbits.store.atomic import check_growth


def convert(
    base: Path,
    out: Path,
    *,
    kind: str = "f16",
    name: str | None = None,
    trust_remote_code: bool = False,
) -> None:
    """Write the checkpoint in `base` to the GGUF file `out`.

    Parameters
    ----------
    base : Path
        Folder of a Hugging Face checkpoint.
    out : Path
        File to write; the caller sees to it that it is whole or not there.
    kind : str
        'f16', 'bf16' or 'f32'; the norms are always f32.
    name : str, optional
        Of the pre-tokenizer, in place of the one that the converter or `gguf_tokens` finds.
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
    refuse_code(base, trusted=trust_remote_code)
    folder = converter.need()
    command = [sys.executable, "-m", "babelbits.llamacpp.convert_child", str(folder)]
    fallback = pre_tokenizer(base) or (OTHERS[0] if is_byte_level(base) else "")
    trust = "trusted" if trust_remote_code and brings_code(base) else ""
    what = [fallback, name or "", trust, str(base), "--outfile", str(out), "--outtype", kind]
    with lifeline() as alive:
        child = subprocess.run(
            [*command, *what], stdin=alive, capture_output=True, text=True, check=False
        )
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
