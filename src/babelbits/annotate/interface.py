"""What the app says to raters, in their language: one TOML file a language, complete or refused.

A rater's interface falls back to English as a whole, never sentence by sentence.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from babelbits.languages import Language, resolve

FALLBACK = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """The app's words in one language."""

    language: Language
    words: Mapping[str, str]

    def say(self, name: str, **values: object) -> str:  # the placeholders of a sentence
        """A sentence; KeyError if there is none of that name."""
        return self.words[name].format(**values)


@cache
def list_languages() -> tuple[str, ...]:
    """Codes of the languages that the app speaks."""
    names = [entry.name for entry in files("babelbits.annotate").joinpath("strings").iterdir()]
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


@cache
def load_interface(code: str) -> Interface:
    """The app's words in a language, or in English if it does not speak that."""
    spoken = code if code in list_languages() else FALLBACK
    source = files("babelbits.annotate").joinpath("strings", f"{spoken}.toml")
    words = tomllib.loads(source.read_text("utf-8"))
    return Interface(language=resolve(spoken), words=MappingProxyType(words))
