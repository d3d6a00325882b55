"""`babelbits recipes`: ways to quantize, and their parameters."""

from typing import TYPE_CHECKING, Any

import click

from babelbits.cli.console import print_data, print_json

if TYPE_CHECKING:
    from babelbits.recipes.catalogue import ParameterInfo, RecipeInfo

SCHEMA = "babelbits.recipes/1"


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def recipes(name: str | None, *, as_json: bool) -> None:
    """List the recipes, or the one called NAME, with their parameters."""
    from babelbits.recipes.catalogue import RECIPES, find

    chosen = list(RECIPES.values()) if name is None else [find(name)]
    if as_json:
        print_json({"schema": SCHEMA, "recipes": [_object(info) for info in chosen]})
        return
    width = max(len(info.name) for info in chosen) + 2
    for info in chosen:
        print_data(f"{info.name:<{width}}{info.summary}")
        for line in _details(info):
            print_data(" " * width + line)


def _details(info: "RecipeInfo") -> list[str]:
    """Lines below a recipe's summary."""
    lines = [f"{name} = {_describe(info.parameters[name])}" for name in info.parameters]
    if info.sees_text:
        optional = "" if info.needs_calibration else "; may be left out"
        lines.append(f'calibration = "en": the language of the text it sees{optional}')
    if info.aliases:
        lines.append(f"also called {', '.join(info.aliases)}")
    return lines


def _describe(parameter: "ParameterInfo") -> str:
    value = parameter.default
    shown = str(value).lower() if isinstance(value, bool) else repr(value).replace("'", '"')
    return f"{shown}: {parameter.help}"


def _object(info: "RecipeInfo") -> dict[str, Any]:
    return {
        "name": info.name,
        "aliases": list(info.aliases),
        "summary": info.summary,
        "needs_calibration": info.needs_calibration,
        "may_calibrate": info.may_calibrate,
        "parameters": {
            name: {
                "type": parameter.type.__name__,
                "default": parameter.default,
                "choices": None if parameter.choices is None else list(parameter.choices),
                "minimum": parameter.minimum,
                "maximum": parameter.maximum,
                "help": parameter.help,
            }
            for name, parameter in info.parameters.items()
        },
    }
