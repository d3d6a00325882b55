"""Does the calibration language matter? Draws of text and items are both units.

For each recipe that was calibrated in more than one language: every calibration language against
the reference language (or the first), on the primary metric, in each language asked and in all.
Intervals of one recipe on one suite hold together, as its p-values do.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from babelbits.analysis.inference import make_signature
from babelbits.analysis.paired_samples import Sample
from babelbits.analysis.results import CalibrationContrast
from babelbits.analysis.settings import AnalysisSettings, CalibrationOf
from babelbits.records import Manifest
from babelbits.stats.calibration_variance import FEWEST_DRAWS, draw_contrast
from babelbits.stats.multiplicity import holm
from babelbits.words import plural

FEW_DRAWS = (
    f"fewer than {FEWEST_DRAWS} draws of text a language: says something about these texts, not "
    "about the languages"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where the variants of one recipe are compared."""

    recipe: str
    suite: str
    language: str | None


_Family = tuple[str, str, bool]
"""Recipe, suite, and whether the claim is about all languages together."""


def read_calibrations(manifests: Mapping[str, Manifest]) -> dict[str, CalibrationOf]:
    """What each calibrated variant saw; a recipe with several sets of parameters is several."""
    sets: dict[str, dict[str, None]] = {}
    for manifest in manifests.values():
        sets.setdefault(manifest.recipe, {})[_parameters(manifest)] = None
    return {
        label: CalibrationOf(
            recipe=manifest.recipe
            if len(sets[manifest.recipe]) == 1
            else f"{manifest.recipe}[{_parameters(manifest)}]",
            language=manifest.calibration.language,
        )
        for label, manifest in manifests.items()
        if manifest.calibration is not None
    }


def _parameters(manifest: Manifest) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(manifest.parameters.items()))


def contrast_calibrations(
    samples: Sequence[Sample], settings: AnalysisSettings
) -> tuple[CalibrationContrast, ...]:
    """Empty where no recipe was calibrated in two languages."""
    places: dict[_Place, dict[str, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for sample in samples:
        seen = settings.calibrations.get(sample.variant)
        if seen is None or sample.stops or sample.scope == "group":
            continue
        if sample.metric.name != sample.info.primary:
            continue
        language = sample.info.language if sample.scope == "language" else None
        place = _Place(recipe=seen.recipe, suite=sample.info.suite, language=language)
        places[place][seen.language].append(sample)
    sizes: Counter[_Family] = Counter()
    for place, calibrated in places.items():
        sizes[_family(place)] += len(calibrated) - 1
    contrasts = [
        contrast
        for place, calibrated in places.items()
        for contrast in _contrasts(
            place, calibrated, settings, level=1 - settings.alpha * _part(place, sizes)
        )
    ]
    return tuple(_adjusted(contrasts))


def _family(place: _Place) -> _Family:
    return place.recipe, place.suite, place.language is None


def _part(place: _Place, sizes: Mapping[_Family, int]) -> float:
    """Which part of alpha an interval has, so that those of one recipe and suite hold together."""
    recipe, suite, general = _family(place)
    halves = 2 if sizes.get((recipe, suite, not general)) else 1
    return 1 / halves / max(1, sizes[recipe, suite, general])


def _contrasts(
    place: _Place,
    calibrated: Mapping[str, Sequence[Sample]],
    settings: AnalysisSettings,
    *,
    level: float,
) -> Iterator[CalibrationContrast]:
    if len(calibrated) < 2:
        return
    named = settings.reference
    reference = named if named is not None and named in calibrated else next(iter(calibrated))
    shared = _shared(calibrated)
    tables = {code: _table(draws, shared) for code, draws in calibrated.items()}
    first = calibrated[reference][0]
    for code, table in tables.items():
        if code == reference or not shared.size:
            continue
        others = [one for name, one in tables.items() if name not in (code, reference)]
        contrast = draw_contrast(table, tables[reference], others=others, level=level)
        few = min(contrast.draws_first, contrast.draws_second) < FEWEST_DRAWS
        lost = first.scores.n_clusters - shared.size
        yield CalibrationContrast(
            recipe=place.recipe,
            suite=place.suite,
            metric=first.metric.name,
            unit=first.metric.unit,
            language=place.language,
            calibration=code,
            reference=reference,
            delta=float(table.mean()),
            reference_delta=float(tables[reference].mean()),
            difference=contrast.estimate,
            draws=contrast.draws_first,
            reference_draws=contrast.draws_second,
            draw_sd=contrast.draw_sd,
            interval=contrast.interval,
            p_value=contrast.p_value,
            p_adjusted=None,
            family=None,
            notes=(
                *((FEW_DRAWS,) if few else ()),
                *(
                    (f"{plural(lost, 'item')} without a score in some variant left out",)
                    if lost > 0
                    else ()
                ),
            ),
            recipe_of_computation=make_signature(
                "t over items and draws", f"units={contrast.n_units} items"
            ),
        )


def _labels(sample: Sample) -> np.ndarray:
    """Of the sample's clusters, in the order of its contributions."""
    return np.unique(sample.clusters)


def _shared(calibrated: Mapping[str, Sequence[Sample]]) -> np.ndarray:
    """Source items that every draw of every calibration has."""
    everything = [_labels(one) for draws in calibrated.values() for one in draws]
    shared = everything[0]
    for one in everything[1:]:
        shared = np.intersect1d(shared, one)
    return shared


def _table(draws: Sequence[Sample], shared: np.ndarray) -> np.ndarray:
    """One row a draw, one column a source item."""
    return np.stack([one.scores.contributions[np.isin(_labels(one), shared)] for one in draws])


def _adjusted(contrasts: Sequence[CalibrationContrast]) -> list[CalibrationContrast]:
    """Holm over everything that is said of one recipe on one suite, in two halves.

    Half of alpha for the contrasts over all languages, half for those in single languages, so that
    the few general claims do not pay for the many; each p-value is doubled for it.
    """
    families: dict[_Family, list[int]] = defaultdict(list)
    for index, one in enumerate(contrasts):
        if one.p_value is not None:
            families[one.recipe, one.suite, one.language is None].append(index)
    changed = list(contrasts)
    for (recipe, suite, general), indices in families.items():
        shared = (recipe, suite, not general) in families
        adjusted = holm([contrasts[index].p_value or 0.0 for index in indices])
        for index, p in zip(indices, adjusted, strict=True):
            changed[index] = replace(
                contrasts[index],
                p_adjusted=min(1.0, 2 * p if shared else p),
                family=f"{recipe} · {suite} · calibrations",
            )
    return changed
