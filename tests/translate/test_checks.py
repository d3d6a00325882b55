"""Checks on translations made by hand: what must pass, and what each must find."""

from collections import Counter

import pytest

from babelbits.tasks.language_id import Guess, open_identifier
from babelbits.translate.language import check_language, explain_doubt
from babelbits.translate.translation_checks import CHECKS, check, find_numbers
from babelbits.translate.units import make_row_unit, make_text_unit


def findings(source: str, translation: str) -> list[str]:
    unit = make_text_unit(source, unit_id="1")
    return [finding.check for finding in check(unit, {"text": translation})]


GOOD = [
    ("The train leaves at 10:30.", "Toget går klokka 10:30."),
    ("It cost $1,234.50 in 1999.", "Det kostet $1 234,50 i 1999."),
    ("Pay 1,00,000 rupees now.", "अभी १,००,००० रुपये दें।"),
    ("Hello {name}, you have %d mails.", "Hei {name}, du har %d e-poster."),
    (
        "Jane gave the cup to Ann because _ was thirsty.",
        "Jane ga koppen til Ann fordi _ var tørst.",
    ),
    ("Read https://a.org/x?y=1.", "Les https://a.org/x?y=1."),
    ("Solve $x^2 = 4$ now.", "Løs $x^2 = 4$ nå."),
    ("Which?\nA. the red one\nB. the blue one", "Hvilken?\nA. den røde\nB. den blå"),
    ("One line.\n\nAnother line.", "Én linje.\n\nEn linje til."),
    ("Use `print` here.", "Bruk `print` her."),
    ("Here is the translation of the Bible by Luther.", "Her er Luthers oversettelse av Bibelen."),
    ("Sure, I will come.", "Sure ting, jeg kommer."),
    ("Oslo", "Oslo"),
    ("Price: 20% off for all", "Pris: 20 % avslag for alle"),
]


@pytest.mark.parametrize(("source", "translation"), GOOD)
def test_a_right_translation_passes(source: str, translation: str) -> None:
    assert findings(source, translation) == []


BAD = [
    ("The train leaves at 10:30.", "Toget går klokka 10:40.", "numbers"),
    ("There are 12 eggs.", "Det er tolv egg.", "numbers"),
    ("There are twelve eggs.", "Det er 12 egg.", "numbers"),
    ("Hello {name}, welcome.", "Hei {navn}, velkommen.", "placeholders"),
    ("Jane said _ was thirsty.", "Jane sa at hun var tørst.", "placeholders"),
    ("<b>Bold</b> words here", "<b>Fete ord her", "placeholders"),
    ("Read https://a.org/x now.", "Les https://a.no/x nå.", "addresses"),
    ("Solve $x^2 = 4$ now.", "Løs $x^3 = 4$ nå.", "formulas"),
    ("Use `print` here.", "Bruk `skriv` her.", "code"),
    ("Which?\nA. red\nB. blue", "Hvilken?\nA. rød\nC. blå", "option letters"),
    ("One line.\nAnother.", "Én linje. En til.", "lines"),
    ("One.\n\nTwo.\nThree.", "Én.\nTo.\n\nTre.", "lines"),
    ("Where is the station?", "Here is the translation: Hvor er stasjonen?", "meta"),
    ("Where is the station?", "I'm sorry, but I cannot translate this.", "meta"),
    ("Where is the station?", "Hvor er stasjonen?<|im_end|>", "meta"),
    ("Where is the station?", "Translation: Hvor er stasjonen?", "meta"),
    ("Where is the station?", "Where is the station?", "identical"),
    ("Where is the station?", " ", "empty"),
    ("Where is the old railway station of this small town, please?", "Hvor " * 200, "length"),
    ("Where is the old railway station of this small town, please?", "Hvor?", "length"),
]


@pytest.mark.parametrize(("source", "translation", "found"), BAD)
def test_a_wrong_translation_is_found(source: str, translation: str, found: str) -> None:
    assert found in findings(source, translation)
    assert found in CHECKS


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("1,234.5 and 1 234,5 and १२३४.५", ["12345"] * 3),
        ("1, 2, 3", ["1", "2", "3"]),
        ("٣٫١٤", ["314"]),
        ("3/4/2020", ["3", "4", "2020"]),
        ("12 345 678", ["12345678"]),
        ("in 5 minutes 20", ["5", "20"]),
        ("see https://a.org/99 and `x1`", []),
    ],
)
def test_numbers_are_compared_by_digits(text: str, digits: list[str]) -> None:
    assert find_numbers(text) == Counter(digits)


def question(**more: object) -> dict[str, object]:
    return {"question": "What is this?", "options": ["House", "Boat", "A tree of 3 m"], **more}


def test_options_that_become_the_same_are_found() -> None:
    unit = make_row_unit(question(), unit_id="1", columns=("question", "options"), where="x")
    good = {
        "question": "Hva er dette?",
        "options[0]": "Hus",
        "options[1]": "Båt",
        "options[2]": "Et tre på 3 m",
    }
    assert check(unit, good) == []
    (found,) = check(unit, good | {"options[1]": "hus"})
    assert found.check == "distinct"
    (numbered,) = check(unit, good | {"options[2]": "Et tre"})
    assert numbered.message.startswith("options[2]: numbers must stay as they are: missing 3")


class Oracle:
    """An identifier that says what it is told to say."""

    name = recipe = "oracle"

    def __init__(self, code: str | None) -> None:
        self.code = code

    def knows(self, code: str) -> bool:
        return code != "zu"

    def guess(self, text: str) -> Guess:  # noqa: ARG002  of the protocol
        return Guess(code=self.code, label=self.code or "xx", score=0.9)


@pytest.mark.parametrize(
    ("found", "passes"),
    [("nb", True), ("no", True), ("da", True), ("en", False), ("de", False), (None, False)],
)
def test_the_language_may_be_taken_for_a_relative(found: str | None, passes: bool) -> None:
    text = "Dette er en setning som har mer enn førti bokstaver i seg."
    wrong = check_language(text, source="en", target="nb", identifier=Oracle(found))
    assert (wrong is None) == passes


def test_a_relative_that_is_the_source_does_not_pass() -> None:
    text = "Dette er en sætning som har mere end fyrre bogstaver i sig."
    assert check_language(text, source="da", target="nb", identifier=Oracle("da")) is not None


def test_short_texts_are_not_identified() -> None:
    assert check_language("Hus", source="en", target="nb", identifier=Oracle("en")) is None


def test_an_identifier_that_fails_right_translations_is_not_asked() -> None:
    """By its record on NTREX (`language_id/errors.json`): Norwegian, Afrikaans; not Swahili."""
    lite = open_identifier()
    for good in ("nb", "de", "ml", "ja", "af", "zh"):
        assert explain_doubt(lite, good) is None, good
    assert "right lines in 'sw'" in (explain_doubt(lite, "sw") or "")
    assert "no name" in (explain_doubt(Oracle(None), "zu") or "")
