"""Several languages: macro means, families, and groups against groups, by hand."""

import dataclasses

import numpy as np
import pytest

from analysis_cells import SETTINGS, study, two
from babelbits.analysis import Confirmatory
from babelbits.analysis.analyse import analyse
from compare_cells import CHRF, EXACT, cell, right_wrong

# --- several languages -----------------------------------------------------------------------


GROUPS = {"latin": ("en", "de", "fr", "es"), "non-latin": ("hi", "th", "ja"), "none": ("ko",)}


def test_pooled_effects_are_macro_means_over_languages() -> None:
    analysis = analyse(study(), dataclasses.replace(SETTINGS, groups=GROUPS))
    by_scope = {(e.scope, e.language or e.group): e for e in analysis.effects}
    deltas = [by_scope["language", one].delta for one in ("hi", "th", "ja")]
    pooled, everything = by_scope["group", "non-latin"], by_scope["all", None]
    assert pooled.delta == pytest.approx(float(np.mean(deltas)))
    assert pooled.languages == ("hi", "th", "ja")
    assert (everything.counts.n_items, everything.counts.n_source_items) == (900, 150)
    ratios = [e.relative.relative_change for e in analysis.effects if e.scope == "language"]
    assert everything.relative.mean_relative_change == pytest.approx(
        float(np.mean(np.array(ratios, float)))
    )
    assert everything.relative.relative_change == pytest.approx(
        everything.arms.variant_score / everything.arms.baseline_score - 1
    )
    assert everything.decision.verdict == "worse"
    assert ("group", "none") not in by_scope


def test_translations_are_one_source_and_other_items_are_not() -> None:
    together = analyse(study(), SETTINGS).effects[-1]
    apart = analyse(study(parallel=False), SETTINGS).effects[-1]
    assert (together.counts.n_source_items, apart.counts.n_source_items) == (150, 900)
    assert together.inference.test.startswith("sign-flip of source items")
    assert apart.inference.test == "sign-flip, saddlepoint tail"


def test_pooled_test_of_shared_losses_matches_enumeration_by_hand() -> None:
    """Two languages lose the same 4 sources: 2/2^4, not 2/2^8."""
    base, variant = [1.0] * 30, [0.0] * 4 + [1.0] * 26
    cells = [
        cell(v, code, s) for code in ("en", "de") for v, s in (("baseline", base), ("w4", variant))
    ]
    everything = analyse(cells, SETTINGS).effects[-1]
    assert everything.scope == "all"
    assert everything.inference.p_value == pytest.approx(2 / 16)


def test_holm_runs_within_each_variant_and_suite() -> None:
    from statsmodels.stats.multitest import multipletests

    effects = [e for e in analyse(study(), SETTINGS).effects if e.scope == "language"]
    expected = multipletests([e.inference.p_value for e in effects], method="holm")[1]
    assert [e.inference.p_adjusted for e in effects] == pytest.approx(list(expected))
    assert {e.inference.family for e in effects} == {"w4 · xcopa · languages"}


def test_a_declared_family_is_one_family_and_the_rest_is_exploratory() -> None:
    cells = study()
    cells += [dataclasses.replace(c, meta=dataclasses.replace(c.meta, variant="w8"))
              for c in cells if c.meta.variant == "w4"]  # fmt: skip
    cells += [dataclasses.replace(c, meta=dataclasses.replace(c.meta, variant="nf4"))
              for c in cells if c.meta.variant == "w4"]  # fmt: skip
    declared = Confirmatory(variants=("w4", "w8"), suites=("xcopa",))
    analysis = analyse(cells, dataclasses.replace(SETTINGS, confirmatory=declared))
    names = {(e.variant, e.scope): e.inference.family for e in analysis.effects}
    assert names["w4", "language"] == names["w8", "language"] == "confirmatory · languages"
    assert names["nf4", "language"] is None
    [family] = [f for f in analysis.families if f.name == "confirmatory · languages"]
    assert len(family.members) == 12
    assert family.members[0] == "w4 · xcopa · en"
    assert not family.all_equivalent


def test_equivalent_in_all_languages_is_an_intersection_union_claim() -> None:
    same = right_wrong(both_right=900, broke=2, fixed=2, both_wrong=96)
    cells = [cell(v, code, s) for code in ("en", "de", "fr")
             for v, s in zip(("baseline", "w8"), same, strict=True)]  # fmt: skip
    analysis = analyse(cells, SETTINGS)
    assert all(family.all_equivalent for family in analysis.families)
    assert all(effect.decision.verdict == "equivalent" for effect in analysis.effects)


def test_a_group_with_a_language_at_its_floor_is_not_equivalent() -> None:
    same = right_wrong(both_right=900, broke=2, fixed=2, both_wrong=96)
    floor = right_wrong(both_right=250, broke=2, fixed=2, both_wrong=746)
    cells = [cell(v, code, s) for code, both in (("en", same), ("sw", floor))
             for v, s in zip(("baseline", "w8"), both, strict=True)]  # fmt: skip
    everything = analyse(cells, SETTINGS).effects[-1]
    assert everything.decision.verdict == "undecided"
    assert everything.decision.reason == "inside the margin, but at floor in sw"
    assert "at floor: sw" in everything.notes
    assert not everything.arms.at_floor


# --- group contrasts -------------------------------------------------------------------------


def test_group_claims_have_languages_as_units() -> None:
    """3 v 3 languages: t with at most 4 degrees of freedom, p and interval of one model."""
    analysis = analyse(study(), dataclasses.replace(SETTINGS, groups=GROUPS))
    points, relative, kept = analysis.contrasts
    assert (points.group, points.others) == ("latin", "non-latin")
    assert points.languages_in == ("en", "de", "fr")
    assert points.difference == pytest.approx(points.mean_in - points.mean_out)
    assert points.difference > 0
    assert points.p_value is not None
    assert points.interval is not None
    assert (points.p_value <= 0.05) == (points.interval.low > 0)
    assert points.p_adjusted == points.p_value
    assert points.notes == (
        "about these languages only: languages of one family count as independent",
    )
    assert (relative.scale, kept.scale) == ("relative", "above_chance")
    assert relative.p_adjusted is None
    assert points.recipe.startswith("random-effects regression")
    assert "units=6 languages" in points.recipe


def test_two_languages_are_too_few_for_a_group_claim() -> None:
    """One against one: no variation between languages can be told from their difference."""
    cells = [*two([1.0] * 100, [0.0] * 20 + [1.0] * 80, "en"), *two([1.0] * 100, [1.0] * 100, "sw")]
    points = analyse(cells, dataclasses.replace(SETTINGS, groups={"english": ("en",)})).contrasts[0]
    assert points.p_value is None
    assert points.interval is None
    assert points.difference == pytest.approx(-0.2)
    assert points.notes == ("two languages are too few for a test",)


def test_scales_that_disagree_are_flagged() -> None:
    """English 0.80 to 0.76, Swahili 0.40 to 0.37: points and shares disagree on who lost more."""
    cells = []
    for language, right, lost in (("en", 800, 40), ("sw", 400, 30)):
        base = [1.0] * right + [0.0] * (1000 - right)
        cells += two(base, [0.0] * lost + base[lost:], language)
    analysis = analyse(cells, dataclasses.replace(SETTINGS, groups={"english": ("en",)}))
    points, relative, kept = analysis.contrasts
    assert points.difference == pytest.approx(-0.01)
    assert relative.difference == pytest.approx(0.025)
    assert kept.difference == pytest.approx(0.20 - 0.04 / 0.55)
    assert "the scales disagree on which side is harmed more" in points.notes
    assert points.interval is None
    assert points.others == "the others"


def test_languages_at_their_floor_have_no_relative_contrast() -> None:
    cells = []
    for language, right in (("en", 800), ("de", 780), ("sw", 250)):
        base = [1.0] * right + [0.0] * (1000 - right)
        cells += two(base, [0.0] * 20 + base[20:], language)
    analysis = analyse(cells, dataclasses.replace(SETTINGS, groups={"a": ("en",), "b": ("sw",)}))
    scales = {(one.group, one.scale): one for one in analysis.contrasts}
    assert scales["a", "relative"].left_out == ("sw",)
    assert ("b", "relative") not in scales
    assert ("b", "points") in scales


def test_enough_languages_can_reach_the_level() -> None:
    """4 v 4 languages whose losses grow from 0 to 21 points: 12 points apart, by 6 df."""
    base = [1.0] * 60 + [0.0] * 40
    cells = []
    for index in range(8):
        cells += two(base, [0.0] * (3 * index) + base[3 * index :], f"l{index}")
    settings = dataclasses.replace(SETTINGS, groups={"first": ("l0", "l1", "l2", "l3")})
    points = analyse(cells, settings).contrasts[0]
    assert points.p_value is not None
    assert points.p_value < 0.05
    assert points.difference == pytest.approx(0.12, abs=0.01)


def test_points_and_mean_relative_change_can_disagree_and_say_so() -> None:
    """0.80 to 0.76 and 0.10 to 0.13: -0.5 points, but +12.5 % on average."""
    cells = []
    for language, right, change in (("en", 800, -40), ("sw", 100, 30)):
        base = [1.0] * right + [0.0] * (1000 - right)
        after = [1.0] * (right + change) + [0.0] * (1000 - right - change)
        cells += [cell("baseline", language, base, metric=EXACT)]
        cells += [cell("w4", language, after, metric=EXACT)]
    everything = analyse(cells, SETTINGS).effects[-1]
    assert everything.delta == pytest.approx(-0.005)
    assert everything.relative.mean_relative_change == pytest.approx(0.125)
    assert "points and mean relative change disagree on the direction" in everything.notes


def test_a_secondary_metric_without_scores_is_left_out_quietly() -> None:
    cells = [
        cell(v, "en", [1.0, 0.0, 1.0], extra={CHRF: [None, None, None]}) for v in ("baseline", "w4")
    ]
    analysis = analyse(cells, SETTINGS)
    assert [effect.metric for effect in analysis.effects] == ["acc"]
    assert {one.kind for one in analysis.problems} == {"no_aa"}
