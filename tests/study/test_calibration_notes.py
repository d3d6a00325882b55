"""Calibration text in another language of the same script is told in the plan and the manifest.

The languages of the package's passages are known; the identifier is lid.176.
"""

import re
from pathlib import Path

import pytest

from babelbits.recipes.calibration import CalibrationSpec, find_bundled_file, read_file
from babelbits.store import Store
from babelbits.study import load
from babelbits.study.planning.base_model import locate
from babelbits.study.planning.calibration_notes import note_calibration
from babelbits.study.planning.plan import build_light, make_plan
from babelbits.study.planning.plan_warnings import list_warnings

LATIN = ("de", "en", "es", "fr", "nb", "sw")

STUDY = """
[[variants]]
recipe = "q4_k_s"
calibration = {{ source = "own.txt", language = "{language}" }}
[[tasks]]
suite = "text"
languages = ["nb"]
"""


def text_of(language: str) -> str:
    return "\n\n".join(read_file(find_bundled_file(language)))


def notes(folder: Path, text: str, language: str) -> tuple[str, ...]:
    (folder / "own.txt").write_text(text, "utf-8")
    return note_calibration(CalibrationSpec(language=language, source="own.txt", folder=folder))


@pytest.mark.parametrize("written", LATIN)
def test_each_text_is_told_from_the_others_and_not_from_itself(
    tmp_path: Path, written: str
) -> None:
    text = text_of(written)
    for declared in LATIN:
        found = notes(tmp_path, text, declared)
        if declared == written:
            assert found == ()
        else:
            assert re.search(
                rf"declared as .*\({declared}\), and \d+ of \d+ .*\({written}\)", *found
            )


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (text_of("en")[:600], "nb"),  # short
        (text_of("en") + "\n\n" + text_of("nb"), "nb"),  # mixed
        (text_of("nb"), "nn"),  # the identifier takes nynorsk for bokmål
        ("1 2 3\n" * 500, "nb"),  # no words
        ("\n".join(text_of("en").split()), "nb"),  # no passage is long enough
        (text_of("en"), "xx"),  # nobody knows it
        (text_of("en"), "pcm"),  # the identifier does not know it
    ],
)
def test_nothing_is_told_where_nothing_can_be_told(
    tmp_path: Path, text: str, language: str
) -> None:
    assert notes(tmp_path, text, language) == ()


def test_a_text_that_is_hardly_in_its_script_is_told(tmp_path: Path) -> None:
    (told,) = notes(tmp_path, text_of("en") + "\n\n" + text_of("ml")[:4000], "ml")
    assert "of its letters are in the script Mlym (most: Latn)" in told


def test_bundled_text_and_the_hub_are_not_looked_at() -> None:
    assert note_calibration(None) == ()
    assert note_calibration(CalibrationSpec(language="nb")) == ()
    assert note_calibration(CalibrationSpec(language="nb", source="hub:no/such")) == ()


def test_the_plan_tells_it_of_the_variant(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text(text_of("en"), "utf-8")
    file = tmp_path / "study.toml"
    file.write_text(STUDY.format(language="nb"), "utf-8")
    study = load(file)
    plan = make_plan(study, Store(study.folder), base=locate(study.model), build=build_light)
    told, small = list_warnings(plan)
    assert small.startswith("text: 80 items a language")
    assert told.startswith("q4_k_s@nb: the calibration text own.txt is declared as Norwegian")
    assert "look like English (en)" in told
