"""Texts on the screen, checks by rule, durations, the interface's words."""

import string
import tomllib
from pathlib import Path

import numpy as np
import pytest

import babelbits.annotate
from annotate.campaigns import SENTENCES
from babelbits.annotate import gold
from babelbits.annotate.interface import list_languages, load_interface
from babelbits.annotate.judgments import Timed, cap, measure_duration
from babelbits.annotate.texts import normalised, prepare_text

STRINGS = Path(babelbits.annotate.__file__).parent / "strings"


@pytest.mark.parametrize(
    ("text", "language", "direction", "lang"),
    [
        ("GPT-4 هو نموذج لغوي كبير من إنتاج شركة", "ar", "rtl", "ar"),  # first-strong says ltr
        ("שלום, זה טקסט בעברית", "he", "rtl", "he"),
        ("The model answered in English", "ar", "ltr", ""),
        ("هذا جواب بالعربية على سؤال", "en", "rtl", ""),
        ("123 … 456", "ur", "rtl", "ur"),
        ("", "ar", "rtl", "ar"),
        ("استخدم print(x) في Python لطباعة القيمة", "ar", "rtl", "ar"),
    ],
)
def test_direction_is_the_languages_unless_the_letters_run_clearly_the_other_way(
    text: str, language: str, direction: str, lang: str
) -> None:
    found = prepare_text(text, language)
    assert (found.dir, found.lang) == (direction, lang)


def test_what_cannot_be_stored_is_replaced() -> None:
    assert normalised("a\x00b\ud800c\u2028d") == "a\ufffdb\ufffdc\u2028d"


def test_invisible_characters_at_the_ends_are_tells_and_go() -> None:
    tells = ["\ufeff", "\u200b", "\u200e", "\u2060", "\u00ad", "\u00a0", "\u3000", "\u2028", "\x07"]
    for tell in tells:
        assert normalised(f"{tell}Svar.{tell}\n{tell}") == "Svar."
    assert normalised("a\u200bb") == "a\u200bb"  # inside a text it is the text's
    # Malayalam chillu n is NA, virama, zero-width joiner: the joiner is seen (Unicode 16, 12.9).
    assert normalised("\u0d28\u0d4d\u200d ") == "\u0d28\u0d4d\u200d"
    flag = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
    assert normalised(flag) == flag
    assert normalised("\u200b\u200b") == ""


@pytest.mark.parametrize("language", ["en", "ar", "ja", "ur"])
def test_shuffling_keeps_the_pieces_and_moves_most_of_them(language: str) -> None:
    text = SENTENCES[language]
    damaged = gold.shuffled(text, language, rng=np.random.default_rng(1))
    pieces = list if language == "ja" else str.split
    assert sorted(pieces(damaged)) == sorted(pieces(text))
    same = [a == b for a, b in zip(pieces(damaged), pieces(text), strict=True)]
    assert np.mean(same) <= 0.34


@pytest.mark.parametrize("text", ["", "one two", "no " * 20])
def test_what_would_not_be_visibly_damaged_is_not_shuffled(text: str) -> None:
    assert not gold.can_shuffle(text, "en")
    with pytest.raises(ValueError, match="too few different words"):
        gold.shuffled(text, "en", rng=np.random.default_rng(1))


def test_the_wrong_language_is_of_another_script_where_there_is_one() -> None:
    answers = [("en", "own"), ("nb", "norsk tekst her"), ("ar", "نص عربي"), ("ar", "نص")]
    assert gold.find_in_other_language("en", answers, like="12345678") == "نص عربي"
    assert gold.find_in_other_language("en", answers[:2], like="12") == "norsk tekst her"
    assert gold.find_in_other_language("en", answers[:1], like="12") is None


def timed(*events: tuple[str, int | None, float]) -> list[Timed]:
    return [Timed(kind=kind, elapsed_ms=ms, received_at=at) for kind, ms, at in events]


def test_hidden_time_is_not_active_time() -> None:
    """By hand: 100 s in all, away from 20 s to 50 s."""
    found = measure_duration(
        timed(
            ("shown", 0, 0),
            ("hidden", 20_000, 20),
            ("visible", 50_000, 50),
            ("answer", 100_000, 100),
        ),
        n_characters=5000,
        language="en",
    )
    assert found is not None
    assert (found.raw, found.active) == (100.0, 70.0)


def test_a_reader_who_moves_no_mouse_is_not_idle_and_lunch_is_capped_by_length() -> None:
    visit = timed(("shown", 0, 0), ("answer", 3_600_000, 3600))
    short = measure_duration(visit, n_characters=140, language="en")
    long = measure_duration(visit, n_characters=14_000, language="en")
    assert short is not None
    assert long is not None
    assert short.raw == long.raw == 3600
    assert short.active == pytest.approx(60 + 4 * 140 / 14)  # by hand: 100 s
    assert long.active == 3600
    assert cap(100, "ja") > cap(100, "en")


def test_only_the_last_visit_before_the_first_answer_counts() -> None:
    visits = timed(
        ("shown", 0, 0), ("shown", 0, 5000), ("answer", 30_000, 5030), ("shown", 0, 9000),
        ("answer", 90_000, 9090),
    )  # fmt: skip
    found = measure_duration(visits, n_characters=1000, language="en")
    assert found is not None
    assert found.raw == 30


def test_without_a_stopwatch_the_servers_clock_is_used_and_never_the_browsers() -> None:
    found = measure_duration(
        timed(("shown", None, 100.0), ("answer", None, 142.0)), n_characters=10_000, language="en"
    )
    assert found is not None
    assert found.raw == 42
    back = timed(("shown", None, 100.0), ("answer", None, 40.0))  # the server's clock was set back
    assert measure_duration(back, n_characters=1, language="en") is None
    assert measure_duration(timed(("answer", None, 1.0)), n_characters=1, language="en") is None


def test_an_answer_that_overtakes_the_news_of_its_page_has_a_duration() -> None:
    found = measure_duration(
        timed(("answer", 5000, 1.0), ("shown", 0, 1.1)), n_characters=9, language="en"
    )
    assert found is not None
    assert found.raw == 5


def fields(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


def test_the_app_speaks_at_least_eight_languages() -> None:
    assert {"en", "nb", "es", "fr", "ja", "ko", "ar", "ml"} <= set(list_languages())


@pytest.mark.parametrize("path", sorted(STRINGS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_language_has_every_sentence_with_the_same_placeholders(path: Path) -> None:
    english = tomllib.loads((STRINGS / "en.toml").read_text("utf-8"))
    ours = tomllib.loads(path.read_text("utf-8"))
    assert list(ours) == list(english)
    for name, sentence in ours.items():
        assert sentence.strip() == sentence != ""
        assert fields(sentence) == fields(english[name]), name
        if path.stem != "en":
            assert sentence != english[name], name
    assert load_interface(path.stem).language.code == path.stem


def test_an_unknown_interface_is_english_as_a_whole() -> None:
    assert load_interface("sw").language.code == "en"
