"""`[[analysis.contrasts]]`, `[languages] shares` and what a study says of their mistakes."""

from pathlib import Path

import pytest

from babelbits.errors import StudyError
from babelbits.study import load
from babelbits.study.config.labels import find_label

STUDY = """\
[model]
path = "bundled"

[[variants]]
recipe = "w8a8"

[[variants]]
recipe = "w8a8-sq"
calibration = "en"

[[tasks]]
suite = "pairs"
languages = ["en", "sw"]
"""


def write(folder: Path, more: str) -> Path:
    path = folder / "study.toml"
    path.write_text(STUDY + more, "utf-8")
    return path


def test_a_contrast_is_declared_by_label_or_recipe(tmp_path: Path) -> None:
    more = '\n[[analysis.contrasts]]\nvariant = "w8a8-sq"\nagainst = "w8a8"\n'
    assert load(write(tmp_path, more)).analysis.contrasts == (("w8a8-sq@en", "w8a8"),)
    assert load(write(tmp_path, "")).analysis.contrasts == ()


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ('variant = "w8a8-sp"\nagainst = "w8a8"', "no variant 'w8a8-sp' in this study"),
        ('variant = "w8a8"\nagainst = "w8a8"', "a contrast needs two variants"),
        ('variant = "w8a8"', "against"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, pair: str, said: str) -> None:
    with pytest.raises(StudyError) as caught:
        load(write(tmp_path, f"\n[[analysis.contrasts]]\n{pair}\n"))
    assert said in str(caught.value)


def test_a_recipe_stands_for_its_only_variant() -> None:
    labels = ["baseline", "w4-g@en", "w4-g@sw", "w8a8-sq@en", "q4[x=1]"]
    assert find_label("w8a8-sq", labels) == "w8a8-sq@en"
    assert find_label("w4-g@sw", labels) == "w4-g@sw"
    assert find_label("q4", labels) == "q4[x=1]"
    assert find_label("w4-g", labels) is None
    assert find_label("w4", labels) is None


def test_shares_are_a_published_name_or_a_readable_table(tmp_path: Path) -> None:
    assert load(write(tmp_path, "")).corpus == "commoncrawl-2026-04"
    (tmp_path / "mix.csv").write_text("language,share\nen,0.9\nsw,0.01\n")
    (tmp_path / "bad.csv").write_text("language,share\nen,nine\n")
    assert load(write(tmp_path, '\n[languages]\nshares = "mix.csv"\n')).corpus == "mix.csv"
    for name, said in (("mc5", "no published corpus and no file 'mc5'"), ("bad.csv", "cannot be")):
        with pytest.raises(StudyError) as caught:
            load(write(tmp_path, f'\n[languages]\nshares = "{name}"\n'))
        assert said in str(caught.value)
