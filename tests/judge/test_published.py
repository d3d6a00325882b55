"""Published votes and leaderboards through `Vote` records: the path that our own judges take.

MT-Bench: Zheng et al. (2023), votes and GPT-4 verdicts as published, agreement from a public
re-analysis. AlpacaEval: Dubois et al. (2024), both leaderboards. Arena-Hard's single judgments are
not public in a form that can be kept here; its intervals are tested beside the statistics.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from babelbits.preferences.agreement import judge_and_people
from babelbits.preferences.summary import SummarySettings, summarise
from babelbits.preferences.votes import JudgeKind, Verdict, Vote
from known_studies.rows import records, table

pytestmark = pytest.mark.shared_data

WORDS: dict[float, Verdict] = {1.0: "variant", 0.0: "tie", -1.0: "baseline"}


def mt_bench(path: Path, kind: JudgeKind) -> Iterator[Vote]:
    """Each unit's second model in the alphabet is the 'variant': pairs come in both orders."""
    for row in records(path):
        first, second = sorted((row["model_a"], row["model_b"]))
        sign = -1.0 if row["model_a"] == first else 1.0
        value = sign * {"model_a": 1, "model_b": -1}.get(row["winner"], 0)
        yield Vote(
            pair_id=f"{row['question_id']}/{row['turn']}/{first}/{second}",
            source_id=f"{row['question_id']}/{row['turn']}",
            language="en",
            variant=f"{second} v {first}",
            judge=row["judge"],
            kind=kind,
            verdict="inconsistent" if row["winner"] == "tie (inconsistent)" else WORDS[value],
            value=value,
        )


@pytest.fixture(scope="module")
def bench(shared_data: Path) -> tuple[list[Vote], list[Vote], dict[str, Any]]:
    folder = shared_data / "mt_bench"
    return (
        list(mt_bench(folder / "gpt4_pair_votes.jsonl.xz", "llm")),
        list(mt_bench(folder / "human_votes.jsonl.xz", "human")),
        json.loads((folder / "published_agreement_aliabbas.json").read_text()),
    )


def test_mt_bench_agreement_of_gpt4_with_people(
    bench: tuple[list[Vote], list[Vote], dict[str, Any]],
) -> None:
    gpt4, people, published = bench
    [found] = judge_and_people(gpt4, people)
    ties, decided = published["with_ties"], published["ties_excluded"]
    assert (found.n_pairs, found.n_decided) == (ties["n"], decided["n"]) == (1814, 1078)
    assert found.raw_agreement == pytest.approx(ties["raw_agreement"], abs=5.1e-5)
    assert found.kappa == pytest.approx(ties["cohen_kappa"], abs=5.1e-5)
    assert found.agreement_when_decided == pytest.approx(decided["raw_agreement"], abs=5.1e-5)
    assert found.kappa_when_decided == pytest.approx(decided["cohen_kappa"], abs=5.1e-5)
    assert found.human_alpha == pytest.approx(published["human_krippendorff_alpha"], abs=5.1e-5)


def test_mt_bench_share_of_verdicts_that_flip_with_the_order(
    bench: tuple[list[Vote], list[Vote], dict[str, Any]],
) -> None:
    gpt4, people, published = bench
    rated = {(vote.variant, vote.pair_id) for vote in people}
    shared = [vote for vote in gpt4 if (vote.variant, vote.pair_id) in rated]
    rows = summarise(shared, SummarySettings(resamples=99))
    flipped = sum(row.n_inconsistent for row in rows)
    judged = sum(row.n_judged for row in rows)
    assert judged == 1814
    assert flipped / judged == pytest.approx(published["position_inconsistency_rate"], abs=5.1e-5)


# --- AlpacaEval ----------------------------------------------------------------------------------

BOARDS = {
    "weighted_alpaca_eval_gpt4_turbo": ("leaderboard_v2_weighted_gpt4_turbo.csv", 57, 1e-4, 1e-6),
    "alpaca_eval_gpt4": ("leaderboard_v1_gpt4.csv", 52, 1e-9, 1e-9),
}


def alpaca(data: Path, annotator: str) -> dict[str, list[Vote]]:
    """Votes for each model over the baseline: 1 is a loss, 2 a win, 0 a draw."""
    found: dict[str, list[Vote]] = defaultdict(list)
    for line in table(data / "alpaca_eval" / "annotations_compact.tsv.xz"):
        if line["annotator"] != annotator:
            continue
        code = float(line["preference"]) if line["preference"] else None
        value = None if code is None else (0.0 if code == 0 else 2 * code - 3)
        found[line["model"]].append(
            Vote(
                pair_id=line["item"],
                source_id=line["item"],
                language="en",
                variant=line["model"],
                judge=annotator,
                kind="llm",
                verdict="unparsed" if value is None else WORDS.get(value, "inconsistent"),
                value=value,
            )
        )
    return found


@pytest.mark.parametrize("annotator", BOARDS)
def test_alpaca_eval_win_rates_and_errors(shared_data: Path, annotator: str) -> None:
    board, count, rate, error = BOARDS[annotator]
    published = {line[""]: line for line in table(shared_data / "alpaca_eval" / board)}
    seen = 0
    for model, votes in alpaca(shared_data, annotator).items():
        if model not in published:
            continue
        [row] = summarise(votes, SummarySettings(resamples=9))
        assert row.preference is not None
        assert row.preference.standard_error is not None
        line = published[model]
        assert 100 * row.preference.win_rate == pytest.approx(float(line["win_rate"]), abs=rate)
        assert 50 * row.preference.standard_error == pytest.approx(
            float(line["standard_error"]), abs=error
        )
        seen += 1
    assert seen == count
