"""An identifier's error rate on NTREX-128, under the rules of the line-level pass rate."""

from pathlib import Path

from babelbits.records import TextRequest
from babelbits.tasks.base import TaskOptions
from babelbits.tasks.catalogue import load
from babelbits.tasks.language_confusion.rules import SHORTEST_LINE, normalize
from babelbits.tasks.language_confusion.words import make_tokenizer
from babelbits.tasks.language_id.base import Identifier
from babelbits.tasks.language_id.errors import ErrorRate, measure_error_rate

SUITE = "ntrex-segments"


def measure_ntrex_error(
    identifier: Identifier, language: str, folder: Path, *, limit: int | None = None
) -> ErrorRate | None:
    """Error rate on the segments of NTREX in one language; None if no segment is long enough.

    Scripts without spaces, other than Chinese and Japanese, have few or no lines of five words.

    Parameters
    ----------
    identifier : Identifier
    language : str
        In any usual form.
    folder : Path
        NTREX-128, as for the suite `ntrex-segments`.
    limit : int, optional
        First n segments only.

    Raises
    ------
    UnknownNameError
        If NTREX is not in that language.
    TaskError
        If the folder does not hold it.
    """
    task = load(SUITE, language, TaskOptions(data=folder, limit=limit))
    code = task.info.language
    tokenize = make_tokenizer(code)
    texts = [
        ask.text for item in task.items() for ask in item.requests if isinstance(ask, TextRequest)
    ]
    lines = [normalize(text) for text in texts]
    long_enough = [line for line in lines if len(tokenize(line)) >= SHORTEST_LINE]
    return measure_error_rate(long_enough, code, identifier) if long_enough else None
