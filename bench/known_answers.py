"""Published answers of statistical tests beside ours: what a statistician would check first.

    python bench/known_answers.py

Each line: source, what it is, the published value, ours. Tests hold the same numbers to the printed
precision; this program is for reading.
"""

from collections.abc import Iterator

import numpy as np
from scipy import stats

from babelbits.stats.agreement import cohen_kappa, krippendorff_alpha
from babelbits.stats.binary import (
    PairedTable,
    mcnemar_midp,
    score_statistic,
    tango,
    wilson,
)
from babelbits.stats.bradley_terry import bradley_terry
from babelbits.stats.cluster import cluster_scores, cluster_standard_error, cluster_t
from babelbits.stats.corpus import acceleration
from babelbits.stats.difference_in_differences import double_difference
from babelbits.stats.mean_tests import sign_flip
from babelbits.stats.multiplicity import benjamini_hochberg, holm

Line = tuple[str, str, str, str]

MAIZE = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], float)
SLEEP_1 = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
SLEEP_2 = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
LSAT = np.array([576, 635, 558, 578, 666, 580, 555, 661, 651, 605, 653, 575, 545, 572, 594], float)
GPA = np.array(
    [3.39, 3.30, 2.81, 3.03, 3.44, 3.07, 3.00, 3.43, 3.36, 3.13, 3.12, 2.74, 2.76, 2.88, 2.96]
)
_ = np.nan
RATINGS = np.array([
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
])  # fmt: skip
BH_1995 = (
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
    0.5719, 0.6528, 0.7590, 1.0,
)  # fmt: skip
CITATIONS = [
    ("Biometrika", "CommStat", 730, 33), ("Biometrika", "JASA", 498, 320),
    ("Biometrika", "JRSSB", 221, 284), ("CommStat", "JASA", 68, 813),
    ("CommStat", "JRSSB", 17, 276), ("JASA", "JRSSB", 142, 325),
]  # fmt: skip


def rng() -> np.random.Generator:
    """A fresh generator; no answer depends on it beyond the printed digits."""
    return np.random.default_rng(0)


def binary() -> Iterator[Line]:
    """Right/wrong items."""
    squares = [
        score_statistic(PairedTable(both_right=101, broke=b, fixed=f, both_wrong=33)) ** 2
        for b, f in ((121, 59), (70, 59), (80, 59))
    ]
    yield "KA-02", "McNemar chi², no continuity (R)", "21.35556 0.93798 3.17266", _row(squares, 5)
    table = PairedTable(both_right=1, broke=7, fixed=1, both_wrong=12)
    both = [2 * float(stats.norm.sf(abs(score_statistic(table)))), mcnemar_midp(table).p_value]
    yield "KA-03", "asymptotic, mid-p (Fagerland 2013)", "0.03389 0.0390625", _row(both, 7)
    found = tango(table)
    yield "KA-04", "Tango (Fagerland 2014)", "-0.51723 -0.02600", _row([found.low, found.high], 5)
    agresti = score_statistic(PairedTable(both_right=794, broke=150, fixed=86, both_wrong=570))
    yield "KA-05", "approval ratings z² (Agresti)", "17.3559", _row([agresti**2], 4)
    ends = [
        end
        for successes, n in ((81, 263), (15, 148), (0, 20), (1, 29))
        for end in (wilson(successes, n).low, wilson(successes, n).high)
    ]
    published = ".2553 .3662 .0624 .1605 0 .1611 .0061 .1718"
    yield "KA-06", "Wilson (Newcombe 1998a)", published, _row(ends, 4)


def means() -> Iterator[Line]:
    """Other scores, clusters, families."""
    yield (
        "KA-08",
        "Darwin's maize (Fisher 1935)",
        "0.052673",
        _row([sign_flip(MAIZE, rng=rng()).p_value], 6),
    )
    sleep = cluster_t(cluster_scores(SLEEP_1 - SLEEP_2, clusters=np.arange(10)))
    assert sleep is not None
    yield "KA-09", "sleep: t, p (R)", "-4.0621 0.0028329", _row([sleep.t, sleep.p_value], 7)
    yield (
        "KA-12", "4th smallest: BH, Holm (Benjamini & Hochberg 1995)", "0.035625 0.1140",
        _row([benjamini_hochberg(BH_1995)[3], holm(BH_1995)[3]], 6),
    )  # fmt: skip
    five = (0.01, 0.02, 0.03, 0.04, 0.05)
    yield "KA-13", "Holm by hand", ".05 .08 .09 .09 .09", _row(holm(five), 2)
    y, groups = [1, 1, 1, 0, 0, 0, 1, 0, 1, 1], [0, 0, 0, 1, 1, 1, 2, 2, 3, 3]
    scores = cluster_scores(y, clusters=groups)
    errors = [cluster_standard_error(scores, small_sample=small) or 0.0 for small in (False, True)]
    yield "KA-14", "cluster SE: Miller, G/(G-1)", "0.2315167 0.2673325", _row(errors, 7)
    spread = np.array([-1.0, 0.0, 1.0])
    card = double_difference(
        0.59 + spread, -2.16 + spread, target_sources=[0, 1, 2], reference_sources=[3, 4, 5]
    )
    yield "KA-24", "difference in differences (Card & Krueger)", "2.75", _row([card.estimate], 2)
    left_out = [np.corrcoef(LSAT[row], GPA[row])[0, 1] for row in ~np.eye(15, dtype=bool)]
    yield "KA-25", "law school: acceleration", "-0.075671", _row([acceleration(left_out)], 6)


def people() -> Iterator[Line]:
    """Agreement, preference."""
    alphas = [
        krippendorff_alpha(RATINGS, measurement=kind) or 0.0
        for kind in ("nominal", "ordinal", "interval", "ratio")
    ]
    published = "0.743421 0.815388 0.849107 0.797403"
    yield "KA-15", "alpha (Krippendorff 2011)", published, _row(alphas, 6)
    kappa = cohen_kappa([0] * 25 + [1] * 25, [0] * 20 + [1] * 5 + [0] * 10 + [1] * 15)
    yield "KA-16", "Cohen kappa", "0.4", _row([kappa or 0.0], 1)
    left = [a for a, _, won, lost in CITATIONS for _ in range(won + lost)]
    right = [b for _, b, won, lost in CITATIONS for _ in range(won + lost)]
    votes = [v for _, _, won, lost in CITATIONS for v in [1] * won + [-1] * lost]
    fitted = bradley_terry(left, right, votes, reference="Biometrika", rng=rng(), resamples=50)
    assert fitted is not None
    strengths = [one.log_strength for one in fitted.strengths]
    published = "0 -2.9491 -0.4796 0.2690"
    yield "KA-17", "Bradley-Terry, citations (Stigler 1994)", published, _row(strengths, 4)
    same = PairedTable(both_right=3, broke=0, fixed=0, both_wrong=2)
    yield (
        "KA-28",
        "nothing changed: p, difference",
        "1 0",
        _row([mcnemar_midp(same).p_value, same.delta], 0),
    )


def _row(values: list[float] | tuple[float, ...], digits: int) -> str:
    return " ".join(f"{value:.{digits}f}" for value in values)


def main() -> None:
    """Print all lines."""
    for part in (binary, means, people):
        for name, what, published, ours in part():
            print(f"{name}  {what:<50}  published {published}\n{'':59}ours {ours}")


if __name__ == "__main__":
    main()
