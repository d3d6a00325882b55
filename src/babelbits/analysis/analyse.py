"""The way from finished cells to effects, contrasts, families and problems.

Pure: the same cells and settings give the same analysis. Suites, variants, languages and metrics
keep the order in which they come.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from babelbits.analysis import checks
from babelbits.analysis.calibrations import contrast_calibrations
from babelbits.analysis.cell_index import CellIndex, Cells, sort_cells
from babelbits.analysis.cells import BASELINE, CellResult
from babelbits.analysis.columns import Pairs
from babelbits.analysis.confirmed import confirm
from babelbits.analysis.contrasts import contrast_groups
from babelbits.analysis.effects import EffectDraft, EffectKey, conclude, draft, make_key
from babelbits.analysis.engine_identity import find_engine_differences, find_variants_apart
from babelbits.analysis.expected_best import with_luck
from babelbits.analysis.families import adjust, summarise_families
from babelbits.analysis.inference import Inference, infer
from babelbits.analysis.joint_estimates import estimate_jointly, rank_variants
from babelbits.analysis.paired_samples import Part, Sample, pair_samples, select_part
from babelbits.analysis.references import contrast_references
from babelbits.analysis.results import Analysis, EngineChange, SuiteClaim
from babelbits.analysis.settings import AnalysisSettings, Confirmatory
from babelbits.analysis.variation import estimate_variation
from babelbits.records import Effect
from babelbits.stats.multiplicity import holm


def analyse(
    cells: Sequence[CellResult],
    settings: AnalysisSettings,
    *,
    planned: Sequence[tuple[str, str, str]] = (),
) -> Analysis:
    """Compare every variant with the baseline of its engine, and the baseline with itself.

    Parameters
    ----------
    cells : sequence of CellResult
        Baseline (replicate 0), A/A (baseline, replicate 1), baselines of further engines and
        variants, in the study's order. What cannot be compared becomes a problem; the rest is
        compared.
    planned : sequence of (variant, suite, language)
        Cells that the study asks for, finished or not: part of the questions of the report.
    """
    metas = [cell.meta for cell in cells]
    settings = replace(settings, apart=find_variants_apart(metas))
    desk = sort_cells(cells)
    ours = _samples(desk, {BASELINE: desk.aa}, settings)
    theirs = _samples(desk, desk.variants, settings)
    changed = _samples(desk, desk.engines, settings)
    desk.paired()
    inferences = infer([*ours, *theirs], settings)
    aa = tuple(
        conclude(one, family=None, p_adjusted=None, settings=settings)
        for one in _drafts(ours, inferences[: len(ours)], settings, noise={})
    )
    noise = {make_key(effect): effect for effect in aa}
    drafts = with_luck(
        _drafts(theirs, inferences[len(ours) :], settings, noise=noise), apart=settings.apart
    )
    asked = {at: codes for at, codes in desk.asked(planned).items() if at[0] not in settings.apart}
    everything = confirm(adjust(drafts, settings), asked, primary=desk.primary, settings=settings)
    effects, theirs = _with_verdicts(everything, theirs, settings)
    calibrated = contrast_calibrations(theirs, settings)
    return Analysis(
        effects=everything,
        aa=aa,
        contrasts=contrast_groups(effects, theirs, primary=desk.primary, settings=settings),
        families=summarise_families(effects, settings),
        references=contrast_references(theirs, settings),
        calibrations=calibrated,
        claims=make_claims(effects, primary=desk.primary, alpha=settings.alpha),
        beside=estimate_jointly(
            effects,
            theirs,
            primary=desk.primary,
            languages=_languages(desk),
            settings=settings,
        ),
        variation=estimate_variation(theirs, ours, calibrated),
        variant_ranks=rank_variants(effects, theirs, primary=desk.primary, settings=settings),
        problems=(
            *desk.problems,
            *desk.gaps(),
            *checks.find_noisy_aa(aa, desk.primary),
            *checks.find_early_stopping(everything),
            *find_engine_differences(metas),
        ),
        smoke=any(cell.meta.smoke for cell in cells),
        engine_changes=_engine_changes(desk, changed, settings, noise=noise),
        apart=settings.apart,
    )


def _with_verdicts(
    effects: Sequence[Effect], samples: Sequence[Sample], settings: AnalysisSettings
) -> tuple[tuple[Effect, ...], list[Sample]]:
    """The effects that verdicts are about, with their samples, in the same order."""
    return (
        tuple(one for one in effects if one.variant not in settings.apart),
        [one for one in samples if one.variant not in settings.apart],
    )


def _engine_changes(
    desk: CellIndex,
    samples: Sequence[Sample],
    settings: AnalysisSettings,
    *,
    noise: Mapping[EffectKey, Effect],
) -> tuple[EngineChange, ...]:
    """The baseline in each further engine against the study's: measured, and no question."""
    why = "an engine's baseline is no question of the report"
    alone = replace(
        settings,
        confirmatory=Confirmatory(variants=(), suites=()),
        apart=dict.fromkeys(desk.engines, why),
    )
    drafts = _drafts(samples, infer(samples, alone), alone, noise=noise)
    effects = [conclude(one, family=None, p_adjusted=None, settings=alone) for one in drafts]
    return tuple(
        EngineChange(
            label=label,
            engine=_engine(cells),
            reference=_engine(desk.baseline),
            variants=tuple(
                name
                for name, theirs in desk.variants.items()
                if any(one.meta.baseline == label for one in theirs.values())
            ),
            effects=tuple(one for one in effects if one.variant == label),
        )
        for label, cells in desk.engines.items()
    )


def _engine(cells: Cells) -> str:
    known = dict.fromkeys(one.meta.engine for one in cells.values() if one.meta.engine)
    return ", ".join(known) or "an unknown engine"


def _languages(desk: CellIndex) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for task in desk.tasks:
        found.setdefault(task.suite, []).append(task.language)
    return found


def _samples(
    desk: CellIndex, variants: Mapping[str, Cells], settings: AnalysisSettings
) -> list[Sample]:
    """Variant by variant, suite by suite, metric by metric."""
    return [
        sample
        for variant, cells in variants.items()
        for paired in desk.pairs(cells).values()
        for parts in _parts(desk, paired, settings)
        for sample in pair_samples(variant, parts, groups=settings.groups)
    ]


def _parts(
    desk: CellIndex, paired: Sequence[tuple[CellResult, Pairs]], settings: AnalysisSettings
) -> list[list[Part]]:
    """One list a metric: the languages that have pairs."""
    by_metric: dict[str, list[Part]] = {}
    for cell, pairs in paired:
        for metric in cell.meta.task.metrics:
            found = select_part(pairs, metric, settings=settings)
            if found is not None:
                by_metric.setdefault(metric.name, []).append(found)
            elif metric.name == cell.meta.task.primary:
                desk.problems.append(checks.report_no_pairs(cell, metric.name))
    return list(by_metric.values())


def _drafts(
    found: Sequence[Sample],
    inferences: Sequence[Inference],
    settings: AnalysisSettings,
    *,
    noise: Mapping[EffectKey, Effect],
) -> list[EffectDraft]:
    return [
        draft(sample, inference, settings=settings, noise=noise)
        for sample, inference in zip(found, inferences, strict=True)
    ]


# --- claims about a variant on a whole suite ------------------------------------------------------
# Unharmed in all languages is an intersection-union claim: every language at alpha, no correction.
# Harmed in some is picked from many languages, so it pays for the choice: the smallest p after
# Holm's correction (Berger 1982, Technometrics 24:295; Berger & Hsu 1996, Stat. Science 11:283).


def make_claims(
    effects: Sequence[Effect], *, primary: Mapping[str, str], alpha: float
) -> tuple[SuiteClaim, ...]:
    """One for each variant and suite that has effects of single languages.

    Parameters
    ----------
    effects : sequence of Effect
        With their verdicts; those of single languages and primary metrics are used.
    primary : mapping
        Suite to its primary metric.
    alpha : float
        Level of each equivalence.
    """
    cells: dict[tuple[str, str], list[Effect]] = defaultdict(list)
    for effect in effects:
        if effect.scope == "language" and primary[effect.task] == effect.metric:
            cells[effect.variant, effect.task].append(effect)
    return tuple(_claim(found, alpha=alpha) for found in cells.values())


def _claim(effects: Sequence[Effect], *, alpha: float) -> SuiteClaim:
    """`equivalent` respects what withholds a verdict: floors, and items the variant failed."""
    first = effects[0]
    margins = {effect.decision.margin for effect in effects}
    return SuiteClaim(
        variant=first.variant,
        suite=first.task,
        languages=tuple(str(effect.language) for effect in effects),
        margin=first.decision.margin if len(margins) == 1 else None,
        equivalent_in_all=all(effect.decision.verdict == "equivalent" for effect in effects),
        not_equivalent=tuple(
            str(e.language) for e in effects if e.decision.verdict != "equivalent"
        ),
        worse_in=tuple(str(e.language) for e in effects if e.decision.verdict == "worse"),
        worse_in_some_p=min(holm([_p_of_loss(effect) for effect in effects])),
        confirmed_in=tuple(str(e.language) for e in effects if e.decision.level == "confirmed"),
        equivalent_by_chance=alpha * sum(e.decision.margin is not None for e in effects) or None,
    )


def _p_of_loss(effect: Effect) -> float:
    """Two-sided p of a difference that is a loss; gains and undefined ones claim nothing."""
    return (
        1.0 if effect.inference.p_value is None or effect.delta >= 0 else effect.inference.p_value
    )
