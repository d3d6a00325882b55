"""The paired numbers that one effect is about: one language's pairs, or several languages'.

`differences` are oriented: harm is negative whatever the metric's direction. `baseline` and
`variant` keep the metric's own unit and direction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from babelbits.analysis.columns import Columns, Pairs
from babelbits.analysis.corpora import linearise_ratio, linearised, make_corpus_score, mark_changed
from babelbits.analysis.early_stopping import order_units
from babelbits.analysis.floor import is_at_floor, is_chance_unknown, is_corpus_at_floor
from babelbits.analysis.settings import AnalysisSettings
from babelbits.records import Metric, MetricKind, StopPlan, TaskInfo
from babelbits.stats.cluster import ClusterScores, cluster_scores, cluster_standard_error
from babelbits.stats.paired_scores import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """One language's pairs on one metric."""

    info: TaskInfo
    metric: Metric
    kind: MetricKind
    """As found: a 'binary' metric with values between 0 and 1 is 'bounded'."""
    baseline: FloatArray
    variant: FloatArray
    sources: IntArray
    """Equal numbers share a source item, also across languages."""
    n_failed: int
    """Items without a score in either arm."""
    n_lost: int
    """Of these, items that failed under the variant alone."""
    n_truncated: int
    n_over_long: int
    """Items whose prompt exceeded the context, truncated or failed for it."""
    at_floor: bool
    stop: StopPlan | None = None
    """Fixed beforehand, if the cell could stop early; its items are then in the run's order."""
    n_planned: int | None = None
    """Items that such a cell had."""
    n_cut_baseline: int = 0
    n_cut_variant: int = 0
    """Generations that reached their token limit, in each arm."""
    statistics: tuple[FloatArray, FloatArray] | None = None
    """Corpus metrics: the sufficient statistics of both arms; the scores are then linearised."""
    sizes: FloatArray | None = None
    """Ratios of totals: how much each item counts, mean 1; None where all count the same."""
    chance_unknown: bool = False
    """The baseline's score could be a guess, and nobody says what guessing scores."""
    clusters: IntArray | None = None
    """Equal numbers share a passage, document or template, also across languages; -1: none. None:
    no item shares anything but its source."""

    @property
    def language(self) -> str:
        """Canonical code."""
        return self.info.language

    @cached_property
    def differences(self) -> FloatArray:
        """Oriented ``variant - baseline``; harm is negative."""
        sign = 1.0 if self.metric.higher_is_better else -1.0
        return np.asarray(sign * (self.variant - self.baseline))

    @cached_property
    def changes(self) -> FloatArray:
        """The differences, 0 where nothing about the item changed.

        A corpus metric's linearised values move a little for segments that did not.
        """
        if self.statistics is None:
            return self.differences
        return np.asarray(self.differences * mark_changed(*self.statistics))

    @property
    def item_differences(self) -> FloatArray:
        """The differences of single items, not linearised, of a ratio of totals; else the same."""
        if self.sizes is None or self.statistics is None:
            return self.differences
        before, after = (one[:, 0] / one[:, 1] for one in self.statistics)
        return np.asarray((after - before) * (1.0 if self.metric.higher_is_better else -1.0))

    @property
    def lost_share(self) -> float:
        """Share of the items that the variant alone failed to answer."""
        return self.n_lost / (self.baseline.size + self.n_lost)


def select_part(pairs: Pairs, metric: Metric, *, settings: AnalysisSettings) -> Part | None:
    """The pairs that have a score in both arms; None if there are none."""
    first, second, info = pairs.baseline, pairs.variant, pairs.variant.info
    before, after = first.scores[metric.name], second.scores[metric.name]
    scored_before, scored_after = _scored(first, metric), _scored(second, metric)
    kept = scored_before & scored_after
    if not kept.any():
        return None
    metric = _with_chance(metric, settings)
    statistics = sizes = None
    if metric.corpus == "ratio":
        statistics = first.statistics[metric.name][kept], second.statistics[metric.name][kept]
        before, after = before.copy(), after.copy()
        before[kept], sizes = linearise_ratio(statistics[0])
        after[kept], _ = linearise_ratio(statistics[1])
    elif metric.corpus is not None:
        statistics = first.statistics[metric.name][kept], second.statistics[metric.name][kept]
        before, after = before.copy(), after.copy()
        before[kept], after[kept] = (linearised(s, make_corpus_score(metric)) for s in statistics)
    kind = _kind_found(metric.kind, np.concatenate([before[kept], after[kept]]))
    sources, truncated = first.sources[kept], first.truncated | second.truncated
    if metric.corpus in (None, "ratio"):
        floor = _at_floor(pairs, metric, kept, kind=kind, settings=settings)
    else:
        floor = is_corpus_at_floor(before[kept], metric, settings=settings)
    return Part(
        info=info,
        metric=metric,
        kind=kind,
        baseline=before[kept],
        variant=after[kept],
        sources=sources,
        n_failed=int(np.sum(~kept)),
        n_lost=int(np.sum(scored_before & ~scored_after)),
        n_truncated=int(np.sum(truncated)),
        n_over_long=int(np.sum(truncated | first.refused | second.refused)),
        at_floor=floor,
        stop=pairs.stop,
        n_planned=pairs.n_planned,
        n_cut_baseline=int(np.sum(first.cut)),
        n_cut_variant=int(np.sum(second.cut)),
        statistics=statistics,
        clusters=_clusters_known(first, second)[kept],
        sizes=sizes,
        chance_unknown=is_chance_unknown(
            before[kept], metric, info=info, kind=kind, n_units=np.unique(sources).size,
            settings=settings,
        ),
    )  # fmt: skip


def _with_chance(metric: Metric, settings: AnalysisSettings) -> Metric:
    """The metric with the chance level that the user states, where its source states none."""
    if settings.chance is None or metric.chance is not None or metric.unit != "fraction":
        return metric
    return replace(metric, chance=settings.chance)


def _clusters_known(first: Columns, second: Columns) -> IntArray:
    """The clusters of the arm that knows them: cells from before they were written have none."""
    return first.clusters if (first.clusters >= 0).any() else second.clusters


def _scored(cell: Columns, metric: Metric) -> BoolArray:
    """Items with a score, and with statistics where the metric is made of them."""
    found = np.isfinite(cell.scores[metric.name])
    if metric.corpus is None:
        return found
    return np.asarray(found & np.isfinite(cell.statistics[metric.name]).all(axis=1))


def _at_floor(
    pairs: Pairs, metric: Metric, kept: BoolArray, *, kind: MetricKind, settings: AnalysisSettings
) -> bool:
    """By the baseline's paired items, or by all of them where the variant was asked fewer."""
    if pairs.whole_baseline is None:
        columns, known = pairs.baseline, kept
    else:
        columns = pairs.whole_baseline
        known = np.isfinite(columns.scores[metric.name])
    scores = columns.scores[metric.name][known]
    units = _connected(columns.sources[known], columns.clusters[known])
    return is_at_floor(
        scores,
        metric,
        info=pairs.variant.info,
        kind=kind,
        n_units=_effective_units(scores, units),
        settings=settings,
    )


def _effective_units(scores: FloatArray, units: IntArray) -> int:
    """How many independent scores of 0 and 1 would be known as well as these clustered ones.

    The binomial variance over the cluster-robust one (Kish 1965, section 8.2), between the number
    of clusters and that of items; the number of clusters where nothing varies.
    """
    mean = float(np.mean(scores))
    found = cluster_scores(scores, clusters=units)
    error = cluster_standard_error(found)
    if found.n_clusters == scores.size or not error or not 0 < mean < 1:
        return found.n_clusters
    return int(np.clip(mean * (1 - mean) / error**2, found.n_clusters, scores.size))


def _kind_found(kind: MetricKind, scores: FloatArray) -> MetricKind:
    """The narrowest kind, from the declared one on, that the scores fit."""
    if kind == "binary" and np.isin(scores, (0.0, 1.0)).all():
        return "binary"
    if kind != "real" and scores.min() >= 0 and scores.max() <= 1:
        return "bounded"
    return "real"


# --- one language or several -----------------------------------------------------------------

Scope = Literal["language", "group", "all"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """What one effect is about."""

    variant: str
    scope: Scope
    group: str | None
    parts: tuple[Part, ...]
    """At least one; one a language."""

    @property
    def info(self) -> TaskInfo:
        """The first task; suite, metrics and output type are the same for all."""
        return self.parts[0].info

    @property
    def metric(self) -> Metric:
        """What is compared."""
        return self.parts[0].metric

    @property
    def kind(self) -> MetricKind:
        """The widest kind among the parts."""
        return max((one.kind for one in self.parts), key=("binary", "bounded", "real").index)

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes, in the order of the cells."""
        return tuple(one.language for one in self.parts)

    @cached_property
    def clusters(self) -> IntArray:
        """Equal numbers are dependent items."""
        return number_clusters(self.parts)

    @cached_property
    def strata(self) -> IntArray:
        """The language of each item, as its place in `parts`."""
        sizes = [one.baseline.size for one in self.parts]
        return np.repeat(np.arange(len(sizes)), sizes)

    @cached_property
    def scores(self) -> ClusterScores:
        """The macro mean over languages, one value a cluster."""
        sized = any(one.sizes is not None for one in self.parts)
        return cluster_scores(
            np.concatenate([one.item_differences for one in self.parts]),
            clusters=self.clusters,
            strata=self.strata,
            sizes=np.concatenate([_sizes(one) for one in self.parts]) if sized else None,
        )

    @property
    def unit_variance(self) -> float:
        """Variance of one unit's difference; 0 with one unit."""
        units = self.scores.linearised
        return float(np.var(units, ddof=1)) if units.size > 1 else 0.0

    @property
    def n_items(self) -> int:
        """Pairs."""
        return sum(one.baseline.size for one in self.parts)

    @property
    def stops(self) -> bool:
        """Whether some cell could stop early: only a confidence sequence holds then."""
        return any(one.stop is not None for one in self.parts)

    @cached_property
    def units(self) -> FloatArray:
        """One oriented difference a unit, in the order of the run; for cells that could stop."""
        return _common(self.parts)[0]

    @property
    def unit_name(self) -> str:
        """What the units are, where they are not the items; else ''."""
        if self.scores.n_clusters == self.n_items:
            return ""
        shares = any(one.clusters is not None and (one.clusters >= 0).any() for one in self.parts)
        return "clusters" if shares else "source items"

    @property
    def is_corpus(self) -> bool:
        """One language's corpus metric: its own test swaps segments and scores sums."""
        [first, *others] = self.parts
        return not others and first.statistics is not None and first.sizes is None

    @property
    def is_paired_table(self) -> bool:
        """One language, right/wrong, every item its own source: McNemar's case."""
        return (
            len(self.parts) == 1
            and self.kind == "binary"
            and self.scores.n_clusters == self.n_items
        )


def _sizes(part: Part) -> FloatArray:
    return np.ones(part.baseline.size) if part.sizes is None else part.sizes


def number_clusters(parts: Sequence[Part]) -> IntArray:
    """Equal numbers are dependent items: of one source, or of one passage, document or template.

    A source item counts in all its languages if the task is parallel, else in its own. Dependence
    goes on from one to the next: two questions on one passage are one unit with all translations
    of both, whatever the passage is called in another language.
    """
    sources = np.concatenate(_sources(parts))
    if all(one.clusters is None or (one.clusters < 0).all() for one in parts):
        return sources
    shared = np.concatenate(
        [np.full(one.sources.size, -1) if one.clusters is None else one.clusters for one in parts]
    )
    return _connected(sources, shared)


def _sources(parts: Sequence[Part]) -> list[IntArray]:
    if all(one.info.parallel for one in parts):
        return [one.sources for one in parts]
    width = 1 + max(int(one.sources.max()) for one in parts)
    return [one.sources + width * k for k, one in enumerate(parts)]


def _connected(sources: IntArray, shared: IntArray) -> IntArray:
    """What hangs together by a source or a cluster has one number: that of its first source."""
    inside = shared >= 0
    if not inside.any():
        return sources
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    numbers, source = np.unique(sources, return_inverse=True)
    names, cluster = np.unique(shared, return_inverse=True)
    size = int(source.max()) + 1
    edges = np.ones(int(inside.sum())), (source[inside], size + cluster[inside])
    graph = coo_array(edges, shape=(size + names.size, size + names.size))
    component = connected_components(graph, directed=False)[1][:size]
    first = np.full(int(component.max()) + 1, numbers[-1])
    np.minimum.at(first, component, numbers)
    return np.asarray(first[component[source]], np.intp)


def number_units(parts: Sequence[Part]) -> list[IntArray]:
    """`number_clusters`, one array a part."""
    ends = np.cumsum([one.baseline.size for one in parts])[:-1]
    return np.split(number_clusters(parts), ends)


def pair_samples(
    variant: str, parts: Sequence[Part], *, groups: Mapping[str, tuple[str, ...]]
) -> list[Sample]:
    """Each language, each group with several of them, and all if there are several.

    `parts` are of one suite and one metric.
    """
    joined = [Sample(variant=variant, scope="language", group=None, parts=(one,)) for one in parts]
    for name, languages in groups.items():
        inside = tuple(one for one in parts if one.language in languages)
        if len(inside) > 1:  # of one language it is that language
            shared = _in_common(inside)
            joined.append(Sample(variant=variant, scope="group", group=name, parts=shared))
    if len(parts) > 1:
        shared = _in_common(parts)
        joined.append(Sample(variant=variant, scope="all", group=None, parts=shared))
    return [one for one in joined if one.n_items]


def _common(parts: Sequence[Part]) -> tuple[FloatArray, tuple[BoolArray, ...]]:
    return order_units(
        [one.differences for one in parts],
        number_units(parts),
        parallel=all(one.info.parallel for one in parts),
    )


def _in_common(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The items that all languages were asked, where some could stop early; else all items."""
    if all(one.stop is None for one in parts):
        return tuple(parts)
    _, kept = _common(parts)
    return tuple(
        replace(
            one,
            baseline=one.baseline[mask],
            variant=one.variant[mask],
            sources=one.sources[mask],
            clusters=None if one.clusters is None else one.clusters[mask],
        )
        for one, mask in zip(parts, kept, strict=True)
    )
