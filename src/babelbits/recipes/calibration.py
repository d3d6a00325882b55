"""Calibration text: which documents a recipe sees, and how they become windows of tokens.

The draw, the same for every source:

1. The documents are shuffled by a generator seeded with the spec's seed.
2. Each is tokenized without special tokens and closed with the end-of-text token (a blank line
   where the tokenizer has none), as documents are packed in pretraining; all are laid end to end.
3. The strip is cut into windows. A window begins with whatever the tokenizer itself puts before a
   text (`<bos>` for Llama and Gemma, nothing for Qwen), which counts as part of its length.

A source is 'bundled' (the package's own CC0 passages), a UTF-8 text or JSONL file, or
'hub:<dataset>[:<config>][@<revision>]'. Default: 128 windows of 2,048 tokens, or of the model's
context where that is shorter. Bundled text is small, so by default its windows are what it fills:
the length is halved until there are at least eight, and never goes under 128. For llama.cpp's types
a source can be a ready importance matrix (imatrix.gguf, or the older imatrix.dat), known by how the
file begins, from which nothing is drawn.

Several draws of one text are *parts* of it that share no document: draw 2 of 3 takes every third
document, beginning with the second. Texts that are translations of each other are so divided at the
same places, and differ in the language alone. A mix of languages ('en+nb+ml') is made of bundled
text, each document in one of the languages in turn: the same content, and no more of it.

This module never quantizes; it imports `datasets` late, and torch not at all.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from babelbits.errors import CalibrationError
from babelbits.llamacpp.imatrix_file import is_matrix
from babelbits.recipes.text_checks import check_documents, read_text
from babelbits.records import CalibrationRecord, digest
from babelbits.words import agreeing, plural

SAMPLES = 128
TOKENS = 2048
HUB_DOCUMENTS = 10_000
"""A hub dataset is streamed, and only this many of its first documents enter the shuffle."""
WHOLE = (1, 1)
"""The part that is all of a text."""
MIX = "+"
"""Between the languages of a mix."""
_FEWEST_WINDOWS = 8
_SHORTEST_WINDOW = 128
_SEPARATE = "\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationSpec:
    """The calibration text a study asks for."""

    language: str
    """Canonical code, e.g. 'nb'; or several of them, as in 'en+nb+ml'."""
    source: str = "bundled"
    """'bundled', a file's path, or 'hub:<dataset>[:<config>][@<revision>]'."""
    samples: int | None = None
    """Windows to draw; None: 128, or for bundled text what it fills."""
    tokens: int | None = None
    """Tokens in a window; None: 2,048 or the context, or for bundled text what it fills."""
    seed: int = 0
    part: tuple[int, int] = WHOLE
    """Number of this draw, from 1, and how many draws share the text, none of them a document."""
    folder: Path | None = None
    """Where a relative path starts (the study's folder); None: the working folder."""


class Tokenizer(Protocol):
    """What a draw needs of a Hugging Face tokenizer."""

    eos_token_id: int | None

    def __call__(self, text: str, *, add_special_tokens: bool) -> Mapping[str, Any]:
        """Token ids of a text, under 'input_ids'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Windows of token ids, each of the same length, and the record of their draw."""

    windows: tuple[tuple[int, ...], ...]
    record: CalibrationRecord
    spoken: tuple[tuple[int, ...], ...]
    """Of each token, the index in `languages`."""

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages of the text."""
        return tuple(self.record.language.split(MIX))


# --- documents ---------------------------------------------------------------------------------


def find_bundled_file(language: str) -> Path:
    """Where the package keeps its calibration passages in a language, whether they exist or not."""
    folder = resources.files("babelbits") / "bundled" / "babelmini" / "calibration"
    return Path(str(folder / f"{language}.jsonl"))


def find_matrix_file(spec: CalibrationSpec) -> Path | None:
    """The ready importance matrix that a spec names in place of text; None if it names text.

    A file is known by how it begins, one that is not there by its name.
    """
    if spec.source == "bundled" or spec.source.startswith("hub:"):
        return None
    file = find_local_file(spec)
    return file if spec.source.endswith(".gguf") or is_matrix(file) else None


def find_local_file(spec: CalibrationSpec) -> Path:
    """Where the file lies that a spec names as its source."""
    return (spec.folder or Path()) / Path(spec.source).expanduser()


def read_documents(spec: CalibrationSpec) -> tuple[str, ...]:
    """All documents of a draw's part of its source, in the source's order.

    Raises
    ------
    CalibrationError
        If the source is missing, empty, no text, not UTF-8, not of a known form or in the script
        of another language, has fewer documents than draws, or cannot be mixed.
    """
    texts = [_read(spec, language) for language in spec.language.split(MIX)]
    number, parts = spec.part
    divided = [text[number - 1 :: parts] for text in texts]
    rows = zip(*divided, strict=False)
    documents = tuple(row[turn % len(row)] for turn, row in enumerate(rows))
    if not documents:
        short = (
            f"{plural(min(map(len, texts)), 'document')} cannot be divided in "
            f"{plural(parts, 'draw')}"
        )
        raise CalibrationError(
            short if any(texts) else "the calibration text is empty", where=spec.source
        )
    return documents


def _read(spec: CalibrationSpec, language: str) -> tuple[str, ...]:
    """All documents of the source in a language."""
    if spec.source == "bundled":
        return _read_bundled(language)
    if MIX in spec.language:
        raise CalibrationError(
            "a mix of languages is made of bundled text only",
            where=spec.source,
            hint="mix the file yourself and name it under one language",
        )
    if spec.source.startswith("hub:"):
        documents = _read_hub(spec.source.removeprefix("hub:"))
    else:
        documents = read_file(find_local_file(spec), language=language)
    check_documents(documents, language=language, where=spec.source)
    return documents


def hash_source(documents: Sequence[str]) -> str:
    """Hash of documents in their order: what a variant's identity holds before the draw."""
    return digest(list(documents), length=32)


def _read_bundled(language: str) -> tuple[str, ...]:
    path = find_bundled_file(language)
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.jsonl")))
        raise CalibrationError(
            f"there is no bundled calibration text in '{language}'",
            hint=f"name a file as `source`, or use one of: {known or 'none'}",
        )
    return read_file(path)


def read_file(path: Path, *, language: str | None = None) -> tuple[str, ...]:
    """Documents of a UTF-8 file.

    JSONL (by its name): one document a line, in 'text' or as a list in 'sentences'. Any other file:
    documents are separated by blank lines where it has some, else every line is one.

    Parameters
    ----------
    language : str, optional
        Of its text; only for advice on a file that is not UTF-8.

    Raises
    ------
    CalibrationError
        If the file cannot be read, or is no text (says what it is), or is not UTF-8 (names the
        byte), or a line is no such JSON.
    """
    try:
        text = read_text(path, language=language)
    except OSError as error:
        raise CalibrationError(
            f"the calibration text cannot be read: {error.strerror}", where=str(path)
        ) from error
    lines = text.replace("\r\n", "\n").split("\n")
    if path.suffix == ".jsonl":
        pairs = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
        return tuple(_json_document(line, where=f"{path}:{number}") for number, line in pairs)
    body = "\n".join(lines).strip()
    blocks = re.split(r"\n[ \t]*\n", body)
    documents = blocks if len(blocks) > 1 else body.split("\n")
    return tuple(document.strip() for document in documents if document.strip())


def _json_document(line: str, *, where: str) -> str:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise CalibrationError(f"not JSON: {error.msg}", where=where) from error
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        return str(value["text"])
    if isinstance(value, dict) and isinstance(value.get("sentences"), list):
        return join_sentences([str(sentence) for sentence in value["sentences"]])
    raise CalibrationError("the line has neither 'text' nor 'sentences'", where=where)


def join_sentences(sentences: Iterable[str]) -> str:
    """Sentences as running text: no space after a full-width stop, one space elsewhere."""
    text = ""
    for sentence in sentences:
        text += sentence if not text or text[-1] in "。！？」』" else f" {sentence}"
    return text


def find_hub_folder(source: str) -> Path:
    """Where the local folder lies that a 'hub:' source may name in place of a dataset."""
    return Path(source.removeprefix("hub:").partition("@")[0].partition(":")[0])


def _read_hub(address: str) -> tuple[str, ...]:
    """Up to `HUB_DOCUMENTS` texts of a dataset: of its 'train' split, or of its only other one."""
    from datasets import load_dataset

    rest, _, revision = address.partition("@")
    name, _, config = rest.partition(":")
    try:
        splits = load_dataset(name, config or None, revision=revision or None, streaming=True)
        rows = splits["train"] if "train" in splits else next(iter(splits.values()))
        return tuple(text for text in _texts(rows.take(HUB_DOCUMENTS)) if text.strip())
    except CalibrationError:
        raise
    except Exception as error:
        raise CalibrationError(
            f"the dataset cannot be read: {error}",
            where=f"hub:{address}",
            hint="the form is hub:<dataset>[:<config>][@<revision>]; a local folder also works",
        ) from error


def _texts(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The 'text' column of each row, or its first column of text."""
    for row in rows:
        columns = [name for name, value in row.items() if isinstance(value, str)]
        if not columns:
            raise CalibrationError("the dataset has no column of text", where=", ".join(row))
        yield row["text" if "text" in columns else columns[0]]


# --- the draw ----------------------------------------------------------------------------------


def draw(
    spec: CalibrationSpec, documents: Sequence[str], *, tokenizer: Tokenizer, context: int
) -> Calibration:
    """Windows of token ids from `documents`, and the record of the draw.

    Parameters
    ----------
    spec : CalibrationSpec
        Samples, tokens and seed; its source is only recorded.
    documents : sequence of str
        What `read_documents` gave.
    context : int
        The model's longest sequence, tokens.

    Raises
    ------
    CalibrationError
        If a window would be longer than the context, or the text is too short.
    """
    _check_sizes(spec, context)
    prefix = find_opening(tokenizer)
    if spec.source == "bundled":
        strip, used, spoken = _strip(spec, documents, tokenizer, enough=None)
        samples, tokens = _fill(spec, len(strip), context=context, prefix=len(prefix))
    else:
        samples = SAMPLES if spec.samples is None else spec.samples
        tokens = min(context, TOKENS) if spec.tokens is None else spec.tokens
        enough = samples * (tokens - len(prefix))
        strip, used, spoken = _strip(spec, documents, tokenizer, enough=enough)
    body = tokens - len(prefix)
    _check_enough(spec, have=len(strip), samples=samples, body=body)
    starts = range(0, samples * body, body)
    windows = tuple((*prefix, *strip[start : start + body]) for start in starts)
    tongues = tuple(
        (*[spoken[start]] * len(prefix), *spoken[start : start + body]) for start in starts
    )
    record = CalibrationRecord(
        language=spec.language,
        source=spec.source,
        text_hash=digest(used, length=32),
        n_samples=samples,
        tokens_per_sample=tokens,
        n_tokens=samples * tokens,
        seed=spec.seed,
    )
    return Calibration(windows=windows, record=record, spoken=tongues)


def _check_sizes(spec: CalibrationSpec, context: int) -> None:
    for name, value in (("samples", spec.samples), ("tokens", spec.tokens)):
        if value is not None and value < 1:
            raise CalibrationError(f"calibration needs at least one of `{name}`, not {value}")
    if spec.tokens is not None and spec.tokens > context:
        raise CalibrationError(
            f"samples of {plural(spec.tokens, 'token')} do not fit the model's "
            f"context of {context:,}",
            hint=f"set `tokens` to {context} or less",
        )


def find_opening(tokenizer: Tokenizer) -> tuple[int, ...]:
    """The special tokens that the tokenizer puts before a text."""
    probe = "a"
    plain = list(tokenizer(probe, add_special_tokens=False)["input_ids"])
    full = list(tokenizer(probe, add_special_tokens=True)["input_ids"])
    for start in range(len(full) - len(plain) + 1):
        if full[start : start + len(plain)] == plain:
            return tuple(full[:start])
    return ()


def _strip(
    spec: CalibrationSpec, documents: Sequence[str], tokenizer: Tokenizer, *, enough: int | None
) -> tuple[list[int], list[str], list[int]]:
    """Shuffled documents end to end until there are `enough` tokens, and the documents used.

    Third, of each token the index of its language: documents of a mix take turns.
    """
    languages = len(spec.language.split(MIX))
    spoken: list[int] = []
    rng = np.random.default_rng(spec.seed)
    strip: list[int] = []
    used: list[str] = []
    for index in rng.permutation(len(documents)):
        if enough is not None and len(strip) >= enough:
            break
        text = documents[index]
        used.append(text)
        if tokenizer.eos_token_id is None:
            strip += tokenizer(text + _SEPARATE, add_special_tokens=False)["input_ids"]
        else:
            strip += tokenizer(text, add_special_tokens=False)["input_ids"]
            strip.append(tokenizer.eos_token_id)
        spoken += [int(index) % languages] * (len(strip) - len(spoken))
    return strip, used, spoken


def _fill(spec: CalibrationSpec, have: int, *, context: int, prefix: int) -> tuple[int, int]:
    """Samples and tokens that a small text fills, where the spec leaves them open."""
    tokens = min(context, TOKENS) if spec.tokens is None else spec.tokens
    wanted = _FEWEST_WINDOWS if spec.samples is None else spec.samples
    if spec.tokens is None:
        while have // max(1, tokens - prefix) < wanted and tokens // 2 >= _SHORTEST_WINDOW:
            tokens //= 2
    fills = max(1, have // max(1, tokens - prefix))
    return (min(SAMPLES, fills) if spec.samples is None else spec.samples), tokens


def _check_enough(spec: CalibrationSpec, *, have: int, samples: int, body: int) -> None:
    need = samples * body
    if body < 1:
        raise CalibrationError("a sample holds nothing but the tokenizer's opening token")
    if have < need:
        raise CalibrationError(
            f"the calibration text in '{spec.language}' has "
            f"{plural(have, 'token')}; {plural(samples, 'sample')} "
            f"of {plural(body, 'token')} need {need:,}: {need - have:,} "
            f"{agreeing(need - have, 'is', 'are')} missing",
            where=spec.source,
            hint="lower `samples` or `tokens`, or name a longer text as `source`",
        )
