"""Effects and contrasts as table rows: raw numbers for machines, text for people, side by side.

Raw columns keep the metric's own unit; columns that end in `_text` hold what a person reads. Rows
are flat dictionaries of JSON values with the same keys in the same order, so that they can become a
CSV file, a terminal table or a page without another formatting step.
"""

from collections.abc import Sequence

from babelbits.analysis import format as shown
from babelbits.analysis.results import (
    CalibrationContrast,
    GroupContrast,
    Problem,
    ReferenceContrast,
)
from babelbits.records import Effect, Interval

Row = dict[str, str | float | int | bool | None]


def make_effect_row(effect: Effect) -> Row:
    """One effect: what it is about, the numbers, the texts, the verdict."""
    return {**_about(effect), **_numbers(effect), **_texts(effect)}


def make_effect_rows(effects: Sequence[Effect]) -> list[Row]:
    """One row an effect, in order."""
    return [make_effect_row(effect) for effect in effects]


def _about(effect: Effect) -> Row:
    return {
        "variant": effect.variant,
        "suite": effect.task,
        "metric": effect.metric,
        "unit": effect.unit,
        "scope": effect.scope,
        "where": effect.language or effect.group or "all languages",
        "languages": " ".join(effect.languages),
        "verdict": effect.decision.verdict,
        "level": effect.decision.level,
        "reason": effect.decision.reason,
    }


def _numbers(effect: Effect) -> Row:
    low, high = _ends(effect.inference.interval)
    narrow_low, narrow_high = _ends(effect.inference.equivalence_interval)
    relative_low, relative_high = _ends(effect.relative.relative_interval)
    mean_relative_low, mean_relative_high = _ends(effect.relative.mean_relative_interval)
    return {
        "baseline": effect.arms.baseline_score,
        "score": effect.arms.variant_score,
        "delta": effect.delta,
        "low": low,
        "high": high,
        "equivalence_low": narrow_low,
        "equivalence_high": narrow_high,
        "p": effect.inference.p_value,
        "p_adjusted": effect.inference.p_adjusted,
        "p_map": effect.inference.p_map,
        "p_report": effect.inference.p_report,
        "family": effect.inference.family,
        "margin": effect.decision.margin,
        "n_items": effect.counts.n_items,
        "n_source_items": effect.counts.n_source_items,
        "n_failed": effect.counts.n_failed,
        "n_truncated": effect.counts.n_truncated,
        "n_cut_baseline": effect.counts.n_cut_baseline,
        "n_cut_variant": effect.counts.n_cut_variant,
        "n_over_long": effect.counts.n_over_long,
        "broke": effect.counts.broke,
        "fixed": effect.counts.fixed,
        "churn": effect.counts.churn,
        "aa_churn": effect.arms.aa_churn,
        "aa_delta": effect.arms.aa_delta,
        "best_by_chance": effect.inference.best_by_chance,
        "minimal_detectable_effect": effect.inference.minimal_detectable_effect,
        "minimal_detectable_confirmed": effect.inference.minimal_detectable_confirmed,
        "loss_cap": effect.inference.loss_cap,
        "largest_loss": effect.inference.largest_loss,
        "fewest_units": effect.counts.fewest_units,
        "relative_change": effect.relative.relative_change,
        "relative_low": relative_low,
        "relative_high": relative_high,
        "mean_relative_change": effect.relative.mean_relative_change,
        "mean_relative_low": mean_relative_low,
        "mean_relative_high": mean_relative_high,
        "mean_relative_p": effect.relative.mean_relative_p,
        "above_chance_lost": effect.relative.above_chance_lost,
        "at_floor": effect.arms.at_floor,
    }


def _texts(effect: Effect) -> Row:
    unit = effect.unit
    return {
        "baseline_text": shown.score(effect.arms.baseline_score, unit),
        "score_text": shown.score(effect.arms.variant_score, unit),
        "delta_text": shown.amount(effect.delta, unit),
        "interval_text": shown.interval(effect.inference.interval, unit),
        "p_text": shown.p_value(effect.inference.p_value),
        "p_adjusted_text": shown.p_value(effect.inference.p_adjusted),
        "p_map_text": shown.p_value(effect.inference.p_map),
        "relative_text": shown.signed_percent(effect.relative.relative_change),
        "relative_interval_text": shown.percent_interval(effect.relative.relative_interval),
        "mean_relative_text": shown.signed_percent(effect.relative.mean_relative_change),
        "mean_relative_interval_text": shown.percent_interval(
            effect.relative.mean_relative_interval
        ),
        "above_chance_lost_text": shown.percent(effect.relative.above_chance_lost),
        "churn_text": shown.percent(effect.counts.churn),
        "changes_text": _changes(effect),
        "detectable_text": shown.detectable(effect),
        "verdict_text": shown.verdict(effect),
        "notes_text": "; ".join(effect.notes),
        "test": effect.inference.test,
        "recipe": effect.recipe,
    }


def _changes(effect: Effect) -> str:
    if effect.counts.broke is None or effect.counts.fixed is None:
        return shown.NOTHING
    return f"{effect.counts.broke} broke, {effect.counts.fixed} fixed"


def _ends(interval: Interval | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (interval.low, interval.high)


def make_contrast_row(contrast: GroupContrast) -> Row:
    """One group against the others."""
    low, high = _ends(contrast.interval)
    unit = contrast.unit
    return {
        "variant": contrast.variant,
        "suite": contrast.suite,
        "metric": contrast.metric,
        "scale": contrast.scale,
        "unit": unit,
        "group": contrast.group,
        "others": contrast.others,
        "languages_in": " ".join(contrast.languages_in),
        "languages_out": " ".join(contrast.languages_out),
        "left_out": " ".join(contrast.left_out),
        "mean_in": contrast.mean_in,
        "mean_out": contrast.mean_out,
        "difference": contrast.difference,
        "low": low,
        "high": high,
        "p": contrast.p_value,
        "between_languages": contrast.tau,
        "p_adjusted": contrast.p_adjusted,
        "family": contrast.family,
        "difference_text": _on_scale(contrast, contrast.difference),
        "interval_text": _interval_on_scale(contrast),
        "p_text": shown.p_value(contrast.p_value),
        "notes_text": "; ".join(contrast.notes),
        "recipe": contrast.recipe,
    }


def make_contrast_rows(contrasts: Sequence[GroupContrast]) -> list[Row]:
    """One row a contrast, in order."""
    return [make_contrast_row(contrast) for contrast in contrasts]


def _on_scale(contrast: GroupContrast, value: float) -> str:
    if contrast.scale == "points":
        return shown.amount(value, contrast.unit)
    return shown.signed_percent(value)


def _interval_on_scale(contrast: GroupContrast) -> str:
    found = contrast.interval
    if found is None:
        return shown.NOTHING
    return f"{_on_scale(contrast, found.low)} to {_on_scale(contrast, found.high)}"


def make_reference_row(contrast: ReferenceContrast) -> Row:
    """One language against the reference language."""
    low, high = _ends(contrast.interval)
    unit = contrast.unit
    return {
        "variant": contrast.variant,
        "suite": contrast.suite,
        "metric": contrast.metric,
        "unit": unit,
        "language": contrast.language,
        "reference": contrast.reference,
        "delta": contrast.delta,
        "reference_delta": contrast.reference_delta,
        "difference": contrast.difference,
        "low": low,
        "high": high,
        "p": contrast.p_value,
        "p_adjusted": contrast.p_adjusted,
        "family": contrast.family,
        "paired": contrast.paired,
        "n_sources": contrast.n_sources,
        "difference_text": shown.amount(contrast.difference, unit),
        "interval_text": shown.interval(contrast.interval, unit),
        "p_adjusted_text": shown.p_value(contrast.p_adjusted),
        "notes_text": "; ".join(contrast.notes),
        "recipe": contrast.recipe,
    }


def make_reference_rows(contrasts: Sequence[ReferenceContrast]) -> list[Row]:
    """One row a contrast, in order."""
    return [make_reference_row(contrast) for contrast in contrasts]


def make_calibration_rows(contrasts: Sequence[CalibrationContrast]) -> list[Row]:
    """One row a contrast of two calibration languages, in order."""
    return [_calibration_row(contrast) for contrast in contrasts]


def _calibration_row(contrast: CalibrationContrast) -> Row:
    low, high = _ends(contrast.interval)
    unit = contrast.unit
    return {
        "recipe": contrast.recipe,
        "suite": contrast.suite,
        "metric": contrast.metric,
        "unit": unit,
        "language": contrast.language,
        "calibration": contrast.calibration,
        "reference": contrast.reference,
        "draws": contrast.draws,
        "reference_draws": contrast.reference_draws,
        "delta": contrast.delta,
        "reference_delta": contrast.reference_delta,
        "difference": contrast.difference,
        "low": low,
        "high": high,
        "p": contrast.p_value,
        "p_adjusted": contrast.p_adjusted,
        "family": contrast.family,
        "draw_sd": contrast.draw_sd,
        "difference_text": shown.amount(contrast.difference, unit),
        "interval_text": shown.interval(contrast.interval, unit),
        "notes_text": "; ".join(contrast.notes),
        "computation": contrast.recipe_of_computation,
    }


def make_problem_row(problem: Problem) -> Row:
    """One problem."""
    return {
        "severity": problem.severity,
        "kind": problem.kind,
        "variant": problem.variant,
        "suite": problem.suite,
        "language": problem.language,
        "message": problem.message,
        "hint": problem.hint,
    }
