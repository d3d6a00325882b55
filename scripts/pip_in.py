"""pip of a virtual environment: quiet, with the versions that the lock file names."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
LOCK = HERE / "requirements.lock"


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


def pinned(name: str) -> str:
    """`name==version`, as the lock file has it."""
    lines = LOCK.read_text("utf-8").splitlines()
    return next(line for line in lines if line.partition("==")[0] == name)
