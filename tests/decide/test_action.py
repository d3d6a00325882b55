"""The GitHub Action's shell steps, run as a runner runs them.

Bash, a file for the outputs and one for the summary, and inputs by the environment only.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from compare_cells import right_wrong
from decision_cells import SHOWN, Scores, study_cells
from run_folders import record

ROOT = Path(__file__).resolve().parents[2]
SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail")
"""What `shell: bash` stands for in GitHub's documentation of workflow syntax."""


def table(*, broke: int, fixed: int) -> Scores:
    """500 items, of which the baseline of `SHOWN` gets 400."""
    before, _ = right_wrong(both_right=400, broke=0, fixed=0, both_wrong=100)
    return before, [0.0] * broke + [1.0] * (400 - broke) + [1.0] * fixed + [0.0] * (100 - fixed)


WORSE, OPEN = table(broke=60, fixed=2), table(broke=20, fixed=18)


def action() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    found: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
    return found


def filled(text: str, inputs: dict[str, str]) -> str:
    """`${{ ... }}` as the runner fills it in."""

    def value(match: re.Match[str]) -> str:
        name = match[1].strip()
        return str(ROOT) if name == "github.action_path" else inputs[name.removeprefix("inputs.")]

    return re.sub(r"\$\{\{(.*?)\}\}", value, text)


def run_step(name: str, folder: Path, **given: str) -> tuple[int, dict[str, str], str]:
    """Exit code, outputs and what was printed, of a step with these inputs."""
    made = action()
    inputs = {key: one.get("default", "") for key, one in made["inputs"].items()}
    inputs |= {key.replace("_", "-"): value for key, value in given.items()}
    [step] = [one for one in made["runs"]["steps"] if one["name"] == name]
    output, summary = folder / "output", folder / "summary.md"
    env = {
        **os.environ,
        **{key: filled(value, inputs) for key, value in step["env"].items()},
        "GITHUB_OUTPUT": str(output),
        "GITHUB_STEP_SUMMARY": str(summary),
        "GITHUB_PATH": str(folder / "path"),
        "RUNNER_TEMP": str(folder),
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
    }
    script = folder / "step.sh"
    script.write_text(step["run"], "utf-8")
    done = subprocess.run(
        [*SHELL, str(script)], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    lines = output.read_text("utf-8").splitlines() if output.exists() else []
    return done.returncode, dict(one.split("=", 1) for one in lines), done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout with a run folder, and `babelbits` on the path."""
    found = study_cells({"en": SHOWN, "sw": SHOWN}, variant="w8")
    for variant, answers in (("w4", {"en": SHOWN, "sw": OPEN}), ("w3", {"en": SHOWN, "sw": WORSE})):
        more = study_cells(answers, variant=variant)
        found += [one for one in more if one.meta.variant == variant]
    record(tmp_path / "study.run", found, sizes={})
    command = tmp_path / "bin" / "babelbits"
    command.parent.mkdir()
    command.write_text(
        f'#!/bin/sh\nPYTHONPATH={ROOT / "src"} exec {sys.executable} -m babelbits "$@"\n'
    )
    command.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("variant", "undecided", "code", "exit_code", "begins"),
    [
        ("w8", "fail", 0, "0", "pass: w8"),
        ("w3", "fail", 1, "1", "fail: w3 loses more than the margin in 1 of 2"),
        ("w3", "pass", 1, "1", "fail: w3"),
        ("w4", "fail", 5, "5", "undecided: w4"),
        ("w4", "pass", 0, "5", "undecided: w4"),
    ],
)
def test_the_gate_step(
    folder: Path, variant: str, undecided: str, code: int, exit_code: str, begins: str
) -> None:
    found, outputs, printed = run_step(
        "Gate", folder, source="study.run", variant=variant, undecided=undecided
    )
    assert found == code, printed
    assert outputs["exit-code"] == exit_code
    assert outputs["sentence"].startswith(begins)
    assert ("::warning" in printed) == (code == 0 and exit_code != "0")
    suite = ET.parse(folder / "babelbits-gate.xml").getroot()  # noqa: S314  our own
    assert (suite.get("failures") == "0") == (exit_code == "0")
    assert f"babelbits gate: {variant}" in (folder / "summary.md").read_text("utf-8")


def test_inputs_are_text_and_no_shell(folder: Path) -> None:
    """An input that would run as a command names a variant that nobody has."""
    hostile = '"; touch pwned; echo "$(touch pwned)'
    found, _, printed = run_step("Gate", folder, source="study.run", variant=hostile)
    assert found == 2
    assert "the study has no variant" in printed
    assert not (folder / "pwned").exists()


def test_a_policy_may_be_named(folder: Path) -> None:
    (folder / "mine.toml").write_text('[gate.required]\nxcopa = ["en"]\n')
    found, _, _ = run_step("Gate", folder, source="study.run", variant="w3", policy="mine.toml")
    assert found == 0


def test_the_example_names_inputs_that_exist() -> None:
    yaml = pytest.importorskip("yaml")
    workflow = yaml.safe_load((ROOT / "examples" / "github-workflow.yml").read_text("utf-8"))
    steps = workflow["jobs"]["gate"]["steps"]
    [ours] = [one for one in steps if one.get("uses", "").startswith("babelbits/")]
    made = action()
    assert set(ours["with"]) <= set(made["inputs"])
    required = {name for name, one in made["inputs"].items() if one.get("required")}
    assert required <= set(ours["with"])


@pytest.mark.slow
def test_the_install_step(tmp_path: Path) -> None:
    """From this checkout into an environment of its own, whose command starts."""
    code, _, printed = run_step("Install", tmp_path, python=sys.executable)
    assert code == 0, printed
    [place] = (tmp_path / "path").read_text().splitlines()
    done = subprocess.run(
        [f"{place}/babelbits", "--version"], capture_output=True, text=True, check=True
    )
    assert "babelbits" in done.stdout
