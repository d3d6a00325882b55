"""Which language a text is in: several identifiers behind one protocol.

    base        what an identifier is, and what it answers
    fasttext    fastText models: lid.176.ftz ("lite"), lid.176.bin, GlotLID
    choose      an identifier by its name or by the path of a model
    errors      how often each is wrong on text whose language is known

Identifiers work offline; their libraries are imported when one is opened.
"""

from babelbits.tasks.language_id.base import Absent, Guess, Identifier, is_same_language
from babelbits.tasks.language_id.choose import (
    LITE,
    NAMES,
    IdentifierOptions,
    check_name,
    open_identifier,
)

__all__ = [
    "LITE",
    "NAMES",
    "Absent",
    "Guess",
    "Identifier",
    "IdentifierOptions",
    "check_name",
    "is_same_language",
    "open_identifier",
]
