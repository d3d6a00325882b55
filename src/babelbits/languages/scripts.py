"""In which script a text is written, by the Unicode names of its letters.

Tells scripts apart, not languages: simplified from traditional Chinese it does not tell, nor
Norwegian from Danish. Good for finding a file of another language under the wrong name.
"""

import unicodedata
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Arab": ("ARABIC",),
        "Armn": ("ARMENIAN",),
        "Beng": ("BENGALI",),
        "Cyrl": ("CYRILLIC",),
        "Deva": ("DEVANAGARI",),
        "Ethi": ("ETHIOPIC",),
        "Geor": ("GEORGIAN",),
        "Grek": ("GREEK",),
        "Gujr": ("GUJARATI",),
        "Guru": ("GURMUKHI",),
        "Hans": ("CJK",),
        "Hant": ("CJK",),
        "Hebr": ("HEBREW",),
        "Jpan": ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "CJK"),
        "Khmr": ("KHMER",),
        "Knda": ("KANNADA",),
        "Kore": ("HANGUL", "CJK"),
        "Laoo": ("LAO",),
        "Latn": ("LATIN",),
        "Mlym": ("MALAYALAM",),
        "Mong": ("MONGOLIAN",),
        "Mymr": ("MYANMAR",),
        "Nkoo": ("NKO",),
        "Olck": ("OL",),
        "Orya": ("ORIYA",),
        "Sinh": ("SINHALA",),
        "Taml": ("TAMIL",),
        "Telu": ("TELUGU",),
        "Tfng": ("TIFINAGH",),
        "Thaa": ("THAANA",),
        "Thai": ("THAI",),
        "Tibt": ("TIBETAN",),
    }
)
"""ISO 15924 code to the first words of its letters' names in Unicode."""


def count_letters(text: str) -> Mapping[str, int]:
    """First word of the Unicode name to the number of letters, e.g. {'LATIN': 12, 'THAI': 3}."""
    found: Counter[str] = Counter()
    for char, count in Counter(text).items():
        if char.isalpha():
            found[unicodedata.name(char, "UNNAMED").partition(" ")[0]] += count
    return found


def measure_share(text: str, script: str) -> float | None:
    """Share of the letters of `text` that belong to a script.

    Parameters
    ----------
    script : str
        ISO 15924 code, e.g. 'Cyrl'.

    Returns
    -------
    float or None
        In [0, 1]; None where there is no letter, or the script is not in the table.
    """
    names = _NAMES.get({"Hang": "Kore"}.get(script, script))
    counts = count_letters(text)
    total = sum(counts.values())
    if names is None or not total:
        return None
    return sum(counts[name] for name in names if name in counts) / total


def main_script(text: str) -> str | None:
    """ISO 15924 code of the script of most letters; None without a letter of a known script."""
    for name, _ in Counter(count_letters(text)).most_common():
        for script, names in _NAMES.items():
            if name in names:
                return script
    return None
