"""Which Python the installer takes, and what it says of those that it does not take."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "scripts" / "install.sh"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a shell script")


def fake_python(folder: Path, name: str, *, version: tuple[int, int], change: str = "pass") -> Path:
    """A program that answers the installer's question as this Python would if it were another.

    What it is given to do after that, it only prints.
    """
    folder.mkdir(exist_ok=True)
    program = f"import sys; sys.version_info = {(*version, 0)}; {change}; exec(sys.stdin.read())"
    path = folder / name
    path.write_text(
        f'#!/bin/sh\n[ "$1" = -E ] || {{ echo "takes $0: $2 $3 $4"; exit; }}\nshift 2\n'
        f'exec {sys.executable} -I -c "{program}" "$@"\n'
    )
    path.chmod(0o755)
    return path


def install(*arguments: str, path: list[Path]) -> subprocess.CompletedProcess[str]:
    """Run the script with these folders as PATH."""
    return subprocess.run(
        ["/bin/sh", str(SCRIPT), "venv", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": ":".join(map(str, path))},
    )


def test_a_python_that_cannot_is_passed_over(tmp_path: Path) -> None:
    """Debian without python3-venv, a shim of pyenv without its version, an older python3."""
    old, broken, good = tmp_path / "old", tmp_path / "broken", tmp_path / "good"
    fake_python(old, "python3.11", version=(3, 11), change="sys.modules['ensurepip'] = None")
    fake_python(old, "python3", version=(3, 10))
    broken.mkdir()
    shim = broken / "python3.12"
    shim.write_text("#!/bin/sh\necho 'pyenv: python3.12: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    taken = fake_python(good, "python3.12", version=(3, 12))
    done = install("run,gguf", path=[old, broken, good])
    assert done.stdout == f"takes {taken}: venv run,gguf \n"
    assert done.returncode == 0


def test_the_oldest_that_can_is_taken(tmp_path: Path) -> None:
    fake_python(tmp_path, "python3.13", version=(3, 13))
    fake_python(tmp_path, "python3", version=(3, 12))
    taken = fake_python(tmp_path, "python3.11", version=(3, 11))
    done = install("run,gguf", "", "marker", path=[tmp_path])
    assert done.stdout == f"takes {taken}: venv run,gguf marker\n"


def test_a_python3_of_a_good_version_is_enough(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    taken = fake_python(folder, "python3", version=(3, 13))
    assert f"takes {taken}:" in install("run,gguf", path=[tmp_path, folder]).stdout
    assert f"takes {taken}:" in install("run,gguf", str(taken), path=[tmp_path]).stdout


def test_every_python_that_is_refused_is_named_with_what_to_do(tmp_path: Path) -> None:
    old = fake_python(tmp_path, "python3", version=(3, 10))
    bare = fake_python(
        tmp_path, "python3.11", version=(3, 11), change="sys.modules['ensurepip'] = None"
    )
    done = install("run,gguf", path=[tmp_path])
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"{bare} cannot make virtual environments: sudo apt install python3.11-venv" in (
        done.stderr
    )
    assert f"{old} is Python 3.10" in done.stderr
    assert "make PYTHON=/path/to/python3.12" in done.stderr


def test_no_python_at_all_is_said(tmp_path: Path) -> None:
    done = install("run,gguf", path=[tmp_path])
    assert done.returncode == 2
    assert "no Python here can be used; one of these versions is needed: 3.11 3.12 3.13\n" in (
        done.stderr
    )


@pytest.mark.parametrize("version", [(3, 10), (3, 14), (3, 15), (2, 7)])
def test_a_named_python_without_wheels_is_refused(tmp_path: Path, version: tuple[int, int]) -> None:
    """For 3.14, fasttext-predict has none; the base package needs nothing that lacks them."""
    named = fake_python(tmp_path, "mine", version=version)
    fake_python(tmp_path, "python3.12", version=(3, 12))
    done = install("run,gguf", str(named), path=[tmp_path])
    assert done.returncode == 2
    assert f"{named} is Python {version[0]}.{version[1]}" in done.stderr
    light = install("light", str(named), path=[tmp_path])
    assert light.returncode == (0 if version == (3, 14) else 2)


def test_classifiers_are_the_versions_that_the_installer_takes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (versions,) = re.findall(r'^versions="([\d. ]+)"', SCRIPT.read_text("utf-8"), re.MULTILINE)
    named = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    assert named == versions.split()
    assert project["requires-python"] == f">={named[0]}"
