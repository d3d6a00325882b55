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


def effect_row(effect: Effect) -> Row:
    """One effect: what it is about, the numbers, the texts, the verdict."""
    return {**_about(effect), **_numbers(effect), **_texts(effect)}


def effect_rows(effects: Sequence[Effect]) -> list[Row]:
    """One row an effect, in order."""
    return [effect_row(effect) for effect in effects]


def _about(effect: Effect) -> Row:
    return {
        "variant": effect.variant,
        "suite": effect.task,
        "metric": effect.metric,
        "unit": effect.unit,
        "scope": effect.scope,
        "where": effect.language or effect.group or "all languages",
        "languages": " ".join(effect.languages),
        "verdict": effect.verdict,
        "level": effect.level,
        "reason": effect.reason,
    }


def _numbers(effect: Effect) -> Row:
    low, high = _ends(effect.interval)
    narrow_low, narrow_high = _ends(effect.equivalence_interval)
    relative_low, relative_high = _ends(effect.relative_interval)
    mean_relative_low, mean_relative_high = _ends(effect.mean_relative_interval)
    return {
        "baseline": effect.baseline_score,
        "score": effect.variant_score,
        "delta": effect.delta,
        "low": low,
        "high": high,
        "equivalence_low": narrow_low,
        "equivalence_high": narrow_high,
        "p": effect.p_value,
        "p_adjusted": effect.p_adjusted,
        "p_map": effect.p_map,
        "p_report": effect.p_report,
        "family": effect.family,
        "margin": effect.margin,
        "n_items": effect.n_items,
        "n_source_items": effect.n_source_items,
        "n_failed": effect.n_failed,
        "n_truncated": effect.n_truncated,
        "n_cut_baseline": effect.n_cut_baseline,
        "n_cut_variant": effect.n_cut_variant,
        "n_over_long": effect.n_over_long,
        "broke": effect.broke,
        "fixed": effect.fixed,
        "churn": effect.churn,
        "aa_churn": effect.aa_churn,
        "aa_delta": effect.aa_delta,
        "best_by_chance": effect.best_by_chance,
        "minimal_detectable_effect": effect.minimal_detectable_effect,
        "minimal_detectable_confirmed": effect.minimal_detectable_confirmed,
        "loss_cap": effect.loss_cap,
        "largest_loss": effect.largest_loss,
        "fewest_units": effect.fewest_units,
        "relative_change": effect.relative_change,
        "relative_low": relative_low,
        "relative_high": relative_high,
        "mean_relative_change": effect.mean_relative_change,
        "mean_relative_low": mean_relative_low,
        "mean_relative_high": mean_relative_high,
        "mean_relative_p": effect.mean_relative_p,
        "above_chance_lost": effect.above_chance_lost,
        "at_floor": effect.at_floor,
    }


def _texts(effect: Effect) -> Row:
    unit = effect.unit
    return {
        "baseline_text": shown.score(effect.baseline_score, unit),
        "score_text": shown.score(effect.variant_score, unit),
        "delta_text": shown.amount(effect.delta, unit),
        "interval_text": shown.interval(effect.interval, unit),
        "p_text": shown.p_value(effect.p_value),
        "p_adjusted_text": shown.p_value(effect.p_adjusted),
        "p_map_text": shown.p_value(effect.p_map),
        "relative_text": shown.signed_percent(effect.relative_change),
        "relative_interval_text": shown.percent_interval(effect.relative_interval),
        "mean_relative_text": shown.signed_percent(effect.mean_relative_change),
        "mean_relative_interval_text": shown.percent_interval(effect.mean_relative_interval),
        "above_chance_lost_text": shown.percent(effect.above_chance_lost),
        "churn_text": shown.percent(effect.churn),
        "changes_text": _changes(effect),
        "detectable_text": shown.detectable(effect),
        "verdict_text": shown.verdict(effect),
        "notes_text": "; ".join(effect.notes),
        "test": effect.test,
        "recipe": effect.recipe,
    }


def _changes(effect: Effect) -> str:
    if effect.broke is None or effect.fixed is None:
        return shown.NOTHING
    return f"{effect.broke} broke, {effect.fixed} fixed"


def _ends(interval: Interval | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (interval.low, interval.high)


def contrast_row(contrast: GroupContrast) -> Row:
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


def contrast_rows(contrasts: Sequence[GroupContrast]) -> list[Row]:
    """One row a contrast, in order."""
    return [contrast_row(contrast) for contrast in contrasts]


def _on_scale(contrast: GroupContrast, value: float) -> str:
    if contrast.scale == "points":
        return shown.amount(value, contrast.unit)
    return shown.signed_percent(value)


def _interval_on_scale(contrast: GroupContrast) -> str:
    found = contrast.interval
    if found is None:
        return shown.NOTHING
    return f"{_on_scale(contrast, found.low)} to {_on_scale(contrast, found.high)}"


def reference_row(contrast: ReferenceContrast) -> Row:
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


def reference_rows(contrasts: Sequence[ReferenceContrast]) -> list[Row]:
    """One row a contrast, in order."""
    return [reference_row(contrast) for contrast in contrasts]


def calibration_rows(contrasts: Sequence[CalibrationContrast]) -> list[Row]:
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


def problem_row(problem: Problem) -> Row:
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
