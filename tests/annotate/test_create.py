"""From pairs to a campaign: what is shown, in which order, and what stays apart."""

from collections import Counter
from pathlib import Path

import pytest

from annotate.campaigns import SECRET, TASK, VARIANT, invite, make, pair, pairs, plain
from babelbits.annotate.campaign_settings import Settings
from babelbits.annotate.create import draft_campaign
from babelbits.annotate.folder import check_outputs, open_campaign, read_key
from babelbits.errors import StoreError, StudyError, UnknownNameError
from babelbits.preferences.pair_files import write_pairs


def test_identical_pairs_are_counted_and_not_shown() -> None:
    draft = draft_campaign(pairs(["en"], 10, identical=4), plain(), secret=SECRET)
    assert draft.n_identical == 4
    assert len(draft.units) == 10
    assert all(unit.text_a != unit.text_b for unit in draft.units)
    assert {entry.source_id for entry in draft.key if entry.unit is None} == {
        f"source-{number}" for number in range(10, 14)
    }


def test_some_identical_answers_are_shown_on_purpose() -> None:
    draft = draft_campaign(pairs(["en"], 10), plain(identical=2), secret=SECRET)
    shown = [unit for unit in draft.units if unit.kind == "identical"]
    assert len(shown) == 2
    assert all(unit.text_a == unit.text_b and unit.expected == "same" for unit in shown)


@pytest.mark.parametrize("count", [10, 11])
def test_the_baseline_is_text_a_in_half_of_the_pairs_of_each_language_and_variant(
    count: int,
) -> None:
    outputs = pairs(["en", "ar"], count, variants=("w4", "q8"))
    draft = draft_campaign(outputs, plain(), secret=SECRET)
    sides = Counter((e.language, e.variant, e.baseline) for e in draft.key)
    for language in ("en", "ar"):
        for variant in ("w4", "q8"):
            assert abs(sides[language, variant, "a"] - sides[language, variant, "b"]) == count % 2


def test_the_declared_subset_is_its_share_of_every_language_and_variant() -> None:
    outputs = pairs(["en", "ar"], 20, variants=("w4", "q8"))
    draft = draft_campaign(outputs, plain(overlap=3, overlap_share=0.25), secret=SECRET)
    unit = {one.id: one for one in draft.units}
    wanted = Counter((e.language, e.variant, unit[e.unit].wanted) for e in draft.key if e.unit)
    assert set(wanted.values()) == {5, 15}
    assert {key: n for key, n in wanted.items() if key[2] == 3} == {
        (language, variant, 3): 5 for language in ("en", "ar") for variant in ("w4", "q8")
    }


def test_pairs_that_say_the_same_are_one_unit() -> None:
    one = pair("en", 1, variant="w4")
    other = pair("en", 1, variant="w4-again")
    draft = draft_campaign([one, other], plain(), secret=SECRET)
    assert len(draft.units) == 1
    assert {entry.variant for entry in draft.key} == {"w4", "w4-again"}
    assert len({entry.unit for entry in draft.key}) == 1


def test_tells_are_gone_and_quality_stays() -> None:
    from dataclasses import replace

    one = replace(
        pair("en", 1),
        baseline_answer="\n\n First line\r\nsecond  <|im_end|>\t \n",
        variant_answer="x\x00y",
    )
    draft = draft_campaign([one], plain(), secret=SECRET)
    texts = {draft.units[0].text_a, draft.units[0].text_b}
    assert texts == {"First line\nsecond  <|im_end|>", "x\ufffdy"}


def test_the_same_secret_gives_the_same_campaign_and_another_another() -> None:
    outputs = pairs(["en"], 30)
    settings = plain(overlap=2, overlap_share=0.5)
    first = draft_campaign(outputs, settings, secret=SECRET)
    again = draft_campaign(list(reversed(outputs)), settings, secret=SECRET)
    assert {(u.prompt, u.text_a, u.wanted) for u in first.units} == {
        (u.prompt, u.text_a, u.wanted) for u in again.units
    }
    other = draft_campaign(outputs, settings, secret=bytes(32))
    assert [u.prompt for u in first.units] != [u.prompt for u in other.units]


def test_checks_by_rule_have_a_damaged_side_in_every_language() -> None:
    outputs = pairs(["en", "ar", "ja"], 8)
    draft = draft_campaign(outputs, plain(gold=4, screen=2, screen_pass=1), secret=SECRET)
    assert draft.notes == ()
    for language in ("en", "ar", "ja"):
        made = Counter(u.kind for u in draft.units if u.language == language)
        assert made == {"pair": 8, "screen": 2, "shuffled": 2, "language": 2}
        checks = [u for u in draft.units if u.language == language and u.kind != "pair"]
        assert {u.expected for u in checks} == {"a", "b"}
        for unit in checks:
            right, wrong = (
                (unit.text_a, unit.text_b) if unit.expected == "a" else (unit.text_b, unit.text_a)
            )
            assert any(right == one.baseline_answer.strip() for one in outputs)
            assert right != wrong


def test_where_no_check_can_be_made_it_is_said() -> None:
    from dataclasses import replace

    short = [
        replace(pair("en", n), baseline_answer=f"yes {n}", variant_answer="no") for n in range(5)
    ]
    draft = draft_campaign(short, plain(gold=3), secret=SECRET)
    assert draft.notes == (
        "en: 0 of 3 checks by rule could be made: too few answers of eight words or more",
    )


@pytest.mark.parametrize(
    ("outputs", "settings", "message"),
    [
        ([], plain(), "nothing to rate: there are no pairs"),
        (pairs(["en"], 0, identical=3), plain(), "answers are identical in all 3 pairs"),
        (pairs(["en"], 3), plain(title=f"Is {VARIANT.upper()} good?"), "title names the variant"),
        (pairs(["en"], 3), plain(overlap=0, overlap_share=2.0), "--overlap 0: .*--overlap-share 2"),
        (pairs(["en"], 3), Settings(title="", screen=2), "--screen-pass 3: the screen has 2"),
    ],
)
def test_what_cannot_be_a_campaign_is_refused(
    outputs: list, settings: Settings, message: str
) -> None:
    with pytest.raises(StudyError, match=message):
        draft_campaign(outputs, settings, secret=SECRET)


def test_the_database_holds_no_variant_task_or_path(tmp_path: Path) -> None:
    folder = tmp_path / "campaign-SENTINEL"
    campaign = make(folder, pairs(["en"], 12, identical=2), plain(gold=2, identical=1))
    invite(campaign, ["en"])
    campaign.close()
    stored = b"".join(path.read_bytes() for path in folder.glob("votes.sqlite*"))
    assert b"SENTINEL" not in stored
    assert b"source-" not in stored
    assert b"baseline" not in stored
    assert {TASK, VARIANT} == {getattr(e, n) for e in read_key(folder) for n in ("task", "variant")}


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    campaign = make(tmp_path / "c", pairs(["en"], 2), plain())
    assert (tmp_path / "c").stat().st_mode & 0o077 == 0
    for name in ("key.json", "secret", "campaign.json", "source.json"):
        assert (campaign.folder / name).stat().st_mode & 0o077 == 0


def test_changed_outputs_are_refused(tmp_path: Path) -> None:
    outputs = pairs(["en"], 4)
    make(tmp_path / "c", outputs, plain())
    file = tmp_path / "c-pairs.jsonl"
    assert check_outputs(tmp_path / "c") is None
    write_pairs(file, list(reversed(outputs)))  # the same outputs
    assert check_outputs(tmp_path / "c") is None
    write_pairs(file, [*outputs[:-1], pair("en", 99)])
    with pytest.raises(StoreError, match="outputs have changed"):
        check_outputs(tmp_path / "c")
    file.unlink()
    assert "is gone" in str(check_outputs(tmp_path / "c"))


def test_changed_texts_in_the_database_are_refused(tmp_path: Path) -> None:
    from babelbits.annotate.models import unit

    campaign = make(tmp_path / "c", pairs(["en"], 4), plain())
    with campaign.database.writing() as connection:
        connection.execute(unit.update().where(unit.c.id == 1).values(text_a="better"))
    with pytest.raises(StoreError, match="texts differ"):
        open_campaign(tmp_path / "c")


def test_no_second_campaign_in_a_folder(tmp_path: Path) -> None:
    make(tmp_path / "c", pairs(["en"], 4), plain())
    with pytest.raises(StoreError, match="campaign already"):
        make(tmp_path / "c", pairs(["en"], 4), plain())


def test_a_campaign_of_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    from babelbits.annotate.database import set_meta

    campaign = make(tmp_path / "c", pairs(["en"], 4), plain())
    with campaign.database.writing() as connection:
        set_meta(connection, "schema", 99)
    with pytest.raises(StoreError, match="update Babelbits"):
        open_campaign(tmp_path / "c")


def test_unknown_languages_and_raters_are_named(tmp_path: Path) -> None:
    campaign = make(tmp_path / "c", pairs(["en", "ar"], 4), plain())
    with pytest.raises(UnknownNameError, match="nothing in 'sw'"):
        invite(campaign, ["sw"])
    from babelbits.annotate import auth

    invite(campaign, ["en"])
    with (
        campaign.database.reading() as connection,
        pytest.raises(UnknownNameError, match="no rater 'r09'"),
    ):
        auth.find_rater(connection, "r09")


def test_no_campaign_here(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no campaign here"):
        open_campaign(tmp_path)
