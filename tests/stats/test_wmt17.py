"""KA-27: paired randomisation of BLEU on WMT 2017, against multeval as sacrebleu quotes it."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from babelbits.stats.corpus import approximate_randomisation

Table = NDArray[np.float64]
FILE = Path(__file__).parent / "data" / "wmt17_en_de_bleu.npz"

MULTEVAL = {
    "C-3MA.4959": 0.0001,
    "FBK.4870": 0.0218,
    "KIT.4950": 0.0410,
    "LMU-nmt-reranked.4934": 0.09029,
    "LMU-nmt-single.4893": 0.58494,
    "online-A.0": 0.0001,
    "online-B.0": 0.94111,
    "online-F.0": 0.0001,
    "online-G.0": 0.0001,
    "PROMT-Rule-based.4735": 0.0001,
    "RWTH-nmt-ensemble.4921": 0.0207,
    "SYSTRAN.4847": 0.59914,
    "TALP-UPC.4834": 0.0001,
    "uedin-nmt.4722": 0.0001,
    "xmu.4910": 0.71073,
}
"""p of BLEU against LIUM-NMT, 10,000 trials; sacrebleu's `test_significance.py`, tolerance 0.01."""


def bleu(sums: Table) -> Table:
    """BLEU of sums: length of the references, own length, matches of 1- to 4-grams, n-grams."""
    reference, length, matches, grams = sums[:, 0], sums[:, 1], sums[:, 2:6], sums[:, 6:10]
    precision = np.exp(np.log(matches / grams).mean(axis=1))
    return np.asarray(100 * precision * np.exp(np.minimum(0, 1 - reference / length)))


def statistics() -> dict[str, Table]:
    """One table of shape (3004, 10) a system."""
    with np.load(FILE) as held:
        reference = held["reference_length"].astype(float)[:, None]
        return {
            str(name).removeprefix("newstest2017.").removesuffix(".en-de"): np.hstack(
                [
                    reference,
                    length[:, None],
                    matches.astype(float),
                    np.maximum(length[:, None] - np.arange(4), 0),
                ]
            )
            for name, length, matches in zip(
                held["names"], held["length"].astype(float), held["matches"], strict=True
            )
        }


@pytest.mark.slow
def test_approximate_randomisation_gives_multevals_p_values() -> None:
    systems = statistics()
    baseline = systems.pop("LIUM-NMT.4900")
    assert bleu(baseline.sum(axis=0)[None])[0] == pytest.approx(21.60976793975032)  # sacrebleu
    found = {
        name: approximate_randomisation(
            baseline, variant, bleu, rng=np.random.default_rng(12345), resamples=10_000
        ).p_value
        for name, variant in systems.items()
    }
    assert found == pytest.approx(MULTEVAL, abs=0.01)
