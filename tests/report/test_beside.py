"""What the page says beside the verdicts, with numbers of known truth."""

from dataclasses import replace

import pytest

from babelbits.analysis.results import LanguageBeside, SuiteBeside, Variation
from babelbits.preferences.preference_summary import summarise_preferences
from babelbits.preferences.summary import SummarySettings
from babelbits.preferences.vote_store import RecordedVotes
from babelbits.preferences.votes import Vote
from babelbits.report.joint_estimates_section import describe_bound, make_section
from babelbits.results.results import Results
from babelbits.stats.raters import spread_of_raters

SUITE = SuiteBeside(
    variant="w4",
    suite="math",
    metric="acc",
    unit="fraction",
    bound=-0.0832,
    bound_level=0.95,
    bound_reason="",
    mean=-0.02,
    tau=0.01,
    languages=(
        LanguageBeside(
            language="en", delta=-0.06, hardest=1, mildest=2, pooled=-0.04, pooled_error=0.01
        ),
    ),
)


def test_the_bound_in_words() -> None:
    assert (
        describe_bound(SUITE) == "no language of math loses more than 8.3 points (95 % confidence)"
    )
    missing = replace(SUITE, bound=None, bound_reason="no result in de")
    assert describe_bound(missing) == (
        "how much the worst language of math may lose is not known: no result in de"
    )


def test_the_tables_of_a_study(small: Results) -> None:
    analysis = replace(
        small.analysis,
        beside=(SUITE,),
        variation=(Variation(source="other items", suite="math", unit="fraction", sd=0.012, n=1,
                             kind="variant"),),
    )  # fmt: skip
    found = make_section(replace(small, analysis=analysis))
    assert found is not None
    assert found.bounds == (("w4", "math", "8.3 points", "−2.0", "sd 1 point"),)
    assert found.ranks == (("w4", "math", "English", "−6.0", "1 to 2", "−4.0"),)
    assert found.variation[0] == ("math", "other items", "sd 1.2 points", "1 variant")


def test_a_study_of_several_languages_has_the_section(small: Results, page: str) -> None:
    found = make_section(small)
    assert found is not None
    assert '<section id="beside">' in page
    assert 'href="#beside"' in page
    assert "No verdict uses this section." in page
    variants = {one.variant for one in small.analysis.effects}
    assert {row[0] for row in found.bounds} == variants
    assert "other items" in {row[1] for row in found.variation}


def test_nothing_beside_gives_no_section(small: Results) -> None:
    empty = replace(small.analysis, beside=(), variant_ranks=(), variation=())
    assert make_section(replace(small, analysis=empty, voices=None)) is None


def test_how_far_raters_tastes_differ_is_a_kind_of_luck(small: Results) -> None:
    """Two raters of means 0.5 and -0.5: one-way analysis of variance by hand.

    Each votes 1, 1, 1, -1 or the opposite: within 1, between 4 * 0.5 / 1 = 2: sqrt((2 - 1) / 4).
    """
    values = {"kari": (1, 1, 1, -1), "ola": (-1, -1, -1, 1)}
    votes = tuple(
        Vote(
            pair_id=f"p{k}",
            source_id=f"p{k}",
            language="en",
            variant="w4",
            judge=name,
            kind="human",
            verdict="variant" if value > 0 else "baseline",
            value=float(value),
        )
        for name, ones in values.items()
        for k, value in enumerate(ones)
    )
    assert spread_of_raters([v.value for v in votes], [v.judge for v in votes]) == pytest.approx(
        0.5
    )
    book = RecordedVotes(name="panel", kind="human", simulated=False, votes=votes, identity={})
    found = make_section(
        replace(small, voices=summarise_preferences([book], SummarySettings(resamples=100)))
    )
    assert found is not None
    assert found.variation[-1] == (
        "panel, net preference", "other raters, one each", "sd 50 points", "2 raters"
    )  # fmt: skip
