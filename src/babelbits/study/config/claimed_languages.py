"""Which languages the model claims to know, so that the others can be looked at apart.

A study says so under `[languages]`; of the bundled model it is known. Damage in languages that a
model does not claim is the first open question of Marchisio et al. 2024 (arXiv 2407.03211, section
on limitations). Nothing here looks into a model: a claim is what its makers say.
"""

from collections.abc import Mapping
from typing import Any

from babelbits.bundled import MODEL_LANGUAGES
from babelbits.languages import resolve
from babelbits.study.config.spec import BUNDLED


def claimed_by(model: str) -> tuple[str, ...] | None:
    """What is known of a model without being told; None for all but the bundled one."""
    return MODEL_LANGUAGES if model == BUNDLED else None


def claimed_in(study: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Canonical codes that the model of a study claims; None where nobody says.

    Parameters
    ----------
    study : mapping
        A study file as parsed, already checked; empty where there is no study.
    """
    declared = study.get("languages", {}).get("claimed")
    if declared is not None:
        return tuple(dict.fromkeys(resolve(code).code for code in declared))
    return claimed_by(study.get("model", {}).get("path", BUNDLED)) if study else None
