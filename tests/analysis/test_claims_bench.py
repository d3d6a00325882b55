"""`bench/calibration.py --claims` counts false sentences: here the counting is held to known truth.

Truths are written out by hand; the slow test holds the product to its error rate by simulation.
"""

import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture
def claims(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCH))
    import claims as module

    return module


@pytest.fixture
def said(claims: ModuleType) -> ModuleType:
    return sys.modules["claims_said"]


@pytest.fixture
def studies(claims: ModuleType) -> ModuleType:
    return sys.modules["claims_studies"]


def lost(studies: ModuleType, deltas: list[list[float]]) -> object:
    """One suite; rows are variants, columns languages."""
    table = np.array(deltas)[:, None, :]
    of = studies.Shape(table.shape[0], 1, table.shape[2])
    return studies.Study(of=of, cells=(), deltas=table)


def test_each_kind_of_claim_is_true_or_false_as_its_truth_is(
    claims: ModuleType, said: ModuleType, studies: ModuleType
) -> None:
    """v00 loses a point in l00, the margin (2 points) in l01 and nothing in l02; v01 nothing."""
    study = lost(studies, [[-0.01, -0.02, 0.0], [0.0, 0.0, 0.0]])

    def true(variant: str, says: str, *places: str, less: str = "") -> bool:
        questions = tuple(
            said.Question(suite="suite0", languages=tuple(one.split()), less=tuple(less.split()))
            for one in places
        )
        claim = said.Claim(kind="any", variant=variant, questions=questions, says=says)
        return claims.is_true(claim, study)

    assert true("v00", "some loss", "l00", "l01", "l02")
    assert not true("v01", "some loss", "l00", "l01", "l02")
    assert true("v00", "every loss", "l00 l01 l02")  # the mean: one point
    assert not true("v00", "every loss", "l02")
    assert not true("v00", "every gain", "l02")
    assert true("v00", "every within", "l00")
    assert not true("v00", "every within", "l01")  # at the margin is not inside it
    assert true("v00", "every within", "l00 l01 l02")
    assert not true("v00", "every above -margin", "l00", "l01", "l02")
    assert true("v00", "some at -margin", "l00", "l01", "l02")
    assert not true("v00", "some at -margin", "l00 l01 l02")
    assert true("v00", "every loss", "l01", less="l00")
    assert not true("v00", "every gain", "l01", less="l00")
    assert not true("v01", "every loss", "l01", less="l00")


@pytest.mark.parametrize(
    ("words", "kind", "expected"),
    [
        ("Harm is confirmed for v00. No variant is shown.", "headline: harm", ["v00"]),
        ("Harm is confirmed for v00, v01 and v03. More.", "headline: harm", ["v00", "v01", "v03"]),
        ("Harm is confirmed for no variant; below is what.", "headline: harm", []),
        ("Harm is confirmed for 7 of 20 variants. More.", "headline: harm", None),
        ("Nothing was compared yet.", "headline: harm", []),
        (
            "3 comparisons are not confirmed (all that is shown against v02 and v05).",
            "headline: in its family",
            ["v02", "v05"],
        ),
        ("No variant is shown to be unharmed in everything.", "headline: unharmed", []),
        ("More. v01 is shown to be unharmed in everything.", "headline: unharmed", ["v01"]),
        ("Ship v03 (4.50 bits per weight); the cost is", "headline: ship", ["v03"]),
        ("No variant can be recommended: v00, the first", "headline: ship", []),
    ],
)
def test_the_first_screen_is_read_as_people_read_it(
    said: ModuleType, words: str, kind: str, expected: list[str] | None
) -> None:
    names = tuple(f"v{number:02}" for number in range(20))
    [pattern] = [pattern for name, pattern, _ in said.HEADLINES if name == kind]
    assert said.named(words, pattern, names) == expected


def test_a_headline_about_a_harmless_variant_counts_as_false(
    claims: ModuleType, said: ModuleType, studies: ModuleType
) -> None:
    """The data of a variant that loses 30 points, said to be of one that loses nothing."""
    of = studies.shape("1x1x3")
    study = studies.simulate(of, replace(studies.TRUTHS["margin"], loss=15), 0)
    assert study.deltas == pytest.approx(np.full((1, 1, 3), -0.3))
    heard = said.what_is_said(study, resamples=400)
    found = claims.counted(heard, study)
    assert found["made"]["headline: harm"] == 1
    assert not {"headline: harm", "row: worse"} & set(found["false"])
    assert (found["harmed"], found["harmed_named"]) == (1, 1)
    harmless = replace(study, deltas=np.zeros_like(study.deltas))
    found = claims.counted(heard, harmless)
    assert found["false"]["headline: harm"] == 1
    assert found["false"]["row: worse"] == found["made"]["row: worse"]
    assert found["false"]["gate fail: each language"] == 1
    assert found["harmed"] == 0


@pytest.mark.parametrize("name", ["null", "margin", "rare", "clustered", "unequal", "language"])
def test_simulated_items_have_the_truth_that_is_claimed(studies: ModuleType, name: str) -> None:
    """The mean of many studies' paired differences is the declared one, within 4.5 errors."""
    of, truth = studies.Shape(2, 4, 3), studies.TRUTHS[name]
    means: dict[tuple[str, str], list[float]] = {}
    for report in range(40):
        study = studies.simulate(of, truth, report)
        cells = {(one.meta.variant, one.meta.task.name): one for one in study.cells}
        for (variant, task), cell in cells.items():
            if variant == "baseline":
                continue
            metric = cell.meta.task.primary
            sign = 1 if cell.meta.task.metric(metric).higher_is_better else -1
            both = zip(cell.rows, cells["baseline", task].rows, strict=True)
            change = [sign * (one.scores[metric] - other.scores[metric]) for one, other in both]
            means.setdefault((variant, task), []).append(float(np.mean(change)))
    true = truth.deltas(of)
    for (variant, task), values in means.items():
        suite, code = task.split("_")
        place = of.variant_names.index(variant), of.suite_names.index(suite), of.codes.index(code)
        error = np.std(values, ddof=1) / math.sqrt(len(values))
        assert abs(np.mean(values) - true[place]) < 4.5 * error + 2e-4, (variant, task)


def test_reports_are_paired_over_truths(studies: ModuleType) -> None:
    """The baseline's items are the same; under a loss more of them break, and none is mended."""
    of = studies.Shape(1, 1, 2)
    null, margin = (studies.simulate(of, studies.TRUTHS[name], 3) for name in ("null", "margin"))
    for one, other in zip(null.cells, margin.cells, strict=True):
        before = np.array([row.scores["acc"] for row in one.rows])
        after = np.array([row.scores["acc"] for row in other.rows])
        if one.meta.variant == "baseline":
            assert (before == after).all()
        else:
            assert (after <= before).all()
            assert after.sum() < before.sum()


def test_a_killed_run_goes_on_where_it_stopped(claims: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "found.jsonl"
    asked = ["--shape", "1x1x5", "--truth", "null", "--results", str(path), "--resamples", "200"]
    claims.main([*asked, "--reports", "2"])
    whole = path.read_text()
    lines = whole.splitlines()
    assert [json.loads(line)["report"] for line in lines] == [0, 1]
    path.write_text(whole[:-40])  # killed while it wrote the second
    claims.main([*asked, "--reports", "3"])
    found = claims.read(path)["now", "1x1x5", "null"]
    assert sorted(found) == [0, 1, 2]
    again = json.loads(lines[1])
    assert {**found[1], "seconds": 0} == {**again, "seconds": 0}
    assert "| null | now | 3 |" in claims.table(path)
    assert "**1x1x5, null**: nothing differs (reports: now 3)" in claims.whole_table(path)


def test_shares_have_the_binomial_error(claims: ModuleType) -> None:
    """By hand: sqrt(.05 × .95 / 100) = .0218; of none in 400: sqrt(1/400 × 399/400 / 400)."""
    assert str(claims.Share(count=5, total=100)) == "5.0 ± 2.2"
    assert claims.Share(count=0, total=400).error == pytest.approx(0.0024969, abs=1e-6)
    reports = [
        {"made": {"row: worse": 2}, "false": {"row: worse": 1}, "harmed": 2, "harmed_named": 1,
         "within": 10, "within_said": 4},
        {"made": {"row: worse": 1}, "false": {}, "harmed": 1, "harmed_named": 1,
         "within": 5, "within_said": 2},
        {"made": {}, "false": {}, "harmed": 1, "harmed_named": 0, "within": 0, "within_said": 0},
    ]  # fmt: skip
    found = claims.false_shares(reports)
    assert (found["row: worse"].count, found["row: worse"].total) == (1, 3)
    assert found["anything"].count == 1
    assert claims.power(reports) == 0.5
    assert claims.equivalence_power(reports) == 0.4
    margin = [{"false": {"row: equivalent, language": 3}}, {"false": {}}]
    of = claims.shape("1x2x5")
    assert claims.false_equivalences(margin, of, "margin") == 3 / 20
    assert claims.false_equivalences(margin, of, "null") is None
    suite = [{"made": {"any": 3}, "false": {"any": 1}}, {"made": {}, "false": {}}]
    assert claims.harm_found(suite, of, "suite", "any") == 2 / 10


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "truth", "reports"), [("1x1x5", "null", 400), ("2x2x5", "variants", 200)]
)
def test_few_reports_confirm_a_harm_that_is_none(
    claims: ModuleType, said: ModuleType, studies: ModuleType, shape: str, truth: str, reports: int
) -> None:
    """At most 5 % hold a false headline or a false confirmed row, whoever else is harmed."""
    of = studies.shape(shape)
    false = 0
    for report in range(reports):
        study = studies.simulate(of, studies.TRUTHS[truth], report)
        found = claims.counted(said.what_is_said(study, resamples=1000), study)
        false += bool({"headline: harm", "row: confirmed"} & set(found["false"]))
    assert false / reports <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / reports)
