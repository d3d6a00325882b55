"""The JSON Schema of study.toml, from the models that read it, for editors.

Draft 7, with everything but languages in its place: Taplo, which is behind Even Better TOML,
promises draft 4 and ignores what stands beside a `$ref`. Names of recipes and suites are offered as
installed here; what a study may say beyond them (tasks of lm-eval, own groups) passes as text. What
depends on files or on other tables is checked by `babelbits plan` alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import NullableSchema

from babelbits.languages import GROUP_NAMES, list_codes
from babelbits.recipes.catalogue import RECIPES, ParameterInfo
from babelbits.registry import ENGINES
from babelbits.study.config.file_model import UNITS, StudyFile
from babelbits.study.config.suite_keys import make_key_model
from babelbits.study.config.variants import SOURCES
from babelbits.tasks import catalogue

NAME = "babelbits.schema.json"
"""Of the file that `init` writes beside a study."""

_TYPES = {int: "integer", float: "number", str: "string", bool: "boolean"}
_ANY_TEXT = {"type": "string", "minLength": 1}


class _WithoutNull(GenerateJsonSchema):
    """No TOML holds a null: what may be None may be left out."""

    def nullable_schema(self, schema: NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def make_json_schema() -> dict[str, Any]:
    """The schema, of JSON types."""
    schema = StudyFile.model_json_schema(schema_generator=_WithoutNull)
    definitions = schema.pop("$defs")
    found: dict[str, Any] = _complete(schema, definitions, _offers())
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **found,
        "title": "Babelbits study",
        "required": ["tasks"],
        "definitions": {"language": _language()},
    }


def _complete(node: Any, definitions: Mapping[str, Any], offers: Mapping[str, Any]) -> Any:
    """A part of the schema with definitions in place and offers for what the models leave open."""
    if isinstance(node, list):
        return [_complete(one, definitions, offers) for one in node]
    if not isinstance(node, dict):
        return node
    node = dict(node)
    if "$ref" in node:
        node = {**definitions[node.pop("$ref").rpartition("/")[2]], **node}
    offer = offers.get(node.pop("x-kind", ""), {})
    if node.get("default") is None or isinstance(node["default"], dict | list):
        node.pop("default", None)
    found = {name: _complete(one, definitions, offers) for name, one in node.items()}
    if "anyOf" in offer:
        found.pop("type", None)
        found.pop("minLength", None)
    if isinstance(found.get("title"), str):
        found["title"] = found["title"].removesuffix("Table")
    properties = {**found.get("properties", {}), **offer.get("properties", {})}
    return {**found, **offer, **({"properties": properties} if properties else {})}


def _offers() -> dict[str, dict[str, Any]]:
    """By `x-kind` of a field: what replaces or extends its schema."""
    suites = {name: info.summary for name, info in catalogue.list_suites().items()}
    recipes = {name: info.summary for name, info in RECIPES.items()}
    positive = {"type": "number", "exclusiveMinimum": 0}
    units = dict.fromkeys(UNITS, positive) | {"fraction": {**positive, "exclusiveMaximum": 1}}
    return {
        "language": {"anyOf": [{"$ref": "#/definitions/language"}]},
        "languages": {"anyOf": [{"enum": ["all", *GROUP_NAMES]}, _ANY_TEXT]},
        "suite": {"anyOf": [_enumeration(suites), _ANY_TEXT]},
        "recipe": {"anyOf": [_enumeration(recipes), {"type": "string", "pattern": _spellings()}]},
        "engine": {"enum": ["auto", *ENGINES]},
        "margins": {"properties": units},
        "tasks": {"minItems": 1},
        "task": {"properties": _suite_keys(), "additionalProperties": False},
        "variant": {
            "properties": _parameters(),
            "additionalProperties": False,
            "oneOf": [{"required": [source]} for source in SOURCES],
        },
    }


def _enumeration(summaries: Mapping[str, str]) -> dict[str, Any]:
    """Names, each with the help that Taplo shows."""
    return {"enum": [*summaries], "x-taplo": {"docs": {"enumValues": [*summaries.values()]}}}


def _language() -> dict[str, Any]:
    """Codes to offer; any other that looks like one passes."""
    codes = {code for info in catalogue.list_suites().values() for code in info.languages}
    looks_like = {"type": "string", "pattern": "^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$"}
    return {"anyOf": [{"enum": sorted(codes.union(list_codes()))}, looks_like]}


def _spellings() -> str:
    """Every recipe's name and aliases as `recipes.catalogue.find` takes them: in any case, ..."""
    names = [name for one in RECIPES.values() for name in (one.name, *one.aliases)]
    return f"^({'|'.join(''.join(map(_letter, name)) for name in names)})$"


def _letter(letter: str) -> str:
    if letter in "-_ ":
        return "[-_ ]"
    return f"[{letter.lower()}{letter.upper()}]" if letter.isalpha() else f"[{letter}]"


def _suite_keys() -> dict[str, Any]:
    """The keys that only some suites have."""
    keys: list[tuple[str, dict[str, Any]]] = []
    for suite in catalogue.list_suites().values():
        model = make_key_model(suite)
        if model is not None:
            schema = model.model_json_schema(schema_generator=_WithoutNull)
            keys.extend(_complete(schema, schema.pop("$defs", {}), {})["properties"].items())
    return _either(keys)


def _parameters() -> dict[str, Any]:
    """The parameters of all recipes."""
    recipes = RECIPES.values()
    return _either([(k, _parameter(one)) for each in recipes for k, one in each.parameters.items()])


def _either(forms_by_name: Sequence[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """One schema a name; where a name has several, either."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name, form in forms_by_name:
        if form not in found.setdefault(name, []):
            found[name].append(form)
    return {
        name: forms[0]
        if len(forms) == 1
        else {"anyOf": forms, "description": forms[0].get("description", "")}
        for name, forms in found.items()
    }


def _parameter(info: ParameterInfo) -> dict[str, Any]:
    choices = info.choices and list(info.choices)
    limits = {"enum": choices, "minimum": info.minimum, "maximum": info.maximum}
    kind: dict[str, Any] = {"type": _TYPES[info.type]}
    if info.type is str and info.choices is None:  # or a table of texts, see `variants`
        kind = {"anyOf": [kind, {"type": "object", "additionalProperties": {"type": "string"}}]}
    return {
        **kind,
        **{name: limit for name, limit in limits.items() if limit is not None},
        "description": info.help,
        "default": info.default,
    }
