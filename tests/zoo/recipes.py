"""The recipes of the table, with the parameters and the short calibration text that it uses."""

from babelbits.recipes.calibration import CalibrationSpec
from babelbits.recipes.catalogue import RECIPES
from babelbits.study.config.spec import VariantSpec

_CALIBRATION = CalibrationSpec(language="en", samples=8, tokens=128)

COLUMNS: dict[str, tuple[str, dict[str, str]]] = {
    "baseline": ("baseline", {}),
    **{
        name: (name, {})
        for name in (
            *("w8", "w8a8", "w8a8-sq", "w4", "w4-g", "w4-rtn", "w4-g-rtn", "awq", "fp8"),
            *("llm-int8", "nf4"),
        )
    },
    "gguf f32": ("gguf", {"type": "f32"}),
    "gguf f16": ("gguf", {"type": "f16"}),
    **{name: (name, {}) for name in ("q4_k_m", "q2_k_s", "iq2_s")},
}
"""Name of a column -> recipe and what it changes of the recipe's parameters."""


def engine_of(column: str) -> str:
    """'transformers' or 'llama.cpp'."""
    recipe, _changed = COLUMNS[column]
    return "llama.cpp" if RECIPES[recipe].family == "gguf" else "transformers"


def variant(column: str) -> VariantSpec:
    """The variant of a column as a study would have it."""
    recipe, changed = COLUMNS[column]
    info = RECIPES[recipe]
    defaults = {name: parameter.default for name, parameter in info.parameters.items()}
    return VariantSpec(
        label=column,
        recipe=recipe,
        parameters={**defaults, **changed},
        calibration=_CALIBRATION if info.needs_calibration else None,
    )
