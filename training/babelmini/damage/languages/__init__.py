"""The tables of all languages, by canonical code."""

from collections.abc import Mapping

from babelmini.damage.languages import ar, de, en, es, fr, hi, ja, ko, ml, nb, ru, sw, zh
from babelmini.damage.rules import LanguageRules

LANGUAGES: Mapping[str, LanguageRules] = {
    "ar": ar.RULES,
    "de": de.RULES,
    "en": en.RULES,
    "es": es.RULES,
    "fr": fr.RULES,
    "hi": hi.RULES,
    "ja": ja.RULES,
    "ko": ko.RULES,
    "ml": ml.RULES,
    "nb": nb.RULES,
    "ru": ru.RULES,
    "sw": sw.RULES,
    "zh": zh.RULES,
}
