"""Cells that may stop early: the same looks during a run and after it, and nothing but them."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelbits.analysis import AnalysisSettings, CellResult
from babelbits.analysis.analyse import analyse
from babelbits.analysis.early_stopping import LOOK_EVERY, Watch, look_last, order_units
from babelbits.records import StopPlan
from compare_cells import BITS, cell
from plain_statistics import net_difference_sequence

PLAN = StopPlan(alpha=0.025, family=2, margin=0.1)
SETTINGS = AnalysisSettings(
    margins={"fraction": 0.1}, groups={"both": ("de", "fr")}, reference="de"
)


def stopped(one: CellResult, n_items: int, plan: StopPlan = PLAN) -> CellResult:
    """The cell as a run that stopped after n items left it."""
    return replace(one, meta=replace(one.meta, stop=plan), rows=one.rows[:n_items])


@given(
    outcomes=st.lists(st.sampled_from([(1, 1), (0, 0), (1, 0), (0, 1)]), min_size=1, max_size=120),
    cuts=st.lists(st.integers(1, 30), min_size=1, max_size=20),
)
def test_what_is_known_does_not_depend_on_the_batches(
    outcomes: list[tuple[int, int]], cuts: list[int]
) -> None:
    baseline = cell("baseline", "de", [float(a) for a, _ in outcomes])
    variant = stopped(cell("w4", "de", [float(b) for _, b in outcomes]), len(outcomes))
    item_by_item, batched = (Watch(variant.meta, baseline.rows) for _ in range(2))
    known = []
    for row in variant.rows:
        item_by_item.see([row])
        known.append(item_by_item.known)
    rows = iter(variant.rows)
    for cut in itertools.cycle(cuts):
        batch = list(itertools.islice(rows, cut))
        if not batch:
            break
        batched.see(batch)
    assert batched.known == known[-1]
    assert known == sorted(known)  # what is known stays known


def test_a_cell_stops_where_the_sequence_of_its_counts_says_so() -> None:
    """Nothing changed: the first look whose interval, from the counts alone, is in the margin."""
    same = [1.0, 0.0] * 200
    watch = Watch(stopped(cell("w4", "de", same), 400).meta, cell("baseline", "de", same).rows)
    seen = 0
    for row in cell("w4", "de", same).rows:
        watch.see([row])
        seen += 1
        if watch.known:
            break
    looked = (seen - 1) // LOOK_EVERY * LOOK_EVERY  # the last unit may still get items
    before, at = (
        net_difference_sequence(0, 0, n, alpha=PLAN.alpha) for n in (looked - LOOK_EVERY, looked)
    )
    assert at[1] < 0.1 <= before[1]


def test_a_cell_that_may_not_stop_is_never_known() -> None:
    watch = Watch(None, ())
    watch.see(cell("w4", "de", [1.0] * 50).rows)
    assert not watch.active
    assert not watch.known


def test_equivalence_is_not_known_while_items_failed_under_the_variant_alone() -> None:
    same: list[float | None] = [1.0] * 300
    baseline = cell("baseline", "de", same)
    meta = stopped(cell("w4", "de", same), 300).meta
    whole, lossy = Watch(meta, baseline.rows), Watch(meta, baseline.rows)
    whole.see(cell("w4", "de", same).rows)
    lossy.see(cell("w4", "de", [None, *same[1:]]).rows)
    assert whole.known
    assert not lossy.known


def test_only_a_confidence_sequence_is_shown_for_a_cell_that_could_stop() -> None:
    before = [1.0] * 200 + [0.0] * 200
    cells = [
        cell("baseline", "de", before),
        cell("baseline", "fr", before),
        stopped(cell("w4", "de", before), 120),
        stopped(cell("w4", "fr", [0.0] * 60 + before[60:]), 80),
    ]
    found = analyse(cells, SETTINGS)
    by_place = {(e.language or e.group or "all"): e for e in found.effects}
    de, fr, pooled = by_place["de"], by_place["fr"], by_place["all"]
    assert {e.inference.interval.method for e in found.effects if e.inference.interval} == {
        "betting confidence sequence"
    }
    assert all(e.inference.interval == e.inference.equivalence_interval for e in found.effects)
    assert all(e.inference.minimal_detectable_effect is None for e in found.effects)
    assert (de.counts.n_items, de.counts.n_planned, de.decision.verdict) == (120, 400, "equivalent")
    assert (fr.counts.n_items, fr.counts.n_planned, fr.decision.verdict) == (80, 400, "worse")
    # The share of the error rate that was fixed beforehand, not Holm's step-down.
    assert de.inference.interval is not None
    assert de.inference.interval.level == pytest.approx(0.975)
    assert fr.inference.p_value is not None
    assert fr.inference.p_adjusted == pytest.approx(min(1, 2 * fr.inference.p_value))
    assert pooled.counts.n_items == 160  # the first 80 source items, in both languages
    assert pooled.delta == pytest.approx(-60 / 80 / 2)
    assert found.contrasts == ()
    assert found.references == ()
    assert all(
        e.relative.relative_interval is None and e.relative.mean_relative_p is None
        for e in found.effects
    )
    assert all(e.arms.baseline_interval is None for e in found.effects)
    assert [p.kind for p in found.problems if p.kind == "could_stop"] == ["could_stop"]


def test_a_metric_without_a_range_says_nothing_in_a_cell_that_could_stop() -> None:
    scores, bits = [1.0, 0.0] * 30, [1.0, 1.1] * 30
    extra = {BITS: bits}
    cells = [
        cell("baseline", "de", scores, extra=extra),
        stopped(cell("w4", "de", scores, extra=extra), 40),
    ]
    effect = next(e for e in analyse(cells, SETTINGS).effects if e.metric == BITS.name)
    assert (effect.inference.interval, effect.inference.p_value, effect.decision.verdict) == (
        None,
        None,
        "undecided",
    )
    assert "could stop early" in effect.decision.reason


def test_the_floor_is_judged_by_all_of_the_baseline_not_by_the_items_before_the_stop() -> None:
    before = [1.0, 0.0, 1.0] * 200  # far above chance (0.25) on 600 items, not on 4
    cells = [cell("baseline", "de", before), stopped(cell("w4", "de", before), 4)]
    effects = analyse(cells, SETTINGS).effects
    assert not any(effect.arms.at_floor for effect in effects)


def test_units_are_the_source_items_that_all_languages_have() -> None:
    """By hand: source 1 has two items in the first language; the second stopped after source 1."""
    differences = [np.array([-1.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0])]
    sources = [np.array([0, 1, 1, 2]), np.array([0, 1])]
    units, kept = order_units(differences, sources, parallel=True)
    assert units.tolist() == [-0.5, 0.75]  # (-1 + 0) / 2, (0.5 + 1) / 2
    assert [mask.tolist() for mask in kept] == [[True, True, True, False], [True, True]]
    units, kept = order_units(
        [np.array([-1.0, 0.0]), np.array([1.0])], [np.array([3, 4]), np.array([9])], parallel=False
    )
    assert units.tolist() == [0.0]
    assert [mask.tolist() for mask in kept] == [[True, False], [True]]


def _ends(values: np.ndarray, *, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Both ends of the sequence of values in {-1, 0, 1} at every look, narrowest so far."""
    ends = np.arange(LOOK_EVERY, len(values) + 1, LOOK_EVERY)
    broke, fixed = (np.cumsum(values == sign)[ends - 1] for sign in (-1, 1))
    low, high = net_difference_sequence(broke, fixed, ends, alpha=alpha)
    return np.maximum.accumulate(low), np.minimum.accumulate(high)


def _stopped_at(values: np.ndarray, *, alpha: float, margin: float) -> int:
    low, high = _ends(values, alpha=alpha)
    known = ((low > -margin) & (high < margin)) | (high < 0) | (low > 0)
    return LOOK_EVERY * (int(np.argmax(known)) + 1) if known.any() else len(values)


@pytest.mark.slow
@pytest.mark.parametrize("drift", [0.0, -0.3])
def test_the_pooled_sequence_covers_although_languages_stopped_at_their_own_time(
    drift: float,
) -> None:
    """Simulation: correlated languages, each stopped by its own verdict; the mean is covered."""
    rng = np.random.default_rng(3)
    rounds, languages, n_items, missed = 100, 3, 160, 0
    true = 0.19 * 2 * drift  # P(changed) = 1 - 0.9²; it is fixed with probability 0.5 + drift
    for _ in range(rounds):
        shared = rng.random(n_items) < 0.1
        changed = shared | (rng.random((languages, n_items)) < 0.1)
        signs = np.where(rng.random((languages, n_items)) < 0.5 + drift, 1.0, -1.0)
        stopped_rows = [
            row[: _stopped_at(row, alpha=0.05 / languages, margin=0.1)] for row in changed * signs
        ]
        sources = [np.arange(len(row)) for row in stopped_rows]
        units, _ = order_units(stopped_rows, sources, parallel=True)
        interval = look_last(units, alpha=0.05, margin=None).look.interval
        missed += not interval.low <= true <= interval.high
    assert missed <= rounds * 0.05 + 3 * np.sqrt(rounds * 0.05 * 0.95)
