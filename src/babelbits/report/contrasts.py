"""Tables that hold languages against each other: groups, the reference, calibration languages.

Pure: no markup, no files. Every text is still hostile; the template escapes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from babelbits.analysis import CalibrationContrast, GroupContrast, ReferenceContrast
from babelbits.analysis import format as numbers
from babelbits.report.views import LONGEST_TABLE

# --- group contrasts -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ContrastRow:
    """A group of languages against the others, on one suite."""

    variant: str
    group: str
    others: str
    cells: tuple[str, ...]
    """The values of `CONTRAST_COLUMNS`."""


CONTRAST_COLUMNS = (
    "languages",
    "Δ in",
    "Δ out",
    "difference",
    "interval",
    "p (Holm)",
    "sd between languages",
)


def list_contrasts(found: Sequence[GroupContrast], suite: str) -> tuple[ContrastRow, ...]:
    """Contrasts in points of a suite, hardest hit group first; the language is the unit."""
    kept = [one for one in found if one.suite == suite and one.scale == "points"]
    return tuple(
        _contrast_row(one) for one in sorted(kept, key=lambda c: (c.difference, c.variant, c.group))
    )


def _contrast_row(one: GroupContrast) -> ContrastRow:
    p = one.p_value if one.p_adjusted is None else one.p_adjusted
    cells = (
        f"{len(one.languages_in)} / {len(one.languages_out)}",
        numbers.signed(one.mean_in, one.unit),
        numbers.signed(one.mean_out, one.unit),
        numbers.signed(one.difference, one.unit),
        numbers.interval(one.interval, one.unit),
        numbers.p_value(p),
        numbers.NOTHING if one.tau is None else f"sd {numbers.size(one.tau, one.unit)}",
    )
    return ContrastRow(variant=one.variant, group=one.group, others=one.others, cells=cells)


# --- against the reference language ----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceRow:
    """A language against the reference language."""

    variant: str
    language: str
    remark: str
    cells: tuple[str, ...]
    """The values of `REFERENCE_COLUMNS`."""


REFERENCE_COLUMNS = ("Δ", "Δ of the reference", "difference", "interval (together)", "p (Holm)")


def list_references(found: Sequence[ReferenceContrast], suite: str) -> tuple[ReferenceRow, ...]:
    """Double differences of a suite, the language harmed most beyond the reference first."""
    kept = [one for one in found if one.suite == suite]
    ordered = sorted(kept, key=lambda one: (one.difference, one.variant, one.language))
    return tuple(_reference_row(one) for one in ordered[:LONGEST_TABLE])


def _reference_row(one: ReferenceContrast) -> ReferenceRow:
    cells = (
        numbers.signed(one.delta, one.unit),
        numbers.signed(one.reference_delta, one.unit),
        numbers.signed(one.difference, one.unit),
        numbers.interval(one.interval, one.unit),
        numbers.p_value(one.p_adjusted),
    )
    remark = "; ".join(one.notes)
    return ReferenceRow(variant=one.variant, language=one.language, remark=remark, cells=cells)


# --- calibration languages -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationRow:
    """A recipe calibrated in one language against the same recipe calibrated in another."""

    recipe: str
    language: str | None
    """Asked in; None: all."""
    pair: str
    remark: str
    cells: tuple[str, ...]
    """The values of `CALIBRATION_COLUMNS`."""


CALIBRATION_COLUMNS = (
    *("draws", "Δ", "Δ of the other", "difference", "interval (together)", "p (Holm)"),
    "sd between draws",
)


def list_calibrations(
    found: Sequence[CalibrationContrast], suite: str
) -> tuple[CalibrationRow, ...]:
    """Contrasts of a suite: all languages first, then by the size of the harm."""
    kept = [one for one in found if one.suite == suite]
    ordered = sorted(
        kept,
        key=lambda one: (one.recipe, one.calibration, one.language is not None, one.difference),
    )
    return tuple(_calibration_row(one) for one in ordered[:LONGEST_TABLE])


def _calibration_row(one: CalibrationContrast) -> CalibrationRow:
    sd = numbers.NOTHING if one.draw_sd is None else f"sd {numbers.size(one.draw_sd, one.unit)}"
    cells = (
        f"{one.draws} / {one.reference_draws}",
        numbers.signed(one.delta, one.unit),
        numbers.signed(one.reference_delta, one.unit),
        numbers.signed(one.difference, one.unit),
        numbers.interval(one.interval, one.unit),
        numbers.p_value(one.p_value if one.p_adjusted is None else one.p_adjusted),
        sd,
    )
    return CalibrationRow(
        recipe=one.recipe,
        language=one.language,
        pair=f"{one.calibration} against {one.reference}",
        remark="; ".join(one.notes),
        cells=cells,
    )
