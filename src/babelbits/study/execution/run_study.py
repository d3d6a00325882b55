"""A study to recorded results: plan, check, rehearse, execute. The same call again resumes.

Prints nothing: whoever calls is told by events (`events`). Everything that would be a pity to learn
late is checked before the first variant is made. The run folder is locked from before the plan is
made until the last cell is recorded.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from babelbits.errors import MissingExtraError
from babelbits.formats.quantized import find_method
from babelbits.libraries import RUN, find_version
from babelbits.recipes.calibration import Calibration
from babelbits.store import Store
from babelbits.store.counts import Thoughts
from babelbits.study.config.chat_settings import describe_chat, warn_unused_template
from babelbits.study.config.spec import BUNDLED, Study
from babelbits.study.execution import events
from babelbits.study.execution.interrupt import Stop
from babelbits.study.execution.run import RunOutcome, execute
from babelbits.study.execution.worker_pool import suggest_workers
from babelbits.study.planning.base_model import locate
from babelbits.study.planning.found_variants import locate_found
from babelbits.study.planning.hashes import FileHashes
from babelbits.study.planning.plan import make_plan
from babelbits.study.planning.plan_types import Plan
from babelbits.study.planning.plan_warnings import list_warnings
from babelbits.study.planning.preflight import check
from babelbits.study.planning.token_check import check_tokens_of_found
from babelbits.study.rehearsal.studies import mark_plan, refuse, rehearse
from babelbits.tasks import catalogue
from babelbits.words import plural

Progress = Callable[[events.Event], None]
"""Told what happens, in this process and thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LostItems:
    """Items without an answer, over all finished cells of a plan."""

    n_items: int
    """All items of finished cells."""
    failed: Mapping[str, int]
    """Kind of failure to how many."""
    truncated: int
    """Items that lost the beginning of their prompt: longer than the context."""
    thoughts: Thoughts
    empty_cells: tuple[str, ...]
    """Cells without a single answer: they are recorded, and say nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What a run did, and what its plan was."""

    plan: Plan
    outcome: RunOutcome
    lost: LostItems

    @property
    def complete(self) -> bool:
        """Whether everything that the plan asked for is recorded now."""
        return self.outcome.complete


def need_libraries() -> None:
    """Say what is missing of what loads models.

    Raises
    ------
    MissingExtraError
        If one of the libraries is not installed.
    """
    for distribution in RUN:
        if find_version(distribution) is None:
            raise MissingExtraError(
                f"{distribution} is not installed", hint="pip install 'babelbits[run]'"
            )


def run_study(
    study: Study,
    *,
    progress: Progress | None = None,
    stop: Stop | None = None,
    workers: int | None = None,
    ray: str | None = None,
    rehearsed: bool = True,
    verify: bool = False,
    allow_network: bool = False,
) -> RunSummary:
    """Make the variants that are missing, run the cells that are missing, record every batch.

    Parameters
    ----------
    study : Study
        As `load_study` reads it.
    progress : callable, optional
        Called with every event of `study.execution.events`; None: nobody is told.
    stop : Stop, optional
        Asked after every batch; its `request` may be called by a signal handler or a thread.
    workers : int, optional
        Processes that run cells at the same time; None: what suits the model and the machine.
        Several are started by 'spawn', so that a program must be importable without side effects.
    ray : str, optional
        'auto', or the address of a Ray cluster that computes in place of this machine; `workers`
        is then the most actors to start. The run folder must be on storage that its nodes share.
    rehearsed : bool
        Try every variant on a miniature of the model before the first is made.
    verify : bool
        Read all weights anew, whatever is remembered of their hashes.
    allow_network : bool
        Ask servers on other machines though `HF_HUB_OFFLINE` is set.

    Raises
    ------
    MissingExtraError
        If a library that loads models is not installed.
    StoreError
        If the run folder cannot be written; `StoreLockedError` while another process writes to it.
    ModelError, TaskError, CalibrationError, RecipeError
        If the plan cannot be carried out; nothing was made yet.
    """
    need_libraries()
    tell = progress or (lambda _event: None)
    stop = stop or Stop()
    store = Store(study.folder, smoke=study.smoke, early=study.stop, answers=study.answers)
    with store.writing():  # first of all: it also shows that the folder can be written
        plan, drawn = _checked_plan(
            study,
            store,
            tell=tell,
            verify=verify,
            elsewhere=ray is not None,
            allow_network=allow_network,
        )
        if rehearsed:
            plan = _rehearsed(plan, tell=tell)
        number = suggest_workers(plan) if workers is None and ray is None else workers
        tell(events.Started(plan=plan, workers=number or 1))
        outcome = execute(
            plan, store, progress=tell, stop=stop, workers=number, ray=ray, verify=verify,
            drawn=drawn, allow_network=allow_network,
        )  # fmt: skip
    return RunSummary(plan=plan, outcome=outcome, lost=_lost(plan, store))


def _checked_plan(
    study: Study,
    store: Store,
    *,
    tell: Progress,
    verify: bool,
    elsewhere: bool,
    allow_network: bool,
) -> tuple[Plan, Mapping[str, Calibration]]:
    """The plan, with everything checked that would be a pity to learn later, and the text drawn."""

    def note(text: str, kind: events.NoticeKind = "info") -> None:
        tell(events.Notice(kind=kind, text=text))

    hashes = FileHashes(verify=verify)
    base = locate(study.model, hashes=hashes, download=True)
    found = locate_found(study, base, hashes=hashes, download=True)
    plan = make_plan(study, store, base=base, build=catalogue.load, found=found)
    drawn = check(plan, tell=note, elsewhere=elsewhere, allow_network=allow_network)
    plan = check_tokens_of_found(plan, tell=lambda text: note(text, "warning"))
    for line in describe_chat(plan.study):
        note(line, "asked")
    if warning := warn_unused_template(plan.study, base.folder):
        note(warning, "warning")
    for line in list_warnings(plan):
        note(line, "note")
    if study.smoke:
        note(f"SMOKE run: {plural(study.limit or 0, 'item')} a task, stored apart from results")
    if study.stop:
        note("cells stop when their verdict is known; stored apart from runs of all items")
    return plan, drawn


def _rehearsed(plan: Plan, *, tell: Progress) -> Plan:
    """The plan after a rehearsal of what it makes and runs.

    The bundled model is not rehearsed: every recipe is tested on it.
    """
    if plan.complete or plan.study.model.path == BUNDLED:
        return plan
    if plan.study.model.is_gguf:
        text = "not rehearsed: a GGUF file cannot be shrunk to a miniature"
        tell(events.Notice(kind="info", text=text))
        return plan
    if find_method(plan.base.config, folder=plan.base.folder) is not None:
        text = "not rehearsed: a quantized checkpoint cannot be shrunk to a miniature"
        tell(events.Notice(kind="info", text=text))
        return plan
    tell(events.Rehearsing())
    results = rehearse(plan, tell=lambda result: tell(events.Rehearsed(result=result)))
    refuse(results, model=plan.base.label)
    return mark_plan(plan, results)


def _lost(plan: Plan, store: Store) -> LostItems:
    counts = [(meta, here) for meta in plan.metas if (here := store.counts(meta)) is not None]
    kinds: Counter[str] = Counter()
    for _, here in counts:
        kinds.update(here.failed)
    return LostItems(
        n_items=sum(here.n_items for _, here in counts),
        failed=kinds,
        truncated=sum(here.truncated for _, here in counts),
        thoughts=sum((here.thoughts for _, here in counts), Thoughts()),
        empty_cells=tuple(
            f"{meta.variant}{' again (A/A)' if meta.replicate else ''} · {meta.task.name}: "
            f"none of its {plural(here.n_items, 'item')} has a score"
            for meta, here in counts
            if here.n_failed == here.n_items
        ),
    )
