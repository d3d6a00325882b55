"""`[[variants]]` of a study file to `VariantSpec`s: recipes, parameters, calibration, labels."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from babelbits.languages import resolve
from babelbits.recipes.calibration import MIX, CalibrationSpec, matrix_file
from babelbits.recipes.catalogue import RECIPES, RecipeInfo, find, parameter_problem
from babelbits.study.config.labels import NAME, label_of
from babelbits.study.config.spec import BASELINE, VariantSpec
from babelbits.study.config.toml_table import Table, Wrong, integer, kind_of, text
from babelbits.suggest import did_you_mean
from babelbits.words import agreeing

_MOST_DRAWS = 99
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
        for variant in _variants(table, home=home, seed=seed):
            if variant == found[0]:
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


def _variants(table: Table, *, home: Path, seed: int) -> list[VariantSpec]:
    """The variant of a table, or one for each draw of its calibration text."""
    recipe = table.need("recipe", _recipe, example='recipe = "w4-g"')
    name = table.get("name", _name, "")
    calibrations: list[CalibrationSpec | None] = [*_calibrations(table, home=home, seed=seed)]
    if recipe is None:
        _check_for_any(table)
        return []
    parameters = _parameters(table, recipe)
    if recipe.needs_calibration and "calibration" not in table.data:
        table.complain(
            f"the recipe '{recipe.name}' sees calibration text, and none is named",
            hint='add the language of the text: calibration = "en"',
        )
    if not recipe.sees_text and "calibration" in table.data:
        table.complain(
            f"the recipe '{recipe.name}' takes no calibration text",
            "calibration",
            hint="leave it out",
            part="key",
        )
    if recipe.method != "k-quant" and any(one and matrix_file(one) for one in calibrations):
        table.complain(
            f"the recipe '{recipe.name}' takes text, not an importance matrix",
            "calibration",
            hint="importance matrices are for llama.cpp's types, e.g. q4_k_s",
        )
    return [
        VariantSpec(
            label=_label(name, recipe, parameters, calibration),
            recipe=recipe.name,
            parameters=parameters,
            calibration=calibration,
        )
        for calibration in calibrations or [None]
    ]


def _label(
    name: str,
    recipe: RecipeInfo,
    parameters: Mapping[str, object],
    calibration: CalibrationSpec | None,
) -> str:
    draws = calibration is not None and calibration.part[1] > 1
    draw = calibration.part[0] if calibration is not None and draws else None
    if name:
        return name if draw is None else f"{name}#{draw}"
    language = calibration.language if calibration else None
    return label_of(recipe.name, parameters, language=language, draw=draw)


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
        value = _written(table.data.get(name, info.default))
        problem = parameter_problem(info, value)
        if problem is not None:
            table.complain(f"'{name}' {problem}, not {value!r}", name, hint=info.help)
            value = info.default
        settled[name] = info.type(value)
    for name in table.data:
        if name not in settled and name not in _OWN_KEYS:
            _complain_unknown(table, recipe, name)
    return settled


def _written(value: Any) -> Any:
    """A table of texts as the text it stands for: 'token_embd=q8_0,attn_v=q6_k'."""
    if isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
        return ",".join(f"{key}={item}" for key, item in value.items())
    return value


def _check_for_any(table: Table) -> None:
    """Note what would be a mistake whatever recipe is meant, where the one named is unknown."""
    for name in table.data:
        known = [one.parameters[name] for one in RECIPES.values() if name in one.parameters]
        if name in _OWN_KEYS:
            continue
        if not known:
            every = {key for one in RECIPES.values() for key in one.parameters}
            near = did_you_mean(name, sorted(every.union(_OWN_KEYS)))
            table.complain(f"no recipe has a parameter {name!r}", name, hint=near, part="key")
            continue
        value = _written(table.data[name])
        problems = [parameter_problem(info, value) for info in known]
        if all(problems):
            table.complain(f"'{name}' {problems[0]}, not {value!r}", name, hint=known[0].help)


def _complain_unknown(table: Table, recipe: RecipeInfo, name: str) -> None:
    near = did_you_mean(name, (*recipe.parameters, *_OWN_KEYS))
    owners = [other.name for other in RECIPES.values() if name in other.parameters]
    known = ", ".join(recipe.parameters) or "none"
    hint = near or (
        f"its parameters: {known}"
        if not owners
        else f"{', '.join(owners)} {agreeing(len(owners), 'has', 'have')} it"
    )
    table.complain(
        f"the recipe '{recipe.name}' has no parameter {name!r}", name, hint=hint, part="key"
    )


def _calibrations(table: Table, *, home: Path, seed: int) -> list[CalibrationSpec]:
    """`calibration`: a language, several, or a table; one spec for each draw it asks for."""
    value = table.data.get("calibration")
    if value is None:
        return []
    if not isinstance(value, dict):
        spoken = table.get("calibration", _languages, "")
        return [CalibrationSpec(language=spoken, seed=seed, folder=home)]
    inner = table.table("calibration")
    language = inner.need("language", _languages, example='language = "en"') or ""
    source = inner.get("source", text, "bundled")
    draws = inner.get("draws", integer(minimum=1, maximum=_MOST_DRAWS), 1)
    spec = CalibrationSpec(
        language=language,
        source=source,
        samples=inner.get("samples", integer(minimum=1), 0) or None,
        tokens=inner.get("tokens", integer(minimum=8), 0) or None,
        seed=inner.get("seed", integer(minimum=0, maximum=2**32 - 1 - _MOST_DRAWS), seed),
        folder=home,
    )
    if source != "bundled" and not source.startswith("hub:") and not _file(home, source).is_file():
        inner.complain(
            f"there is no calibration file {str(_file(home, source))!r}",
            "source",
            hint="use 'bundled', a text file, or 'hub:dataset'",
        )
    if draws > 1 and matrix_file(spec) is not None:
        inner.complain(
            "a ready importance matrix cannot be drawn from", "draws", hint="leave it out"
        )
    inner.close(what="'calibration'")
    return [
        dataclasses.replace(spec, part=(number + 1, draws), seed=spec.seed + number)
        for number in range(draws)
    ]


def _file(home: Path, source: str) -> Path:
    return home / Path(source).expanduser()


def _languages(value: Any) -> str:
    """A language, or the languages of a mix, as canonical codes with '+' between them."""
    spoken = value if isinstance(value, list) else [value]
    if not spoken or not all(isinstance(one, str) for one in spoken):
        raise Wrong(f"must be a language in quotes, or a table, not {kind_of(value)}")
    codes = [resolve(one).code for one in spoken]
    if len(set(codes)) < len(codes):
        raise Wrong("names a language twice")
    return MIX.join(codes)
