"""Translation tasks: prompts and directions by hand, scores against sacrebleu's text functions."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from sacrebleu import sentence_bleu, sentence_chrf

from babelbits.errors import MissingDataError, StudyError, TaskError, UnknownNameError
from babelbits.records import GenerateRequest, Generation, Reply
from babelbits.tasks.base import Task, TaskOptions, find_prompt
from babelbits.tasks.catalogue import load
from babelbits.tasks.translation.metrics import choose_bleu_tokenizer, has_spm
from babelbits.tasks.translation.suite import TranslationOptions
from flores_files import archive

ENGLISH = ["One dog.", "Two cats.", "Three birds."]
GERMAN = ["Ein Hund.", "Zwei Katzen.", "Drei Vögel."]
JAPANESE = ["犬が一匹。", "猫が二匹。", "鳥が三羽。"]


def ntrex(folder: Path, texts: Mapping[str, Sequence[str]]) -> Path:
    for code, lines in texts.items():
        kind = "src" if code == "eng" else "ref"
        (folder / f"newstest2019-{kind}.{code}.txt").write_bytes("\r\n".join(lines).encode())
    return folder


@pytest.fixture
def flores(tmp_path: Path) -> Path:
    return archive(tmp_path, eng_Latn=ENGLISH, deu_Latn=GERMAN, jpn_Jpan=JAPANESE)


def task(suite: str, language: str, folder: Path, *, shots: int = 0, pivot: str = "en") -> Task:
    return load(
        suite, language, TaskOptions(data=folder, shots=shots, own=TranslationOptions(pivot=pivot))
    )


def wrote(text: str) -> list[Reply]:
    return [
        Generation(texts=(text,), finish_reasons=("stop",), output_tokens=(1,), prompt_tokens=1)
    ]


def test_the_prompt_shows_the_first_of_dev_and_ends_where_the_answer_begins(flores: Path) -> None:
    found = task("flores", "ja", flores, shots=2)
    item = found.items()[0]
    assert find_prompt(item) == (
        "Translate from English into Japanese.\n\n"
        "English: Three birds.\nJapanese: 鳥が三羽。\n\n"
        "English: Two cats.\nJapanese: 猫が二匹。\n\n"
        "English: One dog.\nJapanese:"
    )
    assert isinstance(item.requests[0], GenerateRequest)
    assert item.requests[0].stop == ("\n",)
    assert item.target == "犬が一匹。"


@pytest.mark.parametrize(
    ("suite", "pivot", "name", "target"),
    [
        ("flores", "en", "flores_en-ja", JAPANESE[0]),
        ("flores-from", "en", "flores-from_ja-en", ENGLISH[0]),
        ("flores", "de", "flores_de-ja", JAPANESE[0]),
        ("flores-from", "de", "flores-from_ja-de", GERMAN[0]),
    ],
)
def test_the_language_is_the_side_that_is_not_the_pivot(
    flores: Path, suite: str, pivot: str, name: str, target: str
) -> None:
    found = task(suite, "ja", flores, pivot=pivot)
    assert (found.info.name, found.info.language) == (name, "ja")
    assert found.info.parallel
    assert [item.source_id for item in found.items()] == ["1", "2", "3"]
    assert found.items()[0].target == target


def test_scores_of_a_segment_are_sacrebleus(flores: Path) -> None:
    found = task("flores", "de", flores)
    outcome = found.score(found.items()[1], wrote(" Zwei Hunde. "))
    assert outcome.scores["chrf++"] == pytest.approx(
        sentence_chrf("Zwei Hunde.", ["Zwei Katzen."], word_order=2).score / 100
    )
    assert outcome.scores["bleu"] == pytest.approx(
        sentence_bleu("Zwei Hunde.", ["Zwei Katzen."]).score / 100
    )
    assert len(outcome.statistics["chrf++"]) == 24
    assert len(outcome.statistics["bleu"]) == 10


def test_an_empty_translation_is_wrong_and_counts(flores: Path) -> None:
    found = task("flores", "de", flores)
    outcome = found.score(found.items()[0], wrote(""))
    assert outcome.failure is None
    assert outcome.scores == {"chrf++": 0.0, "bleu": 0.0}


def test_chance_is_what_the_next_reference_scores(flores: Path) -> None:
    """Worked out by asking for the answers one place further on."""
    from sacrebleu import corpus_chrf

    metric = task("flores", "de", flores).info.metric("chrf++")
    expected = corpus_chrf([*GERMAN[1:], GERMAN[0]], [GERMAN], word_order=2).score / 100
    assert metric.chance == pytest.approx(expected)


def test_flores_plus_rows_and_newer_codes(tmp_path: Path) -> None:
    for split in ("dev", "devtest"):
        place = tmp_path / split
        place.mkdir()
        for code, lines in (("eng_Latn", ENGLISH), ("cmn_Hans", JAPANESE)):
            rows = [json.dumps({"id": k, "text": line}) for k, line in enumerate(lines)]
            (place / f"{code}.jsonl").write_text("\n".join(rows), "utf-8")
    found = task("flores", "zh", tmp_path, shots=1)
    assert [item.target for item in found.items()] == JAPANESE
    assert "tok:zh" in str(found.info.metric("bleu").signature)


def test_ntrex_has_no_examples(tmp_path: Path) -> None:
    folder = ntrex(tmp_path, {"eng": ENGLISH, "deu": GERMAN})
    found = task("ntrex-translation", "de", folder)
    assert find_prompt(found.items()[0]).count("English:") == 1
    with pytest.raises(StudyError, match="no few-shot examples"):
        task("ntrex-translation", "de", folder, shots=2)


def test_too_few_examples_are_an_error(flores: Path) -> None:
    with pytest.raises(TaskError, match="3 few-shot examples, 5 were asked for"):
        task("flores", "de", flores, shots=5).items()


def test_two_languages_of_unequal_length_are_an_error(tmp_path: Path) -> None:
    folder = archive(tmp_path, eng_Latn=ENGLISH, deu_Latn=GERMAN[:2])
    with pytest.raises(TaskError, match=r"2 segments, but 3 in 'en'"):
        task("flores", "de", folder).items()


def test_what_is_missing_is_named(flores: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="'fr'") as caught:
        task("flores", "fr", flores).items()
    assert "de, en, ja" in str(caught.value)
    with pytest.raises(StudyError, match="into itself"):
        task("flores", "de", flores, pivot="de")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(TaskError, match="no split 'devtest'"):
        task("flores", "de", empty).items()


def test_without_a_folder_and_a_network_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(MissingDataError, match="openlanguagedata/flores_plus") as caught:
        load("flores", "de", TaskOptions(shots=0)).items()
    assert "babelbits pull" in str(caught.value)
    with pytest.raises(TaskError, match="local folder") as caught:
        load("ntrex-translation", "de", TaskOptions())
    assert 'ntrex = "path/to/folder"' in str(caught.value)


@pytest.mark.parametrize(
    ("language", "tokenizer"),
    [("de", "13a"), ("zh-Hant", "zh"), ("th", "char"), ("my", "char"), ("hi", "13a")],
)
def test_bleus_tokenizer(language: str, tokenizer: str) -> None:
    assert choose_bleu_tokenizer(language) == tokenizer


def test_a_missing_model_of_spbleu_is_said_and_not_fetched(flores: Path) -> None:
    found = task("flores", "de", flores).info
    assert has_spm() == any(metric.name == "spbleu" for metric in found.metrics)
    assert has_spm() or any("no spBLEU" in note for note in found.notes)


@pytest.mark.shared_data
def test_ntrex_as_it_is_published(shared_data: Path) -> None:
    """1,997 segments (Federmann et al. 2022); English is the source."""
    found = task("ntrex-translation-from", "th", shared_data / "ntrex128")
    items = found.items()
    assert len(items) == 1997
    assert items[0].target == "Welsh AMs worried about 'looking like muppets'"
