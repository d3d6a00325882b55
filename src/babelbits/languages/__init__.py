"""Languages: one place where codes become languages, and languages become groups.

Nothing else in the package interprets a language code. No files are read.
"""

from babelbits.languages.groups import GROUP_NAMES, groups
from babelbits.languages.resolve import Language, known_codes, resolve

__all__ = ["GROUP_NAMES", "Language", "groups", "known_codes", "resolve"]
