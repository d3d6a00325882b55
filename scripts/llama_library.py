"""Gets llama.cpp's library with its Python bindings: found ready, or compiled in the background.

In this order: what the environment has; a folder that LLAMA_CPP_LIB_PATH names; a wheel compiled
here before; a wheel that pip finds (PIP_FIND_LINKS, an index); a system library of the known
version; compiled from the pinned source distribution. Whatever it was, it is loaded and looked at
before it is trusted, and what does not pass is compiled instead. Wheels that were compiled are kept
in the user's cache folder, apart by processor, because they use what this one has.
"""

import hashlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from pip_in import HERE, Pip, pinned

PROBE = HERE / "src" / "babelbits" / "llamacpp" / "probe.py"
REQUIREMENT = pinned("llama-cpp-python")
FOLDER_VARIABLE = "LLAMA_CPP_LIB_PATH"
CPU_SECONDS = 250
"""What compiling takes, over all cores: an estimate, 360 s measured for a whole installation (AMD
EPYC, Zen 4, GCC 12) less what pip takes."""

_LIBRARIES = ("libllama.*", "libggml*.*")
_TOLD = 15
"""Seconds between lines of progress where the output is no terminal."""
_ERROR = re.compile(r"CMake Error|: (fatal )?error: |Killed")
"""A line that gives a reason; pip's own `error: subprocess-exited-with-error` gives none."""
_STEP = re.compile(r"\[ *(\d+)(?:/(\d+)|%)\]")


def say(text: str) -> None:
    """A line for the user, at once."""
    print(text, flush=True)


def duration(span: float) -> str:
    """Seconds as minutes and seconds."""
    minutes, seconds = divmod(round(span), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


class CannotInstallError(Exception):
    """What is in the way, and what to do about it."""


# --- what is there -----------------------------------------------------------------------------


def problem(python: Path) -> str | None:
    """Why the environment's library cannot be used; None if it can."""
    done = subprocess.run([python, "-P", str(PROBE)], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    if done.returncode < 0:
        return f"it ends with signal {-done.returncode}: it was built for another processor"
    return (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]


def version_in(folder: Path) -> str | None:
    """Version of a folder's llama.cpp library; None if there is none that can be loaded."""
    done = subprocess.run(
        [sys.executable, "-P", str(PROBE), folder], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else None


def fits(version: str | None) -> bool:
    """Whether it is the version that the bindings know, released or before that."""
    return version is not None and version.removesuffix("-dev") == known_version()


def known_version() -> str:
    """The one version of llama.cpp that fits the bindings."""
    (found,) = re.findall(r'^KNOWN = "(.*)"$', PROBE.read_text("utf-8"), re.MULTILINE)
    return str(found)


def named_folder() -> Path | None:
    """The folder that the user names, if it is the right version.

    Raises
    ------
    CannotInstallError
        If it is not.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    if not named:
        return None
    found = version_in(Path(named))
    if not fits(found):
        what = f"llama.cpp {found}" if found else "no llama.cpp library that can be loaded"
        raise CannotInstallError(
            f"{FOLDER_VARIABLE}={named} has {what}; {known_version()} is needed: unset it, or "
            "build that one"
        )
    return Path(named)


def system_folder() -> Path | None:
    """Where the system has a llama.cpp library of the right version."""
    places = ["/usr/local/lib", "/usr/lib64", "/usr/lib", "/opt/homebrew/lib"]
    places += [f"/usr/lib/{platform.machine()}-linux-gnu"]
    found = (place for place in map(Path, places) if any(place.glob("libllama.*")))
    return next((place for place in found if fits(version_in(place))), None)


def compiler() -> str | None:
    """The C++ compiler that CMake will find."""
    names = [os.environ.get("CXX", ""), "c++", "g++", "clang++"]
    return next((path for name in names if name and (path := shutil.which(name))), None)


def cache() -> Path:
    """Where wheels compiled for this processor, with these options, are kept."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    folder = (Path(home) if home else Path.home() / ".cache") / "babelbits" / "wheels"
    what = [platform.platform(aliased=True, terse=True), platform.machine(), _processor()]
    key = hashlib.sha256("\n".join([*what, os.environ.get("CMAKE_ARGS", "")]).encode())
    return folder / key.hexdigest()[:12]


def _processor() -> str:
    """What this processor can do, as Linux says; elsewhere its name."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def wheel_in(folder: Path) -> Path | None:
    """The pinned version's wheel in a folder."""
    name, version = REQUIREMENT.replace("-", "_").split("==")
    return next(folder.glob(f"{name}-{version}-*.whl"), None)


# --- compiling ---------------------------------------------------------------------------------


@dataclass(slots=True)
class Compilation:
    """llama.cpp being compiled by a child process, which writes a wheel into a folder."""

    child: subprocess.Popen[bytes]
    log: Path
    folder: Path
    start: float = field(default_factory=time.time)

    def progress(self) -> str:
        """How far it is, as its log says."""
        steps = _STEP.findall(self.log.read_text("utf-8", errors="replace"))
        if not steps:
            return "getting its source"
        done, of = steps[-1]
        return f"{done} of {of} steps" if of else f"{done} %"

    def seconds(self) -> float:
        """Seconds from its start until now, or until the last line of its log if it is over."""
        end = time.time() if self.child.poll() is None else self.log.stat().st_mtime
        return max(0.0, end - self.start)

    def _line(self) -> str:
        return f"  llama.cpp: {self.progress()}, {duration(self.seconds())}"

    def wait(self) -> Path:
        """The wheel, when it is there; until then, the user sees how far it is.

        Raises
        ------
        CannotInstallError
            If it could not be compiled.
        """
        told = 0.0
        while self.child.poll() is None:
            if sys.stdout.isatty():
                print(f"\r{self._line()} ", end="", flush=True)
            elif time.monotonic() - told >= _TOLD:
                told = time.monotonic()
                say(self._line())
            time.sleep(0.5)
        if sys.stdout.isatty():
            say("")
        wheel = wheel_in(self.folder)
        if wheel is None:
            raise CannotInstallError(f"llama.cpp could not be compiled: {_reason(self.log)}")
        say(f"  llama.cpp: built in {duration(self.seconds())}")
        return wheel

    def stop(self) -> None:
        """End it, and the compilers it started, if it still runs."""
        if self.child.poll() is None:
            os.killpg(self.child.pid, signal.SIGTERM)
            self.child.wait()


def _reason(log: Path) -> str:
    lines = log.read_text("utf-8", errors="replace").splitlines()
    errors = [line.strip() for line in lines if _ERROR.search(line)]
    return f"{errors[0] if errors else 'no error is named'}; all of it: {log}"


def compile_in_background(pip: Pip, scratch: Path) -> Compilation:
    """Start to compile the pinned version."""
    jobs = _jobs()
    minutes = CPU_SECONDS / jobs / 60
    say(
        f"llama.cpp, for GGUF variants, is compiled in the background: about {minutes:.0f} "
        f"min of {jobs} cores, once"
    )
    include = f"-DCMAKE_PROJECT_llama.cpp_INCLUDE={HERE / 'scripts' / 'llama_only.cmake'}"
    options = [os.environ.get("CMAKE_ARGS", ""), "-DLLAVA_BUILD=OFF", include]
    return _build(pip, scratch, cmake=options, jobs=jobs)


def bindings_alone(pip: Pip, scratch: Path) -> Compilation:
    """Start to build the bindings without a library, for one that is there."""
    return _build(pip, scratch, cmake=["-DLLAMA_BUILD=OFF"], jobs=1)


def _build(pip: Pip, scratch: Path, *, cmake: list[str], jobs: int) -> Compilation:
    """Download the source through pip's cache; build outside it, for its wheels are everyone's."""
    scratch.mkdir(parents=True, exist_ok=True)
    log = scratch / "build.log"
    program = [sys.executable, str(Path(__file__).resolve()), str(pip.python), str(scratch)]
    env = {**os.environ, "CMAKE_ARGS": " ".join(cmake).strip()}
    env["CMAKE_BUILD_PARALLEL_LEVEL"] = str(jobs)
    with log.open("wb") as stream:
        child = subprocess.Popen(
            program, stdout=stream, stderr=subprocess.STDOUT, env=env, start_new_session=True
        )
    return Compilation(child, log, scratch)


def _jobs() -> int:
    """A job a core, but no more than there are gigabytes of memory."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return cores
    return max(1, min(cores, memory >> 30))


def _build_here(python: Path, scratch: Path) -> None:
    """The child: source, then wheel."""
    pip = Pip(python)
    name = REQUIREMENT.partition("==")[0]
    source = ["--no-deps", "--no-binary", name, "--dest", str(scratch), REQUIREMENT]
    subprocess.run(pip.command("download", *source), check=True)
    archive = next(scratch.glob("*.tar.gz"))
    wheel = ["--no-deps", "--no-cache-dir", "--wheel-dir", str(scratch), str(archive)]
    subprocess.run(pip.command("wheel", "--verbose", *wheel), check=True)


# --- the whole ---------------------------------------------------------------------------------


@dataclass(slots=True)
class Library:
    """The library on its way: a wheel, or one that is being built; maybe a folder to be linked."""

    pip: Pip
    scratch: Path
    wheel: Path | None = None
    build: Compilation | None = None
    folder: Path | None = None

    def put_in_place(self) -> None:
        """Install it and look at it; what was found and does not pass is compiled instead.

        Raises
        ------
        CannotInstallError
            If it cannot be compiled, or does not run.
        """
        why = self._install()
        if why is not None and (self.folder is not None or self.build is None):
            say(f"what was found cannot be used: {why}")
            if compiler() is None:
                raise CannotInstallError(NO_COMPILER)
            self.wheel, self.folder = None, None
            self.build = compile_in_background(self.pip, self.scratch / "anew")
            why = self._install()
        if why is not None:
            raise CannotInstallError(f"llama.cpp was compiled, and does not run: {why}")
        if self.build is not None and self.folder is None:
            self._keep()

    def _install(self) -> str | None:
        """Install the wheel, link the folder; gives what is wrong then."""
        if self.build is not None:
            self.wheel = self.build.wait()
        for link in self._place().glob("*.*"):
            if link.is_symlink():  # of a folder that was linked before
                link.unlink()
        self.pip.uninstall(REQUIREMENT.partition("==")[0])  # the same version may not run
        self.pip.install(str(self.wheel))
        if self.folder is not None:
            self._place().mkdir(exist_ok=True)
            for pattern in _LIBRARIES:
                for file in self.folder.glob(pattern):
                    (self._place() / file.name).symlink_to(file.resolve())
        return problem(self.pip.python)

    def _place(self) -> Path:
        """Where the bindings look for their library."""
        ask = "import sysconfig; print(sysconfig.get_path('platlib'))"
        done = subprocess.run([self.pip.python, "-c", ask], capture_output=True, check=True)
        return Path(done.stdout.decode().strip()) / "llama_cpp" / "lib"

    def _keep(self) -> None:
        """Keep the wheel for the next environment on this machine, if that can be done."""
        try:
            cache().mkdir(parents=True, exist_ok=True)
            shutil.copy(str(self.wheel), cache())
        except OSError as error:
            say(f"the wheel is not kept: {error}")

    def stop(self) -> None:
        """Leave nothing running or lying about."""
        if self.build is not None:
            self.build.stop()
            if wheel_in(self.scratch) is None and wheel_in(self.scratch / "anew") is None:
                return  # its log was named
        shutil.rmtree(self.scratch, ignore_errors=True)


NO_COMPILER = (
    "there is no C++ compiler, so llama.cpp cannot be compiled\n"
    "  to have GGUF variants: sudo apt install g++ (or what your system has), and run this again"
)


def warn() -> None:
    """Say at once if nothing is ready and nothing can be compiled.

    Raises
    ------
    CannotInstallError
        If the user names a folder that does not fit.
    """
    ready = named_folder() or wheel_in(cache()) or system_folder()
    if ready is None and compiler() is None:
        say(f"{NO_COMPILER}\n  until then they are left out, unless pip finds a compiled wheel")


def find(pip: Pip) -> Library | None:
    """The library to be put in place; None if it is there, or cannot be had.

    Parameters
    ----------
    pip : Pip
        Of the environment it is for.
    """
    if is_there(pip):
        return None
    scratch = pip.python.parent.parent / "llama.cpp"
    shutil.rmtree(scratch, ignore_errors=True)
    if folder := named_folder():
        say(f"llama.cpp: {folder} ({FOLDER_VARIABLE})")
        return Library(pip, scratch, build=bindings_alone(pip, scratch), folder=folder)
    if wheel := wheel_in(cache()) or _downloaded(pip, scratch):
        say(f"llama.cpp: {wheel}")
        return Library(pip, scratch, wheel=wheel)
    if folder := system_folder():
        say(f"llama.cpp: the system's, {folder}")
        return Library(pip, scratch, build=bindings_alone(pip, scratch), folder=folder)
    if compiler() is None:
        return None
    return Library(pip, scratch, build=compile_in_background(pip, scratch))


def is_there(pip: Pip) -> bool:
    """Whether the environment has the pinned version, and it runs."""
    return pip.has(REQUIREMENT) and problem(pip.python) is None


def _downloaded(pip: Pip, scratch: Path) -> Path | None:
    """A compiled wheel that pip finds."""
    arguments = ["--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(scratch)]
    done = subprocess.run(
        pip.command("download", *arguments, REQUIREMENT), capture_output=True, check=False
    )
    return wheel_in(scratch) if done.returncode == 0 else None


if __name__ == "__main__":
    _build_here(Path(sys.argv[1]), Path(sys.argv[2]))
