"""`[[variants]]` of a study file to `VariantSpec`s: made by recipes, found, or served; labels."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babelbits.engines import open_engine
from babelbits.engines.endpoint import EndpointSettings
from babelbits.recipes.calibration import CalibrationSpec, find_matrix_file
from babelbits.recipes.catalogue import RECIPES, RecipeInfo, find_parameter_problem
from babelbits.recipes.family import find_family
from babelbits.study.config.endpoint import make_endpoint_settings
from babelbits.study.config.labels import make_label, make_path_label
from babelbits.study.config.model_paths import resolve_path
from babelbits.study.config.problems import Findings
from babelbits.study.config.spec import BASELINE, FOUND, SERVED, ModelSpec, VariantSpec
from babelbits.suggest import did_you_mean, one_of
from babelbits.words import agreeing

if TYPE_CHECKING:
    from babelbits.study.config.file_model import CalibrationTable, VariantTable

SOURCES = ("recipe", "path", "endpoint")
"""Keys of which a variant has one: how it came to be."""
_OWN_KEYS = (*SOURCES, "name", "calibration", "revision", "chat_template", "kv_cache")


def resolve_variants(
    tables: "Sequence[VariantTable]",
    found: Findings,
    *,
    home: Path,
    seed: int,
    engine: str = "auto",
    served: EndpointSettings | None = None,
) -> tuple[VariantSpec, ...]:
    """All variants of a study, the baseline first whether it is written down or not.

    Parameters
    ----------
    tables : sequence of VariantTable
        The `[[variants]]`.
    found : Findings
        About the file.
    home : Path
        Folder where relative paths start.
    seed : int
        Seed of a calibration draw that names none.
    engine : str
        As in `[engine] name`.
    served : EndpointSettings, optional
        Who runs the baseline, where it is not run here.
    """
    variants = [VariantSpec(label=BASELINE, recipe=BASELINE, endpoint=served)]
    for number, table in enumerate(tables):
        here = found.at("variants", number)
        for variant in _variants(table, here, home=home, seed=seed):
            _check_cache(variant, here, engine=engine)
            if variant.recipe == BASELINE and variant == dataclasses.replace(
                variants[0], endpoint=None
            ):
                continue
            if any(other.label == variant.label for other in variants):
                here.note(
                    f"two variants are called {variant.label!r}",
                    _source_of(table) if table.name is None else "name",
                    hint='give one of them another name: name = "..."',
                )
            variants.append(variant)
    return tuple(variants)


def refuse_made(variants: Sequence[VariantSpec], found: Findings) -> None:
    """Note variants that need the model's files, where only a server has the model."""
    needy = [one.label for one in variants if one.endpoint is None]
    if needy:
        found.at("model").note(
            f"{', '.join(needy)} cannot be made or run: only a server has the model",
            "endpoint",
            hint="name the model's files too: path = ...",
            part="key",
        )


def _variants(
    table: "VariantTable", found: Findings, *, home: Path, seed: int
) -> list[VariantSpec]:
    """The variant of a table, or one for each draw of its calibration text."""
    given = [key for key in SOURCES if key in table.model_fields_set]
    if len(given) > 1:
        found.note(
            f"a variant has either {one_of(given)}",
            given[1],
            hint="write two [[variants]]",
            part="key",
        )
        return []
    if not given:
        found.note("'recipe' is missing", "recipe", hint='for example: recipe = "w4-g"')
    if "path" in given:
        return _found(table, found, home=home)
    if table.chat_template is not None:
        found.note(
            "only files of somebody else's have a chat template of their own",
            "chat_template",
            hint="leave it out",
            part="key",
        )
    if "endpoint" in given:
        return _served(table, found)
    if table.revision is not None:
        found.note("only a hub model has a revision", "revision", hint="leave it out", part="key")
    return _made(table, found, home=home, seed=seed)


def _check_cache(variant: VariantSpec, found: Findings, *, engine: str) -> None:
    """Note a type of KV cache that the variant's engine does not have.

    Of files that somebody made the engine is known when they are read
    (`worker.make_engine_settings`).
    """
    if variant.kv_cache is None or (engine == "auto" and variant.origin != "made"):
        return
    name = engine if engine != "auto" else find_family(variant.recipe).default_engine
    kind = open_engine.find_kind(name)
    problem = kind.kv_cache_problem(variant.kv_cache)
    if problem is not None:
        near = did_you_mean(variant.kv_cache, kind.kv_caches)
        types = f"it has {', '.join(kind.kv_caches)}" if kind.kv_caches else "leave it out"
        found.note(problem, "kv_cache", hint=near or types)


def _source_of(table: "VariantTable") -> str:
    return next((key for key in SOURCES if key in table.model_fields_set), "recipe")


def _found(table: "VariantTable", found: Findings, *, home: Path) -> list[VariantSpec]:
    """A variant that somebody made."""
    _refuse_recipe_keys(table, found, "the files say how they were made")
    path = table.path or ""
    folder = resolve_path(path, found, home=home)
    if table.revision is not None and folder is not None:
        found.note("only a hub model has a revision", "revision", hint="leave it out", part="key")
    source = ModelSpec(path=path, folder=folder, revision=table.revision or "main")
    return [
        VariantSpec(
            label=table.name or make_path_label(path, kv_cache=table.kv_cache),
            recipe=FOUND,
            source=source,
            chat_template=table.chat_template,
            kv_cache=table.kv_cache,
        )
    ]


def _served(table: "VariantTable", found: Findings) -> list[VariantSpec]:
    """A variant that somebody serves."""
    _refuse_recipe_keys(table, found, "the server says how it was made")
    assert table.endpoint is not None  # noqa: S101  the caller's condition
    if table.kv_cache is not None:
        found.note(
            "the KV cache of a served variant is its server's",
            "kv_cache",
            hint="leave it out, and set it where the server is started",
            part="key",
        )
    settings = make_endpoint_settings(table.endpoint, found.at("endpoint"), cache=None)
    if settings is None:
        return []
    label = table.name or make_path_label(settings.label or settings.model)
    return [VariantSpec(label=label, recipe=SERVED, endpoint=settings)]


def _refuse_recipe_keys(table: "VariantTable", found: Findings, reason: str) -> None:
    """Note what only a recipe has."""
    extra = [*(table.model_extra or {})]
    if "calibration" in table.model_fields_set:
        extra.append("calibration")
    for key in extra:
        near = None if key in _OWN_KEYS else did_you_mean(key, _OWN_KEYS)
        what = f"{key!r} is a key of recipes"
        found.note(what, key, hint=near or f"leave it out: {reason}", part="key")


def _made(table: "VariantTable", found: Findings, *, home: Path, seed: int) -> list[VariantSpec]:
    """The variant of a recipe, or one for each draw of its calibration text."""
    calibrations = _calibrations(table.calibration, found, home=home, seed=seed)
    if table.recipe is None:
        _check_for_any(table.model_extra or {}, found)
        return []
    recipe = RECIPES[table.recipe]
    parameters = _parameters(table.model_extra or {}, recipe, found)
    is_given = "calibration" in table.model_fields_set
    if recipe.needs_calibration and not is_given:
        found.note(
            f"the recipe '{recipe.name}' sees calibration text, and none is named",
            hint='add the language of the text: calibration = "en"',
        )
    if not recipe.sees_text and is_given:
        found.note(
            f"the recipe '{recipe.name}' takes no calibration text",
            "calibration",
            hint="leave it out",
            part="key",
        )
    if recipe.method != "k-quant" and any(find_matrix_file(one) for one in calibrations):
        found.note(
            f"the recipe '{recipe.name}' takes text, not an importance matrix",
            "calibration",
            hint="importance matrices are for llama.cpp's types, e.g. q4_k_s",
        )
    return [
        VariantSpec(
            label=_label(table.name, recipe, parameters, calibration, kv_cache=table.kv_cache),
            recipe=recipe.name,
            parameters=parameters,
            calibration=calibration,
            kv_cache=table.kv_cache,
        )
        for calibration in calibrations or (None,)
    ]


def _label(
    name: str | None,
    recipe: RecipeInfo,
    parameters: Mapping[str, object],
    calibration: CalibrationSpec | None,
    *,
    kv_cache: str | None,
) -> str:
    draws = calibration is not None and calibration.part[1] > 1
    draw = calibration.part[0] if calibration is not None and draws else None
    if name is not None:
        return name if draw is None else f"{name}#{draw}"
    language = calibration.language if calibration else None
    return make_label(recipe.name, parameters, language=language, draw=draw, kv_cache=kv_cache)


def _parameters(
    given: Mapping[str, Any], recipe: RecipeInfo, found: Findings
) -> dict[str, int | float | str | bool]:
    """All parameters of the recipe; unknown ones and wrong values are noted."""
    settled = {}
    for name, info in recipe.parameters.items():
        value = _written(given.get(name, info.default))
        problem = find_parameter_problem(info, value)
        if problem is not None:
            found.note(f"'{name}' {problem}, not {value!r}", name, hint=info.help)
            value = info.default
        if not info.only_if_given or value != info.default:
            settled[name] = info.type(value)
    for name in given:
        if name not in recipe.parameters:
            _note_unknown(name, recipe, found)
    return settled


def _written(value: Any) -> Any:
    """A table as the text it stands for: 'token_embd=q8_0,attn_v=q6_k', 'down_proj=8'."""
    if isinstance(value, dict) and all(
        isinstance(item, str | int) and not isinstance(item, bool) for item in value.values()
    ):
        return ",".join(f"{key}={item}" for key, item in value.items())
    return value


def _check_for_any(given: Mapping[str, Any], found: Findings) -> None:
    """Note what would be a mistake whatever recipe is meant, where the one named is unknown."""
    for name, written in given.items():
        known = [one.parameters[name] for one in RECIPES.values() if name in one.parameters]
        if not known:
            every = {key for one in RECIPES.values() for key in one.parameters}
            near = did_you_mean(name, sorted(every.union(_OWN_KEYS)))
            found.note(f"no recipe has a parameter {name!r}", name, hint=near, part="key")
            continue
        value = _written(written)
        problems = [find_parameter_problem(info, value) for info in known]
        if all(problems):
            found.note(f"'{name}' {problems[0]}, not {value!r}", name, hint=known[0].help)


def _note_unknown(name: str, recipe: RecipeInfo, found: Findings) -> None:
    near = did_you_mean(name, (*recipe.parameters, *_OWN_KEYS))
    owners = [other.name for other in RECIPES.values() if name in other.parameters]
    known = ", ".join(recipe.parameters) or "none"
    hint = near or (
        f"its parameters: {known}"
        if not owners
        else f"{', '.join(owners)} {agreeing(len(owners), 'has', 'have')} it"
    )
    found.note(f"the recipe '{recipe.name}' has no parameter {name!r}", name, hint=hint, part="key")


def _calibrations(
    given: "str | CalibrationTable | None", found: Findings, *, home: Path, seed: int
) -> list[CalibrationSpec]:
    """`calibration`: languages, or a table; one spec for each draw it asks for."""
    if given is None:
        return []
    if isinstance(given, str):
        return [CalibrationSpec(language=given, seed=seed, folder=home)]
    chosen = {"language": "", "seed": seed, **given.given()}
    draws = chosen.pop("draws", 1)
    spec = CalibrationSpec(**chosen, folder=home)
    here, file = found.at("calibration"), home / Path(given.source).expanduser()
    if given.source != "bundled" and not given.source.startswith("hub:") and not file.is_file():
        here.note(
            f"there is no calibration file {str(file)!r}",
            "source",
            hint="use 'bundled', a text file, or 'hub:dataset'",
        )
    if draws > 1 and find_matrix_file(spec) is not None:
        here.note("a ready importance matrix cannot be drawn from", "draws", hint="leave it out")
    return [
        dataclasses.replace(spec, part=(number + 1, draws), seed=spec.seed + number)
        for number in range(draws)
    ]
