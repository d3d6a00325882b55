"""Names that nobody knows: all of them reported at once, each at its place with a suggestion."""

from pathlib import Path

import pytest

from babelbits.errors import ExitCode
from fault_files import Command

STUDY = """\
[model]
path = "bundled"
[[variants]]
recipe = "w4g"
[[variants]]
recipe = "w8a8"
name = "sq"
strength = 1
[[tasks]]
suite = "xcoppa"
[[tasks]]
suite = "math"
languages = ["nb", "swahilli", "xq"]
[analysis]
confirmatory = { variants = ["sqq"] }
"""
FOUND = [
    "study.toml:4:10: ",
    "study.toml:8:1: ",
    "study.toml:10:9: ",
    "study.toml:13:20: ",
    "study.toml:13:32: ",
    "study.toml:15:30: ",
]


@pytest.mark.parametrize("what", ["plan", "run"])
def test_all_at_once_in_the_order_of_the_file(what: str, command: Command, tmp_path: Path) -> None:
    study = tmp_path / "study.toml"
    study.write_text(STUDY)
    said = command(what, study)
    assert said.code == ExitCode.USAGE
    assert "6 mistakes in the study" in said.err
    places = [said.err.find(place) for place in FOUND]
    assert -1 not in places
    assert places == sorted(places)
    for suggestion in ("w4-g", "xcopa", "sq"):
        assert f"did you mean '{suggestion}'" in said.err
    assert said.out == ""
    assert list(tmp_path.iterdir()) == [study]
