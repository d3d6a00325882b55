"""llama.cpp's published tables of perplexity and KL divergence: one number from the others."""

from pathlib import Path

import numpy as np

from babelbits.stats.perplexity import log_perplexity_change
from known_studies.rows import Row, table

BASE_PERPLEXITY = 6.23163
"""Of Llama 3 8B in f16; every row's perplexity less its difference."""


def scoreboard(data: Path) -> list[Row]:
    """The base perplexity in all rows of the Llama 3 8B scoreboard."""
    lines = table(data / "published_results" / "llamacpp_llama3_8b_quant_scoreboard.csv")
    return [
        Row(study="llama.cpp", quantity=f"L3-8b {r['quant']} {r['imatrix']}: base perplexity",
            published=BASE_PERPLEXITY, ours=float(r["ppl"]) - float(r["delta_ppl"]),
            tolerance=1.1e-5)
        for r in lines
    ]  # fmt: skip


def base_perplexities(data: Path) -> dict[str, float]:
    """Of the two models: q8_0's perplexity less its difference."""
    lines = kl_lines(data)
    return {
        model: float(lines["mean_ppl"][f"{model} q8_0"])
        - float(lines["mean_delta_ppl"][f"{model} q8_0"])
        for model in ("L2-7b", "L3-8b")
    }


def kl_lines(data: Path) -> dict[str, dict[str, str]]:
    """Metric to column to value of the Llama 2 and 3 table."""
    path = data / "published_results" / "llamacpp_llama2_vs_llama3_kld.csv"
    return {line["metric"]: line for line in table(path)}


def kl_table(data: Path) -> list[Row]:
    """Llama 2 and 3: the printed ratio from the base and the printed difference.

    Not from the printed perplexity: that of Llama 2 q2_K is a misprint.
    """
    lines, bases = kl_lines(data), base_perplexities(data)
    rows = []
    for name in (name for name in lines["mean_ppl"] if name != "metric"):
        base = bases[name.split()[0]]
        after = base + float(lines["mean_delta_ppl"][name])
        ratio = float(np.exp(-log_perplexity_change(base, after)))
        rows.append(
            Row(study="llama.cpp", quantity=f"{name}: mean PPL ratio",
                published=float(lines["mean_ppl_ratio"][name]), ours=ratio, tolerance=1.5e-6)
        )  # fmt: skip
    return rows + _same_runs(data / "published_results", lines)


def _same_runs(folder: Path, lines: dict[str, dict[str, str]]) -> list[Row]:
    """The Llama 3 columns are rows of the scoreboard: KL divergence and Δp stand in both."""
    board = {
        r["quant"]: r for r in table(folder / "llamacpp_llama3_8b_quant_scoreboard.csv")
        if r["imatrix"] == "None"
    }  # fmt: skip
    pairs = (("mean_kld", "kld"), ("rms_dp_pct", "rms_dp_pct"), ("mean_dp_pct", "mean_dp_pct"))
    return [
        Row(study="llama.cpp", quantity=f"L3-8b {quant}: {here} in both tables",
            published=float(lines[here][f"L3-8b {quant}"]), ours=float(board[quant][there]),
            tolerance=0.0)
        for quant in ("q2_K", "q4_K_M", "q6_K", "q8_0")
        for here, there in pairs
    ]  # fmt: skip


def llama2_70b(data: Path) -> list[Row]:
    """Llama 2 70B: the printed change in percent from the two perplexities."""
    lines = table(data / "published_results" / "llamacpp_llama2_70b_ppl.csv")
    (base,) = (float(r["ppl"]) for r in lines if r["quant"] == "fp16")
    return [
        Row(study="llama.cpp", quantity=f"L2-70b {r['quant']}: change, %",
            published=float(r["delta_to_fp16_pct"]),
            ours=100 * float(np.expm1(-log_perplexity_change(base, float(r["ppl"])))),
            tolerance=0.005)
        for r in lines
    ]  # fmt: skip


def all_rows(data: Path) -> list[Row]:
    return [*scoreboard(data), *kl_table(data), *llama2_70b(data)]
