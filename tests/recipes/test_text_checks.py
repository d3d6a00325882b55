"""What is no text, or not of its language, is named; what is text passes.

File signatures: the formats' own specifications, and llama.cpp's `tools/imatrix/imatrix.cpp`
(`save_imatrix_legacy`) for the old matrix. Texts are written by hand or by Python's own codecs.
"""

import gzip
import io
import json
import os
import pickle
import re
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelbits.errors import CalibrationError
from babelbits.languages import resolve
from babelbits.llamacpp.imatrix_file import is_older_matrix
from babelbits.recipes.calibration import (
    CalibrationSpec,
    find_bundled_file,
    read_documents,
    read_file,
)
from babelbits.recipes.text_checks import check_documents

LANGUAGES = ("ar", "en", "es", "fr", "hi", "ja", "ko", "ml", "nb", "ru", "sw", "de", "zh")
ENGLISH = "The town lies between two hills and is known for its fish market.\n" * 40
MALAYALAM = "ഈ പട്ടണം രണ്ട് കുന്നുകൾക്കിടയിലാണ്, മീൻചന്തയ്ക്ക് പേരുകേട്ടതാണ്.\n" * 40
RUSSIAN = "Город лежит между двумя холмами и известен своим рыбным рынком.\n" * 40
JAPANESE = "この町は二つの丘の間にあり、魚市場で知られています。\n" * 40


def legacy_matrix() -> bytes:
    name = b"blk.0.attn_q.weight"
    values = np.arange(64, dtype="<f4").tobytes()
    return struct.pack("<ii", 1, len(name)) + name + struct.pack("<ii", 3, 64) + values


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("word/document.xml", ENGLISH)
    return file.getvalue()


def safetensors() -> bytes:
    head = json.dumps({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    return struct.pack("<Q", len(head)) + head + b"\0" * 16


def refused(tmp_path: Path, raw: bytes, *, language: str = "en", name: str = "t.txt") -> str:
    (tmp_path / name).write_bytes(raw)
    spec = CalibrationSpec(language=language, source=name, folder=tmp_path)
    with pytest.raises(CalibrationError) as caught:
        read_documents(spec)
    return f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"GGUF\x03\0\0\0" + bytes(64), "a GGUF file"),
        (gzip.compress(ENGLISH.encode(), mtime=0), r"compressed \(gzip\)"),
        (zipped(), "a ZIP archive"),
        (b"PAR1\x15\x04\x15\0" + os.urandom(2000), "a Parquet file"),
        (safetensors(), "a safetensors file"),
        (pickle.dumps({"a": list(range(1000))}), "a pickle"),
        (legacy_matrix(), "an importance matrix in llama.cpp's old format"),
        (np.random.default_rng(0).bytes(5000), "binary"),
        (np.arange(5000, dtype="<f4").tobytes(), "binary"),
        (b"\x01\x02\x03\x04 some words \x05\x06\x07" * 50, "binary"),
    ],
)
def test_what_is_no_text_is_named_without_advice_to_convert(
    tmp_path: Path, raw: bytes, kind: str
) -> None:
    said = refused(tmp_path, raw)
    assert re.search(kind, said), said
    assert "iconv" not in said


@pytest.mark.parametrize("text", [ENGLISH, MALAYALAM, RUSSIAN, JAPANESE])
@pytest.mark.parametrize("encoding", ["UTF-16LE", "UTF-16BE"])
def test_wide_text_without_a_mark_is_named(tmp_path: Path, text: str, encoding: str) -> None:
    said = refused(tmp_path, text.encode(encoding))
    assert f"iconv -f {encoding} -t UTF-8" in said


@pytest.mark.parametrize("text", [ENGLISH, MALAYALAM])
def test_wide_text_with_a_mark_is_named(tmp_path: Path, text: str) -> None:
    assert "iconv -f UTF-16 -t UTF-8" in refused(tmp_path, text.encode("utf-16"))
    assert "iconv -f UTF-32 -t UTF-8" in refused(tmp_path, text.encode("utf-32"))


@pytest.mark.parametrize(
    ("text", "encoding", "language"),
    [
        ("Blåbær på fjellet er søte.\n" * 20, "cp1252", "nb"),
        (RUSSIAN, "cp1251", "ru"),
        (JAPANESE, "shift_jis", "ja"),
        ("那座城镇位于两座山之间，以鱼市闻名。\n" * 20, "gb18030", "zh"),
        ("그 마을은 두 언덕 사이에 있습니다.\n" * 20, "cp949", "ko"),
        ("ชื่อของเมืองนี้\n" * 20, "cp874", "th"),
    ],
)
def test_text_in_an_encoding_of_its_language_is_told_how_to_convert(
    tmp_path: Path, text: str, encoding: str, language: str
) -> None:
    said = refused(tmp_path, text.encode(encoding), language=language)
    assert f"iconv -f {encoding.upper()} -t UTF-8" in said


def test_one_wrong_byte_in_utf8_is_no_other_encoding(tmp_path: Path) -> None:
    said = refused(tmp_path, RUSSIAN.encode() + b"\xff" + RUSSIAN.encode(), language="ru")
    assert "UTF-8 up to there" in said


def test_a_file_that_was_cut_in_a_character_is_said_so(tmp_path: Path) -> None:
    assert "cut short" in refused(tmp_path, RUSSIAN.strip(".\n").encode()[:-1], language="ru")


def test_binary_that_was_converted_to_utf8_is_still_no_text(tmp_path: Path) -> None:
    """What following the advice to convert a binary file would have left."""
    raw = np.random.default_rng(0).bytes(5000)
    assert "is no text" in refused(tmp_path, raw.decode("latin-1").encode())
    printable = "".join(char for char in raw.decode("utf-8", "replace") if char.isprintable())
    assert "U+FFFD" in refused(tmp_path, printable.encode())


def test_a_document_of_lost_characters_is_refused(tmp_path: Path) -> None:
    raw = json.dumps({"text": "h\ufffdr er det noe som mangler " * 20}).encode()
    assert "U+FFFD" in refused(tmp_path, raw, name="t.jsonl")


def test_a_large_file_is_refused_by_its_beginning(tmp_path: Path) -> None:
    """A sparse file of 100 GB: reading it whole would end in MemoryError."""
    with (tmp_path / "model.bin").open("wb") as file:
        file.write(b"GGUF\x03\0\0\0")
        file.truncate(100 * 10**9)
    spec = CalibrationSpec(language="en", source="model.bin", folder=tmp_path)
    with pytest.raises(CalibrationError, match="a GGUF file"):
        read_documents(spec)


def test_an_old_matrix_is_known_by_its_content() -> None:
    assert is_older_matrix(legacy_matrix())
    for raw in (b"", b"\1\0\0\0", ENGLISH.encode(), legacy_matrix()[:20], bytes(500)):
        assert not is_older_matrix(raw)


# --- of its language -------------------------------------------------------------------------


def test_english_that_is_declared_as_malayalam_is_refused(tmp_path: Path) -> None:
    said = refused(tmp_path, ENGLISH.encode(), language="ml")
    assert "not Malayalam ('ml'): 0% of its letters are in the script Mlym, most are Latn" in said
    assert "language = 'ml-Latn'" in said
    (tmp_path / "t.txt").write_text(ENGLISH, "utf-8")
    named = CalibrationSpec(language="ml-Latn", source="t.txt", folder=tmp_path)
    assert len(read_documents(named)) == 40


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ml", "Fish market.\n" * 10),  # 100 letters: too little to tell
        ("ml", ENGLISH * 3 + MALAYALAM),  # mixed
        ("ru", "```python\nprint(x)\n```\n" * 40 + RUSSIAN[:200]),  # code with comments
        ("sr", "Grad leži između dva brda i poznat je po ribljoj pijaci.\n" * 40),
        ("ja", "東京都庁所在地\n" * 40),
        ("ko", MALAYALAM[:100]),
        ("nqo", MALAYALAM),  # judged by the table of scripts, where it knows the script
        ("xx", ENGLISH),  # nobody knows the language
        ("en", "12 + 30 = 42\n" * 40),
    ],
)
def test_what_cannot_be_told_passes(language: str, text: str) -> None:
    if language == "nqo":
        assert resolve(language).script == "Nkoo"
        with pytest.raises(CalibrationError, match="Nkoo"):
            check_documents([text], language=language, where="t")
        return
    check_documents([text], language=language, where="t")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_packages_own_text_is_text_of_its_language(language: str) -> None:
    documents = read_file(find_bundled_file(language))
    check_documents(documents, language=language, where="bundled")
    others = {resolve(one).script: one for one in LANGUAGES}
    shared = {"Hans", "Jpan", "Kore"}  # these share characters
    for script, other in others.items():
        mine = resolve(language).script
        if script == mine or {script, mine} <= shared:
            continue
        with pytest.raises(CalibrationError, match=f"'{other}'"):
            check_documents(documents, language=other, where="bundled")


@given(
    st.text(alphabet=st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffd"))
)
def test_whatever_python_writes_as_utf8_is_read(text: str) -> None:
    """No text without control characters is called binary."""
    check_documents([text], language="xx", where="t")
