"""Backups taken while people rate, and campaigns restored from them."""

import stat
from pathlib import Path

import pytest
from sqlalchemy import func, select

from annotate import postgres
from annotate.campaigns import NOW, invite, make, pairs, plain, rater_id
from babelbits.annotate import events
from babelbits.annotate.assignment import Showing, choose_next_showing
from babelbits.annotate.backup import restore, write_backup
from babelbits.annotate.events import RatingAnswer
from babelbits.annotate.folder import Campaign, find_frozen_at, open_campaign
from babelbits.annotate.judgments import read_judgments
from babelbits.annotate.models import act, event, showing, slot, unit
from babelbits.annotate.unblinding import unblind
from babelbits.errors import StoreError


@pytest.fixture(params=["sqlite", "postgresql"])
def campaign(request: pytest.FixtureRequest, tmp_path: Path) -> Campaign:
    url = None
    if request.param == "postgresql":
        url = postgres.new_database(request.getfixturevalue("postgres_url"), "backup")
    made = make(tmp_path / "campaign", pairs(["en"], 8), plain(), database_url=url)
    invite(made, ["en"])
    request.addfinalizer(made.close)
    return made


def rate(campaign: Campaign, times: int) -> None:
    who = rater_id(campaign, "r01")
    for _ in range(times):
        with campaign.database.writing() as connection:
            shown = choose_next_showing(
                connection, who, campaign.settings, secret=campaign.secret, now=NOW
            )
            assert isinstance(shown, Showing)
            events.record_answer(
                connection,
                shown,
                RatingAnswer(choice=1),
                campaign.settings,
                revision=1,
                elapsed_ms=1.0,
                now=NOW,
            )


def contents(campaign: Campaign) -> dict[str, list[str]]:
    with campaign.database.reading() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(select(table))))
            for table in (unit, slot, showing, event, act)
        }


def test_a_restored_campaign_is_the_one_that_was_backed_up(
    campaign: Campaign, tmp_path: Path
) -> None:
    rate(campaign, 3)
    before = contents(campaign)
    assert write_backup(campaign, tmp_path / "votes.backup") == 3
    rate(campaign, 2)
    assert restore(campaign.folder, tmp_path / "votes.backup", overwrite=True) == 3
    assert contents(campaign) == before
    rate(campaign, 5)  # numbers go on where they were
    with campaign.database.reading() as connection:
        assert len(read_judgments(connection)) == 8


def test_a_backup_is_one_private_file(campaign: Campaign, tmp_path: Path) -> None:
    rate(campaign, 1)
    (tmp_path / "there").mkdir()
    write_backup(campaign, tmp_path / "there" / "votes.backup")
    (found,) = (tmp_path / "there").iterdir()
    assert stat.S_IMODE(found.stat().st_mode) == 0o600
    with pytest.raises(StoreError, match="there is a file already"):
        write_backup(campaign, found)


def test_a_lost_database_comes_back(tmp_path: Path) -> None:
    made = make(tmp_path / "campaign", pairs(["en"], 8), plain())
    invite(made, ["en"])
    rate(made, 4)
    write_backup(made, tmp_path / "votes.backup")
    made.close()
    for file in made.folder.glob("votes.sqlite*"):
        file.unlink()
    with pytest.raises(StoreError, match="annotate restore"):
        open_campaign(made.folder)
    assert restore(made.folder, tmp_path / "votes.backup", overwrite=False) == 4
    assert stat.S_IMODE((made.folder / "votes.sqlite").stat().st_mode) == 0o600
    again = open_campaign(made.folder)
    rate(again, 4)
    with again.database.reading() as connection:
        assert connection.scalar(select(func.count()).where(event.c.kind == "answer")) == 8
    again.close()


def test_what_would_be_lost_or_is_another_campaigns_is_refused(tmp_path: Path) -> None:
    one = make(tmp_path / "one", pairs(["en"], 8), plain())
    other = make(tmp_path / "other", pairs(["nb"], 8), plain())
    invite(one, ["en"])
    rate(one, 1)
    write_backup(other, tmp_path / "other.backup")
    write_backup(one, tmp_path / "one.backup")
    with pytest.raises(StoreError, match="backup of another campaign"):
        restore(one.folder, tmp_path / "other.backup", overwrite=True)
    with pytest.raises(StoreError, match="holds 1 answer, which a restore overwrites"):
        restore(one.folder, tmp_path / "one.backup", overwrite=False)
    (tmp_path / "no.backup").write_text("votes")
    with pytest.raises(StoreError):
        restore(one.folder, tmp_path / "no.backup", overwrite=True)
    one.close()
    other.close()


def test_a_backup_from_before_the_unblinding_stays_frozen(
    campaign: Campaign, tmp_path: Path
) -> None:
    rate(campaign, 2)
    write_backup(campaign, tmp_path / "votes.backup")
    unblind(campaign, reason="all in", now=NOW + 1)
    restore(campaign.folder, tmp_path / "votes.backup", overwrite=True)
    with campaign.database.reading() as connection:
        assert find_frozen_at(connection) == NOW + 1
