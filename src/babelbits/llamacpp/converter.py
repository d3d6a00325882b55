"""llama.cpp's own converter from Hugging Face checkpoints, kept in the user's cache folder.

An installed llama-cpp-python has no converter, but its source distribution does. It is got once
through pip, which knows the user's mirrors and proxies, checked against a pinned hash, and from
then on used without a network. Nothing of it is imported into this process.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePath, PurePosixPath

from babelbits.errors import MissingExtraError
from babelbits.llamacpp.library import DISTRIBUTION, VERSION
from babelbits.store.atomic import store_errors

SDIST_SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
ARCHIVE_VARIABLE = "BABELBITS_LLAMACPP_SDIST"
"""Environment variable that names the source distribution, for machines without a network."""
SCRIPT = "convert_hf_to_gguf.py"

_KEPT = (SCRIPT, "conversion", "gguf-py", "LICENSE")
_MEND = (
    "where there is a network: babelbits doctor --fix; elsewhere set "
    f"{ARCHIVE_VARIABLE} to llama_cpp_python-{VERSION}.tar.gz, downloaded by "
    f"`pip download --no-deps --no-binary :all: {DISTRIBUTION}=={VERSION}`"
)


def find_cache_folder() -> Path:
    """Where this package keeps what it got from the network: as XDG says, or `~/.cache`."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if home else Path.home() / ".cache") / "babelbits"


def find_folder() -> Path:
    """Where the converter is kept, whether it is there or not."""
    return find_cache_folder() / f"llama.cpp-{VERSION}"


def is_there() -> bool:
    """Whether the converter has been got before."""
    return (find_folder() / SCRIPT).is_file()


def need() -> Path:
    """The converter's folder; got first if it is not there.

    Raises
    ------
    MissingExtraError
        If it is not there and cannot be got, or is not the file it should be.
    StoreError
        If the cache folder cannot be written.
    """
    if not is_there():
        get()
    return find_folder()


def get() -> None:
    """Get the source distribution and keep its converter.

    Raises
    ------
    MissingExtraError
        If pip cannot get it, or the archive is not the pinned one.
    StoreError
        If the cache folder cannot be written.
    """
    target = find_folder()
    with store_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".llama.cpp-") as place:
            archive = _archive(Path(place))
            with archive.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            if digest != SDIST_SHA256:
                raise MissingExtraError(
                    f"this is not the source of {DISTRIBUTION} {VERSION}: its SHA-256 is {digest}, "
                    f"not {SDIST_SHA256}",
                    where=str(archive),
                    hint=_MEND,
                )
            unpacked = Path(place) / "unpacked"
            _unpack(archive, unpacked)
            shutil.rmtree(target, ignore_errors=True)
            unpacked.replace(target)


def _archive(place: Path) -> Path:
    """The source distribution: the file that the user names, or what pip downloads to `place`."""
    named = os.environ.get(ARCHIVE_VARIABLE)
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise MissingExtraError(
                f"{ARCHIVE_VARIABLE} names a file that is not there", where=str(path)
            )
        return path
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    what = ["--no-deps", "--no-binary", DISTRIBUTION, f"{DISTRIBUTION}=={VERSION}"]
    done = subprocess.run(
        [*pip, *what, "--dest", str(place)], capture_output=True, text=True, check=False
    )
    archive = next(place.glob("*.tar.gz"), None)
    if done.returncode != 0 or archive is None:
        lines = [
            line for line in done.stderr.splitlines() if "ERROR" in line or "No module" in line
        ]
        raise MissingExtraError(
            "llama.cpp's converter is not on this machine, and pip cannot download it: "
            + (lines[-1] if lines else f"exit code {done.returncode}"),
            hint=_MEND,
        )
    return archive


def _unpack(archive: Path, target: Path) -> None:
    """The converter's files of the archive, at the top of `target`."""
    with tarfile.open(archive) as tar:
        for member in tar:
            parts = PurePosixPath(member.name).parts  # <distribution>/vendor/llama.cpp/<file>
            if parts[1:3] == ("vendor", "llama.cpp") and len(parts) > 3 and parts[3] in _KEPT:
                _write(tar, member, target, name=PurePosixPath(*parts[3:]))


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path, *, name: PurePath) -> None:
    """Write the bytes of a regular file below `target`: no link, owner, mode or device.

    `TarFile.extract` is not used: its filters came with Python 3.11.4.

    Raises
    ------
    MissingExtraError
        If the member is neither a regular file nor a folder, or would lie outside `target`.
    """
    if ".." in name.parts or not (member.isreg() or member.isdir()):
        raise MissingExtraError(
            "the archive holds what no source has: a link, a device, or a path that leads out",
            where=member.name,
        )
    content = tar.extractfile(member)
    if content is not None:  # a folder has none; those of files are made as they come
        file = target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with content, file.open("wb") as stream:
            shutil.copyfileobj(content, stream)
