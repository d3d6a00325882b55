"""Where the installer gets llama.cpp from, and what it shows while it is compiled."""

import os
import subprocess
import sys
import time
from pathlib import Path

import llama_library
import pytest
from llama_library import CannotInstallError, Compilation
from pip_in import Pip

from babelbits.llamacpp import library, probe

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names libraries as Linux does")


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(llama_library.FOLDER_VARIABLE, raising=False)
    monkeypatch.delenv("CMAKE_ARGS", raising=False)


def other_llama_cpp(folder: Path, *, version: str) -> Path:
    """A library that knows no more than its version, compiled here."""
    folder.mkdir()
    source = folder / "other.c"
    source.write_text(f'const char *llama_version(void) {{ return "{version}"; }}')
    subprocess.run(["cc", "-shared", "-o", str(folder / "libllama.so"), str(source)], check=True)
    return folder


def test_the_installer_and_the_package_know_the_same_version() -> None:
    assert f"{library.DISTRIBUTION}=={library.VERSION}" == llama_library.REQUIREMENT
    assert llama_library.known_version() == probe.KNOWN
    assert llama_library.FOLDER_VARIABLE == library.FOLDER_VARIABLE


@pytest.mark.parametrize("version", ["0.5.0", "0.5.0-dev"])
def test_named_folder_with_the_right_version_is_taken(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = other_llama_cpp(tmp_path / "built", version=version)
    monkeypatch.setenv(llama_library.FOLDER_VARIABLE, str(folder))
    assert llama_library.named_folder() == folder


def test_named_folder_with_another_version_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = other_llama_cpp(tmp_path / "built", version="0.4.2")
    monkeypatch.setenv(llama_library.FOLDER_VARIABLE, str(folder))
    with pytest.raises(CannotInstallError, match=r"has llama\.cpp 0\.4\.2; 0\.5\.0 is needed"):
        llama_library.named_folder()
    (folder / "libllama.so").write_bytes(b"no library")
    with pytest.raises(CannotInstallError, match=r"no llama\.cpp library that can"):
        llama_library.named_folder()


def test_without_a_compiler_it_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    llama_library.warn()
    assert "there is no C++ compiler" in (said := capsys.readouterr().out)
    assert "sudo apt install g++" in said
    cache = llama_library.cache()
    cache.mkdir(parents=True)
    name, version = llama_library.REQUIREMENT.split("==")
    (cache / f"{name.replace('-', '_')}-{version}-py3-none-any.whl").touch()
    llama_library.warn()
    assert capsys.readouterr().out == ""


def test_wheels_are_kept_apart_by_processor_and_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library compiled for what one processor has ends with SIGILL on another."""
    folders = {llama_library.cache()}
    monkeypatch.setenv("CMAKE_ARGS", "-DGGML_CUDA=ON")
    folders.add(llama_library.cache())
    monkeypatch.setattr(llama_library, "_processor", lambda: "flags: sse2")
    folders.add(llama_library.cache())
    assert len(folders) == 3


def compilation(folder: Path, program: str) -> Compilation:
    log = folder / "build.log"
    with log.open("wb") as stream:
        child = subprocess.Popen(
            [sys.executable, "-c", program], stdout=stream, stderr=stream, start_new_session=True
        )
    return Compilation(child, log, folder)


def test_progress_is_what_ninja_or_make_says_last(tmp_path: Path) -> None:
    build = compilation(tmp_path, "")
    build.child.wait()
    assert build.progress() == "getting its source"
    build.log.write_text("  [1/83] Building CXX object\n  [12/83] Building CXX object\n")
    assert build.progress() == "12 of 83 steps"
    build.log.write_text("[  4%] Building C object\n[ 57%] Building CXX object\n")
    assert build.progress() == "57 %"


def test_waiting_shows_progress_and_gives_the_wheel(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, version = llama_library.REQUIREMENT.replace("-", "_").split("==")
    wheel = tmp_path / f"{name}-{version}-py3-none-any.whl"
    program = (
        f"import time; print('[3/9] x', flush=True); time.sleep(1.5); open({str(wheel)!r}, 'w')"
    )
    build = compilation(tmp_path, program)
    while not build.log.read_text():
        time.sleep(0.01)
    assert build.wait() == wheel
    said = capsys.readouterr().out
    assert "llama.cpp: 3 of 9 steps, " in said
    assert "llama.cpp: built in " in said


def test_what_could_not_be_compiled_is_said_with_the_compilers_words(tmp_path: Path) -> None:
    build = compilation(tmp_path, "print('x.cpp:3:1: error: no such thing'); print('ninja: stop')")
    with pytest.raises(CannotInstallError, match=r"x\.cpp:3:1: error: no such thing.*build\.log"):
        build.wait()


def test_giving_up_ends_the_compilers_too(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    build = compilation(tmp_path, program)
    while not (pid := build.log.read_text().strip()):
        time.sleep(0.01)
    build.stop()
    for _ in range(500):
        if not _runs(int(pid)):
            return
        time.sleep(0.01)
    pytest.fail("the child's child still runs")


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_an_environment_without_it_has_it_not(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    pip = Pip(tmp_path / "venv" / "bin" / "python")
    assert not llama_library.is_there(pip)
    assert os.path.exists(pip.python)  # noqa: PTH110  a link, not followed
    assert "No module named 'llama_cpp'" in str(llama_library.problem(pip.python))
