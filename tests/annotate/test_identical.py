"""Identical pairs among people's votes: ties that nobody gave, in proportion. By hand."""

from babelbits.annotate.create import KeyEntry
from babelbits.preferences.to_votes import IDENTICAL, make_identical_ties
from judging import vote


def entry(number: int, *, identical: bool, variant: str = "w4", language: str = "en") -> KeyEntry:
    return KeyEntry(
        unit=None if identical else number,
        baseline=None if identical else "a",
        pair_id=f"{language}{number}",
        source_id=str(number),
        item_id=str(number),
        task="t",
        language=language,
        variant=variant,
    )


def test_half_of_the_unlike_pairs_rated_brings_half_of_the_identical_ones() -> None:
    key = [entry(number, identical=number >= 4) for number in range(10)]
    judged = [vote(number, 1.0, kind="human") for number in (0, 1)]
    ties = make_identical_ties(judged, key)
    assert len(ties) == 3
    assert {one.value for one in ties} == {0.0}
    assert {one.reasons for one in ties} == {(IDENTICAL,)}
    assert len(make_identical_ties([vote(n, 1.0, kind="human") for n in range(4)], key)) == 6


def test_a_language_in_which_nobody_rated_gets_no_ties() -> None:
    key = [entry(n, identical=True, language="ja") for n in range(5)]
    assert make_identical_ties([], key) == []
    assert make_identical_ties([vote(0, 1.0, kind="human")], key) == []


def test_a_variant_that_never_differs_is_all_ties_where_people_rated_others() -> None:
    key = [entry(n, identical=True, variant="w8") for n in range(5)]
    assert len(make_identical_ties([vote(0, 1.0, kind="human")], key)) == 5
