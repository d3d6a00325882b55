"""The probes' page where only answers were read: contrasts and attention, and no empty section."""

from babelbits.probes.attention_difference import AttentionDifference
from babelbits.probes.probe_results import ProbeResults
from babelbits.probes.strategies import LANGUAGE, StrategyContrast, StrategyPair
from babelbits.records import Interval
from babelbits.report.probe_page import make_page

PAIR = StrategyPair(variant="w8a8-sq@en", against="w8a8", declared=True)


def contrast(**fields: object) -> StrategyContrast:
    return StrategyContrast(
        pair=PAIR, suite="confusion", measure=LANGUAGE, unit="tokens", **fields  # type: ignore[arg-type]
    )  # fmt: skip


def results(*strategies: StrategyContrast) -> ProbeResults:
    quiet = AttentionDifference(
        variant="w8a8", suite="confusion", row="token", n_switched=0, n_read=0, n_matched=0
    )
    return ProbeResults(
        summaries=(), predictions=(), differences=(), modules=(), closed={},
        attention=(quiet,), strategies=strategies,
    )  # fmt: skip


def test_contrasts_stand_in_a_table_and_in_sentences() -> None:
    interval = Interval(low=0.2, high=1.4, level=0.95, method="t")
    shown = contrast(
        other_suite=None, languages=("de",), n_items=40, n_units=40, horizon=12, difference=0.8,
        interval=interval, p_value=0.01, p_adjusted=0.02, shown=True,
    )  # fmt: skip
    none = contrast(other_suite="extended", why_not="no answer of either leaves its language")
    html = make_page(results(shown, none), name="study", smoke=False)
    assert '<td style="white-space: nowrap">less harm by the first</td>' in html
    assert '<td style="white-space: nowrap">not known</td>' in html
    assert "no contrast: no answer of either leaves its language" in html
    assert "confusion less extended" in html
    assert "w8a8-sq@en does better than w8a8, +0.800 tokens (+0.200 to +1.400)" in html
    assert html.count('id="question"') == 0
    assert html.count("<section") == html.count("</section>") == 2


def test_without_contrasts_there_is_no_such_section() -> None:
    html = make_page(results(), name="study", smoke=False)
    assert 'id="strategies"' not in html
    assert 'href="#strategies"' not in html


def test_variants_without_a_switch_are_told_in_one_sentence() -> None:
    assert results().attention_sentences() == [
        "no answer leaves its language, so no attention is compared: w8a8 on confusion"
    ]
