"""A warning where the items of a language are not written in its script.

A file under the wrong name, or Serbian in Latin letters where Cyrillic was meant, gives numbers
that look fine. It is told in the plan, in the report's notes and by `babelbits doctor`; nothing is
refused, for a language may be written otherwise on purpose.
"""

from collections.abc import Sequence

from babelbits.languages import resolve
from babelbits.languages.scripts import main_script, measure_share
from babelbits.records import Item, TextRequest

_LITTLE = 0.1
"""Share of letters in the declared script below which the text is in another one."""
_LOOKED_AT = 100
_EXAMPLE = 60
MARK = "is written in"


def note_script(items: Sequence[Item], language: str) -> tuple[str, ...]:
    """One sentence with an example, or nothing.

    Parameters
    ----------
    items : sequence of Item
        The first hundred are looked at: what they say, not the instructions around them.
    language : str
        Canonical code.
    """
    texts = [_own_words(item) for item in items[:_LOOKED_AT]]
    whole = "\n".join(texts)
    declared = resolve(language)
    share, script = measure_share(whole, declared.script), main_script(whole)
    if share is None or share >= _LITTLE or script is None:
        return ()
    example = next((text for text in texts if main_script(text) == script), whole)
    shown = " ".join(example.split())[:_EXAMPLE]
    note = f"{declared.name} ({language}) {MARK} {declared.script}, but {1 - share:.0%} of the"
    return (f"{note} letters of these items are not ({script} mostly): '{shown}'",)


def _own_words(item: Item) -> str:
    """The texts of an item itself; names of columns and numbers are not among them."""
    texts = [text for text in item.doc.values() if isinstance(text, str)]
    asked = [request.text for request in item.requests if isinstance(request, TextRequest)]
    return "\n".join([*texts, *asked])
