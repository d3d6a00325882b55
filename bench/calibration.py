"""How often tests cry wolf and intervals miss, under simulated truths.

    python bench/calibration.py [draws]
    python bench/calibration.py --claims [--shape 4x4x13] [--truth null] [--reports 400]

The first asks tests and intervals one by one, the second whole reports: how many hold a false
sentence (`claims.py`).

False alarms: data in which nothing differs (for equivalence: in which the difference is just the
margin), and how often p <= 0.05. Coverage: how often a 95 % interval holds the truth, among those
that are given; a null effect, few units, few changes, floors and ceilings are among the truths. The
tests in `tests/stats/test_calibration.py` run the same simulations with fixed seeds.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from babelbits.records import Interval
from babelbits.stats import binary, cluster, corpus, difference_in_differences, mean_tests, relative
from babelbits.stats.equivalence import inside_margin
from babelbits.stats.student import t_of_changed

Array = NDArray[np.float64]
Rng = np.random.Generator
LEVEL = 0.95
RESAMPLES = 399
PERCENTILE_LEVEL = 0.94
"""Percentile intervals of 150 segments hold the truth in 94.3 % of 8,000 draws: a bootstrap's are a
little narrow (Hesterberg 2015, section 4.2), and this one is asked to be no narrower than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One method under one truth."""

    method: str
    truth: str
    share: float
    """Of false alarms, or of intervals that hold the truth."""
    draws: int
    given: float
    """Share of the draws in which the method gave an answer."""
    nominal: float
    both_sides: bool = False
    """The share is near its nominal value, not only on the safe side of it."""

    @property
    def low(self) -> float:
        """Shares below this occur once in a thousand correct simulations."""
        return float(stats.binom.ppf(0.001, self.counted, self.nominal)) / self.counted

    @property
    def high(self) -> float:
        """The same above."""
        return float(stats.binom.ppf(0.999, self.counted, self.nominal)) / self.counted

    @property
    def counted(self) -> int:
        """Draws with an answer."""
        return max(1, round(self.draws * self.given))


# --- truths ----------------------------------------------------------------------------------


@cache
def table(broke: int, fixed: int, right: int, n: int) -> binary.PairedTable:
    """Counts as a table."""
    return binary.PairedTable(
        both_right=right, broke=broke, fixed=fixed, both_wrong=n - right - broke - fixed
    )


def tables(
    rng: Rng, n: int, broke: float, fixed: float, draws: int, *, right: float = 0.5
) -> Iterator[binary.PairedTable]:
    """Tables of n items of which these shares break and are fixed."""
    stays = right * (1 - broke - fixed)
    for b, f, r, _ in rng.multinomial(n, [broke, fixed, stays, 1 - broke - fixed - stays], draws):
        yield table(int(b), int(f), int(r), n)


def _sizes(name: str, rng: Rng, shape: tuple[int, int]) -> tuple[Array, float]:
    """Sizes of changes in [-1, 1] or nearly, and their mean."""
    if name == "symmetric":
        return rng.laplace(0, 0.1, shape), 0.0
    if name == "normal losses":
        return rng.normal(-0.05, 0.1, shape), -0.05
    if name == "skewed losses":
        return -rng.exponential(0.1, shape), -0.1
    signs = np.where(rng.random(shape) < 0.8, -1, 1)  # four of five are losses
    return rng.beta(0.7, 2, shape) * signs, -0.6 * 0.7 / 2.7


def changes(rng: Rng, n: int, churn: float, kind: str, draws: int) -> tuple[Array, float]:
    """Differences of shape (n, draws) of which a share `churn` is not zero, and their true mean."""
    sizes, mean = _sizes(kind, rng, (n, draws))
    return sizes * (rng.random((n, draws)) < churn), churn * mean


def parallel(
    rng: Rng, sources: int, languages: int, *, shared: float = 0.3
) -> tuple[Array, Array, Array]:
    """Differences of translated items without an effect, their sources and languages."""
    common = rng.normal(size=(sources, 1)) * np.sqrt(shared)
    values = common + rng.normal(size=(sources, languages)) * np.sqrt(1 - shared)
    labels = np.repeat(np.arange(sources), languages)
    return values.ravel(), labels, np.tile(np.arange(languages), sources)


def binary_runs(
    rng: Rng, sources: int, levels: Array, broke: float, fixed: float
) -> tuple[Array, Array]:
    """Right/wrong scores, shape (sources, languages): share right by language, shares that change.

    Shares are of the items that can break and that can be fixed.
    """
    before = rng.random((sources, levels.size)) < levels
    flips = rng.random(before.shape) < np.where(before, broke, fixed)
    return before.astype(float), (before ^ flips).astype(float)


def segments(rng: Rng, n: int, harm: float) -> tuple[Array, Array]:
    """Matches and words of two systems."""
    words = rng.integers(5, 40, (2, n))
    hard = rng.uniform(0.3, 0.8, n)
    first, second = rng.binomial(words[0], hard), rng.binomial(words[1], hard - harm)
    return np.column_stack([first, words[0]]) * 1.0, np.column_stack([second, words[1]]) * 1.0


def precision(sums: Array) -> Array:
    """A corpus score: matches over words."""
    return np.asarray(sums[:, 0] / sums[:, 1])


# --- false alarms ----------------------------------------------------------------------------


def _alarms(
    method: str, truth: str, p_values: list[float | None], *, both_sides: bool = False
) -> Cell:
    given = [p for p in p_values if p is not None]
    return Cell(
        method=method,
        truth=truth,
        share=float(np.mean([p <= 0.05 for p in given])) if given else 0.0,
        draws=len(p_values),
        given=len(given) / len(p_values),
        nominal=0.05,
        both_sides=both_sides,
    )


def false_alarms(draws: int, *, seed: int = 0) -> list[Cell]:
    """Every test under a truth in which it should be silent."""
    rng = np.random.default_rng(seed)
    return [
        *_alarms_of_tables(rng, draws),
        *_alarms_of_means(rng, draws),
        *_alarms_of_languages(rng, draws // 2),
        *_alarms_of_doubles(rng, draws // 2),
        *_alarms_of_corpora(rng, draws // 4),
    ]


def _alarms_of_tables(rng: Rng, draws: int) -> Iterator[Cell]:
    for n, churn in ((50, 0.04), (250, 0.10), (2000, 0.30)):
        drawn = list(tables(rng, n, churn / 2, churn / 2, draws))
        truth, large = f"{n} items, churn {churn:.0%}", n == 2000
        mid = [binary.mcnemar_midp(t).p_value for t in drawn]
        yield _alarms("mid-p McNemar", truth, mid, both_sides=large)
        edge = list(tables(rng, n, min(churn, 0.02 + churn / 2), max(0.0, churn / 2 - 0.02), draws))
        margin = -(max(0.0, churn / 2 - 0.02) - min(churn, 0.02 + churn / 2))
        shown = [_shown(_tango_90(t), margin) for t in edge]
        yield _alarms("Tango inside the margin", f"{truth}, loss = margin", shown, both_sides=large)


_tango_90 = cache(partial(binary.tango, level=0.90))


def _shown(interval: Interval | None, margin: float) -> float:
    """0 where the 1 - 2 alpha interval shows equivalence, as if it were a p-value; else 1."""
    return 0.0 if interval is not None and inside_margin(interval, margin) else 1.0


def _alarms_of_means(rng: Rng, draws: int) -> Iterator[Cell]:
    for n, churn in ((8, 1.0), (200, 0.05), (200, 1.0)):
        values, _ = changes(rng, n, churn, "symmetric", draws)
        truth, dense = f"{n} units, churn {churn:.0%}", churn == 1.0 and n > 8
        flips = mean_tests.sign_flip_columns(values, rng=rng, resamples=RESAMPLES)
        yield _alarms("sign-flip", truth, [one.p_value for one in flips], both_sides=dense)
        found = [t_of_changed(column) for column in values.T]
        yield _alarms(
            "t of changed", truth, [one and one.p_value for one in found], both_sides=dense
        )
        if churn == 1.0:
            ends = [mean_tests.t_interval(one, level=0.90, df=n - 1) for one in (values - 0.02).T]
            shown = [_shown(one, 0.02) for one in ends]
            yield _alarms("t inside the margin", f"{truth}, loss = margin", shown)


def _alarms_of_languages(rng: Rng, draws: int) -> Iterator[Cell]:
    p_values: dict[str, list[float | None]] = {"cluster sign-flip": [], "cluster t": []}
    ratios: list[float | None] = []
    levels = np.array([0.8, 0.6, 0.4])
    for _ in range(draws):
        values, sources, languages = parallel(rng, 60, 5)
        scores = cluster.cluster_scores(values, clusters=sources, strata=languages)
        flip = cluster.cluster_sign_flip(scores, rng=rng, resamples=RESAMPLES)
        p_values["cluster sign-flip"].append(flip.p_value)
        test = cluster.cluster_t(scores)
        p_values["cluster t"].append(test and test.p_value)
        before, after = binary_runs(rng, 150, levels, 0.06, 0.0)
        lucky = rng.random(before.shape) < 0.06 * levels / (1 - levels)
        found = relative.mean_of_ratios_scores(
            (np.where(before == 0, lucky, after) - before).ravel(),
            before.ravel(),
            clusters=np.repeat(np.arange(150), 3),
            strata=np.tile(np.arange(3), 150),
        )
        ratio = found and relative.mean_of_ratios(found)
        ratios.append(ratio and ratio.p_value)
    for name, found_p in p_values.items():
        yield _alarms(name, "60 sources x 5 languages, correlation 0.3", found_p, both_sides=True)
    yield _alarms("mean of ratios", "150 sources x 3 languages at 80, 60, 40 %", ratios)


def _alarms_of_doubles(rng: Rng, draws: int) -> Iterator[Cell]:
    """Both lose 2 points, at different churn: swapping the languages would not be fair."""
    for n, (ours, theirs) in ((100, (0.03, 0.10)), (400, (0.04, 0.20))):
        for name, step in (("paired", 0), ("Welch", n)):
            p_values = []
            for _ in range(draws):
                first = rng.choice([-1, 1, 0], n, p=[ours, ours - 0.02, 1 - 2 * ours + 0.02])
                second = rng.choice([-1, 1, 0], n, p=[theirs, theirs - 0.02, 1.02 - 2 * theirs])
                found = difference_in_differences.double_difference(
                    first,
                    second,
                    target_sources=np.arange(n),
                    reference_sources=np.arange(n) + step,
                )
                p_values.append(found.p_value)
            yield _alarms(f"double difference, {name}", f"{n} items, unequal churn", p_values)


def _alarms_of_corpora(rng: Rng, draws: int) -> Iterator[Cell]:
    for n in (10, 60):
        p_values: list[float | None] = []
        for _ in range(draws):
            first, second = segments(rng, n, 0.0)
            p_values.append(
                corpus.approximate_randomisation(
                    first, second, precision, rng=rng, resamples=RESAMPLES
                ).p_value
            )
        yield _alarms("approximate randomisation", f"{n} segments", p_values)


# --- coverage --------------------------------------------------------------------------------


def _covered(
    method: str,
    truth: str,
    value: float,
    intervals: list[Interval | None],
    *,
    nominal: float = LEVEL,
    both_sides: bool = False,
) -> Cell:
    given = [one for one in intervals if one is not None]
    held = [one.low - 1e-12 <= value <= one.high + 1e-12 for one in given]
    return Cell(
        method=method,
        truth=truth,
        share=float(np.mean(held)) if given else 1.0,
        draws=len(intervals),
        given=len(given) / len(intervals),
        nominal=nominal,
        both_sides=both_sides,
    )


def coverage(draws: int, *, seed: int = 1) -> list[Cell]:
    """Every interval under truths that are hard for it."""
    rng = np.random.default_rng(seed)
    return [
        *_coverage_of_tables(rng, draws),
        *_coverage_of_means(rng, draws),
        *_coverage_of_ratios(rng, draws // 2),
        *_coverage_of_doubles(rng, draws // 2),
        *_coverage_of_corpora(rng, draws // 4),
        *_coverage_of_languages(rng, draws // 2),
    ]


PAIRED_TRUTHS = (
    (50, 0.0, 0.0, 0.5),
    (50, 0.04, 0.01, 0.5),
    (50, 0.02, 0.02, 0.97),
    (250, 0.02, 0.02, 0.5),
    (250, 0.004, 0.004, 0.02),
    (250, 0.10, 0.05, 0.98),
    (1000, 0.05, 0.05, 0.5),
)


def _coverage_of_tables(rng: Rng, draws: int) -> Iterator[Cell]:
    tango = cache(binary.tango)
    for n, broke, fixed, right in PAIRED_TRUTHS:
        drawn = list(tables(rng, n, broke, fixed, draws, right=right))
        truth = f"{n} items, {broke:.1%} break, {fixed:.1%} fixed, {right:.0%} right"
        yield _covered("Tango", truth, fixed - broke, [tango(one) for one in drawn])
    shares = rng.random(draws)
    found = [binary.wilson(int(rng.binomial(60, p)), 60) for p in shares]
    held = [one.low <= p <= one.high for one, p in zip(found, shares, strict=True)]
    yield Cell(
        method="Wilson",
        truth="60 items, any share right",
        share=float(np.mean(held)),
        draws=draws,
        given=1.0,
        nominal=LEVEL,
        both_sides=True,
    )


MEAN_TRUTHS = (
    (4, 1.0, "normal losses"),
    (8, 1.0, "symmetric"),
    (12, 1.0, "mixed"),
    (15, 1.0, "skewed losses"),
    (50, 0.02, "mixed"),
    (50, 0.3, "symmetric"),
    (250, 0.02, "symmetric"),
    (250, 0.05, "symmetric"),
    (250, 0.05, "skewed losses"),
    (250, 0.1, "mixed"),
    (250, 1.0, "skewed losses"),
)


def _coverage_of_means(rng: Rng, draws: int) -> Iterator[Cell]:
    for n, churn, kind in MEAN_TRUTHS:
        values, mean = changes(rng, n, churn, kind, draws)
        values = np.clip(values, -1, 1)
        truth = f"{n} units, churn {churn:.0%}, {kind}"
        boots = mean_tests.bootstrap_t_columns(
            values, levels=(LEVEL,), rng=rng, resamples=RESAMPLES
        )
        for name, limit in (("mean, in [0, 1]", 1.0), ("mean, no range", None)):
            found = [
                mean_tests.mean_interval(column, boot, level=LEVEL, limit=limit)
                for column, (boot,) in zip(values.T, boots, strict=True)
            ]
            yield _covered(name, truth, mean, found)


def _coverage_of_ratios(rng: Rng, draws: int) -> Iterator[Cell]:
    for n, level, broke, fixed in (
        (100, 0.3, 0.05, 0.02),
        (250, 0.6, 0.05, 0.05),
        (250, 0.98, 0.02, 0),
    ):
        intervals: list[Interval | None] = []
        for _ in range(draws):
            before, after = (x[:, 0] for x in binary_runs(rng, n, np.array([level]), broke, fixed))
            paired = binary.paired_table(before, after)
            intervals.append(
                relative.ratio_of_means_interval(
                    paired.delta,
                    binary.tango(paired),
                    baseline=float(before.mean()),
                    baseline_interval=binary.wilson(float(before.sum()), n),
                    correlation=relative.delta_baseline_correlation(after - before, before),
                )
            )
        true = ((1 - level) * fixed - level * broke) / level
        truth = f"{n} items, {level:.0%} right, {broke:.0%} of these break, {fixed:.0%} fixed"
        yield _covered("ratio of means", truth, true, intervals)
    levels = np.array([0.8, 0.6, 0.4])
    intervals = []
    for _ in range(draws):
        before, after = binary_runs(rng, 150, levels, 0.08, 0.02)
        scores = relative.mean_of_ratios_scores(
            (after - before).ravel(),
            before.ravel(),
            clusters=np.repeat(np.arange(150), 3),
            strata=np.tile(np.arange(3), 150),
        )
        found = scores and relative.mean_of_ratios(scores)
        intervals.append(found and found.interval)
    true = float(np.mean(((1 - levels) * 0.02 - levels * 0.08) / levels))
    yield _covered("mean of ratios", "150 sources x 3 languages", true, intervals)


def _coverage_of_doubles(rng: Rng, draws: int) -> Iterator[Cell]:
    for n, ours, theirs in ((60, 0.05, 0.02), (250, 0.02, 0.0), (250, 0.10, 0.03)):
        for name, step in (("paired", 0), ("Welch", n)):
            intervals = []
            for _ in range(draws):
                first = rng.choice([-1, 1, 0], n, p=[ours, 0.01, 0.99 - ours])
                second = rng.choice([-1, 1, 0], n, p=[theirs, 0.01, 0.99 - theirs])
                found = difference_in_differences.double_difference(
                    first,
                    second,
                    target_sources=np.arange(n),
                    reference_sources=np.arange(n) + step,
                )
                intervals.append(found.interval)
            truth = f"{n} items, losses {ours:.0%} and {theirs:.0%}"
            yield _covered(f"double difference, {name}", truth, theirs - ours, intervals)


def _coverage_of_corpora(rng: Rng, draws: int) -> Iterator[Cell]:
    for harm in (0.0, 0.05):
        intervals = []
        for _ in range(draws):
            first, second = segments(rng, 150, harm)
            intervals.append(
                corpus.corpus_interval(first, second, precision, rng=rng, resamples=RESAMPLES)
            )
        truth = f"150 segments, loss {harm:.0%}"
        yield _covered("corpus score", truth, -harm, intervals, nominal=PERCENTILE_LEVEL)


def _coverage_of_languages(rng: Rng, draws: int) -> Iterator[Cell]:
    pooled: list[Interval | None] = []
    for _ in range(draws):
        values, sources, languages = parallel(rng, 40, 5)
        scores = cluster.cluster_scores(values, clusters=sources, strata=languages)
        pooled.append(cluster.cluster_t_interval(scores))
    yield _covered("cluster t", "40 sources x 5 languages", 0.0, pooled, both_sides=True)


# --- the table -------------------------------------------------------------------------------


def calibration_table(draws: int = 2000) -> str:
    """Both parts as text."""
    lines = [f"{'false alarms at 5 %':<28}{'truth':<54}{'share':>7}{'allowed':>16}"]
    lines += [_line(cell, upper=True) for cell in false_alarms(draws)]
    lines += ["", f"{'coverage of 95 % intervals':<28}{'truth':<54}{'share':>7}{'allowed':>16}"]
    lines += [_line(cell, upper=False) for cell in coverage(draws)]
    return "\n".join(lines)


def _line(cell: Cell, *, upper: bool) -> str:
    allowed = f"<= {cell.high:.3f}" if upper else f">= {cell.low:.3f}"
    if cell.both_sides:
        allowed = f"{cell.low:.3f}-{cell.high:.3f}"
    given = "" if cell.given == 1 else f"  given in {cell.given:.0%}"
    return f"{cell.method:<28}{cell.truth:<54}{cell.share:>7.3f}{allowed:>16}{given}"


def main(arguments: list[str]) -> None:
    """Print what is asked."""
    if "--claims" in arguments:
        from claims import main as ask_reports

        ask_reports([one for one in arguments if one != "--claims"])
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("draws", nargs="?", type=int, default=2000, help="studies a line")
    parser.add_argument(
        "--claims", action="store_true", help="whole reports instead: --claims --help says more"
    )
    print(calibration_table(parser.parse_args(arguments).draws))


if __name__ == "__main__":
    main(sys.argv[1:])
