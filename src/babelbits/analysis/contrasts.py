"""Is a group of languages harmed more than the others? Languages are the units.

Each language counts by what its items tell (see `stats.meta`). The claim is about the languages
asked: related ones are alike, so it holds for others of their kind only as far as these stand for
them, which every contrast says.

On three scales, because they can disagree. Only the contrasts in points are adjusted and confirm
anything; the others are there so that a disagreement shows.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from babelbits.analysis.inference import make_signature
from babelbits.analysis.paired_samples import Sample
from babelbits.analysis.results import GroupContrast, Scale
from babelbits.analysis.settings import AnalysisSettings
from babelbits.records import Effect
from babelbits.stats.meta import group_difference, sampling_variances
from babelbits.stats.multiplicity import holm
from babelbits.stats.scales import signs_conflict

THESE_LANGUAGES = "about these languages only: languages of one family count as independent"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Language:
    """One language's effect and how well it is known."""

    effect: Effect
    variance: float
    """Of one unit's difference."""
    n_units: int
    chance: float

    def on(self, scale: Scale) -> tuple[float, float] | None:
        """Value on a scale, and how much larger than delta the scale shows it."""
        effect = self.effect
        if scale == "points":
            return effect.delta, 1.0
        if scale == "relative":
            value, base = effect.relative.relative_change, effect.arms.baseline_score
        else:
            lost, base = effect.relative.above_chance_lost, effect.arms.baseline_score - self.chance
            value = None if lost is None else -lost
        return None if value is None or base == 0 else (value, 1 / abs(base))


_SCALES: tuple[Scale, ...] = ("points", "relative", "above_chance")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Split:
    """A group and the languages outside it."""

    group: str
    others: str
    inside: frozenset[str]


def contrast_groups(
    effects: Sequence[Effect],
    samples: Sequence[Sample],
    *,
    primary: Mapping[str, str],
    settings: AnalysisSettings,
) -> tuple[GroupContrast, ...]:
    """Every declared group against the languages outside it, for each variant and suite.

    Parameters
    ----------
    effects : sequence of Effect
        Of all scopes; those of single languages and primary metrics are used.
    samples : sequence of Sample
        What each effect is about, in the same order.
    primary : mapping
        Suite to its primary metric.
    """
    cells: dict[tuple[str, str], list[_Language]] = defaultdict(list)
    for effect, sample in zip(effects, samples, strict=True):
        if effect.counts.n_planned is not None:
            continue  # how much a language lost decided how long it ran: its delta is biased
        if effect.scope == "language" and primary[effect.task] == effect.metric:
            cells[effect.variant, effect.task].append(_language(effect, sample))
    group_contrasts: list[GroupContrast] = []
    for languages in cells.values():
        ours = [
            one
            for split in _splits([one.effect for one in languages], settings.groups)
            for one in _on_all_scales(languages, split, settings)
        ]
        group_contrasts += _adjusted(ours)
    return tuple(group_contrasts)


def _language(effect: Effect, sample: Sample) -> _Language:
    return _Language(
        effect=effect,
        variance=sample.unit_variance,
        n_units=sample.scores.n_clusters,
        chance=sample.metric.chance or 0.0,
    )


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
    languages: Sequence[_Language], split: _Split, settings: AnalysisSettings
) -> list[GroupContrast]:
    found = [_contrast(languages, split, scale=scale, settings=settings) for scale in _SCALES]
    defined = [one for one in found if one is not None]
    if signs_conflict([one.difference for one in defined]):
        note = "the scales disagree on which side is harmed more"
        return [replace(one, notes=(*one.notes, note)) for one in defined]
    return defined


def _contrast(
    languages: Sequence[_Language], split: _Split, *, scale: Scale, settings: AnalysisSettings
) -> GroupContrast | None:
    """None where a side has no language with a number on this scale."""
    values = {str(one.effect.language): (one, one.on(scale)) for one in languages}
    known = {code: (one, value) for code, (one, value) in values.items() if value is not None}
    inside = np.array([code in split.inside for code in known])
    if inside.all() or not inside.any():
        return None
    numbers = np.array([value[0] for _, value in known.values()])
    factors = np.array([value[1] for _, value in known.values()])
    variances = factors**2 * sampling_variances(
        [one.variance for one, _ in known.values()], [one.n_units for one, _ in known.values()]
    )
    model = group_difference(numbers, variances, inside, level=1 - settings.alpha)
    mean_in = float(numbers[inside].mean()) if model is None else model.mean_in
    mean_out = float(numbers[~inside].mean()) if model is None else model.mean_out
    first = languages[0].effect
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
        mean_in=mean_in,
        mean_out=mean_out,
        difference=mean_in - mean_out,
        interval=None if model is None else model.interval,
        p_value=None if model is None else model.p_value,
        tau=None if model is None else model.tau,
        p_adjusted=None,
        family=None,
        notes=(_too_few(numbers.size),) if model is None else (THESE_LANGUAGES,),
        recipe=make_signature(
            "random-effects regression (Paule-Mandel, Knapp-Hartung)",
            f"units={numbers.size} languages",
        ),
    )


def _too_few(n_languages: int) -> str:
    if n_languages < 3:
        return "two languages are too few for a test"
    return "nothing changed, so there is nothing to compare"


def _adjusted(found: Sequence[GroupContrast]) -> list[GroupContrast]:
    """Holm over the contrasts in points of one variant and suite."""
    in_points = [one for one in found if one.scale == "points" and one.p_value is not None]
    adjusted = holm([one.p_value for one in in_points if one.p_value is not None])
    p_values = dict(zip(map(id, in_points), adjusted, strict=True))
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
