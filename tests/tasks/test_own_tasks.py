"""Our own tasks: what they ask, and scores worked out by hand."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from babelbits.errors import StudyError, TaskError, UnknownNameError
from babelbits.records import (
    Failure,
    GenerateRequest,
    Generation,
    Item,
    Reply,
    Score,
    ScoreRequest,
    TextRequest,
    TextScore,
)
from babelbits.tasks.base import Task, TaskOptions
from babelbits.tasks.catalogue import find_babelmini_folder, find_info, list_suites, load
from babelbits.tasks.open_prompts import OpenPromptsOptions
from babelbits.tasks.suites.babelmini import BABELMINI_LANGUAGES


def local(folder: Path, suite: str, rows: list[dict[str, Any]], language: str = "nb") -> Task:
    (folder / f"{language}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return load(suite, language, TaskOptions(data=folder))


def only(task: Task) -> Item:
    (item,) = task.items()
    return item


def wrote(text: str) -> list[Reply]:
    return [
        Generation(texts=(text,), finish_reasons=("length",), output_tokens=(1,), prompt_tokens=1)
    ]


# --- open prompts ------------------------------------------------------------------------------


def test_open_prompts_say_whether_there_is_an_answer_and_an_end(tmp_path: Path) -> None:
    task = local(tmp_path, "open-prompts", [{"source_id": "1", "prompt": "Hva er en fjord?"}])
    item = only(task)
    assert item.requests == (GenerateRequest(prompt="Hva er en fjord?", max_new_tokens=256),)
    assert item.target == "Hva er en fjord?"
    cut = task.score(item, wrote("En fjord er"))
    assert (cut.output, cut.scores) == ("En fjord er", {"answered": 1.0, "ended": 0.0})
    nothing: list[Reply] = [
        Generation(texts=(" \n",), finish_reasons=("eos",), output_tokens=(1,), prompt_tokens=1)
    ]
    assert task.score(item, nothing).scores == {"answered": 0.0, "ended": 1.0}


def test_answers_may_be_as_long_as_the_study_says(tmp_path: Path) -> None:
    (tmp_path / "nb.jsonl").write_text(json.dumps({"source_id": "1", "prompt": "Hva?"}))
    options = TaskOptions(data=tmp_path, own=OpenPromptsOptions(max_new_tokens=7))
    [item] = load("open-prompts", "nb", options).items()
    assert item.requests == (GenerateRequest(prompt="Hva?", max_new_tokens=7),)


# --- text ------------------------------------------------------------------------------------


def test_bits_per_byte_and_per_passage(tmp_path: Path) -> None:
    """Two tokens of probability 1/8 and 1/4 are 5 bits; 'å b' is 4 bytes, one passage."""
    task = local(tmp_path, "text", [{"source_id": "p1", "sentences": ["å", "b"]}])
    item = only(task)
    assert item.requests == (TextRequest(text="å b"),)
    outcome = task.score(item, [TextScore(logprobs=(math.log(1 / 8), math.log(1 / 4)), n_bytes=4)])
    assert outcome.scores == pytest.approx(
        {"bits_per_byte": 5 / 4, "mean_bits_per_byte": 5 / 4, "bits_per_unit": 5.0}
    )
    assert outcome.statistics["bits_per_byte"] == pytest.approx((5.0, 4.0))
    assert task.info.primary == "bits_per_byte"
    assert task.info.metric("bits_per_byte").higher_is_better is False
    assert task.info.licence == "unknown"


@pytest.mark.parametrize(("language", "expected"), [("ja", "犬。猫。"), ("ko", "犬。 猫。")])
def test_sentences_are_joined_as_the_script_does(
    tmp_path: Path, language: str, expected: str
) -> None:
    row = {"source_id": "p1", "sentences": ["犬。", "猫。"]}
    request = only(local(tmp_path, "text", [row], language)).requests[0]
    assert request == TextRequest(text=expected)


def test_a_folder_of_texts_decides_the_languages(tmp_path: Path) -> None:
    (tmp_path / "nob_Latn.txt").write_bytes("En\r\nTo\u2028tre\r\n".encode())
    (tmp_path / "corpus.zh-TW.txt").write_text("一\n二\n", encoding="utf-8")
    (tmp_path / "README.txt").write_text("no language")
    (tmp_path / "notes.md").write_text("no text")
    assert find_info("text", data=tmp_path).languages == ("nb", "zh-Hant")
    items = load("text", "no", TaskOptions(data=tmp_path)).items()
    assert [item.source_id for item in items] == ["1", "2"]
    assert items[1].requests[0] == TextRequest(text="To\u2028tre")
    with pytest.raises(UnknownNameError, match="not in language 'en'"):
        load("text", "en", TaskOptions(data=tmp_path))


@pytest.mark.shared_data
def test_ntrex_documents_are_its_segments_in_order(shared_data: Path) -> None:
    """123 documents and 1997 segments: the data set's own numbers (newstest2019)."""
    options = TaskOptions(data=shared_data / "ntrex128")
    documents, segments = load("ntrex", "nb", options), load("ntrex-segments", "nb", options)
    texts = [item.requests[0].text for item in documents.items()]
    assert len(texts) == 123
    assert len(segments.items()) == 1997
    assert [one.requests[0].text for one in segments.items()] == "\n".join(texts).split("\n")
    assert not any("\r" in text for text in texts)
    english = load("ntrex", "en", options).items()
    assert [one.source_id for one in documents.items()] == [one.source_id for one in english]
    assert english[0].requests[0].text.startswith("Welsh AMs worried about 'looking like muppets'")


def test_ntrex_per_unit_is_per_segment(tmp_path: Path) -> None:
    """A document of two segments at 8 bits costs 4 bits a segment."""
    (tmp_path / "DOCUMENT_IDS.tsv").write_text("a\na\nb\n")
    (tmp_path / "newstest2019-ref.nob.txt").write_bytes(b"x\r\ny\r\nz\r\n")
    task = load("ntrex", "nb", TaskOptions(data=tmp_path))
    first, second = task.items()
    assert first.requests[0] == TextRequest(text="x\ny")
    assert second.source_id == "b"
    outcome = task.score(first, [TextScore(logprobs=(-8 * math.log(2),), n_bytes=3)])
    assert outcome.scores["bits_per_unit"] == pytest.approx(4.0)


def test_ntrex_with_other_document_ids_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "DOCUMENT_IDS.tsv").write_text("a\n")
    (tmp_path / "newstest2019-ref.nob.txt").write_text("x\ny\n")
    with pytest.raises(TaskError, match="1 document id for 2 segments"):
        load("ntrex", "nb", TaskOptions(data=tmp_path)).items()


def test_an_empty_segment_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "nb.txt").write_text("a\n\nb\n")
    with pytest.raises(TaskError, match="must be text") as caught:
        load("text", "nb", TaskOptions(data=tmp_path)).items()
    assert str(caught.value.where).endswith("nb.txt: 2")


# --- pairs -----------------------------------------------------------------------------------

PAIR = {"source_id": "p1", "intact": "Hun går hjem nå.", "damaged": "Hun hjem nå.", "rule": "drop"}


def score(logprob: float) -> Score:
    return Score(logprob=logprob, is_greedy=False, prompt_tokens=0, continuation_tokens=1)


@pytest.mark.parametrize(
    ("intact", "damaged", "right"),
    [
        (-9.0, -6.6, 1.0),  # 18 and 13 bytes: -0.5 against -0.508 a byte, although -9 < -6.6
        (-9.0, -6.5, 0.0),  # a tie is wrong
        (-9.0, -6.4, 0.0),
    ],
)
def test_pairs_compare_per_byte(
    tmp_path: Path, intact: float, damaged: float, right: float
) -> None:
    task = local(tmp_path, "pairs", [PAIR])
    outcome = task.score(only(task), [score(intact), score(damaged)])
    assert outcome.scores == {"acc": right}
    assert outcome.output == (PAIR["intact"] if right else PAIR["damaged"])
    assert outcome.choice_logprobs == (intact, damaged)


def test_pairs_are_asked_as_whole_texts(tmp_path: Path) -> None:
    item = only(local(tmp_path, "pairs", [PAIR]))
    assert item.requests == (
        ScoreRequest(context="", continuation=PAIR["intact"]),
        ScoreRequest(context="", continuation=PAIR["damaged"]),
    )
    assert item.target == PAIR["intact"]


# --- math ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "right"),
    [
        (" 12.", 1.0),
        (" १२", 1.0),
        (" ١٢", 1.0),
        (" ൧൨ <script>", 1.0),
        (" 12, not 13", 1.0),
        (" 13, not 12", 0.0),
        (" 112", 0.0),
        (" twelve", 0.0),
        ("", 0.0),
        ("\x1b[0m12", 0.0),  # an escape sequence's own digits are the first number
    ],
)
def test_math_takes_the_first_number(tmp_path: Path, written: str, right: float) -> None:
    row = {"source_id": "m1", "question": "What is 7 plus 5? Answer:", "answer": "12"}
    task = local(tmp_path, "math", [row])
    item = only(task)
    assert item.requests[0] == GenerateRequest(
        prompt=row["question"], max_new_tokens=12, stop=("\n",)
    )
    outcome = task.score(item, wrote(written))
    assert outcome.scores == {"exact_match": right}
    assert outcome.output == written


def test_math_answer_without_a_number_is_an_error(tmp_path: Path) -> None:
    row = {"source_id": "m1", "question": "q", "answer": "twelve"}
    with pytest.raises(TaskError, match="holds no number"):
        local(tmp_path, "math", [row]).items()


# --- confusion -------------------------------------------------------------------------------

SENTENCES = {
    "en": " the children were playing in the garden until it got dark.",
    "de": " die Kinder spielten im Garten, bis es dunkel wurde.",
    "ru": " дети играли в саду, пока не стемнело.",
    "hi": " बच्चे अंधेरा होने तक बगीचे में खेल रहे थे।",
    "ja": "、子供たちは暗くなるまで庭で遊んでいました。",
    "zh": "，孩子们在花园里玩到天黑。",
    "zh-Hant": "，孩子們在花園裡玩到天黑才回家吃晚飯。",
    "ko": " 아이들은 어두워질 때까지 정원에서 놀았습니다.",
    "ml": " ഇരുട്ടുന്നതുവരെ കുട്ടികൾ പൂന്തോട്ടത്തിൽ കളിക്കുകയായിരുന്നു.",
    "ar": " كان الأطفال يلعبون في الحديقة حتى حل الظلام.",
    "nb": " barna lekte i hagen helt til det ble mørkt, og så gikk de inn.",
}


@pytest.mark.parametrize("language", SENTENCES)
def test_confusion_knows_the_prompts_language(tmp_path: Path, language: str) -> None:
    task = local(tmp_path, "confusion", [{"source_id": "o1", "prompt": "..."}], language)
    item = only(task)
    assert task.score(item, wrote(SENTENCES[language])).scores == {"language_match": 1.0}
    other = "fr" if language == "en" else "en"
    english = " the children were playing in the garden until it got dark."
    french = " les enfants jouaient dans le jardin jusqu'à la tombée de la nuit."
    wrong = {"en": english, "fr": french}[other]
    assert task.score(item, wrote(wrong)).scores == {"language_match": 0.0}


@pytest.mark.parametrize("text", ["", "  \n ", "123 ... 45", "\x1b[0m\x00", "\u2028"])
def test_a_continuation_without_a_word_is_no_match(tmp_path: Path, text: str) -> None:
    task = local(tmp_path, "confusion", [{"source_id": "o1", "prompt": "..."}])
    assert task.score(only(task), wrote(text)).scores == {"language_match": 0.0}


def test_confusion_names_its_identifier(tmp_path: Path) -> None:
    """The hash is that of lid.176.ftz as Meta publishes it (sha256 8f3472cf...)."""
    task = local(tmp_path, "confusion", [{"source_id": "o1", "prompt": "..."}])
    assert "lid.176.ftz 8f3472cfe873" in task.info.scorer_version


# --- all of them -----------------------------------------------------------------------------


def test_a_failure_has_no_score(tmp_path: Path) -> None:
    task = local(tmp_path, "pairs", [PAIR])
    failure = Failure(kind="nan_logits", message="NaN")
    outcome = task.score(only(task), [score(-1.0), failure])
    assert (outcome.scores, outcome.failure) == ({"acc": None}, failure)


@pytest.mark.parametrize(
    ("suite", "row"),
    [
        ("pairs", {"source_id": "a", "intact": "x"}),
        ("pairs", {"source_id": "a", "intact": "x", "damaged": " "}),
        ("math", {"source_id": "a", "question": "x", "answer": 12}),
        ("confusion", {"source_id": "a"}),
        ("confusion", {"prompt": "x"}),
        ("text", {"source_id": "a"}),
    ],
)
def test_a_row_without_what_it_needs_is_named(
    tmp_path: Path, suite: str, row: dict[str, Any]
) -> None:
    with pytest.raises(TaskError, match="must be text") as caught:
        local(tmp_path, suite, [row]).items()
    assert str(caught.value.where).endswith("nb.jsonl: row 1")


def test_no_rows_and_no_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="no items"):
        local(tmp_path, "math", []).items()
    with pytest.raises(TaskError, match="no such folder"):
        load("math", "nb", TaskOptions(data=tmp_path / "absent"))


def test_shots_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no few-shot examples"):
        load("text", "en", TaskOptions(shots=3))
    assert load("text", "en", TaskOptions(shots=0)).items()


@pytest.mark.parametrize("suite", ["text", "pairs", "math", "confusion"])
def test_bundled_items_are_parallel(suite: str) -> None:
    """Every language of the mini benchmark has the same questions, at least as many as promised."""
    folder = find_babelmini_folder() / {"text": "passages"}.get(suite, suite)
    if not list(folder.glob("*.jsonl")):
        pytest.skip("not bundled yet")
    at_least = {"text": 80, "pairs": 200, "math": 150, "confusion": 40}[suite]
    languages = list_suites()[suite].languages
    assert set(BABELMINI_LANGUAGES) <= set(languages)
    sources = {}
    for language in languages:
        items = load(suite, language, TaskOptions()).items()
        assert len({item.item_id for item in items}) == len(items) >= at_least
        sources[language] = {item.source_id for item in items}
    if suite != "pairs":  # a rule may not apply in a language
        assert all(held == sources["en"] for held in sources.values())
