"""A checkpoint as a GGUF file that was found to be the same model: its tokens and its numbers.

What was found is kept beside the file, so that variants that share a conversion share its record.
Tokens are compared again for each of them, since another study may ask other languages.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from babelbits.children import lifeline
from babelbits.errors import RecipeError
from babelbits.formats.own_code import brings_code, refuse_code
from babelbits.formats.trust import UNTRUSTED, Trust
from babelbits.llamacpp import converter, library
from babelbits.llamacpp.gguf_file import open_gguf, read_metadata
from babelbits.recipes.base_loading import find_context_length
from babelbits.recipes.calibration import find_opening
from babelbits.recipes.gguf_compare import compare, cut_windows
from babelbits.recipes.gguf_tokens import (
    OTHERS,
    Texts,
    find_better_name,
    find_pre_tokenizer,
    find_token_differences,
    is_byte_level,
    read_known_texts,
    refuse,
)
from babelbits.records import JSON, ConversionRecord, digest
from babelbits.store.atomic import check_growth, sync_folder, write_atomically


def convert(
    base: Path,
    out: Path,
    *,
    kind: str = "f16",
    name: str | None = None,
    trust: Trust = UNTRUSTED,
) -> None:
    """Write the checkpoint in `base` to the GGUF file `out`, by llama.cpp's converter in a child.

    Only the text model is converted, without the layers that predict several tokens ahead.

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
    trust : Trust
        Whether the model's own code may run, which the converter would not ask.

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
    refuse_code(base, trust=trust)
    folder = converter.need()
    command = [sys.executable, "-m", "babelbits.llamacpp.convert_child", str(folder)]
    fallback = find_pre_tokenizer(base) or (OTHERS[0] if is_byte_level(base) else "")
    word = "trusted" if trust.remote_code and brings_code(base) else ""
    what = [fallback, name or "", word, str(base), "--outfile", str(out), "--outtype", kind]
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
        f"`python {converter.find_folder() / converter.SCRIPT} --print-supported-models`",
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


_RECORD = "conversion.json"
_REFUSED = "tokens-refused.json"


def convert_checked(
    base: Path,
    model: Path,
    *,
    kind: str,
    tokenizer: Any,
    texts: Texts,
    config: Mapping[str, Any],
    trust: Trust,
    allow_token_differences: bool,
) -> ConversionRecord:
    """Have the checkpoint in `base` as the GGUF file `model`, made now or there already.

    Parameters
    ----------
    model : Path
        The file; what is found is kept beside it.
    kind : str
        'f16', 'bf16' or 'f32'.
    texts : mapping
        What the model will be asked, by language. The package's own text in these languages is
        compared, too; where there is none at all, its text in all its languages.
    config : mapping
        The checkpoint's `config.json`.

    Raises
    ------
    RecipeError
        If the file cannot be made, computes something else than the checkpoint, or llama.cpp reads
        text of a language otherwise and that is not allowed.
    ModelError
        If the model brings its own code and that is not trusted, or cannot be loaded.
    OSError
        If the disk is full.
    """
    compared = _with_known(texts)
    if model.exists() and _record_of(model).exists():
        mismatches = find_token_differences(model, tokenizer=tokenizer, texts=compared)
        if not allow_token_differences:
            refuse(mismatches, where=base)
        return replace(_read(_record_of(model)), other_tokens=tuple(mismatches))
    asked = digest({"texts": {k: list(v) for k, v in compared.items()}, "names": list(OTHERS)})
    if not allow_token_differences:
        refuse(_refused_before(model, asked), where=base)
    with whole_file(model) as partial:
        convert(base, partial, kind=kind, trust=trust)
        mismatches = find_token_differences(partial, tokenizer=tokenizer, texts=compared)
        name = _better(base, partial, tokenizer, compared) if mismatches else None
        if name is not None:
            convert(base, partial, kind=kind, name=name, trust=trust)
            mismatches = find_token_differences(partial, tokenizer=tokenizer, texts=compared)
        if not allow_token_differences:
            _remember_refusal(model, asked, mismatches)
            refuse(mismatches, where=base)
        record = compare(
            base,
            partial,
            kind=kind,
            windows=cut_windows(
                compared,
                tokenizer,
                opening=find_opening(tokenizer),
                context=find_context_length(dict(config)),
            ),
            threads=library.count_threads(),
            config=config,
            trust=trust,
        )
        _write(_record_of(model), record)
    return replace(record, other_tokens=tuple(mismatches))


def _with_known(texts: Texts) -> Texts:
    """The package's own text first: it is prose, and prompts repeat themselves."""
    known = read_known_texts(tuple(texts))
    return {code: (*known.get(code, ()), *texts.get(code, ())) for code in {**known, **texts}}


def _better(base: Path, file: Path, tokenizer: Any, texts: Texts) -> str | None:
    """Another pre-tokenizer for a byte-level tokenizer, if one reads the text better."""
    if not is_byte_level(base):
        return None
    written = read_metadata(open_gguf(file), "tokenizer.ggml.pre")
    guessed = find_pre_tokenizer(base) is None and written == OTHERS[0]
    return find_better_name(file, tokenizer=tokenizer, texts=texts, guessed=guessed)


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """A name to write to, which becomes `target` if the block succeeds."""
    # The number, because a converter may outlive the process that started it, and go on writing.
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        yield partial
        sync_folder(partial)  # which serves for files as well
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _refused_before(model: Path, asked: str) -> dict[str, str]:
    """What differed when the same texts were refused; nothing where they were not."""
    try:
        kept: JSON = json.loads(model.with_name(_REFUSED).read_text(encoding="utf-8"))
        found = kept["found"] if kept["asked"] == asked else {}
    except (OSError, ValueError, KeyError, TypeError):  # not there, or no whole file
        return {}
    return {str(language): str(shown) for language, shown in found.items()}


def _remember_refusal(model: Path, asked: str, found: Mapping[str, str]) -> None:
    """Keep what differs: the next variant need not convert and try every name to learn it."""
    if found:
        kept = {"asked": asked, "found": dict(found)}
        write_atomically(model.with_name(_REFUSED), json.dumps(kept).encode())


def _record_of(model: Path) -> Path:
    return model.with_name(_RECORD)


def _write(file: Path, record: ConversionRecord) -> None:
    write_atomically(file, json.dumps(asdict(record), allow_nan=False).encode())


def _read(file: Path) -> ConversionRecord:
    fields: JSON = json.loads(file.read_text(encoding="utf-8"))
    return ConversionRecord(**{**fields, "other_tokens": ()})
