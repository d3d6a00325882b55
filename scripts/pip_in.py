"""pip of a virtual environment: quiet, with the versions that the lock file names."""

import re
import subprocess
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
LOCK = HERE / "requirements.lock"
HASHED_LOCK = HERE / "requirements.hashed.lock"


@dataclass(frozen=True, slots=True)
class Pip:
    """pip of the environment whose Python this is."""

    python: Path

    def command(self, verb: str, *arguments: str) -> list[str]:
        """The command line; old setup.py projects are built as new ones are, without warnings."""
        return [
            *(str(self.python), "-m", "pip", "--disable-pip-version-check", verb),
            *("--use-pep517", "--constraint", str(LOCK), *arguments),
        ]

    def install(self, *arguments: str) -> None:
        """Install; pip's own words reach the user.

        Raises
        ------
        CalledProcessError
            If pip could not.
        """
        subprocess.run(self.command("install", "--quiet", *arguments), check=True)

    def install_hashed(self, extras: Collection[str]) -> None:
        """Install what extras need from the hashed lock; a file of another hash is refused.

        Raises
        ------
        CalledProcessError
            If pip could not, or a file is not the one that was locked.
        """
        with tempfile.TemporaryDirectory() as folder:
            wanted = Path(folder, "requirements.txt")
            wanted.write_text(hashed_for(extras, HASHED_LOCK.read_text("utf-8")), "utf-8")
            options = ("--quiet", "--require-hashes", "--no-deps", "--requirement", str(wanted))
            command = [str(self.python), "-m", "pip", "--disable-pip-version-check", "install"]
            subprocess.run([*command, "--use-pep517", *options], check=True)

    def check(self) -> str:
        """What `pip check` finds missing or in conflict; empty if nothing is."""
        command = [str(self.python), "-m", "pip", "check"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stdout.strip()

    def uninstall(self, name: str) -> None:
        """Uninstall a distribution, if it is installed."""
        command = [str(self.python), "-m", "pip", "uninstall", "--yes", "--quiet", name]
        subprocess.run(command, capture_output=True, check=False)

    def has(self, requirement: str) -> bool:
        """Whether `name==version` is installed, whatever that build's label."""
        name, version = requirement.split("==")
        ask = f"from importlib.metadata import version; print(version({name!r}))"
        done = subprocess.run([self.python, "-c", ask], capture_output=True, text=True, check=False)
        return done.stdout.strip().partition("+")[0] == version


def hashed_for(extras: Collection[str], lock: str) -> str:
    """The requirements of a hashed lock that these extras, or all of them, need."""
    blocks = re.findall(r"^# for: ([^\n]*)\n((?:[^#].*\n)+)", lock, re.MULTILINE)
    wanted = {"base", *extras}
    return "".join(block for who, block in blocks if wanted & set(who.split()))


def pinned(name: str) -> str:
    """`name==version`, as the lock file has it."""
    lines = LOCK.read_text("utf-8").splitlines()
    return next(line for line in lines if line.partition("==")[0] == name)
