"""Everything that a study needs from the hub, got once: its datasets, each at one commit.

Knows what is needed without loading any data; a study's local folders need nothing. The model is
got by `base_model.locate`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from babelbits.study.config.spec import Study
from babelbits.study.planning.task_builder import is_scaled
from babelbits.tasks import catalogue
from babelbits.tasks.hub_data import Copy, HubDataset, fetch, find


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetNeed:
    """A config of a dataset, and the suite that asks from it."""

    suite: str
    wanted: HubDataset


def list_needs(study: Study) -> tuple[DatasetNeed, ...]:
    """What the study's tasks take from the hub, each config once. Imports lm-eval.

    Raises
    ------
    MissingExtraError
        If lm-eval is not installed.
    """
    return tuple(dict.fromkeys(_needs(study)))


def _needs(study: Study) -> Iterator[DatasetNeed]:
    for suite in study.suites:
        options = suite.options
        info = catalogue.find_info(
            suite.suite, include_path=options.include_path, data=options.data
        )
        if options.data is not None or not info.downloads:
            continue
        # Token limits of other languages are scaled from English, asked or not.
        scales = info.generates and "en" in info.languages and is_scaled(suite.suite, options)
        english = ("en",) if scales else ()
        for language in (*suite.languages, *english):
            for wanted in catalogue.list_wanted(suite.suite, language, options):
                yield DatasetNeed(suite=suite.suite, wanted=wanted)


def pull(need: DatasetNeed, *, folder: Path | None, again: bool) -> tuple[Copy, bool]:
    """The copy of a config, and whether it was fetched now.

    Parameters
    ----------
    folder : Path or None
        Where to keep it; None: the cache that runs read.
    again : bool
        Look branches up anew, where a copy is here already.

    Raises
    ------
    MissingDataError
        If it is not to be had.
    """
    here = find(need.wanted, folder)
    if here is not None and not again:
        return here, False
    return fetch(need.wanted, folder), True
