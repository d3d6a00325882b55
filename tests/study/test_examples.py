"""Every study that is shipped, as an example or with the package, is one that can be read."""

import shutil
import tomllib
from importlib import resources
from pathlib import Path

import pytest

from babelbits.study import load

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.toml"))
SHIPPED = {
    "demo.toml": ("demo.toml",),
    "demo with k-quants": ("demo.toml", "demo_gguf.toml"),
    "demo_paper_b.toml": ("demo_paper_b.toml",),
    "template.toml": ("template.toml",),
}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_a_whole_study_once_its_data_is_there(example: Path, tmp_path: Path) -> None:
    file = tmp_path / "examples" / example.name
    file.parent.mkdir()
    shutil.copy(example, file)
    written = tomllib.loads(example.read_text("utf-8"))
    for folder in written.get("data", {}).values():
        (file.parent / folder).mkdir(parents=True, exist_ok=True)
    study = load(file)
    assert len(study.variants) > len(written["variants"])  # the baseline, and draws
    assert [one.suite for one in study.suites] == [one["suite"] for one in written["tasks"]]
    for suite in study.suites:
        folder = written.get("data", {}).get(suite.suite)
        expected = None if folder is None else file.parent / folder
        assert suite.options.data == expected


@pytest.mark.parametrize("names", SHIPPED.values(), ids=SHIPPED.keys())
def test_a_study_of_the_package_can_be_read(names: tuple[str, ...], tmp_path: Path) -> None:
    shipped = resources.files("babelbits.study")
    file = tmp_path / "study.toml"
    file.write_text("".join(shipped.joinpath(name).read_text("utf-8") for name in names), "utf-8")
    assert load(file).suites
    assert not load(file).folder.exists()
