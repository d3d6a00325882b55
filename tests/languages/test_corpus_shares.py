"""Published shares against numbers read in their sources, and files of the user."""

from pathlib import Path

import pytest

from babelbits.errors import StudyError, UnknownNameError
from babelbits.languages import resolve
from babelbits.languages.corpus_shares import CORPORA, read_shares


def test_shares_are_those_of_the_sources() -> None:
    """Counts of plots/languages.csv: 971,358,233 English and 294,364 Swahili pages.

    41.6958 % and 0.0126 % of all, and 114,812,782 Chinese ones; GPT-3's table has 92.64708 %.
    """
    crawl = read_shares("commoncrawl-2026-04")
    assert crawl["en"] / crawl["zh"] == pytest.approx(971358233 / 114812782, rel=1e-4)
    assert crawl["en"] / crawl["sw"] == pytest.approx(971358233 / 294364, rel=0.005)
    assert read_shares("gpt3")["en"] == pytest.approx(0.9264708)


def test_transcribed_tables_keep_their_sources_ratios() -> None:
    """mC4: 2,733 and 41 thousand million tokens of English and Ukrainian, 1 of Swahili.

    CC-100: 300.8, 84.6 and 1.6 GiB; both as the named files have them.
    """
    mc4, cc100 = read_shares("mc4"), read_shares("cc100")
    assert mc4["en"] / mc4["uk"] == pytest.approx(2733 / 41, rel=1e-3)
    assert mc4["en"] / mc4["sw"] == pytest.approx(2733 / 1, rel=0.005)
    assert cc100["en"] / cc100["uk"] == pytest.approx(300.8 / 84.6, rel=1e-3)
    assert cc100["en"] / cc100["sw"] == pytest.approx(300.8 / 1.6, rel=1e-3)


@pytest.mark.parametrize("name", CORPORA)
def test_tables_are_whole(name: str) -> None:
    """Every code is canonical, no share is 0, and no more than the whole is given out."""
    shares = CORPORA[name].shares
    assert all(resolve(code).code == code for code in shares)
    assert all(0 < share < 1 for share in shares.values())
    assert 0.9 < sum(shares.values()) < 1
    assert "https://github.com/" in CORPORA[name].source


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "shares.csv"
    path.write_text("language,share\nnob,0.25\nsw,\n")
    assert read_shares(str(path)) == {"nb": 0.25}


@pytest.mark.parametrize(
    ("text", "said"),
    [("language,percent\nen,3\n", "the columns"), ("language,share\nen,41.7\n", "'41.7'")],
)
def test_a_bad_file_says_where(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "shares.csv"
    path.write_text(text)
    with pytest.raises(StudyError, match=said):
        read_shares(str(path))


def test_an_unknown_corpus_is_named() -> None:
    with pytest.raises(UnknownNameError, match="no corpus and no file"):
        read_shares("pile")
