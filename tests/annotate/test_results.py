"""Progress, export, unblinding, forgetting: what comes out of a campaign."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select

from annotate.campaigns import NOW, VARIANT, invite, make, pairs, plain
from annotate.test_assignment import ask, right_choice, say, work
from babelbits.annotate import events, models
from babelbits.annotate.assignment import Showing
from babelbits.annotate.auth import forget
from babelbits.annotate.events import RatingAnswer
from babelbits.annotate.export import COLUMNS, export
from babelbits.annotate.folder import Campaign, read_key
from babelbits.annotate.progress import measure_progress
from babelbits.annotate.unblinding import unblind
from babelbits.errors import StoreError
from babelbits.preferences.to_votes import IDENTICAL
from babelbits.preferences.votes import read_votes
from babelbits.stats.preference import net_preference


def standing(campaign: Campaign, now: float = NOW):
    return measure_progress(campaign, now=now, rng=np.random.default_rng(0))


def prefer_baseline(campaign: Campaign, name: str, *, strength: int = 2, most: int = 1000) -> int:
    """Rate every pair for the baseline, by the key that raters never see."""
    baseline = {e.unit: e.baseline for e in read_key(campaign.folder) if e.unit is not None}
    done = 0
    while done < most and isinstance(shown := ask(campaign, name), Showing):
        if shown.unit_id in baseline:
            first = (baseline[shown.unit_id] == "a") == shown.a_first
            say(campaign, shown, -strength if first else strength)
        else:
            say(campaign, shown, right_choice(campaign, shown))
        done += 1
    return done


def test_votes_say_what_raters_meant_whatever_the_order(tmp_path: Path) -> None:
    campaign = make(
        tmp_path / "c", pairs(["en"], 10, identical=3), plain(overlap=2, overlap_share=0.5)
    )
    for strength in (2, 1):
        prefer_baseline(campaign, invite(campaign, ["en"])[0], strength=strength)
    done = unblind(campaign, reason="all in", now=NOW + 1)
    assert (done.n_votes, done.n_identical, done.times) == (15, 3, 1)
    everything = read_votes(done.folder / "votes.jsonl")
    votes = [v for v in everything if IDENTICAL not in v.reasons]
    assert [v.value for v in everything if v not in votes] == [0.0] * 3  # identical pairs
    assert {(v.verdict, v.value, v.kind, v.variant) for v in votes} == {
        ("baseline", -1.0, "human", VARIANT)
    }
    assert {v.strength for v in votes} == {-1, -2}
    found = net_preference(
        [v.value for v in votes], prompts=[v.source_id for v in votes], rng=np.random.default_rng(0)
    )
    assert (found.net, found.n_prompts) == (-1.0, 10)
    identical = (done.folder / "identical.jsonl").read_text("utf-8").splitlines()
    assert {json.loads(line)["source_id"] for line in identical} == {
        "source-10", "source-11", "source-12"
    }  # fmt: skip


def test_reasons_and_flags_go_to_the_right_side(tmp_path: Path) -> None:
    campaign = make(tmp_path / "c", pairs(["en"], 4), plain())
    name, _ = invite(campaign, ["en"])
    baseline = {e.unit: e.baseline for e in read_key(campaign.folder)}
    while isinstance(shown := ask(campaign, name), Showing):
        baseline_first = (baseline[shown.unit_id] == "a") == shown.a_first
        good, bad = ("fluency",), ("truncated", "factual")
        answer = RatingAnswer(
            choice=0,
            unusable=True,
            first_reasons=good if baseline_first else bad,
            second_reasons=bad if baseline_first else good,
        )
        with campaign.database.writing() as connection:
            events.record_answer(
                connection, shown, answer, campaign.settings, revision=1, elapsed_ms=1, now=NOW
            )
    done = unblind(campaign, reason="all in", now=NOW)
    for vote in read_votes(done.folder / "votes.jsonl"):
        assert vote.reasons == ("baseline:fluency", "variant:factual", "variant:truncated")
        assert (vote.verdict, vote.value, vote.both_unusable) == ("tie", 0.0, True)


def test_unblinding_freezes_and_is_logged(tmp_path: Path) -> None:
    from babelbits.annotate.folder import find_frozen_at

    campaign = make(tmp_path / "c", pairs(["en"], 4), plain())
    unblind(campaign, reason="first", now=NOW + 5)
    again = unblind(campaign, reason="second", now=NOW + 9)
    assert again.times == 2
    with campaign.database.reading() as connection:
        assert find_frozen_at(connection) == NOW + 5
        acts = connection.execute(select(models.act).where(models.act.c.kind == "unblind")).all()
    assert [(act.at, act.detail) for act in acts] == [
        (NOW + 5, {"reason": "first"}),
        (NOW + 9, {"reason": "second"}),
    ]


def test_the_key_of_another_campaign_opens_nothing(tmp_path: Path) -> None:
    campaign = make(tmp_path / "c", pairs(["en"], 4), plain())
    other = make(tmp_path / "other", pairs(["en"], 5), plain())
    (campaign.folder / "key.json").write_bytes((other.folder / "key.json").read_bytes())
    with pytest.raises(StoreError, match="key belongs to another campaign"):
        unblind(campaign, reason="x", now=NOW)


def test_exports_are_tidy_and_blind(tmp_path: Path) -> None:
    campaign = make(tmp_path / "c", pairs(["en"], 6), plain(gold=2, check_every=2))
    name, _ = invite(campaign, ["en"])
    shown = ask(campaign, name)
    assert isinstance(shown, Showing)
    with campaign.database.writing() as connection:
        events.record_answer(
            connection, shown, RatingAnswer(choice=-2, comment='=HYPERLINK("x")\nzwei'),
            campaign.settings, revision=1, elapsed_ms=10, now=NOW,
        )  # fmt: skip
    work(campaign, name)
    written = export(campaign, tmp_path / "out")
    assert written.files == ("events.jsonl", "judgments.csv", "codebook.md")
    with (tmp_path / "out" / "judgments.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(COLUMNS)
    assert len(rows) == written.n_judgments >= 7
    assert rows[0]["comment"] == '\'=HYPERLINK("x")\nzwei'
    assert rows[0]["preference"] == ("-2" if rows[0]["first"] == "a" else "2")
    lines = (tmp_path / "out" / "events.jsonl").read_text("utf-8").split("\n")[:-1]
    recorded = [json.loads(line) for line in lines]
    assert recorded[0]["body"]["comment"] == '=HYPERLINK("x")\nzwei'
    assert all(f"`{name}`" in (tmp_path / "out" / "codebook.md").read_text() for name in COLUMNS)
    everything = b"".join(path.read_bytes() for path in (tmp_path / "out").iterdir())
    assert b"SENTINEL" not in everything
    assert b"source-" not in everything


def test_progress_counts_agreement_and_flags(tmp_path: Path) -> None:
    """Alpha by hand: 8 of 32 values are -2 and 24 are 2, and half of the 16 pairs disagree."""
    settings = plain(overlap=2, overlap_share=1.0, gold=6, check_every=2, repeats=True)
    campaign = make(tmp_path / "c", pairs(["en"], 16, identical=1), settings)
    careful, careless, idle = (invite(campaign, ["en"])[0] for _ in range(3))
    prefer_baseline(campaign, careful)
    while isinstance(shown := ask(campaign, careless), Showing):
        say(campaign, shown, -2)  # always the first
    found = standing(campaign)
    assert (found.done, found.wanted, found.identical) == (32, 32, 1)
    (english,) = found.languages
    assert english.agreement_units == 16
    assert english.raw == 0.5  # the first is the baseline's in every other unit
    assert english.alpha == pytest.approx(1 - 0.5 / (2 * 8 * 24 / (32 * 31)))
    one, two, three = found.raters
    assert (one.rater, two.rater, three.rater) == (careful, careless, idle)
    assert three.state == "invited"
    assert one.checks.value == 1.0
    assert not one.excluded
    assert two.first.value == 1.0
    assert two.repeats.count == 0
    assert two.repeats.total >= 1
    assert any("prefers the answer that comes first in 100%" in flag for flag in two.flags)
    assert one.with_others == 0.5


def test_raters_who_fail_checks_are_left_out_by_the_declared_rule_and_results_stand_twice(
    tmp_path: Path,
) -> None:
    settings = plain(overlap=2, overlap_share=1.0, gold=6, check_every=2)
    campaign = make(tmp_path / "c", pairs(["en"], 12), settings)
    good, bad = (invite(campaign, ["en"])[0] for _ in range(2))
    prefer_baseline(campaign, good)
    while isinstance(shown := ask(campaign, bad), Showing):
        say(campaign, shown, -right_choice(campaign, shown))
    assert [one.excluded for one in standing(campaign).raters] == [False, True]
    done = unblind(campaign, reason="x", now=NOW)
    assert (done.n_votes, done.n_after_rule, done.excluded) == (24, 12, (bad,))
    assert {v.judge for v in read_votes(done.folder / "votes_after_rule.jsonl")} == {good}


def test_leases_show_as_held(tmp_path: Path) -> None:
    campaign = make(tmp_path / "c", pairs(["en"], 3), plain(lease_minutes=15))
    ask(campaign, invite(campaign, ["en"])[0])
    assert standing(campaign).languages[0].held == 1
    assert standing(campaign, now=NOW + 3600).languages[0].held == 0


def test_forgetting_deletes_everything_and_frees_the_places(tmp_path: Path) -> None:
    campaign = make(tmp_path / "c", pairs(["en"], 5), plain())
    name, _ = invite(campaign, ["en"])
    shown = ask(campaign, name)
    assert isinstance(shown, Showing)
    with campaign.database.writing() as connection:
        events.record_answer(
            connection, shown, RatingAnswer(choice=1, comment="remember-me-not"), campaign.settings,
            revision=1, elapsed_ms=10, now=NOW,
        )  # fmt: skip
    work(campaign, name, most=2)
    with campaign.database.writing() as connection:
        assert forget(connection, name, now=NOW) == 3
    with campaign.database.reading() as connection:
        for table in (models.event, models.showing, models.draft, models.invite, models.session):
            assert connection.scalar(select(func.count()).select_from(table)) == 0
        free = select(func.count()).where(models.slot.c.showing_id.is_(None))
        assert connection.scalar(free) == 5
    assert standing(campaign).raters[0].state == "forgotten"
    other, _ = invite(campaign, ["en"])
    assert other == "r02"
    assert len(work(campaign, other)) == 5
    campaign.close()
    stored = (campaign.folder / "votes.sqlite").read_bytes()
    assert b"remember-me-not" not in stored
