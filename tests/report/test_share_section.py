"""The section on shares of a corpus with 1, 2, 3 and 40 languages, and the user's own shares."""

from dataclasses import replace

import pytest
from scipy import stats

from babelbits.languages.corpus_shares import CORPORA
from babelbits.report.share_section import ALL, ShareSection, make_section
from babelbits.results.results import Results
from report.synthetic import make

KNOWN = tuple(CORPORA["commoncrawl-2026-04"].shares)
ONE = {"w4@en": 4.25}


def needed(report: Results) -> ShareSection:
    found = make_section(report)
    assert found is not None
    return found


def of(n: int, variants: dict[str, float] = ONE) -> ShareSection:
    report = make(languages=KNOWN[:n], variants=variants, suites=("math",), items=40)
    return needed(report)


def test_with_one_language_there_is_nothing_to_hold_against_a_share() -> None:
    found = of(1)
    assert found.pictures == ()
    assert found.sentences == (
        "in points: damage against share: no task was asked in several languages of known share",
    )
    assert found.rows[0][:4] == ("w4@en", "points", "0", "–")


@pytest.mark.parametrize("n", [2, 3])
def test_too_few_languages_are_said_to_be(n: int) -> None:
    found = of(n)
    [said] = found.sentences
    assert said == (
        f"in points: damage against share over {n} languages: no rank correlation: it takes 4 or "
        "more for an interval"
    )
    assert found.rows[0][4] == "no rank correlation: it takes 4 or more for an interval"
    assert len(found.pictures) == 1


def test_with_40_languages_the_correlation_is_scipys() -> None:
    """`scipy.stats.spearmanr` over the languages' changes less their mean."""
    report = make(languages=KNOWN[:40], variants=ONE, suites=("math",), items=40)
    found = needed(report)
    deltas = {
        effect.language: effect.delta
        for effect in report.analysis.effects
        if effect.scope == "language" and not effect.arms.at_floor
    }
    shares = CORPORA["commoncrawl-2026-04"].shares
    expected = stats.spearmanr([shares[code] for code in deltas], list(deltas.values())).statistic
    assert found.rows[0][2] == str(len(deltas))
    assert found.rows[0][3].replace("−", "-") == f"{expected:+.2f}"
    assert found.rows[0][5] == "script"
    assert any("the smallest correlation that" in line for line in found.sentences)


def test_every_variant_has_its_row_below_all_together() -> None:
    found = of(6, {"w8": 8.1, "w4@en": 4.25})
    assert [row[0] for row in found.rows] == [ALL, "w8", "w4@en"]


def test_the_users_own_shares_are_used_and_named() -> None:
    report = make(languages=KNOWN[:6], variants=ONE, suites=("math",), items=40)
    own = {code: 2.0**-n for n, code in enumerate(KNOWN[:5])}
    mine = replace(report, corpus="data/mix.csv", shares=own)
    found = needed(mine)
    assert (found.corpus, found.rows[0][2]) == ("mix.csv", "5")
    assert "the user's own table" in found.about
    gone = needed(replace(mine, shares={}))
    assert "no longer where the study says" in gone.about
    assert gone.pictures == ()
