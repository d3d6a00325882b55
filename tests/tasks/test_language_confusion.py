"""The Language Confusion Benchmark: its rules by hand, its own outputs against its own script."""

import csv
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from babelbits.errors import TaskError, UnknownNameError
from babelbits.records import GenerateRequest, Generation, Outcome
from babelbits.tasks.base import Task, TaskOptions
from babelbits.tasks.catalogue import load
from babelbits.tasks.language_confusion.completions import (
    compute_rates,
    judge_all,
    read_completions,
)
from babelbits.tasks.language_confusion.rules import Verdict, judge, normalize
from babelbits.tasks.language_confusion.words import make_tokenizer, read_english_words
from babelbits.tasks.language_id import Guess, IdentifierOptions, open_identifier

# --- rules -----------------------------------------------------------------------------------


class ByScript:
    """Latin letters are English, all others Russian; a line with '??' is unsure."""

    name = "by script"
    recipe = "by script"

    def knows(self, code: str) -> bool:
        return code in ("en", "ru")

    def guess(self, text: str) -> Guess:
        latin = any("a" <= char <= "z" for char in text.lower())
        label = "en" if latin and not any("а" <= char <= "я" for char in text) else "ru"
        return Guess(code=label, label=label, score=0.9)


ENGLISH = frozenset({"python", "hello", "there"})
RUSSIAN = "это очень простой русский текст"


def verdict(
    response: str, language: str = "ru", english: frozenset[str] | None = ENGLISH
) -> Verdict:
    return judge(
        response,
        language,
        identifier=ByScript(),
        tokenize=make_tokenizer(language),
        english=english,
    )


@pytest.mark.parametrize(
    ("response", "line_pass", "word_pass"),
    [
        (RUSSIAN, True, True),
        (f"{RUSSIAN}\nthis is one line of English", False, None),
        (f"{RUSSIAN}\nfour words of English", True, True),  # a line of fewer than 5 is dropped
        ("only four words here", None, None),
        ("", None, None),
        ("!!! ??? ... --- ###", None, None),  # nothing is left of it
        (f"{RUSSIAN}\nQ: what is this line of English", True, True),  # another question is cut
        (f"{RUSSIAN} python", True, False),
        (f"{RUSSIAN} «python»", True, True),  # only ASCII punctuation is dropped
        (f"{RUSSIAN} 'python'!", True, False),
        (f"{RUSSIAN} Python", True, True),  # names are no English words
    ],
)
def test_rules_by_hand(response: str, line_pass: bool | None, word_pass: bool | None) -> None:
    """Worked out by hand from compute_metrics.py of for-ai/language-confusion."""
    found = verdict(response)
    assert (found.line_pass, found.word_pass) == (line_pass, word_pass)


def test_words_are_judged_in_other_scripts_and_with_a_list_only() -> None:
    assert verdict(f"{RUSSIAN} python", english=None).word_pass is None
    assert verdict("this is a line of python", "en").word_pass is None


def test_punctuation_goes_and_a_dash_parts_words() -> None:
    """By hand: str.translate of string.punctuation, '—' to a space, the Arabic comma away."""
    assert normalize(" a,b—c #d\nQ: e") == "ab c d"
    assert normalize("نعم، لا") == "نعم لا"


@pytest.mark.parametrize(
    ("response", "remark"),
    [
        (RUSSIAN, ""),
        ("one two three four five", "the line is en (0.90), not ru"),
        (
            f"{RUSSIAN}\none two three four five\nsix seven eight nine ten",
            "line 2 of 3 is en (0.90), not ru; 2 lines fail",
        ),
        ("one two", "no line of 5 or more words"),
        (f"{RUSSIAN} python hello python", "English words: python, hello"),
    ],
)
def test_a_remark_says_why(response: str, remark: str) -> None:
    assert verdict(response).remark == remark


def test_chinese_and_japanese_are_counted_in_words() -> None:
    """One line without a space is several words: jieba's and MeCab's published examples."""
    assert list(make_tokenizer("zh")("我来到北京清华大学")) == ["我", "来到", "北京", "清华大学"]
    japanese = make_tokenizer("ja")("麩菓子は、麩を主材料とした日本の菓子。")
    assert list(japanese[:4]) == ["麩", "菓子", "は", "、"]
    assert list(make_tokenizer("ko")("아이들은 정원에서")) == ["아이들은", "정원에서"]


def test_the_word_list_keeps_lower_case_words_of_four_letters_and_more(tmp_path: Path) -> None:
    assert read_english_words(tmp_path) is None
    (tmp_path / "words").write_text("A\nA's\nthe\nword\nParis\nwords\n")
    assert read_english_words(tmp_path) == {"word", "words"}


# --- the benchmark's data --------------------------------------------------------------------

COUNTS = {
    "language-confusion": {
        **dict.fromkeys(("de", "hi", "id", "it", "ja", "ko", "ru", "tr", "vi"), 100),
        **dict.fromkeys(("en", "pt", "zh"), 200),
        **dict.fromkeys(("ar", "es", "fr"), 300),
    },
    "language-confusion-cross": dict.fromkeys(
        ("ar", "de", "es", "fr", "hi", "id", "it", "ja", "ko", "pt", "ru", "tr", "vi", "zh"), 299
    ),
}
"""Files of test_sets.zip at commit 0cfdbb4, counted with the csv module: 2,400 and 4,186."""


def ready(folder: Path) -> Path:
    found = folder / "language_confusion"
    if not found.is_dir():
        pytest.skip("the benchmark is not among the shared data")
    return found


@pytest.mark.shared_data
@pytest.mark.parametrize("suite", COUNTS)
def test_every_prompt_of_the_benchmark_is_an_item(shared_data: Path, suite: str) -> None:
    options = TaskOptions(data=ready(shared_data))
    found = {code: len(load(suite, code, options).items()) for code in COUNTS[suite]}
    assert found == COUNTS[suite]
    assert sum(found.values()) == {"language-confusion": 2400}.get(suite, 4186)


@pytest.mark.shared_data
def test_across_languages_a_prompt_is_the_same_but_for_the_language(shared_data: Path) -> None:
    options = TaskOptions(data=ready(shared_data))
    german, french = (
        load("language-confusion-cross", code, options).items() for code in ("de", "fr")
    )
    for one, other in zip(german, french, strict=True):
        assert one.source_id == other.source_id
        assert prompt(one.requests[0]).replace("German", "French") == prompt(other.requests[0])


@pytest.mark.shared_data
def test_english_prompts_for_another_language_are_no_wrong_script(shared_data: Path) -> None:
    task = load("language-confusion-cross", "ja", TaskOptions(data=ready(shared_data), limit=6))
    assert not [note for note in task.info.notes if "is written in" in note]


def prompt(request: Any) -> str:
    assert isinstance(request, GenerateRequest)
    return request.prompt


OUTPUTS = {
    "command-r": (0.979696, 0.961739, 0.676853, 0.939741),
    "gpt-3.5-turbo": (0.981021, 1.0, 0.890352, 0.987295),
    "mistral-8x7b": (0.727633, 0.724782, 0.690806, 0.674726),
    "llama-2-instruct": (0.483710, None, 0.384290, 0.843275),
    "llama-3-instruct": (0.457333, None, 0.300402, None),
    "command-r-base": (0.854217, 0.977201, 0.007011, None),
    "command-r-plus-base": (0.810314, 0.984978, 0.008568, None),
}
"""LPR and WPR, monolingual and crosslingual, by the benchmark's compute_metrics.py with lid.176.ftz
in place of lid.176.bin, run once on each setting. None: the script counts a language and source
without a passing response as a WPR of 1, where ours leaves it out."""


@pytest.mark.shared_data
@pytest.mark.slow
@pytest.mark.parametrize("model", OUTPUTS)
def test_rates_of_the_benchmarks_own_script(shared_data: Path, model: str) -> None:
    folder = ready(shared_data)
    label, responses = read_completions(folder / "outputs" / f"{model}.csv.xz")
    assert label == model
    judged = judge_all(responses, identifier=open_identifier(), english=read_english_words(folder))
    found = {(one.setting, one.name): one for one in compute_rates(judged) if one.language is None}
    keys = [(s, n) for s in ("monolingual", "crosslingual") for n in ("line_pass", "word_pass")]
    for key, expected in zip(keys, OUTPUTS[model], strict=True):
        if expected is not None:
            assert found[key].estimate == pytest.approx(expected, abs=1e-6)
        assert found[key].interval.low <= found[key].estimate <= found[key].interval.high


# --- the task --------------------------------------------------------------------------------


def upstream(folder: Path, sets: dict[str, list[str]], *, words: str | None = None) -> Path:
    """A folder as upstream's repository: 'monolingual/okapi/ru' to prompts."""
    for name, prompts in sets.items():
        path = folder / "test_sets" / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        code = path.stem
        with path.open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["prompt", "source", "language"])
            writer.writerows([text, "s", code] for text in prompts)
    if words is not None:
        (folder / "words").write_text(words)
    return folder


SETS = {"monolingual/okapi/ru": ["a", "b,\nc", "d"], "monolingual/dolly/ru": ["e"]}


def russian(folder: Path, **options: Any) -> Task:
    return load("language-confusion", "ru", TaskOptions(data=folder, **options))


def test_sources_take_turns_and_prompts_stay_as_they_are(tmp_path: Path) -> None:
    task = russian(upstream(tmp_path, SETS), seed=3)
    items = task.items()
    assert [item.source_id for item in items] == [
        "okapi-ru-0",
        "dolly-ru-0",
        "okapi-ru-1",
        "okapi-ru-2",
    ]
    assert items[2].doc["source"] == "okapi"
    assert items[2].requests[0] == GenerateRequest(
        prompt="b,\nc", max_new_tokens=100, stop=("\nQ:",), temperature=0.3, top_p=0.75, seed=3
    )
    assert task.info.metrics[0].name == task.info.primary == "line_pass"
    assert task.info.parallel is False


def test_the_zip_reads_as_the_folder(tmp_path: Path) -> None:
    plain = upstream(tmp_path / "plain", SETS)
    packed = tmp_path / "packed"
    packed.mkdir()
    with zipfile.ZipFile(packed / "test_sets.zip", "w") as archive:
        for path in (plain / "test_sets").rglob("*.csv"):
            archive.write(path, path.relative_to(plain))
    assert russian(packed).items() == russian(plain).items()


def wrote(*texts: str) -> list[Any]:
    count = len(texts)
    return [
        Generation(
            texts=texts,
            finish_reasons=("eos",) * count,
            output_tokens=(1,) * count,
            prompt_tokens=1,
        )
    ]


ANSWER = "дети играли в саду до самого вечера и потом пошли домой"
IN_ENGLISH = "the children were playing in the garden until it got dark"


def scored(folder: Path, *texts: str) -> Outcome:
    task = russian(upstream(folder, SETS, words="garden\n"))
    return task.score(task.items()[0], wrote(*texts))


def test_an_answer_in_the_language_passes(tmp_path: Path) -> None:
    outcome = scored(tmp_path, ANSWER)
    assert outcome.scores == {"line_pass": 1.0, "word_pass": 1.0}
    assert outcome.remark == ""


def test_a_line_in_english_fails_and_the_remark_tells_which(tmp_path: Path) -> None:
    outcome = scored(tmp_path, f"{ANSWER}\n{IN_ENGLISH}")
    assert outcome.scores == {"line_pass": 0.0, "word_pass": None}
    assert outcome.remark.startswith("line 2 of 2 is en (")
    assert outcome.failure is None


def test_an_english_word_fails_the_words_only(tmp_path: Path) -> None:
    outcome = scored(tmp_path, f"{ANSWER} garden")
    assert outcome.scores == {"line_pass": 1.0, "word_pass": 0.0}
    assert outcome.remark == "English words: garden"


def test_an_answer_without_a_line_has_no_score_and_a_reason(tmp_path: Path) -> None:
    outcome = scored(tmp_path, "да")
    assert outcome.scores == {"line_pass": None, "word_pass": None}
    assert outcome.failure is not None
    assert outcome.failure.kind == "nothing_to_score"
    assert outcome.remark == outcome.failure.message == "no line of 5 or more words"


def test_samples_are_averaged_within_the_item(tmp_path: Path) -> None:
    """Of three samples one passes, one does not, one has no line: 1 of 2."""
    outcome = scored(tmp_path, ANSWER, IN_ENGLISH, "да")
    assert outcome.scores == {"line_pass": 0.5, "word_pass": 1.0}
    assert outcome.remark.startswith("sample 2: the line is en (")


def test_without_a_word_list_there_is_no_word_metric_and_a_note(tmp_path: Path) -> None:
    task = russian(upstream(tmp_path, SETS))
    assert [metric.name for metric in task.info.metrics] == ["line_pass"]
    assert any("no word list" in note for note in task.info.notes)


def test_the_identifier_is_part_of_the_scorer_and_its_error_rate_is_told(tmp_path: Path) -> None:
    folder = upstream(tmp_path, SETS)
    lite, lingua = (
        russian(folder).info,
        russian(folder, own=IdentifierOptions(identifier="lingua")).info,
    )
    assert "lid.176.ftz 8f3472cfe873" in lite.scorer_version
    assert "score > 0.3" in lite.scorer_version
    assert "lingua 2" in lingua.scorer_version
    assert "NTREX lines in ru" in lite.notes[0]
    assert "NTREX lines in ru" in lingua.notes[0]


def test_the_word_list_is_part_of_the_scorer(tmp_path: Path) -> None:
    one = russian(upstream(tmp_path / "one", SETS, words="word\n")).info.scorer_version
    other = russian(upstream(tmp_path / "other", SETS, words="other\n")).info.scorer_version
    assert one != other


# --- bad input -------------------------------------------------------------------------------


def test_a_study_must_say_where_the_benchmark_is() -> None:
    with pytest.raises(TaskError, match="local folder") as caught:
        load("language-confusion", "ru", TaskOptions())
    assert "language-confusion =" in str(caught.value.hint)


def test_a_folder_without_the_language_says_what_it_expected(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="no monolingual prompts in language 'ru'") as caught:
        russian(tmp_path).items()
    assert "test_sets/monolingual/okapi/ru.csv" in str(caught.value.hint)


def test_a_language_without_prompts_is_named() -> None:
    with pytest.raises(UnknownNameError, match="not in language 'en'"):
        load("language-confusion-cross", "en", TaskOptions(data=Path()))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("prompt,language\n ,ru\n", "'prompt' must be text"),
        ("text,language\nx,ru\n", "'prompt' must be text"),
        ("prompt,language\nx,de\n", "in language 'de', not 'ru'"),
        ('prompt,language\n"x,ru\n', "not a CSV file"),
    ],
)
def test_damaged_prompts_are_named_with_their_place(
    tmp_path: Path, content: str, message: str
) -> None:
    upstream(tmp_path, SETS)
    (tmp_path / "test_sets" / "monolingual" / "okapi" / "ru.csv").write_text(content)
    with pytest.raises(TaskError, match=message) as caught:
        russian(tmp_path).items()
    assert "ru.csv" in str(caught.value.where)


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "test_sets.zip").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(TaskError, match="cannot be read"):
        russian(tmp_path).items()


# --- ready-made responses --------------------------------------------------------------------


def responses(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def row(text: str, source: str, **more: str) -> dict[str, str]:
    return {"completion": text, "language": "ru", "source": source, **more}


def test_rates_are_means_over_sources_and_then_languages(tmp_path: Path) -> None:
    """By hand: Russian (1/2 + 1)/2 = 3/4, German 0; together 3/8, not 2 of 5 responses."""
    german = {"completion": IN_ENGLISH, "language": "de", "source": "okapi"}
    rows = [
        row(ANSWER, "okapi"),
        row(IN_ENGLISH, "okapi"),
        row(ANSWER, "aya"),
        german,
        row("да", "aya"),
    ]
    label, found = read_completions(responses(tmp_path / "q4.csv", rows))
    judged = judge_all(found, identifier=open_identifier(), english=None)
    by_language = {one.language: one for one in compute_rates(judged) if one.name == "line_pass"}
    assert label == "q4"
    assert by_language["ru"].estimate == pytest.approx(3 / 4)
    assert by_language["de"].estimate == 0.0
    assert by_language[None].estimate == pytest.approx(3 / 8)
    assert (by_language[None].n_judged, by_language[None].n_responses) == (4, 5)


def test_responses_to_one_prompt_across_languages_are_one_unit(tmp_path: Path) -> None:
    rows = [
        {**row(ANSWER, "okapi", id="7", task=setting), "language": code}
        for setting in ("monolingual", "crosslingual")
        for code in ("ru", "de")
    ]
    _, found = read_completions(responses(tmp_path / "a.csv", rows))
    judged = judge_all(found, identifier=open_identifier(), english=None)
    units = {one.setting: one.n_prompts for one in compute_rates(judged) if one.language is None}
    assert units == {"monolingual": 2, "crosslingual": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("completion,language,source\n", "no responses"),
        ("completion,language\nx,ru\n", "no column source"),
        ("completion,language,source\nx,klingonese,okapi\n", "unknown language"),
        ("completion,language,source\nx,ru\n", "too many or too few fields"),
    ],
)
def test_bad_responses_are_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(content)
    with pytest.raises(TaskError, match=message):
        read_completions(path)


def test_the_command_prints_rates_and_failures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from babelbits.cli.main import run

    path = responses(tmp_path / "q4.csv", [row(ANSWER, "okapi"), row(IN_ENGLISH, "okapi")])
    assert run(["confusion", str(path), "--failed", "1"]) == 0
    out, err = capsys.readouterr()
    assert "50.0 [" in out
    assert "the line is en" in err
    assert run(["confusion", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["models"]["q4"][0]["estimate"] == 0.5
    assert "lid.176.ftz" in found["identifier"]
    assert run(["confusion", str(path), "--identifier", "linguah"]) == 2
    assert "did you mean 'lingua'" in capsys.readouterr().err
