"""What may stand in study.toml: tables, keys, types, ranges, defaults, and a line of help for each.

The shape alone. What depends on the model, on other tables or on files is checked where the study
is resolved (`resolving`, `suites`, `variants`); recipes have parameters of their own and suites may
have keys of their own, so the tables of a variant and of a task are open. `babelbits schema` prints
these models for editors.
"""

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, ConfigDict, Field, PlainValidator, Tag

from babelbits.errors import StudyError
from babelbits.languages import GROUP_NAMES, resolve
from babelbits.languages.corpus_shares import DEFAULT_CORPUS
from babelbits.recipes.calibration import MIX
from babelbits.recipes.catalogue import find
from babelbits.registry import ENGINES
from babelbits.study.config.endpoint import EndpointTable
from babelbits.study.config.gate_table import GateTable
from babelbits.study.config.labels import NAME
from babelbits.study.config.spec import BASELINE, BUNDLED
from babelbits.study.config.toml_reading import (
    Code,
    Codes,
    Count,
    Text,
    TomlTable,
    Wrong,
    describe_kind,
    either,
)
from babelbits.suggest import did_you_mean, one_of
from babelbits.tasks.prompting import MOST_SAMPLES

MOST_DRAWS = 99
Unit = Literal[
    "fraction", "bits/byte", "bits/unit", "nats", "score", "perplexity/byte", "perplexity/word"
]
UNITS: tuple[str, ...] = get_args(Unit)
"""Units that a margin may be given in."""

_LAST_SEED = 2**32 - 1
_DEVICE = r"auto|cpu|cuda(:\d+)?"


def _device(value: str) -> str:
    if not re.fullmatch(_DEVICE, value):
        raise Wrong(f"must be 'auto', 'cpu', 'cuda' or 'cuda:N', not {value!r}")
    return value


def _engine(value: str) -> str:
    if value != "auto" and value not in ENGINES:
        near = did_you_mean(value, [*ENGINES])
        raise StudyError(
            f"there is no engine {value!r}", hint=near or f"there is {one_of(['auto', *ENGINES])}"
        )
    return value


def _new_group(name: str) -> str:
    if name in (*GROUP_NAMES, "all"):
        raise StudyError(f"the group {name!r} exists already", hint="rename it")
    return name


def _recipe(value: str) -> str:
    return find(value).name


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise Wrong(
            f"must be letters, digits and . _ - + @ = , [ ] ( ) only, at most 64: {value[:64]!r}"
        )
    if value == BASELINE:
        raise Wrong("'baseline' is the unquantized model's name")
    if value.startswith(f"{BASELINE}@"):
        raise Wrong(f"must not begin with '{BASELINE}@': so the model is called in an engine")
    return value


def _spoken(value: Any) -> str:
    """A language, or the languages of a mix, as canonical codes with '+' between them."""
    spoken = value if isinstance(value, list) else [value]
    if not spoken or not all(isinstance(one, str) for one in spoken):
        raise Wrong(f"must be a language in quotes, or a table, not {describe_kind(value)}")
    codes = [resolve(one).code for one in spoken]
    if len(set(codes)) < len(codes):
        raise Wrong("names a language twice")
    return MIX.join(codes)


def _two(tags: list[str]) -> list[str]:
    if len(tags) != 2:
        raise Wrong("must be two texts, an opening and a closing tag")
    return tags


Spoken = Annotated[str, PlainValidator(_spoken, json_schema_input_type=Code | Codes)]
Seed = Annotated[int, Field(ge=0, le=_LAST_SEED)]
Positive = Annotated[float, Field(gt=0)]
Pair = Annotated[
    list[Text],
    AfterValidator(_two),
    Field(json_schema_extra={"minItems": 2, "maxItems": 2}),
]


class StudyTable(TomlTable):
    """The study itself."""

    name: Text | None = None
    """What the report calls it; the file's name if left out."""
    seed: Seed = 0
    """Of every draw: calibration text, samples, the order of items."""
    folder: Text | None = None
    """Where everything is stored; `<name of this file>.run` if left out."""


class ModelTable(TomlTable):
    """The model to quantize."""

    path: Text = BUNDLED
    """'bundled', a folder, a GGUF file, or a hub id such as 'Qwen/Qwen2.5-0.5B'."""
    endpoint: EndpointTable | None = None
    """An OpenAI-compatible server that runs the baseline; `path` then names the model's files, for
    their tokenizer and chat template, and may be left out where there are none."""
    revision: Text | None = None
    """Branch, tag or commit; hub ids only. 'main' if left out."""
    trust_remote_code: bool = False
    """Let the model's own Python code run here."""
    allow_pickle: bool = False
    """Load pickled weights, which can run code too."""
    allow_token_differences: bool = False
    """Take a GGUF file whose text llama.cpp by itself splits into other tokens than the model."""


class EngineTable(TomlTable):
    """How the model is run."""

    name: Annotated[Text, AfterValidator(_engine)] = Field(
        default="auto", json_schema_extra={"x-kind": "engine"}
    )
    """What runs all variants; 'auto': each runs in the engine of its format."""
    device: Annotated[
        str,
        AfterValidator(_device),
        Field(json_schema_extra={"pattern": f"^({_DEVICE})$", "examples": ["auto", "cpu", "cuda"]}),
    ] = "auto"
    """'cpu', 'cuda', 'cuda:1', or 'auto': CUDA where there is one."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Of the computation; 'auto': float32 on a CPU, bfloat16 on a GPU."""
    long_prompts: Literal["truncate-left", "fail"] = "truncate-left"
    """What to do with a prompt longer than the context; either way it is counted."""
    token_budget: Count = 8192
    """Padded tokens in one forward pass: bounds memory."""
    python: Text | None = None
    """Interpreter of the environment that vllm is installed in; if left out, that of
    BABELBITS_VLLM_PYTHON, or of the environment that `babelbits doctor --fix vllm` makes."""
    tensor_parallel: Annotated[int, Field(ge=1, le=64)] | None = None
    """GPUs of a node that share every layer of a model in vllm; if left out, with
    `pipeline_parallel`, the fewest that hold the unquantized model."""
    pipeline_parallel: Annotated[int, Field(ge=1, le=64)] | None = None
    """Stages of layers, each on GPUs of its own, in vllm."""
    batch: Literal["auto", "single", "many"] = "auto"
    """'single': each sequence alone in its forward passes; 'many': as many as the budget allows;
    'auto': 'single' only where neighbours change numbers (llm-int8)."""
    batch_items: Annotated[int, Field(ge=1, le=100_000)] = 64
    """Items recorded together."""
    chunk: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None, json_schema_extra={"deprecated": True}
    )
    """Old name of `batch_items`."""


class CalibrationTable(TomlTable):
    """The text that a recipe sees."""

    language: Spoken | None = Field(examples=["en"])
    """Language of the text, or several of a mix."""
    source: Text = "bundled"
    """'bundled', a text file, an importance matrix, or 'hub:<dataset>'."""
    samples: Count | None = None
    """Windows to draw; 128 if left out, or for bundled text what it fills."""
    tokens: Annotated[int, Field(ge=8)] | None = None
    """Tokens in a window; 2048 if left out, or for bundled text what it fills."""
    draws: Annotated[int, Field(ge=1, le=MOST_DRAWS)] = 1
    """Parts of the text that share no document: each is a variant."""
    seed: Annotated[int, Field(ge=0, le=_LAST_SEED - MOST_DRAWS)] | None = None
    """Of the draw; the study's if left out."""


class VariantTable(TomlTable):
    """What is compared: a recipe with its parameters, files that somebody made, or an endpoint."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"x-kind": "variant"})

    recipe: Annotated[Text, AfterValidator(_recipe)] | None = Field(
        default=None, examples=["w4-g"], json_schema_extra={"x-kind": "recipe"}
    )
    """How to quantize; `babelbits recipes` lists all."""
    path: Text | None = Field(default=None, examples=["model-Q4_K_M.gguf"])
    """Of a variant that somebody made: a folder, a GGUF file, or on the hub 'owner/model',
    'owner/model:Q4_K_M' or 'hub:owner/model/file.gguf'."""
    revision: Text | None = None
    """Branch, tag or commit of a `path` on the hub; 'main' if left out."""
    endpoint: EndpointTable | None = None
    """An OpenAI-compatible server that runs the variant."""
    chat_template: Literal["baseline"] | None = None
    """Says that files whose chat template differs are asked with the baseline's all the same."""
    kv_cache: Text | None = Field(default=None, examples=["q8_0"])
    """Type of the keys and values that the engine keeps, where it has several."""
    name: Annotated[Text, AfterValidator(_name)] | None = None
    """A label of your own; the recipe with its language and parameters if left out."""
    calibration: (
        Annotated[
            Annotated[Spoken, Tag("language")] | Annotated[CalibrationTable, Tag("table")],
            either("", lambda value: "table" if isinstance(value, dict) else "language"),
        ]
        | None
    ) = None
    """The language of the text that the recipe sees, or a table."""


def _template(value: Any) -> str | None:
    return "flag" if isinstance(value, bool) else "auto" if value == "auto" else None


def _thinking(value: Any) -> str | None:
    return "none" if value is False else "pairs" if isinstance(value, list) else None


class ChatTable(TomlTable):
    """For instruction-tuned models: prompts as a conversation. A task may say otherwise."""

    template: (
        Annotated[
            Annotated[bool, Tag("flag")] | Annotated[Literal["auto"], Tag("auto")],
            either('must be true, false or "auto"', _template),
        ]
        | None
    ) = None
    """Use the model's chat template; "auto": where it has one. False if left out."""
    system_prompt: Text | None = None
    """What the model is told first."""
    fewshot: Literal["turns", "one-turn"] | None = None
    """Few-shot examples as turns of their own, or all in the user's one turn."""
    enable_thinking: bool | None = None
    """Passed to the template; the template's own default if left out."""
    thinking: (
        Annotated[
            Annotated[Literal[False], Tag("none")]
            | Annotated[list[Pair], Field(min_length=1), Tag("pairs")],
            either("must be false or an array of pairs of tags", _thinking),
        ]
        | None
    ) = Field(default=None, examples=[[["<think>", "</think>"]]])
    """Tags of thinking that is taken out before scoring, and counted; false: left in."""


def _languages(value: Any) -> str | None:
    return "array" if isinstance(value, list) else "text" if isinstance(value, str) else None


class TaskTable(TomlTable):
    """A benchmark and the languages it is asked in; `babelbits tasks` lists all."""

    # Open, for a suite may have keys of its own: `suite_keys` reads them and refuses all others.
    model_config = ConfigDict(extra="allow", json_schema_extra={"x-kind": "task"})

    suite: Text | None = Field(examples=["xcopa"], json_schema_extra={"x-kind": "suite"})
    """Name of a suite, or of a task of lm-eval."""
    languages: (
        Annotated[
            Annotated[Text, Tag("text"), Field(json_schema_extra={"x-kind": "languages"})]
            | Annotated[Codes, Tag("array")],
            either('must be an array of languages, a group or "all"', _languages),
        ]
        | None
    ) = Field(default=None, examples=[["en"]])
    """An array of languages, a group, or "all"; all that the task has if left out."""
    shots: Annotated[int, Field(ge=0, le=1000)] | None = None
    """Few-shot examples; the task's own number if left out."""
    items: Count | None = None
    """First n items of each language: a smaller sample that counts, unlike that of [limits]; all
    if left out."""
    include_path: Text | None = None
    """A folder of your own lm-eval YAML tasks."""
    mode: Text | None = None
    """How the task asks, where it knows several ways: 'written' or 'constrained' of mixeval."""
    pivot: Code | None = None
    """Translation: the language on the other side. English if left out."""
    token_limits: Literal["scaled", "fixed"] | None = None
    """Longest answers by the tokenizer, language by language, or the same for all."""
    identifier: Text | None = None
    """What identifies languages: 'lite', 'lingua', or the path of a fastText model."""
    chat: ChatTable | None = None
    """What this task says otherwise than [chat]."""
    samples: Annotated[int, Field(ge=1, le=MOST_SAMPLES)] | None = None
    """Seeded draws an item, averaged; greedy if left out."""
    temperature: Annotated[float, Field(gt=0, lt=10)] | None = None
    """Of the samples; 0.3 if left out."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    """Of the samples; 0.75 if left out."""
    tokens: Annotated[int, Field(ge=16, le=100_000)] | None = None
    """Task 'extended': most new tokens of an answer."""
    bucket: Annotated[int, Field(ge=16)] | None = None
    """Task 'extended': tokens of a piece that is looked at alone."""
    turns: Annotated[int, Field(ge=1, le=50)] | None = None
    """Task 'extended': answers an item."""


class LanguagesTable(TomlTable):
    """What the model's card says."""

    claimed: Codes | None = Field(default=None, examples=[["en", "nb"]])
    """Languages that the model claims to know; the others are the group 'unseen'."""
    shares: Text = DEFAULT_CORPUS
    """Corpus that the report holds damage against: a published one, or a CSV of yours."""


class ConfirmatoryTable(TomlTable):
    """The comparisons declared in advance; all others are exploratory."""

    variants: Annotated[list[str], Field(min_length=1)] | None = None
    """Labels of variants; all if left out."""
    suites: Annotated[list[str], Field(min_length=1)] | None = None
    """Names of tasks; all if left out."""


class ContrastTable(TomlTable):
    """Two variants that are held against each other, declared in advance."""

    variant: Text
    """Label of the first, or the recipe where only one variant is made by it."""
    against: Text
    """Label of the second: the contrast is the first less this one."""


class AnalysisTable(TomlTable):
    """How effects are judged."""

    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Error rate of a family of tests."""
    margins: dict[str, Positive] = Field(default={}, json_schema_extra={"x-kind": "margins"})
    """Largest harm that does not matter, by the metric's unit or by task (the task wins)."""
    loss_caps: dict[Unit, Positive] = Field(default={})
    """The most that one item is taken to lose, by the metric's unit: "equivalent" rests on it."""
    confirmatory: ConfirmatoryTable | None = None
    """The comparisons declared in advance."""
    contrasts: list[ContrastTable] = Field(default=[])
    """Two ways of quantizing against each other, for `babelbits probe`."""
    floor: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Generation tasks: a baseline score below this cannot show harm."""
    reference: Code | None = None
    """Language that the others are held against; English if it is asked."""
    aa: bool = True
    """Run the baseline twice, batched differently: the noise floor."""
    baseline_by_engine: bool = True
    """Run the baseline in every engine that a variant runs in, and compare within an engine."""


class LimitsTable(TomlTable):
    """A smoke run, stored apart."""

    items: Count | None = None
    """First n items of each task only; the same as --limit."""


class StudyFile(TomlTable):
    """A study: which model, quantized how, asked what, in which languages."""

    study: StudyTable = StudyTable()
    model: ModelTable = ModelTable()
    engine: EngineTable = EngineTable()
    variants: list[VariantTable] = Field(default=[])
    """What is compared with the unquantized model, which is always there."""
    tasks: list[TaskTable] = Field(default=[], json_schema_extra={"x-kind": "tasks"})
    """What is asked, each in its languages."""
    chat: ChatTable = ChatTable()
    data: dict[str, Text] = Field(default={}, examples=[{"xcopa": "data/xcopa"}])
    """Local folders that stand in for hub datasets, by task."""
    groups: dict[Annotated[str, AfterValidator(_new_group)], Codes] = Field(
        default={},
        examples=[{"nordic": ["nb", "sv", "da"]}],
        json_schema_extra={"propertyNames": {"not": {"enum": [*GROUP_NAMES, "all"]}}},
    )
    """Your own groups of languages, for summaries."""
    languages: LanguagesTable = LanguagesTable()
    analysis: AnalysisTable = AnalysisTable()
    limits: LimitsTable = LimitsTable()
    gate: GateTable | None = None
