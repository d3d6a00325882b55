"""From a run folder to a `Results`: verified cells, manifests, and the analysis of both.

The folder is all that is needed: it holds the study as it was run. The study's paths are not
followed, so that a folder can be reported on another machine. Nothing is written.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from babelbits.analysis import AnalysisSettings, CellResult
from babelbits.analysis.calibrations import read_calibrations
from babelbits.analysis.cells import rename_by_content
from babelbits.analysis.engine_identity import list_questions, map_baselines
from babelbits.analysis.settings import CalibrationOf
from babelbits.errors import CalibrationError, NothingThereError, StoreError, StudyError
from babelbits.judge.grading.grade_store import read_grades
from babelbits.languages import group_languages, resolve
from babelbits.languages.corpus_shares import CORPORA, read_shares
from babelbits.preferences.preference_summary import PreferenceSummary, summarise_preferences
from babelbits.preferences.summary import SummarySettings
from babelbits.preferences.vote_store import RecordedVotes, read_books
from babelbits.records import CellMeta, Manifest
from babelbits.results.results import OpenCell, Results, StudySummary
from babelbits.store import Store
from babelbits.study import Study
from babelbits.study.config.problems import StudyFileError
from babelbits.study.config.spec import BUNDLED, SERVED, choose_reference
from babelbits.study.planning.divergence_files import RecordedDivergence, read_recorded
from babelbits.study.planning.recorded import read_study, update_study
from babelbits.study.planning.relabel import map_labels
from babelbits.study.speed.recorded_speed import RecordedSpeed, read_recorded_speed

ENGINE_WORDS = {"device_kind": "device", "long_prompts": "long prompts"}


def load_run(
    folder: Path, *, smoke: bool = False, early: bool = False, study_file: Path | None = None
) -> Results:
    """Everything that the finished cells of a run folder say.

    Parameters
    ----------
    folder : Path
        The run folder.
    smoke : bool
        Read the folder's smoke run instead of its results.
    early : bool
        Read the run whose cells stop when their verdict is known.
    study_file : Path, optional
        A study file whose names and variants, margins, families and groups are used instead of the
        recorded ones: a variant that was renamed has its new name, one that was taken out is gone.

    Raises
    ------
    StoreError
        If the folder holds no study, or no finished cell.
    """
    from babelbits.analysis.analyse import analyse

    store, study, text, names_note = _now(Store(folder, smoke=smoke, early=early), study_file)
    found = _read_cells(store)
    cells = tuple(one for one in found if not is_again(one))
    codes = list(dict.fromkeys(cell.meta.task.language for cell in cells))
    planned = store.planned()
    manifests = _manifests(store, planned)
    calibrations = _apart_by_cache(read_calibrations(manifests), planned)
    settings = replace(make_settings(study, codes), calibrations=calibrations)
    voices = _voices(store, settings, renamed=_renamed(store))
    return Results(
        study=replace(
            _summary(study, folder, cells, manifests, settings),
            text=text,
            names_note=names_note,
        ),
        analysis=analyse(
            cells,
            settings,
            planned=list_questions(planned),
        ),
        cells=cells,
        manifests=manifests,
        languages={code: resolve(code) for code in dict.fromkeys((*codes, *_spoken(voices)))},
        open_cells=_open_cells(store),
        divergences=_divergences(store),
        voices=voices,
        again=tuple(one for one in found if is_again(one)),
        grades=read_grades(store.base / "grades", cells={one.meta.cell_id for one in cells}),
        speed=_speed(store, planned, manifests),
        baselines=map_baselines(planned),
        corpus=study.corpus,
        shares=None if study.corpus in CORPORA else _shares_of(study),
    )


def _spoken(voices: PreferenceSummary | None) -> tuple[str, ...]:
    """Languages of votes: open prompts may be in others than the benchmarks."""
    found = () if voices is None else voices.voices
    return tuple(vote.language for voice in found for vote in voice.book.votes)


def _now(store: Store, study_file: Path | None) -> tuple[Store, Study, str, str | None]:
    """The results under the names that a study file gives its variants now, the study, its text.

    Where the file cannot be read all is as it was last run, and why is told.
    """
    text, note = store.study_text(), None
    if study_file is None:
        return store, read_study(store), text, note
    planned = store.planned()
    try:
        study = update_study(store, study_file)
        if all(isinstance(meta.identity.get("variant"), Mapping) for meta in planned):
            labels = map_labels(study, planned)
            store = Store(store.root, smoke=store.smoke, early=store.early, labels=labels)
        text = study_file.read_text("utf-8-sig")
    except (StudyError, CalibrationError) as error:
        told = (
            f"line {error.mistakes[0].line}: {error.mistakes[0].message}"
            if isinstance(error, StudyFileError)
            else error.what
        )
        study = read_study(store)
        note = f"variants have the names of the last run, because of the study file: {told}"
    return store, study, text, note


def _renamed(store: Store) -> dict[str, str | None]:
    """Labels at the last run to those of now; None where the variant was taken out."""
    before = Store(store.root, smoke=store.smoke, early=store.early).planned()
    now = {meta.variant_id: meta.variant for meta in store.planned()}
    return {meta.variant: now.get(meta.variant_id) for meta in before}


def _voices(
    store: Store, settings: AnalysisSettings, *, renamed: Mapping[str, str | None]
) -> PreferenceSummary | None:
    """What judges and people said of this run; None where nobody was asked."""
    books = [_book_now(book, renamed) for book in read_books(store.base / "judgments")]
    books = [book for book in books if book.votes]
    wishes = SummarySettings(alpha=settings.alpha, seed=settings.seed)
    return summarise_preferences(books, wishes) if books else None


def _book_now(book: RecordedVotes, renamed: Mapping[str, str | None]) -> RecordedVotes:
    """Votes under the names that variants have now; votes on what was taken out are left out."""
    votes = [
        replace(vote, variant=label)
        for vote in book.votes
        if (label := renamed.get(vote.variant, vote.variant)) is not None
    ]
    return replace(book, votes=tuple(votes))


def load_cells(store: Store) -> tuple[CellResult, ...]:
    """The finished cells of a run folder, in the plan's order; served ones only as first asked.

    Raises
    ------
    NothingThereError
        If there are none.
    """
    return tuple(one for one in _read_cells(store) if not is_again(one))


def is_again(cell: CellResult) -> bool:
    """Whether a cell asks a served variant the same again."""
    return cell.meta.replicate > 0 and cell.meta.identity.get("recipe") == SERVED


def _read_cells(store: Store) -> tuple[CellResult, ...]:
    cells = tuple(
        rename_by_content(CellResult(meta=meta, rows=rows)) for meta, rows in store.cells()
    )
    if not cells:
        raise NothingThereError(
            "no cell is finished yet",
            where=str(store.root),
            hint="`babelbits run study.toml` runs what is missing",
        )
    return cells


def make_settings(study: Study, codes: Sequence[str]) -> AnalysisSettings:
    """What a study declares of languages with these codes."""
    declared = study.analysis
    return AnalysisSettings(
        alpha=declared.alpha,
        margins=declared.margins,
        confirmatory=declared.confirmatory,
        floor=declared.floor,
        groups=group_languages(codes, user=study.groups, claimed=study.claimed),
        reference=declared.reference or choose_reference(codes),
        seed=study.seed,
        loss_caps=declared.loss_caps,
    )


def _engine(cells: Sequence[CellResult]) -> dict[str, str]:
    """What computed the cells; where variants have different engines, all of them."""
    found: dict[str, dict[str, None]] = {}
    for one in cells:
        for name, value in one.meta.identity.get("engine", {}).items():
            found.setdefault(ENGINE_WORDS.get(name, name), {})[str(value)] = None
    return {name: ", ".join(values) for name, values in found.items()}


def _summary(
    study: Study,
    folder: Path,
    cells: Sequence[CellResult],
    manifests: Mapping[str, Manifest],
    settings: AnalysisSettings,
) -> StudySummary:
    return StudySummary(
        name=study.name,
        model=study.model.path,
        study_file=study.file.name,
        folder=folder.resolve().name,
        engine=_engine(cells),
        seed=settings.seed,
        margins=settings.margins,
        loss_caps=dict(settings.loss_caps),
        alpha=settings.alpha,
        smoke=any(cell.meta.smoke for cell in cells),
        bundled=study.model.path == BUNDLED,
        versions=_versions(manifests),
        early=any(cell.meta.stop is not None for cell in cells),
        limit=_limit(study, cells),
        groups=study.groups,
        claimed=study.claimed,
    )


def _shares_of(study: Study) -> dict[str, float] | None:
    """Of the user's file; none where it is gone, as beside a run folder that was sent elsewhere."""
    path = study.file.parent / study.corpus
    return read_shares(str(path)) if path.is_file() else {}


def _limit(study: Study, cells: Sequence[CellResult]) -> int | None:
    """What `--limit` a smoke run was given; None where the study itself has it, or none did."""
    has_its_own = study.limit is not None and not study.limited
    if has_its_own or not any(cell.meta.smoke for cell in cells):
        return None
    return max(cell.meta.n_items for cell in cells)


def _versions(manifests: Mapping[str, Manifest]) -> dict[str, str]:
    """Our own version, and those of the libraries that made the variants."""
    made: dict[str, set[str]] = {}
    for manifest in manifests.values():
        for name, version in manifest.library_versions.items():
            made.setdefault(name, set()).add(version)
    found = {name: " and ".join(sorted(versions)) for name, versions in made.items()}
    return {**found, "babelbits": metadata.version("babelbits")}


def _manifests(store: Store, planned: Sequence[CellMeta]) -> dict[str, Manifest]:
    """By label; variants that were not made yet are left out, and so are damaged manifests.

    The cells of such a variant are whole, and a run names the damage: no reason for no report.
    """
    found = {}
    for label, variant_id in {meta.variant: meta.variant_id for meta in planned}.items():
        with suppress(StoreError):
            manifest = store.last_manifest(variant_id)
            if manifest is not None:
                found[label] = manifest
    return found


def _divergences(store: Store) -> tuple[RecordedDivergence, ...]:
    """What was measured; damaged files are no reason for no report, `babelbits kl` names them."""
    with suppress(StoreError):
        return read_recorded(store)
    return ()


def _apart_by_cache(
    calibrations: Mapping[str, CalibrationOf], planned: Sequence[CellMeta]
) -> dict[str, CalibrationOf]:
    """Variants of other KV caches as other recipes: they are no draws of the same text."""
    caches = {meta.variant: _cache_of(meta) for meta in planned}
    return {
        label: replace(one, recipe=f"{one.recipe}[kv_cache={caches[label]}]")
        if caches.get(label)
        else one
        for label, one in calibrations.items()
    }


def _cache_of(meta: CellMeta) -> str | None:
    identity = meta.identity.get("variant")
    found = identity.get("kv_cache") if isinstance(identity, Mapping) else None
    return None if found is None else str(found)


def _speed(
    store: Store, planned: tuple[CellMeta, ...], manifests: Mapping[str, Manifest]
) -> RecordedSpeed | None:
    """What was measured; a damaged file is no reason for no report, `babelbits speed` names it."""
    with suppress(StoreError):
        return read_recorded_speed(store, planned, manifests)
    return None


def _open_cells(store: Store) -> tuple[OpenCell, ...]:
    return tuple(
        OpenCell(
            variant=problem.meta.variant,
            suite=problem.meta.task.suite,
            language=problem.meta.task.language,
            state=problem.state,
            reason=problem.reason,
        )
        for problem in store.problems()
    )
