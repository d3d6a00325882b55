"""Is a group of languages hit harder than the others? Languages are the units.

On three scales, because they can disagree. Only the contrasts in points are adjusted and confirm
anything; the others are there so that a disagreement shows.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from babelbits.compare.results import GroupContrast, Scale
from babelbits.compare.settings import AnalysisSettings
from babelbits.compare.signature import signature
from babelbits.records import Effect
from babelbits.stats.groups import contrast_interval, label_permutation
from babelbits.stats.multiplicity import holm
from babelbits.stats.scales import signs_conflict


def _above_chance_kept(effect: Effect) -> float | None:
    return None if effect.above_chance_lost is None else -effect.above_chance_lost


_SCALES: dict[Scale, Callable[[Effect], float | None]] = {
    "points": lambda effect: effect.delta,
    "relative": lambda effect: effect.relative_change,
    "above_chance": _above_chance_kept,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Split:
    """A group and the languages outside it."""

    group: str
    others: str
    inside: frozenset[str]


def contrasts(
    effects: Sequence[Effect], *, primary: Mapping[str, str], settings: AnalysisSettings
) -> tuple[GroupContrast, ...]:
    """Every declared group against the languages outside it, for each variant and suite.

    Parameters
    ----------
    effects : sequence of Effect
        Of all scopes; those of single languages and primary metrics are used.
    primary : mapping
        Suite to its primary metric.
    """
    cells: dict[tuple[str, str], list[Effect]] = defaultdict(list)
    for effect in effects:
        if effect.n_planned is not None:
            continue  # how much a language lost decided how long it ran: its delta is biased
        if effect.scope == "language" and primary[effect.task] == effect.metric:
            cells[effect.variant, effect.task].append(effect)
    found: list[GroupContrast] = []
    for languages in cells.values():
        ours = [
            one
            for split in _splits(languages, settings.groups)
            for one in _on_all_scales(languages, split, settings)
        ]
        found += _adjusted(ours)
    return tuple(found)


def _splits(effects: Sequence[Effect], groups: Mapping[str, tuple[str, ...]]) -> Iterator[_Split]:
    """Groups with languages on both sides, a split and its mirror image once."""
    here = frozenset(effect.language for effect in effects if effect.language is not None)
    inside_of = {name: here.intersection(languages) for name, languages in groups.items()}
    seen: set[frozenset[str]] = set()
    for name, inside in inside_of.items():
        if not inside or inside == here or inside in seen:
            continue
        seen |= {inside, here - inside}
        others = [other for other, languages in inside_of.items() if languages == here - inside]
        yield _Split(group=name, others=others[0] if others else "the others", inside=inside)


def _on_all_scales(
    effects: Sequence[Effect], split: _Split, settings: AnalysisSettings
) -> list[GroupContrast]:
    found = [_contrast(effects, split, scale=scale, settings=settings) for scale in _SCALES]
    defined = [one for one in found if one is not None]
    if signs_conflict([one.difference for one in defined]):
        note = "the scales disagree on which side is hit harder"
        return [replace(one, notes=(*one.notes, note)) for one in defined]
    return defined


def _contrast(
    effects: Sequence[Effect], split: _Split, *, scale: Scale, settings: AnalysisSettings
) -> GroupContrast | None:
    """None where a side has no language with a number on this scale."""
    values = {str(one.language): _SCALES[scale](one) for one in effects}
    known = {language: value for language, value in values.items() if value is not None}
    inside = np.array([language in split.inside for language in known])
    if inside.all() or not inside.any():
        return None
    numbers = np.array(list(known.values()))
    found = label_permutation(
        numbers,
        inside,
        rng=np.random.default_rng([settings.seed, numbers.size, 2]),
        resamples=settings.resamples,
    )
    first = effects[0]
    how = "exact" if found.exact else f"draws={found.splits}|seed={settings.seed}"
    return GroupContrast(
        variant=first.variant,
        suite=first.task,
        metric=first.metric,
        unit=first.unit if scale == "points" else "fraction",
        scale=scale,
        group=split.group,
        others=split.others,
        languages_in=tuple(one for one in known if one in split.inside),
        languages_out=tuple(one for one in known if one not in split.inside),
        left_out=tuple(one for one in values if one not in known),
        mean_in=float(numbers[inside].mean()),
        mean_out=float(numbers[~inside].mean()),
        difference=found.difference,
        interval=contrast_interval(numbers, inside, level=1 - settings.alpha),
        p_value=found.p_value,
        smallest_p=found.smallest_p,
        exact=found.exact,
        p_adjusted=None,
        family=None,
        notes=_power_note(found.smallest_p, settings.alpha),
        recipe=signature(f"label permutation, {how}", f"units={numbers.size} languages"),
    )


def _power_note(smallest_p: float, alpha: float) -> tuple[str, ...]:
    if smallest_p <= alpha:
        return ()
    return (f"so few languages cannot give a p below {smallest_p:.2g}",)


def _adjusted(found: Sequence[GroupContrast]) -> list[GroupContrast]:
    """Holm over the contrasts in points of one variant and suite."""
    in_points = [one for one in found if one.scale == "points"]
    p_values = dict(
        zip([id(one) for one in in_points], holm([one.p_value for one in in_points]), strict=True)
    )
    return [
        replace(
            one,
            p_adjusted=p_values[id(one)],
            family=f"{one.variant} · {one.suite} · group contrasts",
        )
        if id(one) in p_values
        else one
        for one in found
    ]
