"""A recipe family and an engine of another package: found by its entry points, nothing else."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOY = Path(__file__).resolve().parent.parent / "toy_package" / "toy_parts.py"
POINTS = """\
[babelbits.recipes]
toy = toy_parts:FAMILY

[babelbits.engines]
toy = toy_parts:ENGINE
"""
STUDY = """\
[study]
name = "toy"

[engine]
device = "cpu"
{engine}

[[variants]]
recipe = "toy-round"
bits = 2

[[tasks]]
suite = "text"
languages = ["en"]

[limits]
items = 4
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder of packages in which `toy-parts` is installed."""
    place = tmp_path / "site"
    about = place / "toy_parts-1.5.dist-info"
    about.mkdir(parents=True)
    shutil.copyfile(TOY, place / "toy_parts.py")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-parts\nVersion: 1.5\n")
    (about / "entry_points.txt").write_text(POINTS)
    return place


def babelbits(*arguments: str, place: Path, code: int = 0) -> str:
    """What the command prints, with the package on the path."""
    paths = [str(place), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "XDG_CACHE_HOME": str(place.parent / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "babelbits", *arguments],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if done.stdout else done.stderr


def test_its_recipe_is_listed_and_its_parameters_are_checked(place: Path, tmp_path: Path) -> None:
    assert "weights on a grid" in babelbits("recipes", "toy-round", place=place)
    file = tmp_path / "toy.toml"
    file.write_text(STUDY.format(engine="").replace("bits = 2", "bits = 9"), "utf-8")
    said = babelbits("plan", str(file), place=place, code=2)
    assert "toy.toml:10:8" in said
    assert "'bits' must be at most 8, not 9" in said


def test_an_engine_that_cannot_run_a_format_is_told_with_those_that_can(
    place: Path, tmp_path: Path
) -> None:
    file = tmp_path / "toy.toml"
    file.write_text(STUDY.format(engine='name = "transformers"'), "utf-8")
    said = babelbits("plan", str(file), place=place, code=2)
    assert "toy.toml:6:8" in said
    assert "the engine 'transformers' cannot run 'toy-round[bits=2]', whose format is 'toy'" in said
    assert "'toy' can" in said


@pytest.mark.slow
def test_its_variant_is_rehearsed_in_its_engine(place: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    pytest.importorskip("lm_eval")
    file = tmp_path / "toy.toml"
    file.write_text(STUDY.format(engine='name = "toy"'), "utf-8")
    said = babelbits("plan", str(file), "--rehearse", "--json", place=place)
    results = json.loads(said)
    outcomes = {one["label"]: one["outcome"] for one in results["variants"]}
    assert outcomes == {"baseline": "works", "toy-round[bits=2]": "works"}
    assert {one["library"] for one in results["variants"]} > {"toy-parts 1.5"}


def test_run_makes_its_variant_and_runs_it_in_its_engine(place: Path, tmp_path: Path) -> None:
    """In worker processes, which find the package by themselves."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    pytest.importorskip("lm_eval")
    file = tmp_path / "toy.toml"
    file.write_text(STUDY.format(engine='name = "toy"'), "utf-8")
    babelbits("run", str(file), "--workers", "2", "--no-report", place=place)
    (manifest,) = [json.loads(path.read_text("utf-8")) for path in tmp_path.rglob("manifest.json")]
    assert manifest["format"] == "toy"
    assert manifest["library_versions"]["toy-parts"] == "1.5"
    assert "28 weights were rounded" in manifest["notes"]
    plan = json.loads(babelbits("plan", str(file), "--json", place=place))
    assert {cell["state"] for cell in plan["cells"]} == {"done"}
    assert {one["variant"] for one in plan["cells"]} == {"baseline", "toy-round[bits=2]"}
    babelbits("report", str(file), place=place)
    (report,) = tmp_path.rglob("report.html")
    assert "toy-round[bits=2]" in report.read_text("utf-8")
