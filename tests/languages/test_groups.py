"""Groups of languages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelbits.errors import UnknownNameError
from babelbits.languages import group_languages, list_codes, resolve

PAPER_A = ["en", "de", "es", "fr", "it", "pt", "ar", "ja", "ko", "zh"]
"""The ten languages of Marchisio et al. 2024."""


def test_ltn_ie_of_marchisio_et_al_2024() -> None:
    found = group_languages(PAPER_A)
    assert found["ltn-ie"] == ("en", "de", "es", "fr", "it", "pt")
    assert found["non-ltn-ie"] == ("ar", "ja", "ko", "zh")


def test_latin_alone_and_indo_european_alone_are_not_enough() -> None:
    found = group_languages(["vi", "ru", "sw", "nb"])
    assert found["ltn-ie"] == ("nb",)
    assert found["non-ltn-ie"] == ("vi", "ru", "sw")
    assert found["latin"] == ("vi", "sw", "nb")
    assert found["non-latin"] == ("ru",)


def test_empty_groups_are_left_out_and_duplicates_dropped() -> None:
    found = group_languages(["nob_Latn", "no", "nb"])
    assert found == {"latin": ("nb",), "ltn-ie": ("nb",), "tier-low": ("nb",)}


def test_own_groups_are_cut_to_what_is_there() -> None:
    user = {"nordic": ["no", "sv", "dan"], "far": ["ja"]}
    found = group_languages(["da", "nb", "en"], user=user)
    assert found["nordic"] == ("da", "nb")
    assert "far" not in found


def test_unknown_member() -> None:
    with pytest.raises(UnknownNameError):
        group_languages(["en"], user={"mine": ["xx"]})


@given(st.lists(st.sampled_from(list_codes()), unique=True))
def test_complements_part_the_languages_and_tiers_do_too(codes: list[str]) -> None:
    found = group_languages(codes)
    present = {resolve(code).code for code in codes}
    for parts in (
        ("latin", "non-latin"),
        ("ltn-ie", "non-ltn-ie"),
        ("tier-high", "tier-mid", "tier-low"),
    ):
        members = [code for part in parts for code in found.get(part, ())]
        assert sorted(members) == sorted(present)


def test_a_claim_parts_languages_only_where_both_sides_have_some() -> None:
    found = group_languages(["nob_Latn", "sw", "ml"], claimed=["no", "de"])
    assert (found["claimed"], found["unseen"]) == (("nb",), ("sw", "ml"))
    assert not {"claimed", "unseen"} & set(group_languages(["nb"], claimed=["nb"]))
    assert not {"claimed", "unseen"} & set(group_languages(["nb"], claimed=["de"]))
    assert not {"claimed", "unseen"} & set(group_languages(["nb", "de"]))
