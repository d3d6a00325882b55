"""Does the jobs of a plan, one at a time: prepares a variant's weights, or runs one cell.

The same code works in the process of the command and in one of a `worker_pool`. It keeps one engine
loaded and records what it computes; what happens is told to `emit`. Never prints.
"""

import platform
import re
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from babelbits import devices
from babelbits.analysis.early_stopping import Watch
from babelbits.engines import open_engine as engines
from babelbits.engines.base import Engine, EngineSettings, Watched
from babelbits.engines.endpoint.settings import ServedBy
from babelbits.errors import BabelbitsError, ModelError, ServedModelChangedError, StoreError
from babelbits.libraries import find_version
from babelbits.quiet import quiet
from babelbits.recipes.calibration import Calibration
from babelbits.recipes.make import make
from babelbits.recipes.manifests import (
    HashFile,
    hash_files,
    hash_weights,
    verify,
    write_manifest,
)
from babelbits.records import CellMeta, Manifest
from babelbits.registry import ENGINES
from babelbits.store import Store
from babelbits.store.atomic import write_atomically
from babelbits.study.config.engines import name_engine
from babelbits.study.config.spec import BASELINE, Study
from babelbits.study.execution.evaluate_cell import answer
from babelbits.study.execution.events import (
    CellFailed,
    Finished,
    Loaded,
    Loading,
    Making,
    Ready,
    Recorded,
    Running,
    VariantFailed,
    VariantMade,
    WorkerEvent,
)
from babelbits.study.execution.server_meeting import prepare_served
from babelbits.study.planning import served
from babelbits.study.planning.base_model import BaseModel, hash_of
from babelbits.study.planning.calibration_notes import note_calibration
from babelbits.study.planning.hashes import FileHashes
from babelbits.study.planning.identity import (
    find_device,
    identify_engine,
)
from babelbits.study.planning.plan_types import CellStep, VariantStep
from babelbits.study.rehearsal.real import examine
from babelbits.tasks.base import Task

_SCORING = ("babelbits", "lm_eval", "tokenizers", "evaluate")
"""Distributions that score, recorded with every cell beside those of the engines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepare:
    """Make a variant, or prove that its files are whole."""

    step: VariantStep
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What the study asks, some of it in every language: to compare tokens and numbers on."""
    drawn: Calibration | None = None
    """The variant's calibration text, where the plan's check has drawn it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCell:
    """Run what is left of a cell."""

    step: VariantStep
    cell: CellStep
    number: int
    """Of the cell in the plan."""
    weights_hash: str
    baseline: CellMeta | None = None
    """The finished cell that this one is compared with, where it may stop early."""


Job = Prepare | RunCell


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """What all jobs of a run share; can be sent to another process."""

    study: Study
    base: BaseModel
    verify: bool = False
    """Read the files of variants anew, whatever is remembered of them."""
    allow_network: bool = False
    """Ask servers elsewhere though `HF_HUB_OFFLINE` is set."""
    workers: int = 1
    """Processes that do jobs at the same time."""

    def served_by(self, step: VariantStep) -> ServedBy | None:
        """Who serves a variant; None where it is run here."""
        return served.find_server(
            step.spec, self.base, allow_network=self.allow_network, workers=self.workers
        )

    def store(self) -> Store:
        """The run folder."""
        study = self.study
        return Store(study.folder, smoke=study.smoke, early=study.stop, answers=study.answers)


class Worker:
    """Does jobs; the engine of the last one stays loaded.

    Parameters
    ----------
    find_task : callable
        The task of a cell, with its items built.
    stopping : callable
        Asked between batches whether to stop.
    """

    def __init__(
        self,
        site: RunContext,
        *,
        find_task: Callable[[CellStep], Task],
        emit: Callable[[WorkerEvent], None],
        stopping: Callable[[], bool],
    ) -> None:
        self._site = site
        self._store = site.store()
        self._find_task = find_task
        self._emit = emit
        self._stopping = stopping
        self._hashes = FileHashes(verify=site.verify)
        self._engine: Engine | None = None
        self._loaded: str | None = None

    def do(self, job: Job) -> None:
        """Do a job; whatever breaks it is told, not raised.

        Raises
        ------
        StoreError
            If the run folder is full or cannot be written: nothing else can go on either.
        """
        if isinstance(job, Prepare):
            self._try_variant(job.step, lambda: self._prepare(job))
        elif self.load(job) is not None:
            self._try_cell(job)

    def load(self, job: RunCell) -> Engine | None:
        """The engine of a cell's variant, loaded; None, and told, where that fails."""
        return self._engine if self._try_variant(job.step, lambda: self._load(job)) else None

    def close(self) -> None:
        """Free the loaded engine."""
        if self._engine is not None:
            self._engine.close()
        self._engine, self._loaded = None, None

    # --- variants ---

    def _try_variant(self, step: VariantStep, work: Callable[[], None]) -> bool:
        try:
            work()
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001  whatever breaks a variant, the others must run
            told, trace = self._told(error, step.label)
            self._emit(VariantFailed(variant=step.label, reason=told, trace=trace))
            return False
        return True

    def _prepare(self, job: Prepare) -> None:
        """Weights that are made now, or there already and proven whole."""
        step = job.step
        by = self._site.served_by(step)
        if by is not None:
            met = prepare_served(by, self._folder(step))
            self._emit(Ready(variant=step.label, weights_hash=met))
            return
        manifest = self._adopt(step) if step.found else self._store.manifest(step.variant_id)
        if manifest is None:
            self.close()  # two models at once may not fit
            self._emit(Making(variant=step.label))
            manifest = self._make(job)
            self._emit(VariantMade(variant=step.label, manifest=manifest))
        elif step.found is None:
            verify(self._folder(step), hash_file=self._hashes.of)
        if step.unrehearsed is not None:
            self._examine(step, manifest, texts=job.texts)
        self._emit(Ready(variant=step.label, weights_hash=manifest.weights_hash))

    def _adopt(self, step: VariantStep) -> Manifest:
        """Record what somebody else's files are, which stay where they lie and are as planned."""
        manifest = step.manifest
        assert manifest is not None  # noqa: S101  of every found variant
        place = self._folder(step)
        if hash_weights_in(place, step=step, hash_file=self._hashes.of) != manifest.weights_hash:
            raise ModelError(
                "the files changed after they were looked at",
                where=str(place),
                hint="run the same command again when nothing writes to them",
            )
        if self._store.manifest(step.variant_id) != manifest:
            write_manifest(self._store.variant_folder(step.variant_id), manifest)
        return manifest

    def _make(self, job: Prepare) -> Manifest:
        step = job.step
        study, base = self._site.study, self._site.base
        return make(
            base.folder,
            recipe=step.spec.recipe,
            parameters=step.spec.parameters,
            calibration=step.spec.calibration,
            out=self._folder(step),
            variant_id=step.variant_id,
            base_label=base.label,
            base_hash=base.hash,
            seed=study.seed,
            drawn=job.drawn,
            texts=job.texts,
            trust=study.model.trust,
            allow_token_differences=study.model.allow_token_differences,
            device=devices.resolve(study.engine.device),
            notes=note_calibration(step.spec.calibration),
        )

    def _examine(
        self, step: VariantStep, manifest: Manifest, *, texts: Mapping[str, Sequence[str]]
    ) -> None:
        """Check a real variant as a rehearsal would have, in a process of its own."""
        study = self._site.study
        examine(
            self._site.base.folder,
            step.spec,
            folder=self._folder(step),
            weights_hash=manifest.weights_hash,
            engine=study.engine,
            texts=texts,
            trust=study.model.trust,
        )

    def _folder(self, step: VariantStep) -> Path:
        return find_folder(step, self._store, base=self._site.base)

    def _load(self, job: RunCell) -> None:
        """Have the variant's engine loaded, with the weights that the job names."""
        step = job.step
        if self._loaded == step.label:
            return
        self.close()
        self._emit(Loading(variant=step.label))
        self._engine = open_engine(
            self._site.study, step, folder=self._folder(step), by=self._site.served_by(step)
        )
        if (
            hash_weights_in(self._folder(step), step=step, hash_file=self._hashes.of)
            != job.weights_hash
        ):
            self.close()
            raise ModelError(
                "the files changed after they were checked, before or while they were loaded",
                where=str(self._folder(step)),
                hint="run the same command again when nothing writes to them",
            )
        self._loaded = step.label
        self._emit(Loaded(variant=step.label, notes=self._engine.notes))

    # --- cells ---

    def _try_cell(self, job: RunCell) -> None:
        self._emit(Running(cell=job.number))
        try:
            self._run(job)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001  whatever a model does, the other cells must run
            cell = job.cell
            told, trace = self._told(error, cell.variant, cell.suite, cell.language)
            self._emit(CellFailed(cell=job.number, reason=told, trace=trace))

    def _told(self, error: Exception, *names: str) -> tuple[str, Path | None]:
        """What broke, and where its traceback is kept."""
        path = keep_trace(error, folder=self._store.base, names=names)
        told = describe_reason(error)
        return (told if path is None else f"{told} (traceback: {path})"), path

    def _run(self, job: RunCell) -> None:
        cell, engine = job.cell, self._engine
        if cell.meta is None or engine is None:
            raise ValueError("a cell is run when its task is built and its variant is loaded")
        task = self._find_task(cell)
        items = task.items()
        watch = self._watch(job)
        with self._store.writer(cell.meta, weights_hash=job.weights_hash) as writer:
            confirm = self._begin(job)
            watch.see(writer.recorded() if watch.active else ())
            for number, indices in writer.missing_batches():
                if watch.known:
                    break
                if self._stopping():
                    confirm()
                    return
                started = time.perf_counter()
                batch = [items[index] for index in indices]
                rows = answer(task, batch, engine, variant=cell.variant, replicate=cell.replicate)
                writer.append(number, rows, seconds=time.perf_counter() - started)
                self._emit(Recorded(cell=job.number, n_items=len(rows)))
                watch.see(rows)
            confirm()
            skipped = sum(len(indices) for _, indices in writer.missing_batches())
            writer.finish(
                machine=platform.node(),
                library_versions=find_library_versions(),
                early=watch.known,
            )
        self._emit(Finished(cell=job.number, n_skipped=skipped))

    def _begin(self, job: RunCell) -> Callable[[], None]:
        """Let a served model show that it is the one that was met; how it shows so at the end.

        What a cell recorded of a server that then turns out to be another is set aside.
        """
        meta, engine = job.cell.meta, _watched(self._engine)
        if meta is None or engine is None:
            return lambda: None
        folder = self._store.cell_folder(meta.cell_id)
        scope = f"{meta.cell_id} {job.weights_hash} {self._store.times_set_aside(folder)}"
        engine.begin(scope)

        def confirm() -> None:
            try:
                engine.confirm()
            except ServedModelChangedError:
                self._store.set_aside(folder)
                raise

        return confirm

    def _watch(self, job: RunCell) -> Watch:
        """Looks at a cell while it runs; idle where the cell may not stop."""
        meta = job.cell.meta
        if meta is None or meta.stop is None or job.baseline is None:
            return Watch(None, ())
        return Watch(meta, self._store.rows(job.baseline))


def find_folder(step: VariantStep, store: Store, *, base: BaseModel) -> Path:
    """Where the files of a variant lie: the baseline's and somebody else's where they are.

    Of a served variant the record of what its server said.
    """
    if step.spec.endpoint is not None:
        return served.record_folder(store.root, step.variant_id)
    if step.spec.recipe == BASELINE:
        return base.folder
    if step.found is not None:
        return step.found.model.folder
    return store.variant_folder(step.variant_id, label=step.label)


def _watched(engine: object) -> Watched | None:
    """The engine, if somebody else may change its model."""
    return engine if isinstance(engine, Watched) else None


def hash_weights_in(folder: Path, *, step: VariantStep, hash_file: HashFile) -> str:
    """Hash of the weights that lie in a variant's folder now."""
    is_base = step.spec.recipe == BASELINE and step.spec.endpoint is None
    if is_base or step.found is not None:
        return hash_of(folder, hash_file=hash_file)
    return hash_weights(hash_files(folder, hash_file=hash_file))


def open_engine(
    study: Study, step: VariantStep, *, folder: Path, by: ServedBy | None = None
) -> Engine:
    """Load the engine of a variant whose weights are in `folder`, as the plan said it would be.

    Parameters
    ----------
    by : ServedBy, optional
        Who serves it, where it is not run here.
    """
    engine, settings = make_engine_settings(study, step)
    settings = replace(settings, served=by)
    with quiet():  # the first forward pass unpacks some checkpoints, with a progress bar
        return engines.load(folder, engine=engine, settings=settings)


def make_engine_settings(study: Study, step: VariantStep) -> tuple[str, EngineSettings]:
    """Name of the engine that runs a variant, and how: nothing of it is 'auto' but the batch."""
    engine = name_engine(study.engine, study.model, step.spec)
    problem = engines.find_kind(engine).kv_cache_problem(step.spec.kv_cache)
    if problem is not None:
        raise ModelError(problem, where=f"variant '{step.label}'", hint="leave kv_cache out")
    settings = make_settings_of_engine(study, engine=engine)
    return engine, replace(settings, kv_cache=step.spec.kv_cache)


def make_settings_of_engine(study: Study, *, engine: str) -> EngineSettings:
    """How a study runs an engine: with the device and the type that its cells' identity names."""
    return replace(
        study.engine,
        device=find_device(study.engine, engine=engine),
        dtype=identify_engine(study.engine, engine=engine).dtype,
        split=study.engine.device == "auto",
    ).trusting(study.model.trust)


def find_library_versions() -> dict[str, str]:
    """Versions of what computes and scores, of all engines that are installed."""
    of_engines = (name for engine in ENGINES for name in engines.find_kind(engine).libraries)
    names = dict.fromkeys((*_SCORING, *of_engines))
    return {name: version for name in names if (version := find_version(name))}


def describe_reason(error: Exception) -> str:
    """What broke a job; of an error that nobody foresaw, its kind too."""
    return str(error) if isinstance(error, BabelbitsError) else f"{type(error).__name__}: {error}"


# --- tracebacks of what failed --------------------------------------------------------------------
# Kept in the run's folder, for a worker's screen is nobody's:
#
#     FOLDER/failures/<variant> <suite> <language>.txt      the last one of that cell or variant
#
# Never raises: what failed is told even where its trace cannot be kept.

_FAILURES = "failures"
_LONGEST_NAME = 150


def keep_trace(error: BaseException, *, folder: Path, names: tuple[str, ...]) -> Path | None:
    """Write an exception's traceback; its path, or None where it could not be written.

    Parameters
    ----------
    error : BaseException
        What broke a variant or a cell.
    folder : Path
        Where results of this kind lie.
    names : tuple of str
        Labels that say what broke.
    """
    plain = " ".join(re.sub(r"[^\w.+@=-]+", "-", name) for name in names)
    path = folder / _FAILURES / f"{plain[:_LONGEST_NAME]}.txt"
    text = "".join(traceback.format_exception(error))
    with suppress(StoreError):
        write_atomically(path, text.encode("utf-8", "backslashreplace"))
        return path
    return None
