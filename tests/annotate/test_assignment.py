"""Who sees what: exact overlap, exact order, leases, screens, checks, repeats."""

from collections import Counter, defaultdict
from pathlib import Path

from sqlalchemy import select

from annotate.campaigns import NOW, SECRET, invite, make, pairs, plain, rater_id
from babelbits.annotate.assignment import Nothing, Showing, choose_next_showing
from babelbits.annotate.events import RatingAnswer, record_answer
from babelbits.annotate.folder import Campaign, read_key
from babelbits.annotate.models import rater_language, showing, slot


def ask(campaign: Campaign, name: str, *, now: float = NOW) -> Showing | Nothing:
    with campaign.database.writing() as connection:
        return choose_next_showing(
            connection,
            rater_id(campaign, name),
            campaign.settings,
            secret=SECRET,
            now=now,
        )


def say(campaign: Campaign, shown: Showing, choice: int = 0, *, now: float = NOW) -> None:
    with campaign.database.writing() as connection:
        record_answer(
            connection, shown, RatingAnswer(choice=choice), campaign.settings,
            revision=1, elapsed_ms=1000, now=now,
        )  # fmt: skip


def work(campaign: Campaign, name: str, *, most: int = 1000) -> list[Showing]:
    """Rate until there is nothing left; checks are answered right."""
    seen = []
    while len(seen) < most and isinstance(shown := ask(campaign, name), Showing):
        say(campaign, shown, right_choice(campaign, shown))
        seen.append(shown)
    return seen


def right_choice(campaign: Campaign, shown: Showing) -> int:
    from babelbits.annotate.models import unit

    with campaign.database.reading() as connection:
        expected = connection.scalar(select(unit.c.expected).where(unit.c.id == shown.unit_id))
    if expected in (None, "same"):
        return 0
    return -1 if (expected == "a") == shown.a_first else 1


def test_overlap_is_exact_and_orders_alternate(tmp_path: Path) -> None:
    """K judgments a pair, each by another rater, half of them (±1) in each order."""
    campaign = make(tmp_path / "c", pairs(["en"], 9), plain(overlap=4, overlap_share=1.0))
    for _ in range(6):
        work(campaign, invite(campaign, ["en"])[0], most=7)
    raters, orders = defaultdict(list), defaultdict(list)
    with campaign.database.reading() as connection:
        for row in connection.execute(
            select(slot.c.unit_id, showing.c.rater_id, showing.c.a_first).join(
                showing, showing.c.id == slot.c.showing_id
            )
        ):
            raters[row.unit_id].append(row.rater_id)
            orders[row.unit_id].append(row.a_first)
    assert all(len(names) == 4 and len(set(names)) == 4 for names in raters.values())
    assert all(sum(seen) == 2 for seen in orders.values())
    assert len(raters) == 9


def test_the_baseline_comes_first_in_half_of_the_first_judgments(tmp_path: Path) -> None:
    campaign = make(tmp_path / "c", pairs(["en"], 20), plain())
    name, _ = invite(campaign, ["en"])
    baseline = {entry.unit: entry.baseline for entry in read_key(campaign.folder)}
    first = Counter(
        ("a" if one.a_first else "b") == baseline[one.unit_id] for one in work(campaign, name)
    )
    assert first == {True: 10, False: 10}


def test_the_least_covered_pair_comes_first(tmp_path: Path) -> None:
    campaign = make(tmp_path / "c", pairs(["en"], 6), plain(overlap=2, overlap_share=1.0))
    first, second = (invite(campaign, ["en"])[0] for _ in range(2))
    begun = {one.unit_id for one in work(campaign, first, most=3)}
    assert begun.isdisjoint(one.unit_id for one in work(campaign, second, most=3))


def test_variants_are_balanced_for_each_rater(tmp_path: Path) -> None:
    outputs = pairs(["en"], 12, variants=("w4", "q8", "fp8"))
    campaign = make(tmp_path / "c", outputs, plain())
    variant = {entry.unit: entry.variant for entry in read_key(campaign.folder)}
    for _ in range(3):
        seen = work(campaign, invite(campaign, ["en"])[0], most=9)
        assert set(Counter(variant[one.unit_id] for one in seen).values()) == {3}


def test_raters_see_pairs_in_different_orders(tmp_path: Path) -> None:
    campaign = make(tmp_path / "c", pairs(["en"], 12), plain(overlap=2, overlap_share=1.0))
    orders = [
        [one.unit_id for one in work(campaign, invite(campaign, ["en"])[0])] for _ in range(2)
    ]
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]


def test_asking_again_shows_the_same_pair_in_the_same_order(tmp_path: Path) -> None:
    campaign = make(tmp_path / "c", pairs(["en"], 5), plain())
    name, _ = invite(campaign, ["en"])
    assert ask(campaign, name) == ask(campaign, name, now=NOW + 3600)


def test_a_lease_that_ran_out_passes_the_pair_on_and_the_late_answer_is_surplus(
    tmp_path: Path,
) -> None:
    from babelbits.annotate.judgments import read_judgments

    campaign = make(tmp_path / "c", pairs(["en"], 1), plain(lease_minutes=15))
    slow, quick = (invite(campaign, ["en"])[0] for _ in range(2))
    held = ask(campaign, slow)
    assert isinstance(held, Showing)
    assert ask(campaign, quick, now=NOW + 14 * 60) == Nothing(reason="later")
    taken = ask(campaign, quick, now=NOW + 16 * 60)
    assert isinstance(taken, Showing)
    assert taken.unit_id == held.unit_id
    assert taken.a_first == held.a_first  # the place, not the rater, has the order
    say(campaign, held, 1, now=NOW + 17 * 60)
    say(campaign, taken, -1, now=NOW + 18 * 60)
    with campaign.database.reading() as connection:
        found = {one.rater: one for one in read_judgments(connection)}
    assert (found[slow].counted, found[slow].surplus) == (False, True)
    assert (found[quick].counted, found[quick].surplus) == (True, False)
    assert ask(campaign, slow) == Nothing(reason="done")


def test_a_late_answer_counts_if_nobody_took_the_pair(tmp_path: Path) -> None:
    from babelbits.annotate.judgments import read_judgments

    campaign = make(tmp_path / "c", pairs(["en"], 1), plain())
    name, _ = invite(campaign, ["en"])
    shown = ask(campaign, name)
    assert isinstance(shown, Showing)
    say(campaign, shown, now=NOW + 5 * 3600)
    with campaign.database.reading() as connection:
        assert [one.counted for one in read_judgments(connection)] == [True]


def test_languages_follow_each_other(tmp_path: Path) -> None:
    campaign = make(tmp_path / "c", pairs(["en", "ar"], 3), plain())
    seen = work(campaign, invite(campaign, ["ar", "en"])[0])
    assert [one.language for one in seen] == ["ar"] * 3 + ["en"] * 3


def test_the_screen_comes_first_and_closes_a_language(tmp_path: Path) -> None:
    settings = plain(screen=4, screen_pass=3)
    campaign = make(tmp_path / "c", pairs(["en", "ar"], 8), settings)
    good, bad = (invite(campaign, ["en", "ar"])[0] for _ in range(2))
    assert [one.kind for one in work(campaign, good, most=5)] == ["screen"] * 4 + ["pair"]
    for wrong in (True, True, False, False):
        shown = ask(campaign, bad)
        assert isinstance(shown, Showing)
        choice = right_choice(campaign, shown)
        say(campaign, shown, -choice if wrong else choice)
    after = ask(campaign, bad)
    assert isinstance(after, Showing)
    assert (after.language, after.kind) == ("ar", "screen")
    with campaign.database.reading() as connection:
        states = connection.execute(
            select(rater_language.c.language, rater_language.c.screen).where(
                rater_language.c.rater_id == rater_id(campaign, bad)
            )
        ).all()
    assert dict(map(tuple, states)) == {"en": "failed", "ar": "pending"}


def test_whoever_fails_every_screen_is_told_that_there_is_nothing(tmp_path: Path) -> None:
    campaign = make(tmp_path / "c", pairs(["en"], 8), plain(screen=2, screen_pass=2))
    name, _ = invite(campaign, ["en"])
    for _ in range(2):
        shown = ask(campaign, name)
        assert isinstance(shown, Showing)
        say(campaign, shown, -right_choice(campaign, shown))
    assert ask(campaign, name) == Nothing(reason="screened_out")


def test_a_check_comes_in_every_block_and_repeats_have_swapped_sides(tmp_path: Path) -> None:
    settings = plain(check_every=5, gold=4, identical=2, repeats=True)
    campaign = make(tmp_path / "c", pairs(["en"], 40), settings)
    seen = work(campaign, invite(campaign, ["en"])[0])
    checks = [place for place, one in enumerate(seen) if one.kind != "pair" or one.round == 1]
    assert len(checks) >= 7
    for block, place in enumerate(checks):
        before = sum(1 for one in seen[:place] if one.kind == "pair" and one.round == 0)
        assert 5 * block < before <= 5 * (block + 1)
    repeats = [one for one in seen if one.round == 1]
    assert len(repeats) >= 2
    first = {one.unit_id: (place, one) for place, one in enumerate(seen) if one.round == 0}
    for one in repeats:
        place, before = first[one.unit_id]
        assert one.a_first != before.a_first
        assert seen.index(one) - place > 6
    kinds = Counter(one.kind for one in seen if one.kind != "pair")
    assert kinds["shuffled"] >= 1
    assert kinds["identical"] >= 1
    assert len({(one.unit_id, one.round) for one in seen}) == len(seen)
