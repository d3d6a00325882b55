"""Paper B's tests as reported, and beside them what a paired analysis of the same items says.

    python examples/paper_b.py RUN_FOLDER

For every k-quant, task and language asked: each importance matrix against the English one. The
paper's own tests are RECONSTRUCTIONS (an independent t-test by one account, a Monte Carlo binomial
by another; Bonferroni over 12 comparisons): they ignore that both models answered the same items.
Beside them: McNemar's mid-p, Tango's interval, and the smallest difference each could have seen.
The last table holds languages of the matrix against draws of text.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from babelbits.compare import CellResult
from babelbits.report.input import ReportInput
from babelbits.report.load import load_run
from babelbits.stats.reported import Beside, paired_beside_reported

Key = tuple[str, str, str, int]
"""Recipe, calibration language, task, number of the draw."""


def right(cell: CellResult) -> dict[str, float]:
    """Item id to 0 or 1 on the primary metric."""
    name = cell.meta.task.primary
    scores = {row.item_id: row.scores.get(name) for row in cell.rows}
    return {item: float(score) for item, score in scores.items() if score is not None}


def calibrated(report: ReportInput) -> dict[Key, dict[str, float]]:
    """Right/wrong answers of every calibrated variant."""
    draws: dict[tuple[str, str], list[str]] = {}
    for label, manifest in report.manifests.items():
        if manifest.calibration is not None:
            place = (manifest.recipe, manifest.calibration.language)
            draws.setdefault(place, []).append(label)
    found: dict[Key, dict[str, float]] = {}
    for cell in report.cells:
        for (recipe, language), labels in draws.items():
            info = cell.meta.task
            if cell.meta.variant in labels and info.metric(info.primary).kind == "binary":
                number = labels.index(cell.meta.variant) + 1
                found[recipe, language, info.name, number] = right(cell)
    return found


def comparisons(answers: dict[Key, dict[str, float]]) -> Iterator[tuple[Key, Beside]]:
    """Every matrix against the English one of the same draw number, on items that both answered."""
    for key, scores in answers.items():
        recipe, language, task, number = key
        english = answers.get((recipe, "en", task, number))
        if language == "en" or english is None or number > 1:
            continue
        items = sorted(scores.keys() & english.keys())
        yield (
            key,
            paired_beside_reported(
                np.array([english[item] for item in items]),
                np.array([scores[item] for item in items]),
                rng=np.random.default_rng(0),
            ),
        )


def points(value: float | None) -> str:
    """A fraction in points."""
    return "–" if value is None else f"{100 * value:+.1f}"


def main() -> None:
    """Print the tables."""
    report = load_run(Path(sys.argv[1]))
    print("Each matrix against the English one, first draw. AS REPORTED: reconstructions.\n")
    print(
        f"{'':8}{'matrix':8}{'task':14}{'n':>5}{'Δ':>7}   {'t-test':>7} {'binomial':>9} {'sees':>6}"
        f"   {'paired p':>9} {'interval':>15} {'sees':>6}"
    )
    for (recipe, language, task, _), found in comparisons(calibrated(report)):
        low, high = found.paired_interval.low, found.paired_interval.high
        print(
            f"{recipe:8}{language:8}{task:14}{found.n_items:5}{points(found.delta):>7}   "
            f"{found.t_test_p:7.3f} {found.monte_carlo_p:9.3f} "
            f"{points(found.unpaired_minimal_effect):>6}   {found.paired_p:9.3f} "
            f"{points(low) + ' to ' + points(high):>15} {points(found.paired_minimal_effect):>6}"
        )
    print("\nBonferroni over 12 comparisons: 0.05 / 12 = 0.00417. 'sees': smallest difference in")
    print("points that the test would show with 80 % power; '–': none, so few answers changed.")
    print("\nLanguage of the matrix against draws of text (all draws):\n")
    for one in report.analysis.calibrations:
        where = one.language or "all"
        p = "–" if one.p_value is None else f"{one.p_value:.3f}"
        sd = "–" if one.draw_sd is None else f"{one.draw_sd:.4f}"
        print(
            f"{one.recipe:8}{one.calibration:4}against {one.reference:4}{one.suite:8}{where:5}"
            f"{one.difference:+.4f} {one.unit:10} p {p}   draws vary by sd {sd}"
        )


if __name__ == "__main__":
    main()
