"""The schema that editors use, held against its own standard, whole studies, and broken ones."""

import json
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from babelbits.cli.init import read_template
from babelbits.languages import list_codes, resolve
from babelbits.languages.tables import SYNONYMS
from babelbits.recipes.catalogue import RECIPES
from babelbits.study.config.json_schema import make_json_schema

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.toml"))
FORMER = sorted((Path(__file__).parent / "former").glob("*.toml"))
TASK = '[[tasks]]\nsuite = "text"\n'


@pytest.fixture(scope="module")
def schema() -> Draft7Validator:
    return Draft7Validator(make_json_schema())


def mistakes(schema: Draft7Validator, text: str) -> list[str]:
    return [error.message for error in schema.iter_errors(tomllib.loads(text))]


def test_it_is_a_schema_of_draft_7(schema: Draft7Validator) -> None:
    Draft7Validator.check_schema(schema.schema)


@pytest.mark.parametrize(
    "file", [*EXAMPLES, *FORMER], ids=lambda path: path.parent.name + path.stem
)
def test_whole_studies_pass(file: Path, schema: Draft7Validator) -> None:
    text = file.read_text("utf-8")
    if file.stem == "demo_gguf":  # is put behind demo.toml
        text = file.with_name("demo.toml").read_text("utf-8") + text
    assert mistakes(schema, text) == []


def test_what_init_writes_passes_and_so_does_what_it_comments_out(schema: Draft7Validator) -> None:
    assert mistakes(schema, read_template()) == []
    lines = [line.removeprefix("# ") for line in read_template().splitlines()]
    keys = [n for n, line in enumerate(read_template().splitlines()) if line.startswith("# ")]
    for number in keys:
        if " = " not in lines[number] or lines[number].startswith(("source", "auto", "template")):
            continue
        changed = read_template().splitlines()
        changed[number] = lines[number]
        if changed[number].startswith("calibration"):
            changed[number - 1] = ""
        for table in ("chat", "data", "languages", "limits"):
            changed = [
                f"[{table}]" if line.startswith(f"# [{table}]") else line for line in changed
            ]
        assert mistakes(schema, "\n".join(changed)) == [], lines[number]


BROKEN = {
    "unknown key": "[study]\nsede = 1\n" + TASK,
    "unknown table": TASK + "[analisys]\n",
    "wrong type": "[study]\nseed = true\n" + TASK,
    "out of range": "[analysis]\nfloor = 1.5\n" + TASK,
    "empty text": '[study]\nname = ""\n' + TASK,
    "wrong choice": '[engine]\ndtype = "bf16"\n' + TASK,
    "wrong device": '[engine]\ndevice = "gpu"\n' + TASK,
    "no tasks": "[study]\n",
    "no suite": '[[tasks]]\nlanguages = "all"\n',
    "no array of tables": '[tasks]\nsuite = "text"\n',
    "no language": '[[tasks]]\nsuite = "xcopa"\nlanguages = ["sw", "Italien"]\n',
    "no languages": '[[tasks]]\nsuite = "xcopa"\nlanguages = []\n',
    "group name taken": TASK + '[groups]\nlatin = ["en"]\n',
    "unknown recipe": '[[variants]]\nrecipe = "w4g"\n' + TASK,
    "no recipe": '[[variants]]\nname = "x"\n' + TASK,
    "misspelt parameter": '[[variants]]\nrecipe = "w4-g"\ngroupsize = 64\n' + TASK,
    "parameter out of range": '[[variants]]\nrecipe = "w4-g"\ngroup_size = 0\n' + TASK,
    "calibration without language": (
        '[[variants]]\nrecipe = "w4-g"\ncalibration = { samples = 3 }\n' + TASK
    ),
    "margin in points": TASK + "[analysis]\nmargins = { fraction = 2 }\n",
    "cap of no unit": TASK + "[analysis]\nloss_caps = { points = 2 }\n",
    "one tag": TASK + '[chat]\nthinking = [["<think>"]]\n',
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_studies_are_refused(case: str, schema: Draft7Validator) -> None:
    assert mistakes(schema, BROKEN[case]) != []


def test_every_key_has_help(schema: Draft7Validator) -> None:
    def keys(node: Any) -> Any:
        if isinstance(node, dict):
            yield from node.get("properties", {}).items()
            for one in node.values():
                yield from keys(one)
        elif isinstance(node, list):
            for one in node:
                yield from keys(one)

    tables = ("fraction", "bits/byte", "bits/unit", "nats", "score")
    units = (*tables, "perplexity/byte", "perplexity/word")
    without = {name for name, one in keys(schema.schema) if "description" not in one}
    assert without <= set(units)


@pytest.mark.parametrize("written", ["Q4_K_S", "q4-k-s", "LLM.int8()", "gptq", "W4A16"])
def test_recipes_pass_in_every_spelling_that_is_read(written: str, schema: Draft7Validator) -> None:
    text = f'[[variants]]\nrecipe = "{written}"\n' + TASK
    assert mistakes(schema, text) == []


def test_every_form_of_a_language_passes(schema: Draft7Validator) -> None:
    forms = [*list_codes(), *SYNONYMS, "nob_Latn", "zh-Hant", "pt-BR"]
    codes = [form for form in forms if resolve(form).code]
    assert mistakes(schema, f"{TASK}languages = {json.dumps(codes)}\n") == []


def test_it_offers_recipes_suites_and_groups(schema: Draft7Validator) -> None:
    tables = schema.schema["properties"]
    recipe = tables["variants"]["items"]["properties"]["recipe"]["anyOf"][0]
    assert recipe["enum"] == list(RECIPES)
    assert len(recipe["x-taplo"]["docs"]["enumValues"]) == len(recipe["enum"])
    task = tables["tasks"]["items"]["properties"]
    assert {"text", "mgsm", "xcopa"} <= set(task["suite"]["anyOf"][0]["enum"])


def test_the_command_prints_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "babelbits", "schema"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == json.loads(json.dumps(make_json_schema()))


def test_the_template_is_packaged_with_its_first_line() -> None:
    packaged = resources.files("babelbits.study").joinpath("template.toml").read_text("utf-8")
    assert packaged.startswith("#:schema ./babelbits.schema.json\n")
