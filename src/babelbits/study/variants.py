"""`[[variants]]` of a study file to `VariantSpec`s: recipes, parameters, calibration, labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from babelbits.languages import resolve
from babelbits.recipes.calibration import CalibrationSpec
from babelbits.recipes.catalogue import RECIPES, RecipeInfo, find, parameter_problem
from babelbits.study.labels import NAME, label_of
from babelbits.study.spec import BASELINE, VariantSpec
from babelbits.study.table import Table, Wrong, integer, kind_of, text
from babelbits.suggest import did_you_mean

_OWN_KEYS = ("recipe", "name", "calibration")


def read_variants(tables: Sequence[Table], *, home: Path, seed: int) -> tuple[VariantSpec, ...]:
    """All variants of a study, the baseline first whether it is written down or not.

    Parameters
    ----------
    tables : sequence of Table
        The `[[variants]]`.
    home : Path
        Folder where relative paths start.
    seed : int
        Seed of a calibration draw that names none.
    """
    found = [VariantSpec(label=BASELINE, recipe=BASELINE)]
    for table in tables:
        variant = _variant(table, home=home, seed=seed)
        if variant is None or variant == found[0]:
            continue
        if any(other.label == variant.label for other in found):
            where = "name" if "name" in table.data else "recipe"
            table.complain(
                f"two variants are called {variant.label!r}",
                where,
                hint='give one of them another name: name = "..."',
            )
        found.append(variant)
    return tuple(found)


def _variant(table: Table, *, home: Path, seed: int) -> VariantSpec | None:
    recipe = table.need("recipe", _recipe, example='recipe = "w4-g"')
    name = table.get("name", _name, "")
    calibration = _calibration(table, home=home, seed=seed)
    if recipe is None:
        return None
    parameters = _parameters(table, recipe)
    if recipe.needs_calibration and "calibration" not in table.data:
        table.complain(
            f"the recipe '{recipe.name}' sees calibration text, and none is named",
            hint='add the language of the text: calibration = "en"',
        )
    if not recipe.needs_calibration and "calibration" in table.data:
        table.complain(
            f"the recipe '{recipe.name}' takes no calibration text",
            "calibration",
            hint="leave it out",
            part="key",
        )
    language = calibration.language if calibration else None
    label = name or label_of(recipe.name, parameters, language=language)
    return VariantSpec(
        label=label, recipe=recipe.name, parameters=parameters, calibration=calibration
    )


def _recipe(value: Any) -> RecipeInfo:
    return find(text(value))


def _name(value: Any) -> str:
    name = text(value)
    if not NAME.fullmatch(name):
        raise Wrong(
            f"must be letters, digits and . _ - + @ = , [ ] ( ) only, at most 64: {name[:64]!r}"
        )
    if name == BASELINE:
        raise Wrong("'baseline' is the unquantized model's name")
    return name


def _parameters(table: Table, recipe: RecipeInfo) -> dict[str, int | float | str | bool]:
    """All parameters of the recipe; unknown ones and wrong values are noted."""
    settled = {}
    for name, info in recipe.parameters.items():
        value = table.data.get(name, info.default)
        problem = parameter_problem(info, value)
        if problem is not None:
            table.complain(f"'{name}' {problem}, not {value!r}", name, hint=info.help)
            value = info.default
        settled[name] = info.type(value)
    for name in table.data:
        if name not in settled and name not in _OWN_KEYS:
            _complain_unknown(table, recipe, name)
    return settled


def _complain_unknown(table: Table, recipe: RecipeInfo, name: str) -> None:
    near = did_you_mean(name, (*recipe.parameters, *_OWN_KEYS))
    owners = [other.name for other in RECIPES.values() if name in other.parameters]
    known = ", ".join(recipe.parameters) or "none"
    hint = near or (f"its parameters: {known}" if not owners else f"{', '.join(owners)} have it")
    table.complain(
        f"the recipe '{recipe.name}' has no parameter {name!r}", name, hint=hint, part="key"
    )


def _calibration(table: Table, *, home: Path, seed: int) -> CalibrationSpec | None:
    """`calibration`: a language, or a table."""
    value = table.data.get("calibration")
    if value is None:
        return None
    if not isinstance(value, dict):
        spoken = table.get("calibration", _language, "")
        return CalibrationSpec(language=spoken, seed=seed, folder=home)
    inner = table.table("calibration")
    language = inner.need("language", _language, example='language = "en"') or ""
    source = inner.get("source", text, "bundled")
    spec = CalibrationSpec(
        language=language,
        source=source,
        samples=inner.get("samples", integer(minimum=1), 0) or None,
        tokens=inner.get("tokens", integer(minimum=8), 0) or None,
        seed=inner.get("seed", integer(minimum=0, maximum=2**32 - 1), seed),
        folder=home,
    )
    if source != "bundled" and not source.startswith("hub:") and not _file(home, source).is_file():
        inner.complain(
            f"there is no calibration file {str(_file(home, source))!r}",
            "source",
            hint="use 'bundled', a text file, or 'hub:dataset'",
        )
    inner.close(what="'calibration'")
    return spec


def _file(home: Path, source: str) -> Path:
    return home / Path(source).expanduser()


def _language(value: Any) -> str:
    if not isinstance(value, str):
        raise Wrong(f"must be a language in quotes, or a table, not {kind_of(value)}")
    return resolve(value).code
