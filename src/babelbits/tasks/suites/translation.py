"""Translation: FLORES and NTREX-128, each in two directions.

The language of a suite is always the side that is not the pivot (English unless the study says
otherwise), so that groups of languages mean the same in both directions: `flores` in Japanese
translates into Japanese, `flores-from` out of it.
"""

from typing import Literal

from babelbits.tasks.flores_codes import FLORES_CODES
from babelbits.tasks.folder_suites import FolderSuites
from babelbits.tasks.suites.info import map_languages
from babelbits.tasks.suites.ntrex import NTREX
from babelbits.tasks.translation.suite import TranslationOptions, TranslationSuite
from babelbits.tasks.translation.task import TranslationTask

_DEV = 997
"""Sentences of FLORES' dev split, which examples are taken from."""


def _translation(name: str, direction: Literal["into", "from"], codes: str) -> TranslationSuite:
    upstream = map_languages(codes)
    is_flores = name.startswith("flores")
    way = "from English" if direction == "into" else "into English"
    return TranslationSuite(
        name=name,
        languages=tuple(code for code in upstream if code != "en"),
        summary=f"{'FLORES' if is_flores else 'NTREX-128'}, translation {way}, by sentences",
        generates=True,
        licence="CC-BY-SA-4.0",
        parallel=True,
        hub_dataset="openlanguagedata/flores_plus" if is_flores else None,
        upstream=upstream,
        shots=5 if is_flores else 0,
        most_shots=_DEV if is_flores else 0,
        translates=direction,
        own_options=TranslationOptions,
        data_name="flores" if is_flores else "ntrex",
        limits="scaled",
        metric="corpus chrF++",
    )


SUITES = (
    _translation("flores", "into", FLORES_CODES),
    _translation("flores-from", "from", FLORES_CODES),
    _translation("ntrex-translation", "into", NTREX),
    _translation("ntrex-translation-from", "from", NTREX),
)

FAMILY = FolderSuites(
    suites=SUITES, tasks=dict.fromkeys((one.name for one in SUITES), TranslationTask)
)
