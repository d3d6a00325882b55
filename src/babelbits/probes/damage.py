"""Does the error inside predict the damage outside? The one question that is asked of every study.

Declared before any number is looked at: of the items that the baseline answers rightly, do those
that the variant answers wrongly have a larger relative error of the last layer's hidden state at
the last token of the prompt? Asked per variant and suite, of items of one language among each other
only, with intervals by source item. Where choices are whole texts without a prompt, the error is
the mean over an item's choices, each at its last token.

Null checks: the same with labels dealt anew, and of the A/A run, where the baseline meets itself.
An area of 0.5 is chance. A prediction is no cause.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from babelbits.probes.probe_files import Probe
from babelbits.records import CellMeta, Interval, ItemRow
from babelbits.stats.binary import z_value
from babelbits.stats.conditional_logit import OddsRatio, fit_odds_ratio
from babelbits.stats.discrimination import Discrimination, permuted_aucs, stratified_auc
from babelbits.store import Store
from babelbits.words import agreeing, plural

PERMUTATIONS = 1000
ALPHA = 0.05
"""Chance of calling any area better than chance where none is, over all that are asked."""
_ARITHMETIC = ("math", "mgsm", "gsm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """How well the error inside tells which items broke, of one variant on one suite."""

    variant: str
    suite: str
    kind: str
    """'arithmetic'; 'reading' where the model writes nothing; or 'writing'."""
    again: bool
    """The A/A run: a null check."""
    n_languages: int
    n_at_risk: int
    """Items that the baseline answers rightly."""
    n_broke: int
    auc: Discrimination
    shown: bool
    """Whether the area is above 0.5 with an error rate of `ALPHA` over all questions."""
    permuted: tuple[float, float] | None
    """The middle 95 % of areas with labels dealt anew."""
    odds: OddsRatio
    """Of one standard deviation of the error within a language."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionDifference:
    """Area on an arithmetic suite less that on a reading suite, of one variant."""

    variant: str
    arithmetic: str
    reading: str
    difference: float
    interval: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _AtRisk:
    """An item that the baseline answers rightly."""

    language: str
    unit: str
    distance: float
    broke: bool


def predict(probes: Sequence[Probe], store: Store, *, seed: int = 0) -> list[Prediction]:
    """Answer the declared question for every variant and suite whose items are right or wrong.

    Parameters
    ----------
    probes : sequence of Probe
        As `probe_files.read` gives them.
    store : Store
        Of the same run: its finished cells say which items broke.
    seed : int
        Of permutations and resamples.
    """
    groups: dict[tuple[str, str, bool], list[_AtRisk]] = {}
    kinds: dict[str, str] = {}
    for probe in probes:
        meta = probe.cells[0]
        if meta.task.metric(meta.task.primary).kind != "binary":
            continue
        key = (probe.record.variant, probe.record.suite, probe.record.again)
        groups.setdefault(key, []).extend(_at_risk(probe, store))
        kinds[meta.task.suite] = _kind(meta)
    n_asked = sum(not again for _, _, again in groups)
    return [
        _prediction(key, items, kind=kinds[key[1]], n_asked=n_asked, seed=seed + number)
        for number, (key, items) in enumerate(groups.items())
    ]


def _kind(meta: CellMeta) -> str:
    if meta.task.suite.startswith(_ARITHMETIC):
        return "arithmetic"
    return "writing" if meta.task.output_type == "generation" else "reading"


def _at_risk(probe: Probe, store: Store) -> Iterator[_AtRisk]:
    """Items of one language, where both cells are finished."""
    rows = []
    for meta in probe.cells:
        if store.status(meta).state != "done":
            return
        rows.append({row.item_id: row for row in store.rows(meta)})
    after, before = rows
    primary = probe.cells[0].task.primary
    for item_id, distance in measure_prompt_distances(probe).items():
        old, new = _score(before.get(item_id), primary), _score(after.get(item_id), primary)
        if old == 1 and new is not None and math.isfinite(distance):
            yield _AtRisk(
                language=probe.record.language,
                unit=before[item_id].unit,
                distance=distance,
                broke=new == 0,
            )


def _score(row: ItemRow | None, metric: str) -> float | None:
    return None if row is None else row.scores.get(metric)


def measure_prompt_distances(probe: Probe) -> Mapping[str, float]:
    """Relative error of the last layer at the last token of each item's prompt, by item id."""
    columns = ("item_id", "layer", "prompt_end", "relative_error")
    found: dict[str, list[float]] = {}
    for row in probe.tokens(columns, layer=probe.record.n_layers).to_pylist():
        if row["prompt_end"] and row["relative_error"] is not None:
            found.setdefault(row["item_id"], []).append(row["relative_error"])
    return {item_id: sum(values) / len(values) for item_id, values in found.items()}


def _prediction(
    key: tuple[str, str, bool], items: Sequence[_AtRisk], *, kind: str, n_asked: int, seed: int
) -> Prediction:
    rng = np.random.default_rng(seed)
    distance, broke = [one.distance for one in items], [one.broke for one in items]
    strata, clusters = [one.language for one in items], [one.unit for one in items]
    auc = stratified_auc(distance, broke, strata=strata, clusters=clusters)
    strict = stratified_auc(
        distance, broke, strata=strata, clusters=clusters, level=1 - ALPHA / max(1, n_asked)
    )
    dealt = permuted_aucs(distance, broke, strata=strata, draws=PERMUTATIONS, rng=rng)
    variant, suite, again = key
    return Prediction(
        variant=variant,
        suite=suite,
        kind=kind,
        again=again,
        n_languages=len(set(strata)),
        n_at_risk=len(items),
        n_broke=sum(broke),
        auc=auc,
        shown=strict.interval is not None and strict.interval.low > 0.5,
        permuted=None
        if not len(dealt)
        else (float(np.quantile(dealt, 0.025)), float(np.quantile(dealt, 0.975))),
        odds=fit_odds_ratio(
            _standardised(distance, strata), broke, strata=strata, clusters=clusters, rng=rng
        ),
    )


def _standardised(values: Sequence[float], strata: Sequence[str]) -> list[float]:
    """Within each stratum mean 0 and standard deviation 1; 0 where all are alike."""
    numbers, names = np.array(values, float), np.array(strata)
    for name in set(strata):
        rows = names == name
        spread = numbers[rows].std()
        numbers[rows] = (numbers[rows] - numbers[rows].mean()) / (spread if spread > 0 else 1)
    found: list[float] = numbers.tolist()
    return found


def compare_predictions(predictions: Sequence[Prediction]) -> list[PredictionDifference]:
    """Arithmetic against reading, of every variant that has both.

    The two suites have no item in common, so that their errors are independent.
    """
    return [
        _difference(one, other)
        for one in predictions
        for other in predictions
        if one.kind == "arithmetic"
        and other.kind == "reading"
        and one.variant == other.variant
        and not one.again
        and not other.again
        and one.auc.auc is not None
        and other.auc.auc is not None
    ]


def _difference(one: Prediction, other: Prediction) -> PredictionDifference:
    change = (one.auc.auc or 0.0) - (other.auc.auc or 0.0)
    interval = None
    if one.auc.standard_error is not None and other.auc.standard_error is not None:
        reach = z_value(0.95) * math.hypot(one.auc.standard_error, other.auc.standard_error)
        interval = Interval(
            low=change - reach, high=change + reach, level=0.95, method="normal, independent errors"
        )
    return PredictionDifference(
        variant=one.variant,
        arithmetic=one.suite,
        reading=other.suite,
        difference=change,
        interval=interval,
    )


# --- sentences ------------------------------------------------------------------------------------


def describe_prediction(one: Prediction) -> str:
    """What was asked and what came out, in one sentence or two."""
    if one.again:
        return _sentence_again(one)
    who = f"{one.variant} on {one.suite}"
    risk = (
        f"{one.n_broke:,} of {plural(one.n_at_risk, 'item')} that the baseline answers rightly "
        f"{agreeing(one.n_broke, 'breaks', 'break')}, in {plural(one.n_languages, 'language')}"
    )
    if one.auc.auc is None:
        return f"{who}: no area under the curve, because {one.auc.reason} ({risk})"
    told = (
        "tells which items break better than chance"
        if one.shown
        else "is not shown to tell which items break"
    )
    return (
        f"{who}: the error at the prompt's last token {told}: AUC {one.auc.auc:.2f}"
        f"{_bounds(one.auc.interval)}{_chance(one)} ({risk}{_odds(one)})"
    )


def _chance(one: Prediction) -> str:
    """Where there is no interval why, and what dealt labels give."""
    why = "" if one.auc.interval is not None else f", without an interval: {one.auc.reason}"
    if one.permuted is None:
        return why
    low, high = one.permuted
    return f"{why}; labels dealt anew give {low:.2f} to {high:.2f}"


def _sentence_again(one: Prediction) -> str:
    who = f"A/A run on {one.suite}"
    if one.n_broke == 0:
        return (
            f"{who}: none of {plural(one.n_at_risk, 'item')} breaks when the baseline is run "
            "again, so there is nothing to predict"
        )
    if one.auc.auc is None:
        return f"{who}: no area under the curve, because {one.auc.reason}"
    return f"{who}: AUC {one.auc.auc:.2f}{_bounds(one.auc.interval)}, where 0.5 is expected"


def _odds(one: Prediction) -> str:
    if one.odds.ratio is None:
        return f"; no odds ratio, because {one.odds.reason}"
    return (
        f"; one standard deviation more within a language goes with {one.odds.ratio:.2f}"
        f"{_bounds(one.odds.interval)} times the odds"
    )


def _bounds(found: Interval | None) -> str:
    return "" if found is None else f" [{found.low:.2f}, {found.high:.2f}]"


def describe_difference(one: PredictionDifference) -> str:
    """Arithmetic against reading, in one sentence."""
    found = one.interval
    if found is not None and found.low > 0:
        told = "predicts more of the damage in arithmetic"
    elif found is not None and found.high < 0:
        told = "predicts less of the damage in arithmetic"
    else:
        told = "is not shown to predict more or less in arithmetic"
    return (
        f"{one.variant}: the error {told} than in reading: AUC on {one.arithmetic} less that on "
        f"{one.reading} {one.difference:+.2f}{_bounds(found)}"
    )
