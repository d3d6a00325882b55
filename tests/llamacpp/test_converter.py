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


def _entry(name: str, *, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(f"{SOURCE}/vendor/llama.cpp/{name}")
    entry.type, entry.linkname = kind, link
    return entry


@pytest.mark.parametrize(
    "hostile",
    [
        _entry("conversion/../../../out.py"),
        _entry("gguf-py/.."),
        _entry("LICENSE", kind=tarfile.SYMTYPE, link="/etc/passwd"),
        _entry("LICENSE", kind=tarfile.LNKTYPE, link="../../../../etc/passwd"),
        _entry("conversion", kind=tarfile.SYMTYPE, link="/tmp"),  # noqa: S108  never followed
        _entry("conversion/null", kind=tarfile.CHRTYPE),
        _entry("conversion/pipe", kind=tarfile.FIFOTYPE),
    ],
    ids=lambda entry: f"{entry.type!r} {entry.name}",
)
def test_archive_that_would_write_elsewhere_is_refused(
    hostile: tarfile.TarInfo, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kinds that PEP 706 names, in an archive whose hash is right."""
    archive = tmp_path / "hostile.tar"
    with tarfile.open(archive, "w") as tar:
        tar.addfile(hostile)
        tar.addfile(_entry("convert_hf_to_gguf.py"))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    monkeypatch.setattr(converter, "SDIST_SHA256", digest)
    monkeypatch.setenv(converter.ARCHIVE_VARIABLE, str(archive))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(MissingExtraError, match="a link, a device, or a path that leads out"):
        converter.need()
    assert not converter.is_there()
    assert list((cache / "babelbits").iterdir()) == []
    assert {*before, cache} == set(tmp_path.iterdir())


def test_files_are_written_without_the_modes_of_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set-uid bit is not taken over."""
    archive = tmp_path / "modes.tar"
    entry = _entry("convert_hf_to_gguf.py")
    entry.mode = 0o6777
    with tarfile.open(archive, "w") as tar:
        tar.addfile(_entry("conversion", kind=tarfile.DIRTYPE))
        tar.addfile(entry)
    monkeypatch.setattr(converter, "SDIST_SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())
    monkeypatch.setenv(converter.ARCHIVE_VARIABLE, str(archive))
    mode = (converter.need() / converter.SCRIPT).stat().st_mode
    assert not mode & 0o7022


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
