"""Studies whose numbers are known without their data: recomputed from what they printed."""

from itertools import chain

import numpy as np

from babelbits.report.paper_b import bonferroni_alpha
from babelbits.stats.paired_scores import paired_differences
from babelbits.stats.preference import net_preference
from known_studies.rows import HERE, Row, table

# --- Marchisio et al. (2024), arXiv 2407.03211 -----------------------------------------------

HUMAN_DROPS = {"ja": -16.0, "fr": -16.6, "es": -4.6, "ko": -4.6}
"""Human evaluation, 103B W4-g, internal prompts, 150 pairs a language."""
VOTES = {"ja": (51, 24, 75), "fr": (50, 25, 75), "es": (60, 23, 67), "ko": (60, 23, 67)}
"""Wins, ties, losses of 150 that give the win rates 42.0, 41.7 and 47.7 % with ties half. Only the
half-sums are inferred from the paper; how many of them are ties is an example."""


def marchisio() -> list[Row]:
    drops = {}
    for language, (wins, ties, losses) in VOTES.items():
        votes = [1] * wins + [0] * ties + [-1] * losses
        found = net_preference(votes, rng=np.random.default_rng(0))
        drops[language] = 100 * (2 * round(found.win_rate, 3) - 1)
    rows = [
        Row(study="Marchisio 2024", quantity=f"human drop, {language}, %",
            published=HUMAN_DROPS[language], ours=drop, tolerance=0.001)
        for language, drop in drops.items()
    ]  # fmt: skip
    mean = float(np.mean(list(drops.values())))
    return [
        *rows,
        Row(study="Marchisio 2024", quantity="human drop, mean of four, %", published=-10.5,
            ours=mean, tolerance=0.05),
    ]  # fmt: skip


# --- Borgersen & Goodwin (2025), arXiv 2503.03592 --------------------------------------------


def borgersen() -> list[Row]:
    return [
        Row(study="Borgersen 2025", quantity="alpha after Bonferroni", published=0.00417,
            ours=bonferroni_alpha(), tolerance=5e-6)
    ]  # fmt: skip


# --- Marie & Fujita (2025), arXiv 2508.20893 -------------------------------------------------

LANGUAGES = ("ja", "fr", "pl", "bn", "ml", "zu")


def comet(model: str, method: str, *, paper: bool = False) -> list[float]:
    """COMET x 100 into the six languages, of the replication or as the paper has it."""
    (line,) = (
        r for r in table(HERE / "marie_fujita_comet.tsv")
        if (r["model"], r["method"]) == (model, method)
    )  # fmt: skip
    return [float(line[f"paper_{code}" if paper else code]) for code in LANGUAGES]


def comet_drop(model: str, method: str) -> dict[str, float]:
    """Method less baseline a language, COMET points, harm negative (replication)."""
    drops = paired_differences(comet(model, "baseline"), comet(model, method))
    return dict(zip(LANGUAGES, drops.tolist(), strict=True))


def marie_fujita() -> list[Row]:
    """The paper quotes "about" -2 and -17; the replication is held to two points of that."""
    drop = comet_drop("Qwen3-8B", "GGUF Q2_K")
    quoted = {"ja, fr": (-2.0, ("ja", "fr")), "bn, ml": (-17.0, ("bn", "ml"))}
    return [
        Row(study="Marie & Fujita 2025", quantity=f"Qwen3-8B Q2_K drop, mean of {names}, COMET",
            published=value, ours=float(np.mean([drop[code] for code in codes])), tolerance=2.0)
        for names, (value, codes) in quoted.items()
    ]  # fmt: skip


def all_rows() -> list[Row]:
    return list(chain(marchisio(), borgersen(), marie_fujita()))
