"""Answers are events: recorded once, in revisions, the last one standing."""

from pathlib import Path

import pytest
from sqlalchemy import func, select

from annotate.campaigns import NOW, invite, make, pairs, plain, rater_id
from annotate.test_assignment import ask
from babelbits.annotate import events
from babelbits.annotate.assignment import Showing, choose_next_showing
from babelbits.annotate.events import RatingAnswer, RefusedError, StoredEvent
from babelbits.annotate.folder import Campaign
from babelbits.annotate.judgments import read_judgments
from babelbits.annotate.models import draft, event


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    return make(tmp_path / "c", pairs(["en"], 6), plain(screen=0))


@pytest.fixture
def shown(campaign: Campaign) -> Showing:
    found = ask(campaign, invite(campaign, ["en"])[0])
    assert isinstance(found, Showing)
    return found


def record(
    campaign: Campaign,
    shown: Showing,
    answer: RatingAnswer,
    revision: int,
    elapsed: float | None = 5.0,
    now: float = NOW,
) -> StoredEvent:
    with campaign.database.writing() as connection:
        return events.record_answer(
            connection, shown, answer, campaign.settings,
            revision=revision, elapsed_ms=elapsed, now=now,
        )  # fmt: skip


def n_answers(campaign: Campaign) -> int:
    with campaign.database.reading() as connection:
        return connection.scalar(select(func.count()).where(event.c.kind == "answer")) or 0


def test_the_same_request_again_is_recorded_once(campaign: Campaign, shown: Showing) -> None:
    answer = RatingAnswer(choice=-2, first_reasons=("fluency",), comment=" ok \n")
    assert record(campaign, shown, answer, 1).is_yours
    assert record(campaign, shown, answer, 1).is_yours
    assert n_answers(campaign) == 1


def test_another_answer_under_a_recorded_revision_gets_what_stands(
    campaign: Campaign, shown: Showing
) -> None:
    record(campaign, shown, RatingAnswer(choice=-2), 1)
    second = record(campaign, shown, RatingAnswer(choice=2), 1)
    assert not second.is_yours
    assert second.answer.choice == -2
    assert n_answers(campaign) == 1


def test_the_last_answer_stands_and_the_first_is_kept(campaign: Campaign, shown: Showing) -> None:
    record(campaign, shown, RatingAnswer(choice=-2), 1)
    record(campaign, shown, RatingAnswer(choice=1, unusable=True), 2)
    assert n_answers(campaign) == 2
    with campaign.database.reading() as connection:
        (judgment,) = read_judgments(connection)
    assert judgment.revisions == 2
    assert judgment.unusable
    assert judgment.preference == (1 if shown.a_first else -1)


@pytest.mark.parametrize(
    ("answer", "revision", "code"),
    [
        (RatingAnswer(choice=None), 1, "choose_first"),
        (RatingAnswer(choice=3), 1, "bad_request"),
        (RatingAnswer(choice=0, first_reasons=("pwned",)), 1, "bad_request"),
        (RatingAnswer(choice=0, comment="x" * 2001), 1, "comment_too_long"),
        (RatingAnswer(choice=0), 2, "stale"),
    ],
)
def test_what_is_no_answer_is_refused_and_nothing_is_recorded(
    campaign: Campaign, shown: Showing, answer: RatingAnswer, revision: int, code: str
) -> None:
    with pytest.raises(RefusedError) as caught:
        record(campaign, shown, answer, revision)
    assert caught.value.code == code
    assert n_answers(campaign) == 0


def test_both_unusable_needs_no_preference(campaign: Campaign, shown: Showing) -> None:
    record(campaign, shown, RatingAnswer(choice=None, unusable=True), 1)
    with campaign.database.reading() as connection:
        (judgment,) = read_judgments(connection)
    assert judgment.preference is None
    assert judgment.unusable


@pytest.mark.parametrize("elapsed", [None, -5.0, 1e18, float("inf"), float("nan")])
def test_a_clock_that_is_wrong_costs_no_vote(
    campaign: Campaign, shown: Showing, elapsed: float | None
) -> None:
    record(campaign, shown, RatingAnswer(choice=0), 1, elapsed=elapsed)
    with campaign.database.reading() as connection:
        assert connection.scalar(select(event.c.elapsed_ms)) is None
        (judgment,) = read_judgments(connection)
    assert judgment.duration is None


def test_one_draft_is_kept_until_there_is_an_answer(campaign: Campaign, shown: Showing) -> None:
    for comment in ("a", "ab"):
        with campaign.database.writing() as connection:
            events.save_draft(
                connection,
                shown,
                RatingAnswer(choice=None, comment=comment),
                campaign.settings,
                revision=1,
                now=NOW,
            )
    with campaign.database.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(draft)) == 1
        assert events.read_draft(connection, shown) == RatingAnswer(choice=None, comment="ab")
    record(campaign, shown, RatingAnswer(choice=0), 1)
    with campaign.database.reading() as connection:
        assert events.read_draft(connection, shown) is None


def test_a_draft_that_arrives_after_its_answer_covers_nothing(
    campaign: Campaign, shown: Showing
) -> None:
    record(campaign, shown, RatingAnswer(choice=2), 1)
    late = RatingAnswer(choice=-2, comment="sent before, came after")
    for revision, kept in ((1, None), (2, late)):
        with campaign.database.writing() as connection:
            events.save_draft(
                connection, shown, late, campaign.settings, revision=revision, now=NOW
            )
        with campaign.database.reading() as connection:
            assert events.read_draft(connection, shown) == kept
            assert events.find_current_answer(connection, shown.id)[1] == RatingAnswer(choice=2)


def test_a_clock_that_is_set_back_changes_no_order(campaign: Campaign, shown: Showing) -> None:
    record(campaign, shown, RatingAnswer(choice=2), 1, now=NOW)
    with campaign.database.writing() as connection:
        second = choose_next_showing(
            connection, shown.rater_id, campaign.settings, secret=campaign.secret, now=NOW - 7200
        )
    assert isinstance(second, Showing)
    record(campaign, second, RatingAnswer(choice=-1), 1, now=NOW - 7200)
    with campaign.database.reading() as connection:
        assert [one.unit_id for one in read_judgments(connection)] == [
            shown.unit_id,
            second.unit_id,
        ]
        assert events.find_showing_before(connection, shown.rater_id, None) == second.public_id
        assert events.find_showing_before(connection, shown.rater_id, second) == shown.public_id
        assert events.find_showing_before(connection, shown.rater_id, shown) is None


def test_activity_renews_the_lease(campaign: Campaign, shown: Showing) -> None:
    other, _ = invite(campaign, ["en"])
    with campaign.database.writing() as connection:
        events.record_event(
            connection, shown, "visible", campaign.settings, elapsed_ms=None, now=NOW + 14 * 60
        )
    seen = set()
    while isinstance(found := ask(campaign, other, now=NOW + 20 * 60), Showing):
        seen.add(found.unit_id)
        with campaign.database.writing() as connection:
            events.record_answer(
                connection, found, RatingAnswer(choice=0), campaign.settings,
                revision=1, elapsed_ms=1, now=NOW + 20 * 60,
            )  # fmt: skip
    assert shown.unit_id not in seen
    assert len(seen) == 5


def test_back_goes_one_by_one(campaign: Campaign, shown: Showing) -> None:
    from annotate.test_assignment import say

    name = "r01"
    seen = []
    for minute in range(3):
        found = ask(campaign, name)
        assert isinstance(found, Showing)
        say(campaign, found, now=NOW + 60 * minute)
        seen.append(found.public_id)
    me = rater_id(campaign, name)
    with campaign.database.reading() as connection:
        last = events.find_showing_before(connection, me, None)
        assert last == seen[2]
        from babelbits.annotate.assignment import find_showing

        before = events.find_showing_before(connection, me, find_showing(connection, me, seen[2]))
        assert before == seen[1]
        assert (
            events.find_showing_before(connection, me, find_showing(connection, me, seen[0]))
            is None
        )
