"""Languages: one place where codes become languages, and languages become groups.

Nothing else in the package interprets a language code. No files are read.
"""

from babelbits.languages.groups import CLAIMED, GROUP_NAMES, UNSEEN, group_languages
from babelbits.languages.resolve import Language, list_codes, resolve

__all__ = [
    "CLAIMED",
    "GROUP_NAMES",
    "UNSEEN",
    "Language",
    "group_languages",
    "list_codes",
    "resolve",
]
