r"""The number that an answer gives, in any script and after any of a language's ways to say so.

Rule: NFC, case and direction marks aside, take the last place where an answer is announced ('The
answer is', '答えは', 'उत्तर') and a number follows on the same line. Its number is the answer; of a
sum written out there ('5 + 6 = 11') the number after the last equals sign. Without such a place the
last number of the text is the answer: reasoning ends with its result. Number words ('twelve',
'十二', '3万') are not read. English announcements count in every language. A space groups thousands
where the language writes so; LaTeX's marks between digits ('1\,234', '1{,}234') count too.
"""

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from functools import cache

from babelbits.records import Metric
from babelbits.tasks.numbers import find_all_numbers, find_first_number

NATIVE_MATCH = Metric(name="native_match", kind="binary")
VERSION = "native_match 2"

_ANNOUNCED: Mapping[str, str] = {
    "ar": "الجواب|الإجابة|الاجابة|الناتج",
    "bn": "উত্তর",
    "da": "svaret er|svar:",
    "de": "die antwort lautet|die antwort ist|antwort:|ergebnis:|lösung:",
    "el": "η απάντηση είναι|απάντηση:",
    "en": "the answer is|answer is|answer:|final answer",
    "es": "la respuesta es|respuesta:|respuesta final",
    "fa": "پاسخ|جواب",
    "fr": "la réponse est|réponse :|réponse:|réponse finale",
    "gu": "જવાબ|ઉત્તર",
    "he": "התשובה|תשובה",
    "hi": "उत्तर|जवाब",
    "id": "jawabannya|jawaban",
    "it": "la risposta è|risposta:",
    "ja": "答え|答えは|解答|回答|答:|答：",
    "km": "ចម្លើយ",
    "kn": "ಉತ್ತರ",
    "ko": "정답|답은|답:",
    "lo": "ຄຳຕອບ|ຄໍາຕອບ",
    "ml": "ഉത്തരം",
    "mr": "उत्तर",
    "my": "အဖြေ",
    "nb": "svaret er|svar:",
    "ne": "उत्तर|जवाफ",
    "nl": "het antwoord is|antwoord:",
    "nn": "svaret er|svar:",
    "pa": "ਉੱਤਰ|ਜਵਾਬ",
    "pl": "odpowiedź to|odpowiedź:|odpowiedź brzmi",
    "pt": "a resposta é|resposta:|resposta final",
    "ru": "ответ",
    "sv": "svaret är|svar:",
    "sw": "jibu ni|jibu:|jibu la mwisho",
    "ta": "பதில்|விடை",
    "te": "సమాధానం|జవాబు",
    "th": "คำตอบ|ตอบ",
    "tr": "cevap|yanıt",
    "uk": "відповідь",
    "ur": "جواب",
    "vi": "câu trả lời|đáp án|đáp số",
    "zh": "答案|答:|答：",
}
"""How a language announces an answer; spellings apart by '|'. Lower case."""


_LATEX_MARK = re.compile(r"(?<=[0-9])(?:\\[,;: ]|~|\{([,.])\}|\{\\,\})(?=[0-9])")
_THIN_SPACE = "\u2009"


def answer_number(text: str, language: str) -> Decimal | None:
    """The number that `text` gives as its answer; None if it holds none.

    Parameters
    ----------
    language : str
        Canonical code; one without known announcements has the English ones.

    Examples
    --------
    >>> answer_number("5 + 6 = 11. उत्तर ११ है", "hi")
    Decimal('11')
    """
    plain = _LATEX_MARK.sub(_typeset, unicodedata.normalize("NFC", text).casefold())
    for match in reversed(list(_pattern(language).finditer(plain))):
        line = plain[match.end() :].partition("\n")[0]
        number = find_first_number(line.rpartition("=")[2], language)
        if number is None:
            number = find_first_number(line, language)
        if number is not None:
            return number
    numbers = find_all_numbers(plain, language)
    return numbers[-1] if numbers else None


def match_native_number(text: str, target: str, language: str) -> float:
    """1 where the answer's number is the target's, else 0; no number is a wrong answer."""
    right = find_first_number(target)
    return float(right is not None and answer_number(text, language) == right)


def _typeset(mark: re.Match[str]) -> str:
    """What LaTeX prints for a mark between digits: a comma, a point, or a narrow space."""
    return mark[1] or _THIN_SPACE


@cache
def _pattern(language: str) -> re.Pattern[str]:
    base = language.partition("-")[0]
    words = [*_ANNOUNCED.get(base, "").split("|"), *_ANNOUNCED["en"].split("|")]
    spelled = {unicodedata.normalize("NFC", word).casefold() for word in words if word}
    return re.compile("|".join(map(re.escape, sorted(spelled, key=len, reverse=True))))
