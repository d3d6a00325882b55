"""Damage against shares of a corpus, on effects whose truth is known."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from babelbits.decide.corpus_damage import CorpusDamage, correlate_damage, describe_damage
from babelbits.decide.evidence import EvidenceRow

CODES = (
    *("en", "ru", "de", "ja", "es", "zh", "fr", "it", "pt", "pl", "nl", "ar", "tr", "vi", "hi"),
    *("ko", "th", "uk", "bn", "sw"),
)
SHARES = dict(zip(CODES, np.geomspace(0.4, 1e-4, len(CODES)), strict=True))


def rows(
    truth: Mapping[str, float], rng: np.random.Generator, *, codes: Sequence[str] = CODES
) -> list[EvidenceRow]:
    """Two variants, one of which harms ten points more in every language."""
    return [
        EvidenceRow(
            model="m", variant=variant, task="t", language=code, unit="fraction",
            delta=harm + truth.get(code, 0.0) + rng.normal(0, 0.002), standard_error=None,
            source="a.run",
        )
        for variant, harm in (("w8", 0.0), ("w2", -0.1))
        for code in codes
    ]  # fmt: skip


def look(found: Sequence[EvidenceRow]) -> CorpusDamage:
    return correlate_damage(found, SHARES, alpha=0.05)


def test_less_harm_where_the_share_is_larger_is_said_when_true() -> None:
    truth = {code: 0.01 * float(np.log10(SHARES[code])) for code in CODES}
    said = describe_damage(look(rows(truth, np.random.default_rng(1))))
    assert "less harm where the share is larger is shown" in said[0]
    assert "over 20 languages: Spearman +1.00 (+1.00 to +1.00)" in said[0]


def test_more_harm_is_said_when_that_is_true() -> None:
    truth = {code: -0.01 * float(np.log10(SHARES[code])) for code in CODES}
    said = describe_damage(look(rows(truth, np.random.default_rng(2))))
    assert "more harm where the share is larger is shown" in said[0]


def test_nothing_is_said_where_nothing_is() -> None:
    """The false one."""
    said = describe_damage(look(rows({}, np.random.default_rng(3))))
    assert "no direction is shown" in said[0]
    assert "the smallest correlation that 20 languages can show with 80 % power is 0.6" in said[-1]


def test_what_script_alone_does_is_not_said_of_the_share() -> None:
    """Truth: languages in other scripts lose 3 points, and are the rare ones here."""
    latin = ("en", "de", "es", "fr", "it", "pt", "pl", "nl", "tr", "vi")
    other = ("ru", "ja", "zh", "ar", "hi", "ko", "th", "uk", "bn", "fa")
    shares = dict(zip((*latin, *other), np.geomspace(0.4, 1e-4, 20), strict=True))
    found = correlate_damage(
        rows(dict.fromkeys(other, -0.03), np.random.default_rng(4), codes=(*latin, *other)),
        shares,
        alpha=0.05,
    )
    said = describe_damage(found)
    assert "less harm where the share is larger is shown" in said[0]
    assert "the same with script held fixed" in said[1]
    assert "no direction is shown" in said[1]


def test_languages_that_only_harmful_variants_saw_do_not_look_harmed() -> None:
    """The rare half was tried under the harmful variant alone; no language is harmed more."""
    whole = rows({}, np.random.default_rng(5))
    rare = set(CODES[10:])
    found = look([row for row in whole if row.variant == "w2" or row.language not in rare])
    assert max(abs(one.damage) for one in found.languages) < 0.01


def test_unknown_shares_are_left_out_and_named() -> None:
    found = correlate_damage(
        rows({}, np.random.default_rng(6)), {"en": 0.4, "de": 0.05}, alpha=0.05
    )
    assert len(found.unknown) == 18
    said = describe_damage(found)
    assert said[0].startswith("share not known of 18 languages, which are left out: ru, ja")
    assert said[1] == (
        "damage against share over 2 languages: no rank correlation: it takes 4 or more for an "
        "interval"
    )


def test_tasks_in_one_language_each_say_nothing_of_languages() -> None:
    """English and Chinese exams differ in more than the language."""
    apart = [replace(one, task=one.language) for one in rows({}, np.random.default_rng(8))]
    assert describe_damage(look(apart)) == (
        "damage against share: no task was asked in several languages of known share",
    )


def test_fertility_is_held_fixed_where_all_languages_have_it() -> None:
    bare = rows({}, np.random.default_rng(7))
    full = [replace(row, fertility=10.0 + CODES.index(row.language) % 7) for row in bare]
    assert look(full).held == ("script", "tokens of a sentence")
    assert look([*full[1:20], *full[21:], bare[0]]).held == ("script",)
    assert look(full).languages[3].fertility == pytest.approx(13)
