"""What the models of `lab volume` show: damage by amount of a language, and its slope.

delta = bits per byte of the unquantized model less those of the variant, in the same engine: harm
is negative. A slope is the change of delta with each doubling of the language's share; a negative
one means that more text goes with more harm. Level 0 has no logarithm: it is shown and not in the
slope. Only seeds with all their models scored are used. Pure but for reading scores.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction

import numpy as np

from babelbits.bundled import find_bundled_model
from babelbits.lab.volume import describe_standing, is_scored
from babelbits.lab.volume_models import VolumeLab, find_baseline, read_scores
from babelbits.lab.volume_plan import VolumeArm, list_arms
from babelbits.languages import resolve
from babelbits.records import JSON, Interval, quantities
from babelbits.stats.crossed_mean import FEWEST_SEEDS
from babelbits.stats.crossed_slope import CrossedSlope, crossed_slope
from babelbits.stats.multiplicity import holm
from babelbits.stats.paired_scores import FloatArray
from babelbits.words import agreeing, plural

UNIT = "bits/byte"
ALPHA = 0.05
_DIGITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeCell:
    """One model and variant on one language's held-out lines."""

    seed: int
    subject: str
    """Whose amount is varied in this comparison; the full model stands in that of every subject."""
    level: str
    recipe: str
    language: str
    rows: int
    """Rows of tokens of the subject that the model was trained on."""
    baseline: float
    """Bits per byte of the unquantized model."""
    delta: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSlope:
    """The declared question for one language and recipe."""

    subject: str
    recipe: str
    slope: float | None
    """Change of delta with each doubling; None with a reason."""
    interval: Interval | None
    p_value: float | None
    p_adjusted: float | None
    by_seed: tuple[float, ...]
    matched: float | None
    """The slope at equal bits per byte of the unquantized model, line by line."""
    matched_interval: Interval | None
    matched_p: float | None
    matched_p_adjusted: float | None
    held: float | None
    """Change of delta with each bit per byte of the unquantized model."""
    reason: str | None
    """Why a number is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeResults:
    """All that is scored so far."""

    plan: JSON
    planned: int
    scored: int
    seeds: tuple[int, ...]
    """Whose models are all scored."""
    weights: int
    """Of a model."""
    cells: tuple[VolumeCell, ...]
    slopes: tuple[VolumeSlope, ...]

    def as_json(self) -> JSON:
        """For `--json` and the results file."""
        return {**asdict(self), "sentences": list(describe_results(self))}


def read_results(lab: VolumeLab, plan: JSON) -> VolumeResults:
    """Read all scores and answer the declared question for every language and recipe."""
    planned, settings = list_arms(lab.settings), lab.settings
    whole = tuple(
        seed
        for seed in range(1, settings.seeds + 1)
        if all(is_scored(lab, arm) for arm in planned if arm.seed == seed)
    )
    ours = [arm for arm in planned if arm.seed in whole]
    slopes = [
        estimate_slope(lab, ours, subject=subject, recipe=recipe)
        for subject in settings.subjects
        for recipe in settings.recipes
    ]
    now = describe_standing(lab)
    return VolumeResults(
        plan=plan,
        planned=now.planned,
        scored=now.scored,
        seeds=whole,
        weights=_weights(lab),
        cells=tuple(_cells(lab, [arm for arm in planned if is_scored(lab, arm)])),
        slopes=_adjusted(slopes),
    )


def _weights(lab: VolumeLab) -> int:
    """Weights of a model, tied ones once."""
    shape = lab.settings.shape
    rows = json.loads((find_bundled_model() / "config.json").read_text("utf-8"))["vocab_size"]
    block = 4 * shape.hidden**2 + 3 * shape.hidden * shape.intermediate + 2 * shape.hidden
    return int(rows * shape.hidden + shape.layers * block + shape.hidden)


def _of_subject(planned: Sequence[VolumeArm], subject: str) -> list[VolumeArm]:
    return [arm for arm in planned if arm.subject in (subject, None)]


def _bytes(lab: VolumeLab, language: str) -> FloatArray:
    return np.array([len(line.encode()) for line in lab.corpora[language].held_out], float)


def _bits(lab: VolumeLab, arm: VolumeArm, recipe: str, language: str) -> FloatArray:
    found = read_scores(lab, arm, recipe)
    if found is None:
        raise ValueError(f"{arm.name} is not scored by {recipe}")
    return np.array(found["bits"][language], float)


def _cells(lab: VolumeLab, scored: Sequence[VolumeArm]) -> list[VolumeCell]:
    found = []
    for subject in lab.settings.subjects:
        for arm in _of_subject(scored, subject):
            for recipe in lab.settings.recipes:
                for language in (subject, lab.settings.control):
                    size = float(_bytes(lab, language).sum())
                    base = float(_bits(lab, arm, find_baseline(recipe), language).sum()) / size
                    after = float(_bits(lab, arm, recipe, language).sum()) / size
                    found.append(
                        VolumeCell(
                            seed=arm.seed, subject=subject, level=str(arm.level), recipe=recipe,
                            language=language, rows=arm.rows[subject], baseline=base,
                            delta=base - after,
                        )
                    )  # fmt: skip
    return found


def estimate_slope(
    lab: VolumeLab, scored: Sequence[VolumeArm], *, subject: str, recipe: str
) -> VolumeSlope:
    """The slope of a language and recipe over whole seeds; p-values are not adjusted yet."""
    ours = [arm for arm in _of_subject(scored, subject) if arm.level > 0]
    levels = sorted({arm.level for arm in ours})
    seeds = sorted({arm.seed for arm in ours})
    if len(levels) < 2:
        return _no_slope(subject, recipe, "no seed has all its models scored" if not seeds else
                         "a slope needs two amounts above 0")  # fmt: skip
    by_place = {(arm.seed, arm.level): arm for arm in ours}
    size = _bytes(lab, subject)

    def table(kind: str) -> FloatArray:
        return np.array(
            [[_bits(lab, by_place[s, f], kind, subject) / size for f in levels] for s in seeds]
        )

    baseline = table(find_baseline(recipe))
    return estimate_slope_of_arrays(
        baseline - table(recipe), baseline, levels, size, subject=subject, recipe=recipe
    )


def estimate_slope_of_arrays(
    delta: FloatArray,
    baseline: FloatArray,
    levels: Sequence[Fraction],
    size: FloatArray,
    *,
    subject: str,
    recipe: str,
) -> VolumeSlope:
    """The slope from arrays of shape (seeds, levels, lines), and lines' bytes.

    Parameters
    ----------
    delta, baseline
        Bits per byte of each line.
    levels : sequence of Fraction
        Above 0.
    """
    dose = [float(np.log2(float(level))) for level in levels]
    plain = crossed_slope(delta, dose, weights=size)
    matched: CrossedSlope | None = None
    reason = None if plain.test else "one seed: nothing says how much seeds differ"
    if len(levels) > 2:
        try:
            matched = crossed_slope(delta, dose, weights=size, covariate=baseline)
        except ValueError as error:
            reason = str(error)
    else:
        reason = reason or "matching needs three amounts above 0"
    test, second = plain.test, matched.test if matched else None
    return VolumeSlope(
        subject=subject,
        recipe=recipe,
        slope=plain.estimate,
        interval=test.interval if test else None,
        p_value=test.p_value if test else None,
        p_adjusted=None,
        by_seed=plain.by_seed,
        matched=matched.estimate if matched else None,
        matched_interval=second.interval if second else None,
        matched_p=second.p_value if second else None,
        matched_p_adjusted=None,
        held=matched.held if matched else None,
        reason=reason,
    )


def _no_slope(subject: str, recipe: str, reason: str) -> VolumeSlope:
    return VolumeSlope(
        subject=subject, recipe=recipe, slope=None, interval=None, p_value=None, p_adjusted=None,
        by_seed=(), matched=None, matched_interval=None, matched_p=None, matched_p_adjusted=None,
        held=None, reason=reason,
    )  # fmt: skip


def _adjusted(slopes: Sequence[VolumeSlope]) -> tuple[VolumeSlope, ...]:
    """With Holm's p-values over all languages and recipes, for each of the two questions."""
    plain = _holm({n: one.p_value for n, one in enumerate(slopes)})
    matched = _holm({n: one.matched_p for n, one in enumerate(slopes)})
    return tuple(
        replace(one, p_adjusted=plain.get(n), matched_p_adjusted=matched.get(n))
        for n, one in enumerate(slopes)
    )


def _holm(values: Mapping[int, float | None]) -> dict[int, float]:
    there = {n: p for n, p in values.items() if p is not None}
    return dict(zip(there, holm(list(there.values())), strict=True))


# --- what is said ---------------------------------------------------------------------------------


def describe_results(results: VolumeResults) -> tuple[str, ...]:
    """What was found, of these models alone."""
    if not results.seeds:
        count = f"{results.scored} of {plural(results.planned, 'model')}"
        return (f"{count} are scored and no seed is complete: no result",)
    model = f"{results.weights / 1e6:.1f}M-weight"
    whole = results.scored == results.planned
    said = [_sentence(one, model, whole=whole) for one in results.slopes]
    said += [found for one in results.slopes if (found := _matched_sentence(one, whole=whole))]
    if not whole:
        said.append(
            f"{results.scored} of {plural(results.planned, 'model')} are scored; slopes use "
            f"{plural(len(results.seeds), 'seed')} whose models all are"
        )
    if results.plan.get("scored_before"):
        said.append(
            f"this plan was written when {plural(results.plan['scored_before'], 'model')} of it "
            f"{agreeing(results.plan['scored_before'], 'was', 'were')} already scored"
        )
    return tuple(said)


def _sentence(one: VolumeSlope, model: str, *, whole: bool) -> str:
    name = resolve(one.subject).name
    if one.slope is None:
        return f"{name}, {one.recipe}: no slope, {one.reason}"
    start = (
        f"in this {model} model each doubling of the {name} text changes what {one.recipe} does to "
        f"{name} by {format_slope(one.slope)} {UNIT}"
    )
    if one.interval is None or one.p_adjusted is None:
        return f"{start}; no interval: {one.reason}"
    return (
        f"{start} ({_interval(one.interval)}), adjusted p {_p(one.p_adjusted)}: "
        f"{_answer(one.slope, one.p_adjusted, n_seeds=len(one.by_seed), whole=whole)}"
    )


def _matched_sentence(one: VolumeSlope, *, whole: bool) -> str | None:
    if one.matched is None or one.matched_interval is None or one.matched_p_adjusted is None:
        return None
    return (
        f"{resolve(one.subject).name}, {one.recipe}, at equal bits per byte of the unquantized "
        f"model: {format_slope(one.matched)} {UNIT} a doubling "
        f"({_interval(one.matched_interval)}), adjusted p {_p(one.matched_p_adjusted)}: "
        f"{_answer(one.matched, one.matched_p_adjusted, n_seeds=len(one.by_seed), whole=whole)}"
    )


def _answer(slope: float, p_adjusted: float, *, n_seeds: int, whole: bool) -> str:
    """A look before the end decides nothing: the level is that of one look."""
    if not whole:
        return "not decided before all models are scored"
    if n_seeds < FEWEST_SEEDS:
        return f"not decided with fewer than {FEWEST_SEEDS} seeds"
    if p_adjusted > ALPHA:
        return "not decided"
    return "more text, more harm" if slope < 0 else "more text, less harm"


def format_slope(value: float | None) -> str:
    """A slope with its sign, bits per byte: finer than a score, it is for each doubling."""
    return quantities.NOTHING if value is None else quantities.with_sign(value, _DIGITS)


def format_interval(found: Interval | None) -> str:
    """'−0.0052 to −0.0010'."""
    if found is None:
        return quantities.NOTHING
    return f"{format_slope(found.low)} to {format_slope(found.high)}"


def _interval(found: Interval) -> str:
    return f"{found.level:.0%} interval".replace("%", " %") + f" {format_interval(found)}"


def _p(value: float) -> str:
    return "below 0.001" if value < 0.001 else f"{value:.3f}"
