"""How many questions the public suites ask in a language, as published.

For planning alone, so that it needs neither lm-eval nor the data: a run counts what it reads. Where
versions of a benchmark differ, it is left out.
"""

from collections.abc import Mapping
from types import MappingProxyType

_ALIKE: Mapping[str, int] = MappingProxyType(
    {
        "mgsm": 250,  # Shi et al. 2022, arXiv 2210.03057
        "mgsm-native-cot": 250,
        "xcopa": 500,  # Ponti et al. 2020, test
        "xstorycloze": 1511,  # Lin et al. 2022, arXiv 2112.10668, eval
        "belebele": 900,  # Bandarkar et al. 2023, arXiv 2308.16884
    }
)
_BY_LANGUAGE: Mapping[str, Mapping[str, int]] = MappingProxyType(
    # Tikhonov & Ryabinin 2021, arXiv 2106.12066; Chinese differs between versions.
    {"xwinograd": MappingProxyType({"en": 2325, "ja": 959, "ru": 315, "pt": 263, "fr": 83})}
)


def find_published_size(suite: str, language: str) -> int | None:
    """Questions of a suite in a language (canonical code), or None where that is not known."""
    return _ALIKE.get(suite, _BY_LANGUAGE.get(suite, {}).get(language))
