"""What a study calls the variants of a run now: names may have changed since it was run.

A variant is known by its recipe, parameters, calibration and seed, not by its label. Versions of
libraries do not count here: a result that was made with older ones is still that variant's. One
that somebody else made is known by its label alone: its files are not read again for a report, and
where its name in the study has changed, the next run finds its results by their content.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from babelbits.records import CellMeta, canonical_json
from babelbits.study.config.spec import FOUND, Study
from babelbits.study.planning.identity import identify_variant

_WHAT = ("recipe", "parameters", "calibration", "seed", "kv_cache", "engine")


def map_labels(study: Study, planned: Iterable[CellMeta]) -> dict[str, str]:
    """Variant id to label for every variant of a run that the study still has.

    Parameters
    ----------
    planned : iterable of CellMeta
        Cells as they were last run.

    Raises
    ------
    CalibrationError
        If calibration text of the study cannot be read.
    """
    labels = {
        _core(identify_variant(spec, base_hash="", seed=study.seed)): spec.label
        for spec in study.variants
        if spec.origin in ("baseline", "made")
    }
    found = {spec.label for spec in study.variants if spec.origin == "found"}
    labels_by_id = {
        meta.variant_id: (meta.variant if meta.variant in found else None)
        if meta.identity["variant"]["recipe"] == FOUND
        else labels.get(_core(meta.identity["variant"]))
        for meta in planned
    }
    return {variant_id: label for variant_id, label in labels_by_id.items() if label is not None}


def _core(identity: Mapping[str, Any]) -> str:
    return canonical_json({name: identity.get(name) for name in _WHAT})
