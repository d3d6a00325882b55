"""Languages: one place where codes become languages, and languages become groups.

Nothing else in the package interprets a language code. No files are read.
"""

from babelbits.languages.groups import CLAIMED, GROUP_NAMES, UNSEEN, groups
from babelbits.languages.resolve import Language, known_codes, resolve

__all__ = ["CLAIMED", "GROUP_NAMES", "UNSEEN", "Language", "groups", "known_codes", "resolve"]
