"""Published votes and leaderboards, recomputed from the votes themselves."""

import json
from collections import defaultdict
from itertools import chain
from pathlib import Path

import numpy as np

from babelbits.stats.agreement import cohen_kappa, krippendorff_alpha, plurality
from babelbits.stats.paired_scores import FloatArray
from babelbits.stats.preference import Preference, net_preference
from babelbits.stats.resampling import percentile_interval
from known_studies.rows import Row, records, table

# --- MT-Bench: do people agree with each other and with GPT-4? -------------------------------

Unit = tuple[int, int, str, str]
"""Question, turn, and the two models in alphabetical order."""
VERDICT = {"model_a": 1, "model_b": -1, "tie": 0, "tie (inconsistent)": 0}


def oriented(path: Path) -> dict[Unit, dict[str, list[int]]]:
    """Votes of each judge on each unit, +1 for the model that comes first in the alphabet.

    Pairs come in both orders; joining without turning them loses a third of the units.
    """
    found: dict[Unit, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for vote in records(path):
        first, second = sorted((vote["model_a"], vote["model_b"]))
        sign = 1 if vote["model_a"] == first else -1
        unit = (vote["question_id"], vote["turn"], first, second)
        found[unit][vote["judge"]].append(sign * VERDICT[vote["winner"]])
    return found


def human_ratings(units: dict[Unit, dict[str, list[int]]]) -> FloatArray:
    """A column a unit, a row a vote (a judge may have voted twice); NaN below the last vote."""
    columns = [list(chain.from_iterable(votes.values())) for votes in units.values()]
    depth = max(map(len, columns))
    return np.array([c + [np.nan] * (depth - len(c)) for c in columns], float).T


def mt_bench(data: Path) -> list[Row]:
    folder = data / "mt_bench"
    published = json.loads((folder / "published_agreement_aliabbas.json").read_text())
    humans, gpt4 = (
        oriented(folder / "human_votes.jsonl.xz"),
        oriented(folder / "gpt4_pair_votes.jsonl.xz"),
    )
    shared = {unit: votes for unit, votes in humans.items() if unit in gpt4}
    majority = plurality(human_ratings(shared), otherwise=0)
    judged = np.array([gpt4[unit]["gpt4_pair"][0] for unit in shared], float)
    turns = np.array([unit[1] for unit in shared])
    no_ties = (majority != 0) & (judged != 0)
    parts = {
        "with ties": (published["with_ties"], np.ones(turns.size, bool)),
        "ties out": (published["ties_excluded"], no_ties),
        "turn 1": (published["by_turn"]["1"], turns == 1),
        "turn 2": (published["by_turn"]["2"], turns == 2),
    }
    rows = []
    for name, (numbers, kept) in parts.items():
        rows += _agreement_rows(name, numbers, majority[kept], judged[kept])
    alpha = krippendorff_alpha(human_ratings(humans), measurement="nominal")
    assert alpha is not None
    return [
        *rows,
        Row(study="MT-Bench", quantity="Krippendorff's alpha of people, nominal",
            published=published["human_krippendorff_alpha"], ours=alpha, tolerance=5e-5),
    ]  # fmt: skip


def _agreement_rows(
    name: str, numbers: dict[str, float], first: FloatArray, second: FloatArray
) -> list[Row]:
    kappa = cohen_kappa(first, second)
    assert kappa is not None
    ours = {"n": first.size, "raw_agreement": np.mean(first == second), "cohen_kappa": kappa}
    return [
        Row(study="MT-Bench", quantity=f"people v GPT-4, {name}: {key}", published=numbers[key],
            ours=float(value), tolerance=0 if key == "n" else 5.1e-5)
        for key, value in ours.items()
    ]  # fmt: skip


# --- AlpacaEval: win rates and standard errors -----------------------------------------------

BOARDS = {
    "weighted_alpaca_eval_gpt4_turbo": ("v2", "leaderboard_v2_weighted_gpt4_turbo.csv"),
    "alpaca_eval_gpt4": ("v1", "leaderboard_v1_gpt4.csv"),
}
TOLERANCE = {
    ("v2", "win_rate"): 1e-4,
    ("v2", "standard_error"): 1e-6,
    ("v1", "win_rate"): 1e-9,
    ("v1", "standard_error"): 1e-9,
}
"""Points. Version 2's continuous preferences are kept to a few decimals only."""


def alpaca_preferences(data: Path, annotator: str) -> dict[str, Preference]:
    """Net preference for each model over the baseline: 1 is a loss, 2 a win, 0 a draw."""
    votes: dict[str, list[float]] = defaultdict(list)
    for line in table(data / "alpaca_eval" / "annotations_compact.tsv.xz"):
        if line["annotator"] == annotator and line["preference"]:
            code = float(line["preference"])
            votes[line["model"]].append(0.0 if code == 0 else 2 * code - 3)
    rng = np.random.default_rng(0)
    return {model: net_preference(values, rng=rng, resamples=99) for model, values in votes.items()}


def alpaca_eval(data: Path) -> list[Row]:
    rows = []
    for annotator, (version, board) in BOARDS.items():
        published = {line[""]: line for line in table(data / "alpaca_eval" / board)}
        for model, found in alpaca_preferences(data, annotator).items():
            if model not in published:
                continue
            assert found.standard_error is not None
            ours = {
                "win_rate": 100 * found.win_rate,
                "standard_error": 50 * found.standard_error,
            }
            rows += [
                Row(study="AlpacaEval", quantity=f"{version} {model}: {key}",
                    published=float(published[model][key]), ours=value,
                    tolerance=TOLERANCE[version, key])
                for key, value in ours.items()
            ]  # fmt: skip
    return rows


# --- Arena-Hard: percentile intervals --------------------------------------------------------


def arena_hard(data: Path) -> list[Row]:
    rows = []
    for path in sorted((data / "arena_hard").glob("bootstrap_stats_*.jsonl.xz")):
        for line in records(path):
            found = percentile_interval(line["results"])
            assert found is not None
            board = path.name.removeprefix("bootstrap_stats_").removesuffix(".jsonl.xz")
            rows += [
                Row(study="Arena-Hard", quantity=f"{board} {line['model']}: {end}",
                    published=line[end], ours=ours, tolerance=2e-9 * abs(ours))
                for end, ours in (("lower", found.low), ("upper", found.high))
            ]  # fmt: skip
    return rows


def all_rows(data: Path) -> list[Row]:
    return [*mt_bench(data), *alpaca_eval(data), *arena_hard(data)]
