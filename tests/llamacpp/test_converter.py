"""Getting llama.cpp's converter: once, checked, and with advice where it cannot be had."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from babelbits.errors import MissingExtraError
from babelbits.llamacpp import converter

SOURCE = "llama_cpp_python-0.3.36"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(converter.ARCHIVE_VARIABLE, raising=False)
    return tmp_path / "cache"


def source_archive(folder: Path) -> Path:
    """An archive laid out as the source distribution is, with other things in it."""
    files = {
        f"{SOURCE}/setup.py": "",
        f"{SOURCE}/vendor/llama.cpp/convert_hf_to_gguf.py": "print('converter')",
        f"{SOURCE}/vendor/llama.cpp/conversion/base.py": "",
        f"{SOURCE}/vendor/llama.cpp/gguf-py/gguf/__init__.py": "",
        f"{SOURCE}/vendor/llama.cpp/src/llama.cpp": "int main;",
    }
    path = folder / f"{SOURCE}.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return path


def test_converter_of_a_named_archive_is_kept_and_used_without_it_afterwards(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = source_archive(tmp_path)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    monkeypatch.setattr(converter, "SDIST_SHA256", digest)
    monkeypatch.setenv(converter.ARCHIVE_VARIABLE, str(archive))
    assert not converter.is_there()
    folder = converter.need()
    kept = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert kept == {"convert_hf_to_gguf.py", "conversion/base.py", "gguf-py/gguf/__init__.py"}
    assert folder == cache / "babelbits" / "llama.cpp-0.3.36"
    archive.unlink()
    assert converter.need() == folder


def test_archive_with_another_hash_is_refused_and_nothing_is_kept(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(converter.ARCHIVE_VARIABLE, str(source_archive(tmp_path)))
    with pytest.raises(MissingExtraError, match="this is not the source of llama-cpp-python"):
        converter.need()
    assert not converter.is_there()
    assert list((cache / "babelbits").iterdir()) == []


def test_missing_archive_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(converter.ARCHIVE_VARIABLE, str(tmp_path / "nowhere.tar.gz"))
    with pytest.raises(MissingExtraError, match=r"nowhere\.tar\.gz: .* is not there"):
        converter.need()


def test_without_a_network_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real pip is asked, and told that there is no index."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(MissingExtraError, match="pip cannot download it: ERROR") as caught:
        converter.need()
    assert "babelbits doctor --fix" in str(caught.value.hint)
    assert converter.ARCHIVE_VARIABLE in str(caught.value.hint)
