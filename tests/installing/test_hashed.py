"""`make install HASHED=1`: what pip does with a file that is not the one that was locked."""

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pip_in
import pytest
from lock_hashes import files_of, is_of


def wheel(folder: Path, content: str) -> Path:
    """A distribution with one module."""
    folder.mkdir(exist_ok=True)
    path = folder / "babelbits_probe-1.0-py3-none-any.whl"
    about = "babelbits_probe-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("babelbits_probe.py", content)
        file.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: babelbits-probe\nVersion: 1.0\n"
        )
        file.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{about}/RECORD", "")
    return path


def test_another_file_than_the_locked_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real pip and a real environment; the second file has another content, and a backdoor."""
    right = wheel(tmp_path / "index", "VALUE = 1\n")
    value = hashlib.sha256(right.read_bytes()).hexdigest()
    lock = tmp_path / "requirements.hashed.lock"
    lock.write_text(f"# for: base\nbabelbits_probe==1.0 \\\n    --hash=sha256:{value}\n", "utf-8")
    monkeypatch.setattr(pip_in, "HASHED_LOCK", lock)
    monkeypatch.delenv("PYTHONPATH", raising=False)  # which would show pip this package, too
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    pip = pip_in.Pip(tmp_path / "venv" / "bin" / "python")
    wheel(tmp_path / "index", "VALUE = 2\n")
    with pytest.raises(subprocess.CalledProcessError):
        pip.install_hashed(())
    assert not pip.has("babelbits_probe==1.0")
    wheel(tmp_path / "index", "VALUE = 1\n").write_bytes(right.read_bytes())
    lock.write_text(
        f"# for: base\nbabelbits_probe==1.0 \\\n    --hash=sha256:"
        f"{hashlib.sha256(right.read_bytes()).hexdigest()}\n", "utf-8",
    )  # fmt: skip
    pip.install_hashed(())
    assert pip.has("babelbits_probe==1.0")
    assert pip.check() == ""


def test_pages_of_both_kinds_give_the_hashes_of_a_version() -> None:
    """PEP 691 (JSON) and PEP 503 (HTML), shortened from what an index serves."""
    files = {"a_b-1.0-py3-none-any.whl": "11", "a_b-1.0.tar.gz": "22", "a_b-1.0.1.tar.gz": "33"}
    listed = [{"filename": name, "hashes": {"sha256": value}} for name, value in files.items()]
    page = json.dumps({"files": [*listed, {"filename": "a_b-0.9.zip", "hashes": {}}]})
    assert files_of(page.encode(), "application/vnd.pypi.simple.v1+json") == files
    links = "".join(f'<a href="../x/{n}#sha256={v}">{n}</a>' for n, v in files.items())
    assert files_of(f"<html>{links}</html>".encode(), "text/html") == files
    assert [name for name in files if is_of(name, "a-b", "1.0")] == list(files)[:2]
    assert not is_of("a_b-1.0.exe", "a-b", "1.0")
