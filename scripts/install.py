"""Installs Babelbits into a virtual environment: install.py VENV EXTRAS [MARKER].

Called by install.sh. The file MARKER is written if nothing was left out. llama.cpp is compiled in
the background while all else is downloaded, unless it is found ready: see llama_library.py. torch
comes first and pinned, so that no other package chooses its version; where there is no NVIDIA
driver, its CPU build is taken from PyTorch's own index if that can be reached, since the default
one on Linux brings gigabytes of CUDA libraries that would never be used. What is missing is said
before anything is downloaded. Needs the standard library only.
"""

import os
import platform
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import llama_library
from llama_library import CannotInstallError, duration, say
from pip_in import HERE, Pip, pinned

CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def install(venv: Path, extras: list[str], *, hashed: bool = False) -> bool:
    """Install babelbits with extras; gives whether nothing was left out.

    With `hashed` everything but torch and llama.cpp comes from the hashed lock.
    """
    start = time.monotonic()
    say(f"Python {platform.python_version()} ({sys.executable}), into {venv}")
    with_llama = "gguf" in extras
    if with_llama:
        llama_library.warn()
    pip = Pip(make_venv(venv))
    if hashed:
        say("installing what requirements.hashed.lock names, each file by its SHA-256")
        pip.install_hashed(extras)
    library = llama_library.find(pip) if with_llama else None
    try:
        if {"run", "gguf"} & set(extras):
            install_torch(pip)
        install_us(pip, [extra for extra in extras if extra != "gguf"], hashed=hashed)
        if library is not None:
            library.put_in_place()
            get_converter(pip, library.scratch)
    except CannotInstallError as error:
        say(f"{error}\n  until that is mended, GGUF variants are left out")
    finally:
        if library is not None:
            library.stop()
    complete = not with_llama or llama_library.is_there(pip)
    if complete and with_llama:
        install_us(pip, extras, hashed=hashed)
    if hashed and (lacks := pip.check()):
        raise CannotInstallError(f"the hashed lock does not fit this platform:\n{lacks}")
    say(
        f"installed in {duration(time.monotonic() - start)}"
        + ("" if complete else ", without GGUF variants")
    )
    return complete


def install_us(pip: Pip, extras: list[str], *, hashed: bool) -> None:
    """Install the package itself; after a hashed installation nothing else comes with it."""
    say(f"installing babelbits[{','.join(extras)}]")
    alone = ("--no-deps", "--no-build-isolation") if hashed else ()
    pip.install(*alone, "--editable", f"{HERE}[{','.join(extras)}]")


def make_venv(venv: Path) -> Path:
    """The environment's Python; one that no longer runs, or is of another version, is made anew."""
    python = venv.absolute() / "bin" / "python"
    ask = "import sys, pip; print(sys.version_info[:2])"
    try:
        found = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)
        same = found.stdout.strip() == str(sys.version_info[:2])
    except OSError:
        same = False
    if not same:
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
    return python


def install_torch(pip: Pip) -> None:
    """Install torch as it is pinned, if it is not there."""
    torch = pinned("torch")
    if pip.has(torch):
        return
    say(f"installing {torch}")
    nvidia = Path("/proc/driver/nvidia/version").exists()
    if nvidia or platform.system() != "Linux" or not can_reach(f"{CPU_INDEX}/torch/"):
        pip.install(torch)
    else:
        pip.install("--index-url", CPU_INDEX, torch)


def can_reach(url: str) -> bool:
    """Whether a page can be got, now and soon."""
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310  a constant
            return True
    except OSError:
        return False


def get_converter(pip: Pip, source: Path) -> None:
    """Keep llama.cpp's converter, if its source is here already; else the first run gets it."""
    archive = next(source.glob("**/*.tar.gz"), None)
    if archive is not None:
        env = {**os.environ, "BABELBITS_LLAMACPP_SDIST": str(archive)}
        ask = "from babelbits.llamacpp import converter; converter.need()"
        subprocess.run([pip.python, "-c", ask], env=env, capture_output=True, check=False)


def main() -> int:
    """Install as the command line says; what is in the way is said in one line."""
    venv, extras, *marker = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # not without ending the compilers
    try:
        hashed = os.environ.get("HASHED", "") not in ("", "0")
        complete = install(Path(venv), extras.split(","), hashed=hashed)
    except CannotInstallError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as error:
        command = " ".join(map(str, error.cmd))
        print(f"error: exit code {error.returncode} of: {command}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    for file in marker if complete else []:
        Path(file).touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
