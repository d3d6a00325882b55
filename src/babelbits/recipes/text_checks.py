"""Whether calibration text is text, and in the script of its language: else it is refused.

A quantizer calibrates on whatever it is given: a compressed file or a model's weights, read as
letters, pass for English. What is no text is named for what it is; 'convert it' is only advised for
what is text in another encoding. A text is of another language where next to no letter is in the
script of the language that it is declared in, and there is enough of it to tell: a little of it, a
text of two scripts and a language without a known script pass. Languages of one script are not told
apart here.
"""

import codecs
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from babelbits.errors import CalibrationError, UnknownNameError
from babelbits.languages import Language, resolve
from babelbits.languages.scripts import count_letters, main_script, measure_share
from babelbits.llamacpp.imatrix_file import is_older_matrix

_HEAD = 1 << 16
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
_BYTE_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_BREAKS = re.compile("[ \n\u3000-\u3002\u104a\u104b]")
"""What ends words or sentences; text in a wide encoding has some."""
_FEW = 0.01
"""Share of characters, above which control or replacement characters make a file no text."""
_LOST = "\ufffd"

_ENOUGH_LETTERS = 200
_NEXT_TO_NONE = 0.02
"""Share of letters in the declared script below which a text is not in the language."""
_LOOKED_AT = 200_000
"""Characters of a text that are looked at, from all over it."""
_SEVERAL_SCRIPTS = frozenset(
    "az bs ha kk ks ku ky mn ms pa sd sr tg tk tt ug uz".split()  # noqa: SIM905  short codes
)
"""Languages that are customarily written in more than one script."""

_AS_TEXT = "name a text file in UTF-8, or JSONL with a 'text' a line"
_KINDS: tuple[tuple[bytes, str, str], ...] = (
    (
        b"GGUF",
        "a GGUF file",
        "a model is no calibration text; an importance matrix's name ends with .gguf",
    ),
    (b"\x1f\x8b", "compressed (gzip)", "unpack it: gunzip FILE"),
    (b"\x28\xb5\x2f\xfd", "compressed (zstd)", "unpack it: unzstd FILE"),
    (b"\xfd7zXZ", "compressed (xz)", "unpack it: unxz FILE"),
    (b"BZh", "compressed (bzip2)", "unpack it: bunzip2 FILE"),
    (b"PK\x03\x04", "a ZIP archive", f"unpack it (a document: save it as plain text); {_AS_TEXT}"),
    (b"7z\xbc\xaf", "a 7-Zip archive", "unpack it"),
    (b"PAR1", "a Parquet file", "name its folder as source = 'hub:FOLDER'"),
    (b"ARROW1", "an Arrow file", _AS_TEXT),
    (b"%PDF-", "a PDF", _AS_TEXT),
    (b"SQLite format 3", "a SQLite database", _AS_TEXT),
    (b"\x93NUMPY", "a NumPy array", _AS_TEXT),
)
"""How a file begins, what it is, and what to do."""

_USUAL = {
    "Arab": "CP1256",
    "Cyrl": "CP1251",
    "Grek": "CP1253",
    "Hans": "GB18030",
    "Hant": "BIG5",
    "Hebr": "CP1255",
    "Jpan": "SHIFT_JIS",
    "Kore": "CP949",
    "Thai": "CP874",
}
"""Encodings that were usual before Unicode, by script."""


def read_text(path: Path, *, language: str | None = None) -> str:
    """The text of a UTF-8 file, a byte order mark left out.

    Parameters
    ----------
    language : str, optional
        Of its text; names the encodings that it may be in instead.

    Raises
    ------
    CalibrationError
        If it is no text, or text in another encoding: says which, and what to do.
    OSError
        If it cannot be read.
    """
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
        _check_head(head, path, language)
        raw = head + stream.read()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _undecodable(error, path, language) from error
    _check_characters(text, where=str(path))
    return text


def check_documents(documents: Sequence[str], *, language: str, where: str) -> None:
    """Raise unless documents are text, and in the script of their language where that shows.

    Raises
    ------
    CalibrationError
        Says what they are instead.
    """
    sample = "\n".join(sample_documents(documents, characters=_LOOKED_AT))
    _check_characters(sample, where=where)
    declared = _declared(language)
    if declared is not None:
        _check_script(sample, declared, where=where)


def sample_documents(documents: Sequence[str], *, characters: int) -> Iterator[str]:
    """Documents from all over a text, until they have so many characters."""
    step = max(1, sum(map(len, documents)) // max(1, characters))
    left = characters
    for document in documents[::step]:
        if left <= 0:
            return
        yield document[:left]
        left -= len(document)


# --- bytes -------------------------------------------------------------------------------------


def _check_head(head: bytes, path: Path, language: str | None) -> None:
    """Before a large file is read: refuse what shows itself in the first bytes."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise _encoded("UTF-32" if head[2:4] == b"\0\0" else "UTF-16", path)
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError as error:
        raise _undecodable(error, path, language) from error
    if _share(_CONTROLS, text) > _FEW:
        raise _not_text(head, path)


def _undecodable(error: UnicodeDecodeError, path: Path, language: str | None) -> CalibrationError:
    """What to say of bytes that are not UTF-8: binary, or text in another encoding."""
    raw, start = error.object, error.start
    around = raw[start : start + _HEAD]
    controls = len(_BYTE_CONTROLS.findall(around))
    if b"\0" in around or controls > _FEW * len(around) or _kind(raw[:_HEAD]):
        return _not_text(raw[:_HEAD], path)
    return CalibrationError(
        f"the file is not UTF-8: byte {raw[start]:#04x} at offset {start}",
        where=str(path),
        hint=_how_to_decode(error, language),
    )


def _how_to_decode(error: UnicodeDecodeError, language: str | None) -> str:
    raw, start = error.object, error.start
    if error.reason == "unexpected end of data":
        return "it ends in the middle of a character: was it cut short?"
    if not raw[:start].isascii():
        return "it is UTF-8 up to there: mend or take out that place"
    declared = None if language is None else _declared(language)
    usual = _USUAL.get(declared.script, "CP1252") if declared else "LATIN1"
    return (
        f"it looks like text in another encoding: convert it, e.g. with `iconv -f {usual} -t UTF-8`"
    )


def _not_text(raw: bytes, path: Path) -> CalibrationError:
    found = _kind(raw)
    if found is None and (wide := _wide_encoding(raw)):
        return _encoded(wide, path)
    kind, hint = found or ("binary", _AS_TEXT)
    return CalibrationError(
        f"the calibration text is no text: the file is {kind}", where=str(path), hint=hint
    )


def _encoded(encoding: str, path: Path) -> CalibrationError:
    return CalibrationError(
        f"the file is not UTF-8 but {encoding}",
        where=str(path),
        hint=f"convert it: `iconv -f {encoding} -t UTF-8`",
    )


def _kind(raw: bytes) -> tuple[str, str] | None:
    """What a file that is no text is, and what to do; None if its beginning does not tell."""
    for magic, kind, hint in _KINDS:
        if raw.startswith(magic):
            return kind, hint
    if raw[8:10] == b'{"' and raw[:8].endswith(b"\0\0"):
        return "a safetensors file", "a model is no calibration text"
    if raw[:1] == b"\x80" and raw[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "a pickle", _AS_TEXT
    if is_older_matrix(raw):
        return (
            "an importance matrix in llama.cpp's old format",
            "llama.cpp's types take one as their source; the other recipes calibrate on text",
        )
    return None


def _wide_encoding(raw: bytes) -> str | None:
    """The encoding of two or four bytes a character in which this is text; None if in none."""
    for encoding in ("UTF-16LE", "UTF-16BE", "UTF-32LE", "UTF-32BE"):
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            text = decoder.decode(raw)
        except UnicodeDecodeError:
            continue
        if _reads(text):
            return encoding
    return None


def _reads(text: str) -> bool:
    """Whether this is text: few characters that no text has, and some ends of words."""
    strange = sum(unicodedata.category(char) in ("Cc", "Cn", "Co", "Cs") for char in text)
    breaks = len(_BREAKS.findall(text))
    strange -= text.count("\n") + text.count("\r") + text.count("\t")
    return bool(text) and strange <= _FEW * len(text) and breaks >= len(text) / 500 and breaks > 0


# --- characters --------------------------------------------------------------------------------


def _check_characters(text: str, *, where: str) -> None:
    if _share(_CONTROLS, text) > _FEW:
        raise CalibrationError(
            "the calibration text is no text: it is full of control characters",
            where=where,
            hint=f"was a binary file converted to UTF-8? {_AS_TEXT}",
        )
    lost = text.count(_LOST)
    if lost > _FEW * len(text):
        raise CalibrationError(
            f"{lost / len(text):.0%} of the calibration text is the sign for what could not be "
            "read (U+FFFD)",
            where=where,
            hint="it was converted from the wrong encoding; convert it again from the original",
        )


def _share(pattern: re.Pattern[str], text: str) -> float:
    return len(pattern.findall(text)) / len(text) if text else 0.0


# --- letters -----------------------------------------------------------------------------------


def _check_script(text: str, declared: Language, *, where: str) -> None:
    letters = sum(count_letters(text).values())
    share, found = measure_share(text, declared.script), main_script(text)
    if letters < _ENOUGH_LETTERS or share is None or share >= _NEXT_TO_NONE or found is None:
        return
    base = declared.code.partition("-")[0]
    if base in _SEVERAL_SCRIPTS:
        return
    raise CalibrationError(
        f"the calibration text is not {declared.name} ('{declared.code}'): {share:.0%} of its "
        f"letters are in the script {declared.script}, most are {found}",
        where=where,
        hint="name the language that the text is in, or a text in the language; if it is written "
        f"so on purpose, name the script, too: language = '{base}-{found}'",
    )


def _declared(language: str) -> Language | None:
    """The language of a code; None where nobody has registered it."""
    try:
        return resolve(language)
    except UnknownNameError:
        return None
