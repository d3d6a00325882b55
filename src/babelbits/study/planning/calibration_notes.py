"""What to know of calibration text that somebody brought: which language it seems to be in.

Notes, never errors: an identifier is wrong now and then, and a text may be mixed on purpose. They
stand in the plan and in the variant's manifest. Texts of the hub are not looked at, since a plan
uses no network, nor is the package's own text.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from babelbits.errors import MissingExtraError, UnknownNameError
from babelbits.languages import resolve
from babelbits.languages.scripts import main_script, measure_share
from babelbits.recipes.calibration import (
    MIX,
    CalibrationSpec,
    find_local_file,
    find_matrix_file,
    read_documents,
)
from babelbits.recipes.text_checks import sample_documents
from babelbits.tasks.language_id import is_same_language, open_identifier
from babelbits.tasks.language_id.errors import read_measured
from babelbits.words import plural

_CHARACTERS = 100_000
_PASSAGE = 80
"""Letters, below which a passage is too short to identify."""
_FEWEST, _MOST = 20, 60
"""Passages to identify, and of these, how many must be identified."""
_CLEARLY = 0.8
"""Share of identified passages in one other language above which it is told."""
_HARDLY = 0.1
"""Share of identified passages in the declared language below which it is told."""
_UNSURE = 0.5
"""Error rate of the identifier in a language above which it is not asked."""


def note_calibration(spec: CalibrationSpec | None) -> tuple[str, ...]:
    """One sentence each; nothing where the text is as declared, or too short to tell.

    Raises
    ------
    CalibrationError
        If the text cannot be read.
    """
    if spec is None or spec.source == "bundled" or spec.source.startswith("hub:"):
        return ()
    if MIX in spec.language or find_matrix_file(spec) is not None:
        return ()
    try:
        declared = resolve(spec.language)
    except UnknownNameError:
        return ()
    sample = list(sample_documents(read_documents(spec), characters=_CHARACTERS))
    where = f"the calibration text {find_local_file(spec).name}"
    as_declared = f"is declared as {declared.name} ({declared.code})"
    text = "\n".join(sample)
    share, script = measure_share(text, declared.script), main_script(text)
    if share is not None and share < 0.5 and script is not None and len(text) >= _PASSAGE:
        mostly = f"{share:.0%} of its letters are in the script {declared.script} (most: {script})"
        return (f"{where} {as_declared}, and {mostly}",)
    told = _another_language(sample, declared.code)
    return (f"{where} {as_declared}, and {told}",) if told else ()


def _another_language(documents: Sequence[str], declared: str) -> str | None:
    """That most passages seem to be in one other language; None where that cannot be said."""
    try:
        identifier = open_identifier()
    except MissingExtraError:
        return None
    errors = read_measured(identifier).get(declared)
    passages = _some(list(_passages(documents)))
    if errors is None or errors.rate > _UNSURE or len(passages) < _FEWEST:
        return None
    guesses = (identifier.guess(one).code for one in passages)
    codes = [code for code in guesses if code is not None]
    right = sum(is_same_language(code, declared) for code in codes)
    if len(codes) < _FEWEST or right > _HARDLY * len(codes):
        return None
    [(other, count)] = Counter(codes).most_common(1)
    if count < _CLEARLY * len(codes):
        return None
    name = resolve(other).name
    return f"{count} of {plural(len(codes), 'passage')} look like {name} ({other})"


def _passages(documents: Sequence[str]) -> Iterator[str]:
    """Lines that are long enough to identify."""
    for document in documents:
        for line in document.split("\n"):
            if sum(map(str.isalpha, line)) >= _PASSAGE:
                yield line


def _some(passages: Sequence[str]) -> Sequence[str]:
    """At most so many of them, from all over the text."""
    return passages[:: max(1, len(passages) // _MOST)][:_MOST]
