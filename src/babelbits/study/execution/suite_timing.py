"""How long suites take on this machine: a small smoke run of a study, until a time is up.

Makes the variants, which the study needs anyway; what it computes is stored apart, as of every
smoke run, and is no result. Seconds an item are summed over languages, variants and baselines.
"""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

from babelbits.store import Store
from babelbits.study.config.spec import Study
from babelbits.study.execution.interrupt import Stop
from babelbits.study.execution.run_study import Progress, RunSummary, run_study
from babelbits.study.execution.worker_pool import suggest_workers
from babelbits.study.planning import estimate
from babelbits.study.planning.plan import Plan

TRIAL_ITEMS = 8
"""Items a task: a whole batch says more of a GPU, and takes more of the time."""


class Deadline(Stop):
    """Asks to stop when somebody else does, or when a time is up.

    Parameters
    ----------
    stop : Stop
        Whoever else asks.
    seconds : float
        From now on.
    clock : callable
        Seconds.
    """

    def __init__(
        self, stop: Stop, *, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._other, self._clock, self._end = stop, clock, clock() + seconds

    def is_requested(self) -> bool:
        """Whether to stop; may change at any moment."""
        return self._other.is_requested() or self._clock() > self._end


def time_suites(
    study: Study, *, progress: Progress, stop: Stop, workers: int | None = None
) -> tuple[RunSummary, Mapping[str, float]]:
    """Run a smoke study and give the seconds an item of each suite that was measured.

    Parameters
    ----------
    study : Study
        A smoke study.
    progress : callable
        As of `run_study`.
    stop : Stop
        Usually a `Deadline`.
    workers : int, optional
        Processes that run cells at the same time, now and later; None: what suits.

    Raises
    ------
    BabelbitsError
        As `run_study`.
    """
    done = run_study(study, progress=progress, stop=stop, workers=workers)
    timings = Store(study.folder, smoke=True).timings(estimate.name_machine())
    number = workers or suggest_workers(done.plan)
    return done, time_items(done.plan, timings, workers=number)


def time_items(
    plan: Plan, timings: Mapping[str, Sequence[float]], *, workers: int
) -> dict[str, float]:
    """Seconds that one item of each suite takes in all cells of a plan.

    A recipe that was not measured on a suite is taken for as slow as the slowest that was.

    Parameters
    ----------
    timings : mapping
        As of `Store.timings`: '<recipe>/<suite>' to seconds an item, one for each cell.
    workers : int
        Among which cells are shared.
    """
    means = {key: statistics.fmean(values) for key, values in timings.items() if values}
    found = {}
    for suite in dict.fromkeys(cell.suite for cell in plan.cells):
        cells = [cell for cell in plan.cells if cell.suite == suite]
        keys = [estimate.make_timing_key(cell.recipe, suite) for cell in cells]
        known = [means[key] for key in keys if key in means]
        if known:
            found[suite] = math.fsum(means.get(key, max(known)) for key in keys) / workers
    return found
