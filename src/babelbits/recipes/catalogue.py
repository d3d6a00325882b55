"""The catalogue of recipes: those of every family, by name and alias, and how they are asked for.

No torch: plan, study and `--help` import it. How a recipe is carried out is in its family, never
here. What stands here of other packages' recipes is what their families say.

Paper A is "How Does Quantization Affect Multilingual LLMs?" (Marchisio et al., Findings of EMNLP
2024); its notation is accepted as an alias wherever a recipe's name is asked for.
"""

import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from babelbits import registry
from babelbits.errors import StudyError, UnknownNameError
from babelbits.recipes.info import ParameterInfo, RecipeInfo, Value
from babelbits.suggest import did_you_mean

__all__ = [
    "RECIPES",
    "ParameterInfo",
    "RecipeInfo",
    "Value",
    "find",
    "find_parameter_problem",
    "settle",
]


class _Recipes(Mapping[str, RecipeInfo]):
    """Looks the families up when it is asked: one may be registered at any time."""

    def __getitem__(self, name: str) -> RecipeInfo:
        return _by_name(_families())[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_by_name(_families()))

    def __len__(self) -> int:
        return len(_by_name(_families()))


RECIPES: Mapping[str, RecipeInfo] = _Recipes()
"""Every recipe by its name, family by family, and there from mild to harsh."""


def _families() -> tuple[Any, ...]:
    """Objects of `recipes.family.Family`, which is not imported here: it knows recipes."""
    return tuple(registry.get_named(registry.RECIPES, name) for name in registry.RECIPES)


@lru_cache(maxsize=4)
def _by_name(families: tuple[Any, ...]) -> dict[str, RecipeInfo]:
    """The recipes of families; a name, however it is written, means one recipe.

    Raises
    ------
    StudyError
        If two families have a recipe of one name, or a recipe says that it is of another family.
    """
    recipes: dict[str, RecipeInfo] = {}
    owners: dict[str, RecipeInfo] = {}
    for family in families:
        name = family.name
        for info in family.recipes:
            if info.family != name:
                raise StudyError(
                    f"the recipe '{info.name}' says that its family is '{info.family}', and it "
                    f"stands in '{name}'",
                    where=registry.RECIPES.owner(name),
                )
            for key in {_key(one) for one in (info.name, *info.aliases)}:
                if key in owners:
                    raise StudyError(
                        f"two families have a recipe '{info.name}': '{owners[key].family}' and "
                        f"'{name}' of {registry.RECIPES.owner(name)}",
                        hint=f"uninstall one: pip uninstall {registry.RECIPES.owner(name)}",
                    )
                owners[key] = info
            recipes[info.name] = info
    return recipes


def _key(name: str) -> str:
    return name.strip().casefold().replace("_", "-").replace(" ", "-")


def find(name: str) -> RecipeInfo:
    """The recipe called `name`, by name or alias, whatever the case.

    Raises
    ------
    UnknownNameError
        If no recipe has that name; the hint names the nearest.
    """
    if name in RECIPES:
        return RECIPES[name]
    key = _key(name)
    for recipe in RECIPES.values():
        if key in map(_key, (recipe.name, *recipe.aliases)):
            return recipe
    aliases = [alias for recipe in RECIPES.values() for alias in recipe.aliases]
    guess = did_you_mean(name, [*aliases, *RECIPES])
    known = f"recipes: {', '.join(RECIPES)}"
    raise UnknownNameError(
        f"there is no recipe '{name}'", hint=f"{guess} {known}" if guess else known
    )


def _type_problem(info: ParameterInfo, value: object) -> str | None:
    if info.type is float and isinstance(value, int) and not isinstance(value, bool):
        return None if abs(value) <= sys.float_info.max else "must be smaller"
    if isinstance(value, info.type) and (info.type is bool or not isinstance(value, bool)):
        return None
    words = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    return f"must be {words[info.type]}"


def find_parameter_problem(info: ParameterInfo, value: object) -> str | None:
    """What is wrong with `value`, as the end of a sentence ('must be ...'); None if nothing is."""
    wrong_type = _type_problem(info, value)
    if wrong_type is not None:
        return wrong_type
    if info.choices is not None and value not in info.choices:
        return "must be one of " + ", ".join(repr(choice) for choice in info.choices)
    if info.problem is not None and isinstance(value, str):
        return info.problem(value)
    if isinstance(value, int | float):
        if value != value:  # NaN is the one number unequal to itself
            return "must be a number"
        if info.minimum is not None and value < info.minimum:
            return f"must be at least {info.minimum:g}"
        if info.maximum is not None and value > info.maximum:
            return f"must be at most {info.maximum:g}"
    return None


def settle(recipe: str, given: Mapping[str, Any]) -> dict[str, Value]:
    """All parameters of a recipe: those given, and the defaults of the others.

    Raises
    ------
    UnknownNameError
        If the recipe or one of the parameters is not known.
    StudyError
        If a value has the wrong type or lies outside its range.
    """
    info = find(recipe)
    for name, value in given.items():
        if name not in info.parameters:
            known = f"it has: {', '.join(info.parameters) or 'none'}"
            guess = did_you_mean(name, info.parameters)
            raise UnknownNameError(
                f"the recipe '{info.name}' has no parameter '{name}'",
                hint=f"{guess} {known}" if guess else known,
            )
        problem = find_parameter_problem(info.parameters[name], value)
        if problem is not None:
            raise StudyError(f"'{name}' {problem}, not {value!r}", where=f"recipe '{info.name}'")
    return {
        name: parameter.type(given.get(name, parameter.default))
        for name, parameter in info.parameters.items()
        if not parameter.only_if_given or given.get(name, parameter.default) != parameter.default
    }
