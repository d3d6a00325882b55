"""The comparison of matrices rests on what the study declares, the cap on one item's loss too."""

from dataclasses import replace

import numpy as np

from babelbits.report.paper_b import compared
from compare_cells import BITS, cell
from report import synthetic


def test_the_cap_is_the_studys() -> None:
    """Of 80 documents that differ by 0.001 at most, 3 * cap / 80 decides: 0.1 does, 2 does not."""
    english = np.random.default_rng(1).normal(2.0, 0.3, 80)
    other = english + np.random.default_rng(2).normal(0.0, 0.001, 80)
    report = replace(
        synthetic.make(),
        cells=(
            cell("q@en", "nb", list(english), metric=BITS),
            cell("q@ml", "nb", list(other), metric=BITS),
        ),
        manifests={label: synthetic.manifest(label, 4.0) for label in ("q@en", "q@ml")},
    )
    verdicts = {}
    for cap in (0.1, 2.0):
        study = replace(report.study, margins={"bits/byte": 0.01}, loss_caps={"bits/byte": cap})
        [one] = compared(replace(report, study=study))
        verdicts[cap] = one.effect.verdict
    assert verdicts == {0.1: "equivalent", 2.0: "undecided"}
