"""The validated study in its run folder: written once by a run, read by whatever comes after it.

A folder of an older release has the study's text alone; it is read by the one loader, without
following its paths.
"""

from dataclasses import replace
from pathlib import Path

from babelbits.errors import StoreError, UnknownNameError
from babelbits.store.codec import from_json
from babelbits.study.config.reading import load, load_lenient
from babelbits.study.config.spec import Study, SuiteSpec
from babelbits.study.planning.plan_types import PlanStore
from babelbits.tasks import catalogue


def read_study(store: PlanStore) -> Study:
    """The study as it was last run.

    Raises
    ------
    StoreError
        If none was, or the record is damaged.
    """
    text, recorded = store.study_text(), store.study()
    if recorded is not None:
        try:
            found = from_json(Study, recorded, where=str(store.root / "study.json"))
            return replace(found, suites=tuple(map(_with_own_options, found.suites)))
        except (StoreError, UnknownNameError):  # of another release or machine: the text is there
            pass
    home = store.root.resolve()
    return load_lenient(text, file=home.parent / f"{home.name.removesuffix('.run')}.toml")


def _with_own_options(suite: SuiteSpec) -> SuiteSpec:
    """A recorded suite with the options that it alone has as its own class, not as plain JSON."""
    options = suite.options
    if not isinstance(options.own, dict):
        return suite
    info = catalogue.find_info(suite.suite, include_path=options.include_path, data=options.data)
    return replace(suite, options=replace(options, own=info.own(options.own)))


def update_study(store: PlanStore, study_file: Path | None) -> Study:
    """The study of a run with what its file says now of names, variants, seed and the analysis.

    Parameters
    ----------
    store : PlanStore
        The run folder.
    study_file : Path, optional
        None: the study as it was run.

    Raises
    ------
    StoreError
        If no study was run.
    StudyError
        If the study file has mistakes.
    """
    before = read_study(store)
    if study_file is None:
        return before
    now = load(study_file)
    return replace(
        before,
        name=now.name,
        file=now.file,
        seed=now.seed,
        variants=now.variants,
        groups=now.groups,
        analysis=now.analysis,
        claimed=now.claimed,
        corpus=now.corpus,
    )
