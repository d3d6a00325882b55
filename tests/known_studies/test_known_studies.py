"""Known studies analysed again with our statistics: each published number beside ours."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from babelbits.stats.agreement import cohen_kappa, plurality
from known_studies import judges, papers
from known_studies.rows import Row, records


def all_agree(rows: list[Row]) -> None:
    apart = [row for row in rows if not row.agrees]
    assert not apart, "\n".join(map(str, apart))


# --- Marchisio et al. (2024): human evaluation -------------------------------------------------


def test_win_margin_reproduces_marchisio_2024_human_figures() -> None:
    rows = papers.marchisio()
    assert len(rows) == 5
    all_agree(rows)


def test_marchisio_2024_figures_come_from_win_rates_rounded_to_a_tenth() -> None:
    """Exact fractions of 150 would print -16.7 and -4.7; no count of half wins gives -16.6."""
    exact = {round(100 * (half / 300 - 0.5) / 0.5, 1) for half in range(301)}
    rounded = {round((round(100 * half / 300, 1) - 50) / 0.5, 1) for half in range(301)}
    printed = set(papers.HUMAN_DROPS.values())
    assert not printed <= exact
    assert printed <= rounded


# --- Borgersen & Goodwin (2025) ----------------------------------------------------------------


def test_bonferroni_reproduces_borgersen_2025_level() -> None:
    all_agree(papers.borgersen())


# --- Marie & Fujita (2025) and its replication -------------------------------------------------

FOUR_BIT = ("AWQ 4", "NF4", "GGUF Q4_K_M", "AutoRound 4")
SMALL = ("Qwen3-1.7B", "Llama-3.1-8B-I", "Qwen3-8B")


def test_marie_fujita_2025_quoted_two_bit_drops_are_replicated() -> None:
    all_agree(papers.marie_fujita())


def test_marie_fujita_2025_damage_grows_as_the_baseline_falls() -> None:
    """Their "inverse-performance law", 4 bits, zu left out where it sits on COMET's floor.

    Rank correlation of baseline and drop over the replication's ja, fr, pl, bn, ml.
    """
    for model in SMALL:
        base = papers.comet(model, "baseline")[:5]
        drops = np.mean(
            [list(papers.comet_drop(model, method).values())[:5] for method in FOUR_BIT], axis=0
        )
        assert stats.spearmanr(base, drops).statistic >= 0.7, model


def test_marie_fujita_2025_four_bits_are_harmless_for_french_and_large_models() -> None:
    for model in SMALL[1:]:
        assert all(papers.comet_drop(model, method)["fr"] > -1 for method in FOUR_BIT)
    for method in ("AWQ 4", "NF4", "AutoRound 4"):
        drops = papers.comet_drop("Qwen3-32B", method)
        assert min(drops[code] for code in ("ja", "fr", "pl", "bn")) >= -1


def test_marie_fujita_2025_gguf_is_the_steadiest_at_four_bits() -> None:
    """Smallest mean drop over ja, fr, pl, bn, ml for every small model of the replication."""
    for model in SMALL:
        mean = {
            method: np.mean(list(papers.comet_drop(model, method).values())[:5])
            for method in FOUR_BIT
        }
        assert max(mean, key=lambda method: mean[method]) == "GGUF Q4_K_M", mean


def test_marie_fujita_2025_nf4_is_weaker_at_70b_and_two_bits_break_low_resource() -> None:
    awq = papers.comet_drop("Llama-3.3-70B-I", "AWQ 4")
    nf4 = papers.comet_drop("Llama-3.3-70B-I", "NF4")
    assert all(nf4[code] < awq[code] for code in papers.LANGUAGES)
    assert nf4["ml"] < -9
    two_bits = papers.comet_drop("Llama-3.1-8B-I", "GGUF Q2_K")
    assert two_bits["fr"] > -5 > -25 > two_bits["bn"] > two_bits["ml"]


def test_marie_fujita_2025_zulu_gains_at_two_bits_are_the_floor_of_the_metric() -> None:
    """A broken model "improves" Zulu: COMET has a floor near 25-31, and zu starts below it."""
    for method in ("GGUF Q2_K", "AutoRound 2"):
        drops = papers.comet_drop("Qwen3-1.7B", method)
        assert drops["zu"] > 2
        assert drops["bn"] < -20


def test_marie_fujita_2025_replication_is_near_the_paper_except_in_malayalam() -> None:
    """4 bits: within 4 points in ja, fr, pl, bn, zu; in ml the paper is lower by up to 12."""
    gaps = np.array([
        np.subtract(papers.comet(model, method), papers.comet(model, method, paper=True))
        for model in SMALL
        for method in FOUR_BIT
    ])  # fmt: skip
    assert np.abs(np.delete(gaps, 4, axis=1)).max() <= 3
    assert gaps[:, 4].min() > 2
    assert gaps[:, 4].max() < 13


# --- MT-Bench ----------------------------------------------------------------------------------


@pytest.mark.shared_data
def test_mt_bench_agreement_matches_the_published_table(shared_data: Path) -> None:
    rows = judges.mt_bench(shared_data)
    assert len(rows) == 13
    all_agree(rows)


@pytest.mark.shared_data
def test_mt_bench_joined_without_turning_pairs_gives_the_other_published_table(
    shared_data: Path,
) -> None:
    """A trap: kappa 0.410 of 1,232 units is published, too; it lost the swapped pairs."""
    published = json.loads((shared_data / "mt_bench/published_agreement_pspmani.json").read_text())
    votes: dict[tuple[int, int, str, str], list[int]] = {}
    for vote in records(shared_data / "mt_bench/human_votes.jsonl.xz"):
        unit = (vote["question_id"], vote["turn"], vote["model_a"], vote["model_b"])
        votes.setdefault(unit, []).append(judges.VERDICT[vote["winner"]])
    joined = [
        (votes[unit], judges.VERDICT[vote["winner"]])
        for vote in records(shared_data / "mt_bench/gpt4_pair_votes.jsonl.xz")
        if (unit := (vote["question_id"], vote["turn"], vote["model_a"], vote["model_b"])) in votes
    ]
    depth = max(len(people) for people, _ in joined)
    people = np.array([list(p) + [np.nan] * (depth - len(p)) for p, _ in joined], float).T
    majority, judged = plurality(people, otherwise=0), np.array([g for _, g in joined], float)
    assert len(joined) == published["n_joined_pairs"] == 1232
    assert np.mean(majority == judged) == pytest.approx(published["agreement_all"], abs=5e-5)
    assert cohen_kappa(majority, judged) == pytest.approx(published["kappa_all"], abs=5e-4)


# --- AlpacaEval, Arena-Hard --------------------------------------------------------------------


@pytest.mark.shared_data
def test_alpaca_eval_win_rates_and_errors_match_both_leaderboards(shared_data: Path) -> None:
    """57 models of version 2 and 52 of version 1; a draw is coded 0 in version 1.

    Version 1 agrees to the last bit. Version 2's preferences are kept to a few decimals, so its
    rates agree to 1e-4 points and its errors to 1e-6.
    """
    rows = judges.alpaca_eval(shared_data)
    for key in ("win_rate", "standard_error"):
        names = [row.quantity for row in rows if row.quantity.endswith(key)]
        assert [sum(name.startswith(v) for name in names) for v in ("v2", "v1")] == [57, 52]
    all_agree(rows)


@pytest.mark.shared_data
def test_arena_hard_intervals_match_in_all_121_rows(shared_data: Path) -> None:
    rows = judges.arena_hard(shared_data)
    assert len(rows) == 2 * 121
    all_agree(rows)
