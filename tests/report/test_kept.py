"""Divergences on the page: the right numbers in the right places, and what kind of numbers."""

from dataclasses import replace

from babelbits.records import Interval
from babelbits.report import kl_section
from babelbits.report.build import build
from babelbits.results.results import Results
from babelbits.stats.divergence import DivergenceSummary, Quantile
from babelbits.study.planning.divergence_files import RecordedDivergence, select_most_exact


def measured(
    variant: str, language: str, mean: float, *, k: int = 64, share: float = 0.8
) -> RecordedDivergence:
    summary = DivergenceSummary(
        n_documents=10, n_tokens=1234, mean=mean,
        mean_interval=Interval(low=mean / 2, high=2 * mean, level=0.95, method="bootstrap"),
        quantiles=tuple(
            Quantile(share=share_, value=mean * times, interval=None)
            for share_, times in ((0.5, 0.5), (0.99, 9))
        ),
        largest=20 * mean, same_top=0.9125, same_top_interval=None, perplexity_ratio=1.05,
        perplexity_ratio_interval=None, kept=share,
    )  # fmt: skip
    return RecordedDivergence(
        variant=variant, suite="text", language=language, k=k, n_failed=0, summary=summary
    )


BOUNDS = (
    measured("w8", "en", 0.004),
    measured("w8", "ar", 0.001, share=0.95),
    measured("w4@en", "en", 0.03),
    measured("w4@en", "ar", 0.06, share=0.95),
)


def test_the_map_has_the_furthest_language_first_and_the_table_all_figures(
    small: Results,
) -> None:
    section = kl_section.make_section(replace(small, divergences=BOUNDS))
    assert section is not None
    (map_,) = section.maps
    assert map_.variants == ("w8", "w4@en")
    assert [code for code, _ in map_.rows] == ["ar", "en"]
    shown = {code: [cell and cell.mean for cell in cells] for code, cells in map_.rows}
    assert shown == {"ar": ["1.00", "60.0"], "en": ["4.00", "30.0"]}
    tints = [cell.tint for _, cells in map_.rows for cell in cells if cell is not None]
    assert tints == ["0.01", "0.62", "0.04", "0.31"]
    assert section.rows[2].cells == (
        "30.00 [15.00, 60.00]", "270.0", "91.2", "1.0500", "80.0", "1,234"
    )  # fmt: skip


def test_bounds_are_called_bounds_and_the_command_that_measures_the_shortfall_is_there(
    small: Results,
) -> None:
    section = kl_section.make_section(replace(small, divergences=BOUNDS))
    assert section is not None
    assert "KL is a lower bound: the 64 tokens kept of each distribution hold 80.0 to 95.0 %" in (
        section.label
    )
    assert "babelbits kl study.toml --top 1000000" in section.label


def test_a_measured_shortfall_is_told_and_the_exact_numbers_are_shown(small: Results) -> None:
    """0.03 of 0.04 is 25 % short, 0.06 of 0.08 too, 0.004 of 0.005 is 20 % short."""
    exact = (
        measured("w8", "en", 0.005, k=6144, share=1.0),
        measured("w4@en", "en", 0.04, k=6144, share=1.0),
        measured("w4@en", "ar", 0.08, k=6144, share=1.0),
    )
    found = (*exact, *BOUNDS)
    assert {one.k for one in select_most_exact(found)} == {64, 6144}
    section = kl_section.make_section(replace(small, divergences=found))
    assert section is not None
    assert "With 64 tokens kept it is too low by 20 to 25 % here (measured)." in section.label
    shown = {code: [cell and cell.mean for cell in cells] for code, cells in section.maps[0].rows}
    assert shown == {"ar": ["1.00", "80.0"], "en": ["5.00", "40.0"]}


def test_the_page_has_the_section_or_says_how_to_make_it(small: Results, page: str) -> None:
    assert "<code>babelbits kl study.toml</code> adds KL divergence" in page
    with_it = build(replace(small, divergences=BOUNDS))
    assert "adds KL divergence" not in with_it
    assert 'aria-label="Mean divergence on text"' in with_it
    assert with_it.count('class="harm plainly"') == 4


def test_a_study_without_texts_has_no_such_section(tiny: Results) -> None:
    assert 'id="divergence"' not in build(tiny)
