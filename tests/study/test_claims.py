"""Languages that a model claims, from the study file to the groups of its analysis."""

import re
from pathlib import Path

import pytest

from babelbits.bundled import MODEL_LANGUAGES, find_bundled_model
from babelbits.errors import StudyError
from babelbits.results.load import load_run
from babelbits.study import Study, load
from report import synthetic
from run_folders import STUDY, record

VARIANTS = '[[variants]]\nrecipe = "w8"\n'


def study_of(folder: Path, text: str) -> Study:
    path = folder / "study.toml"
    path.write_text(text)
    return load(path)


def test_the_bundled_model_claims_what_its_card_says() -> None:
    card = (find_bundled_model() / "README.md").read_text()
    found = re.search(r"^language: \[(.*)\]$", card, re.MULTILINE)
    assert found is not None
    assert tuple(found[1].split(", ")) == MODEL_LANGUAGES


def test_a_study_declares_what_its_model_claims(tmp_path: Path) -> None:
    text = (
        VARIANTS + '[languages]\nclaimed = ["no", "deu", "nb"]\n'
        '[[tasks]]\nsuite = "text"\nlanguages = "unseen"\n'
    )
    study = study_of(tmp_path, text)
    assert study.claimed == ("nb", "de")
    assert "nb" not in study.suites[0].languages
    assert {"sw", "ml"} <= set(study.suites[0].languages)


def test_without_a_word_only_the_bundled_models_claim_is_known(tmp_path: Path) -> None:
    tasks = '[[tasks]]\nsuite = "text"\nlanguages = "claimed"\n'
    assert study_of(tmp_path, VARIANTS + tasks).claimed == MODEL_LANGUAGES
    with pytest.raises(StudyError, match="does not say which languages the model claims") as caught:
        study_of(tmp_path, '[model]\npath = "some/model"\n' + VARIANTS + tasks)
    assert "[languages]" in str(caught.value)


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ('claimed = ["klingonese"]', "unknown language"),
        ('claimed = "en"', "must be an array"),
        ('claims = ["en"]', "claimed"),
    ],
)
def test_mistakes_in_a_claim_are_named(tmp_path: Path, claim: str, message: str) -> None:
    tasks = '[[tasks]]\nsuite = "text"\n'
    with pytest.raises(StudyError, match=message):
        study_of(tmp_path, f"{VARIANTS}[languages]\n{claim}\n{tasks}")


def test_unseen_languages_have_effects_of_their_own(tmp_path: Path) -> None:
    cells = synthetic.make().cells
    codes = list(dict.fromkeys(cell.meta.task.language for cell in cells))
    claim = f'{STUDY}\n[languages]\nclaimed = ["{codes[0]}", "{codes[1]}"]\n'
    sizes = dict.fromkeys({cell.meta.variant for cell in cells}, 8.0)
    found = load_run(record(tmp_path / "a.run", cells, sizes=sizes, study=claim))
    groups = {effect.group: effect.languages for effect in found.analysis.effects if effect.group}
    assert set(groups["claimed"]) <= {codes[0], codes[1]}
    assert set(groups["unseen"]) <= set(codes[2:])
    assert found.study.claimed == (codes[0], codes[1])
    contrasts = {one.group for one in found.analysis.contrasts}
    assert contrasts & {"claimed", "unseen"}
