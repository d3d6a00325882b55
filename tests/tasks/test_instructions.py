"""Instruction following: the rules are lm-eval's on English, and others where those are wrong."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from babelbits.errors import TaskError
from babelbits.records import Generation, Outcome
from babelbits.tasks import catalogue
from babelbits.tasks.base import Task, TaskOptions, find_prompt
from babelbits.tasks.instructions import verifiable
from babelbits.tasks.instructions.verifiable import Checked, check
from babelbits.tasks.own_checks import check_template

AT_LEAST, LESS = {"relation": "at least"}, {"relation": "less than"}
ENGLISH: tuple[tuple[str, Mapping[str, Any], tuple[str, ...]], ...] = (
    ("keywords:existence", {"keywords": ["snow", "lake"]}, ("Snow on the lake.", "Only snow.")),
    ("keywords:frequency", {"keyword": "ice", "frequency": 2} | AT_LEAST, ("Ice, ice", "ice")),
    ("keywords:frequency", {"keyword": "ice", "frequency": 2} | LESS, ("Ice, ice", "nice")),
    ("keywords:forbidden_words", {"forbidden_words": ["cat"]}, ("A cat!", "concatenate", "Cat's")),
    (
        "keywords:letter_frequency",
        {"letter": "e", "let_frequency": 3, "let_relation": "at least"},
        ("eel Eye", "eel"),
    ),
    ("length_constraints:number_words", {"num_words": 4} | AT_LEAST, ("I don't know", "I do so")),
    ("length_constraints:number_words", {"num_words": 4} | LESS, ("One-two three", "a b c d")),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, ("a *** b", "a", "a***")),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "then"},
        ("One.\n\n'Then' two.", "One.\n\nNow two.", "One.\n\nThen\n\nthree"),
    ),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, ("[a] [b]", "[a] b")),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, ("Hi\np. s. bye", "Hi PS")),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, ("x\nP.P.S more", "P.S. x")),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, ("* a\n- b", "* a\n** b")),
    ("detectable_format:constrained_response", {}, ("My answer is no. So.", "No.")),
    (
        "detectable_format:number_highlighted_sections",
        {"num_highlights": 2},
        ("*a* and *b*", "**a**", "* * *"),
    ),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "Section", "num_sections": 2},
        ("Section 1 a\nSection 2 b", "Section 1 a"),
    ),
    ("detectable_format:json_format", {}, ('```json\n{"a": 1}\n```', "[1, 2]", "{a: 1}")),
    ("detectable_format:title", {}, ("<<Snow>>\nIt fell.", "<< >>", "<Snow>")),
    ("combination:two_responses", {}, ("a ****** b", "a ****** a", "a", "a ****** ****** b")),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Why?"}, ("why? Because.", "Because")),
    ("startend:end_checker", {"end_phrase": "The end."}, ('"...the end."', "The end. No")),
    ("startend:quotation", {}, ('"Yes"', "Yes", '"')),
    ("punctuation:no_comma", {}, ("a b", "a, b")),
)


def followed(instruction: str, text: str, language: str = "en", **kwargs: Any) -> Checked:
    return check(
        instruction, text, kwargs=kwargs, prompt="Why?", language=language, identifier=None
    )


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
    """lm-eval's checkers; what they only import for other rules is put in place of its library."""
    nltk = pytest.importorskip("nltk")
    pytest.importorskip("lm_eval")
    monkeypatch.setattr(nltk, "download", lambda *_, **__: True)
    monkeypatch.setattr(nltk.data, "find", lambda *_, **__: "there")
    language = ModuleType("langdetect")
    frozen = ModuleType("immutabledict")
    frozen.immutabledict = dict  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "langdetect", language)
    monkeypatch.setitem(sys.modules, "immutabledict", frozen)
    from lm_eval.tasks.ifeval import instructions_registry

    found: Mapping[str, Any] = instructions_registry.INSTRUCTION_DICT
    return found


def test_on_english_the_rules_are_those_of_lm_eval(registry: Mapping[str, Any]) -> None:
    """lm-eval 0.4.13, `tasks/ifeval/instructions.py`; every rule with answers either way."""
    for instruction, kwargs, texts in ENGLISH:
        verdicts = set()
        for text in texts:
            theirs = registry[instruction](instruction)
            theirs.build_description(**kwargs)
            wanted = bool(theirs.check_following(text))
            ours = followed(instruction, text, **kwargs)
            assert ours == Checked(followed=wanted), (instruction, text)
            verdicts.add(wanted)
        assert verdicts == {True, False}, instruction


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("हिन्दी में लिखो", 3),  # `\\w+` alone counts 6
        ("മലയാളം എഴുതുക", 2),
        ("I don't know", 4),  # as lm-eval
        ("", 0),
    ],
)
def test_words_keep_their_marks(text: str, count: int) -> None:
    assert len(verifiable.find_words(text)) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One. Two! Three?", 3),
        ("It costs 3.5 euros at example.com.", 1),
        ("今日は晴れです。明日は雨です。", 2),
        ("यह पहला है। यह दूसरा है।", 2),
        ("هل هذا صحيح؟ نعم.", 2),
        ("No end", 1),
        ("...", 0),
    ],
)
def test_sentences_end_at_the_marks_of_their_script(text: str, count: int) -> None:
    assert verifiable.find_sentences(text) == count


@pytest.mark.parametrize(
    ("instruction", "language", "reason"),
    [
        ("length_constraints:number_words", "th", "words are not separated by spaces"),
        ("length_constraints:number_words", "ja", "words are not separated by spaces"),
        ("length_constraints:number_words", "zh", "words are not separated by spaces"),
        ("length_constraints:number_sentences", "th", "sentences end without a mark"),
        ("change_case:english_lowercase", "hi", "its script has no capital letters"),
        ("detectable_format:constrained_response", "nb", "answers to choose from are English"),
        ("es:tildes", "es", "no rule is known for 'es:tildes'"),
    ],
)
def test_what_cannot_be_checked_is_undefined_with_the_reason(
    instruction: str, language: str, reason: str
) -> None:
    found = followed(instruction, "x y z", language, num_words=2, num_sentences=1, **AT_LEAST)
    assert found.followed is None
    assert reason in found.reason


@pytest.mark.parametrize(
    ("instruction", "language", "text", "kwargs", "right"),
    [
        ("punctuation:no_comma", "ar", "نعم، لا", {}, False),
        ("punctuation:no_comma", "ja", "はい、いいえ", {}, False),
        ("startend:quotation", "de", "„Ja“", {}, True),
        ("startend:quotation", "ja", "「はい」", {}, True),
        ("keywords:forbidden_words", "hi", "वह कमल है", {"forbidden_words": ["कम"]}, True),
        ("keywords:forbidden_words", "zh", "我爱猫咪", {"forbidden_words": ["猫"]}, False),
        ("keywords:existence", "en", "I use C.", {"keywords": ["C++"]}, False),
        ("change_case:english_capital", "ru", "ДА", {}, True),
    ],
)
def test_where_a_rule_for_english_would_be_wrong(
    instruction: str, language: str, text: str, kwargs: dict[str, Any], right: bool
) -> None:
    assert followed(instruction, text, language, **kwargs).followed is right


def test_the_language_of_an_answer_is_identified() -> None:
    from babelbits.tasks.collapse.rule import open_usual_identifier

    who = open_usual_identifier()
    if who is None:
        pytest.skip("no language identifier here")
    for text, right in (("Das ist ein langer deutscher Satz.", True), ("This is English.", False)):
        found = check(
            "language:response_language", text, kwargs={"language": "de"}, prompt="",
            language="en", identifier=who,
        )  # fmt: skip
        assert found.followed is right
    assert followed("language:response_language", "Ja", language="en").followed is None


# --- the task ----------------------------------------------------------------------------------

WORDS = {"num_words": 3, "relation": "at least"}


def task_of(folder: Path, code: str = "en", **row: Any) -> Task:
    usual = {
        "key": 7, "prompt": "Write.", "kwargs": [WORDS, {"num_words": None}],
        "instruction_id_list": ["length_constraints:number_words", "punctuation:no_comma"],
    }  # fmt: skip
    line = json.dumps(row or usual)
    (folder / f"ask_{code}.jsonl").write_text(line + "\n", "utf-8")
    return catalogue.load("ask", code, TaskOptions(data=folder / "ask_{language}.jsonl"))


def scored(task: Task, text: str) -> Outcome:
    [item] = task.items()
    reply = Generation(texts=(text,), finish_reasons=("stop",), output_tokens=(9,), prompt_tokens=9)
    return task.score(item, [reply])


@pytest.mark.parametrize(
    ("text", "scores"),
    [
        ("One two three", (1.0, 1.0, 0.0)),
        ("One, two three", (0.0, 0.5, 0.0)),
        ("One, two", (0.0, 0.0, 0.0)),
        ("", (0.0, 0.0, 1.0)),
        ("and so on " * 12, (0.0, 0.0, 1.0)),  # a loop has many words and follows nothing
    ],
)
def test_an_answer_follows_all_some_or_none(
    tmp_path: Path, text: str, scores: tuple[float, ...]
) -> None:
    outcome = scored(task_of(tmp_path), text)
    assert tuple(outcome.scores.values()) == scores
    assert outcome.failure is None


def test_a_prompt_is_undefined_where_one_instruction_cannot_be_checked(tmp_path: Path) -> None:
    task = task_of(tmp_path, "th")
    assert (
        "not checkable in Thai: words are not separated by spaces (1 instruction)"
        in task.info.notes[0]
    )
    good = scored(task, "สวัสดีครับ")
    assert (good.scores["prompt_strict"], good.scores["instruction_strict"]) == (None, 1.0)
    assert "not checkable in Thai" in good.remark
    assert scored(task, "ก, ข").scores["prompt_strict"] == 0.0


def test_multi_if_is_read_by_its_first_turn(tmp_path: Path) -> None:
    """The columns of facebook/Multi-IF: a message, ids and arguments, each as JSON in a text."""
    task = task_of(
        tmp_path, "en", key="1000:1:en", language="English", turns="[]",
        turn_1_prompt=json.dumps({"role": "user", "content": "Write a line."}),
        turn_1_instruction_id_list=json.dumps(["length_constraints:number_words"]),
        turn_1_kwargs=json.dumps([json.dumps(WORDS)]),
        turn_2_prompt="{}",
    )  # fmt: skip
    [item] = task.items()
    assert (find_prompt(item), item.source_id) == ("Write a line.", "1000:1:en")
    assert scored(task, "One two three").scores["prompt_strict"] == 1.0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"instruction_id_list": [], "kwargs": []}, "no list of ids"),
        ({"instruction_id_list": ["a"], "kwargs": []}, "an object for each of 1 instruction"),
        ({"instruction_id_list": "[a", "kwargs": []}, "'instruction_id_list' is no JSON"),
        ({"instruction_id_list": 3, "kwargs": []}, "'instruction_id_list' is no list"),
    ],
)
def test_a_wrong_row_says_what_is_wrong(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskError, match=message.replace("[", r"\[")):
        task_of(tmp_path, prompt="Write.", **row).items()


def test_a_check_says_what_is_asked_of_instructions(tmp_path: Path) -> None:
    task_of(tmp_path)
    [found] = check_template("ask", tmp_path / "ask_{language}.jsonl").files
    assert (found.asks, found.error) == ("instructions to follow", "")
