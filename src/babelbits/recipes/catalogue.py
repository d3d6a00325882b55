"""The catalogue of recipes: names, aliases, parameters, and what each does to a weight.

Plain data, no torch: plan, study and `--help` import it. How a recipe is carried out is in
`make`, never here.

llm-compressor and bitsandbytes never touch the embeddings, the norms and `lm_head` here: these stay
as they are in the base model (so GPTQ's authors do; Paper A does not say), and only the linear
layers of the transformer blocks are quantized. llama.cpp quantizes embeddings and output too.

Paper A is "How Does Quantization Affect Multilingual LLMs?" (Marchisio et al., Findings of EMNLP
2024); its notation is accepted as an alias wherever a recipe's name is asked for.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from babelbits.errors import StudyError, UnknownNameError
from babelbits.suggest import did_you_mean

Family = Literal["none", "compressed-tensors", "bitsandbytes", "gguf"]
Method = Literal[
    "none", "rtn", "gptq", "awq", "smoothquant", "llm.int8", "nf4", "convert", "k-quant"
]
Value = int | float | str | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterInfo:
    """One parameter of a recipe, as it may stand in a study."""

    type: type
    """int, float, str or bool; an int is a good float, a bool is no int."""
    default: Value
    help: str
    choices: tuple[Value, ...] | None = None
    minimum: float | None = None
    """Smallest allowed value, itself included."""
    maximum: float | None = None
    """Largest allowed value, itself included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeInfo:
    """What a recipe is, apart from how it is carried out."""

    name: str
    summary: str
    family: Family
    """The library whose checkpoint format the variant has."""
    method: Method
    weight_bits: float
    """Bits of one quantized weight's code, without scales and zero points."""
    activation_bits: int | None = None
    """Bits of the inputs of quantized layers at run time; None: as computed."""
    needs_calibration: bool = False
    may_calibrate: bool = False
    """Works without calibration text, and better with some."""
    mixture: str | None = None
    """llama.cpp's name of a type, e.g. 'Q4_K_S'."""
    parameters: Mapping[str, ParameterInfo] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()

    @property
    def sees_text(self) -> bool:
        """Whether calibration text can be given."""
        return self.needs_calibration or self.may_calibrate


_GROUP_SIZE = ParameterInfo(
    type=int,
    default=128,
    minimum=8,
    help="input columns that share a scale; must divide every quantized layer's input size",
)
_SYMMETRIC = ParameterInfo(
    type=bool, default=True, help="int codes around zero (true), or with a zero point (false)"
)
_GPTQ: Mapping[str, ParameterInfo] = {
    "dampening": ParameterInfo(
        type=float,
        default=0.01,
        minimum=0.0,
        maximum=1.0,
        help="share of the mean diagonal added to the Hessian's diagonal",
    ),
    "block_size": ParameterInfo(
        type=int, default=128, minimum=1, help="columns quantized before the rest is corrected"
    ),
    "actorder": ParameterInfo(
        type=str,
        default="static",
        choices=("none", "static"),
        help="column order: as stored (GPTQ's authors' default), or largest activation first "
        "with the groups as stored (llm-compressor's default)",
    ),
}

_FOR_TRANSFORMERS = (
    RecipeInfo(
        name="baseline",
        summary="the model as it is",
        family="none",
        method="none",
        weight_bits=16.0,
        aliases=("fp16", "bf16", "unquantized"),
    ),
    RecipeInfo(
        name="w8",
        summary="int8 weights, one scale an output channel, rounded to nearest",
        family="compressed-tensors",
        method="rtn",
        weight_bits=8.0,
        aliases=("W8", "W8A16", "int8"),
    ),
    RecipeInfo(
        name="w8a8",
        summary="int8 weights as in w8, and int8 activations scaled a token at a time",
        family="compressed-tensors",
        method="rtn",
        weight_bits=8.0,
        activation_bits=8,
        aliases=("W8A8",),
    ),
    RecipeInfo(
        name="w8a8-sq",
        summary="w8a8 after SmoothQuant has moved outliers from activations into weights",
        family="compressed-tensors",
        method="smoothquant",
        weight_bits=8.0,
        activation_bits=8,
        needs_calibration=True,
        parameters={
            "smoothing_strength": ParameterInfo(
                type=float,
                default=0.5,
                minimum=0.0,
                maximum=1.0,
                help="SmoothQuant's alpha: 0 leaves all difficulty in the activations, 1 moves "
                "all of it into the weights",
            )
        },
        aliases=("W8A8-sq", "SmoothQuant"),
    ),
    RecipeInfo(
        name="w4",
        summary="int4 weights, one scale an output channel, GPTQ",
        family="compressed-tensors",
        method="gptq",
        weight_bits=4.0,
        needs_calibration=True,
        parameters=_GPTQ,
        aliases=("W4",),
    ),
    RecipeInfo(
        name="w4-g",
        summary="int4 weights, one scale a group of input columns, GPTQ",
        family="compressed-tensors",
        method="gptq",
        weight_bits=4.0,
        needs_calibration=True,
        parameters={"group_size": _GROUP_SIZE, **_GPTQ},
        aliases=("W4-g", "GPTQ", "W4A16"),
    ),
    RecipeInfo(
        name="w4-rtn",
        summary="int4 weights, one scale an output channel, rounded to nearest",
        family="compressed-tensors",
        method="rtn",
        weight_bits=4.0,
    ),
    RecipeInfo(
        name="w4-g-rtn",
        summary="int4 weights, one scale a group of input columns, rounded to nearest",
        family="compressed-tensors",
        method="rtn",
        weight_bits=4.0,
        parameters={"group_size": _GROUP_SIZE},
        aliases=("RTN",),
    ),
    RecipeInfo(
        name="awq",
        summary="int4 weights in groups, after AWQ has scaled up the channels that matter",
        family="compressed-tensors",
        method="awq",
        weight_bits=4.0,
        needs_calibration=True,
        parameters={"group_size": _GROUP_SIZE, "symmetric": _SYMMETRIC},
        aliases=("AWQ",),
    ),
    RecipeInfo(
        name="fp8",
        summary="8-bit float (E4M3) weights by output channel, and activations by token",
        family="compressed-tensors",
        method="rtn",
        weight_bits=8.0,
        activation_bits=8,
        aliases=("FP8", "FP8-dynamic", "W8A8-FP8"),
    ),
    RecipeInfo(
        name="llm-int8",
        summary="LLM.int8 (bitsandbytes): int8 weights and activations, outlier columns in float",
        family="bitsandbytes",
        method="llm.int8",
        weight_bits=8.0,
        activation_bits=8,
        parameters={
            "threshold": ParameterInfo(
                type=float,
                default=6.0,
                minimum=0.0,
                help="activations at least this large keep their column in float; 0: none does",
            )
        },
        aliases=("LLM.int8", "LLM.int8()", "bnb-int8", "W8-Aya"),
    ),
    RecipeInfo(
        name="nf4",
        summary="NormalFloat4 (bitsandbytes): 16 quantiles of a normal, one scale for 64 weights",
        family="bitsandbytes",
        method="nf4",
        weight_bits=4.0,
        parameters={
            "double_quantization": ParameterInfo(
                type=bool, default=False, help="store the scales themselves in 8 bits"
            )
        },
        aliases=("NF4", "bnb-nf4", "QLoRA", "W4-Aya"),
    ),
)

_GGUF_TYPES = ("f16", "bf16", "f32")
_GGUF_KIND = ParameterInfo(
    type=str, default="f16", choices=_GGUF_TYPES, help="type of the converted weights"
)
_K_QUANT: Mapping[str, ParameterInfo] = {
    "source_type": ParameterInfo(
        type=str,
        default="f16",
        choices=_GGUF_TYPES,
        help="type that the checkpoint is converted to before it is quantized",
    ),
    "tensor_types": ParameterInfo(
        type=str,
        default="",
        help="types that win over the mixture, by pattern: 'token_embd=q8_0,attn_v=q6_k'",
    ),
}


def _k_quant(
    name: str, bits: float, summary: str, *aliases: str, needs_matrix: bool = False
) -> RecipeInfo:
    """A type of llama.cpp; written with '-' or '_', in capitals or not, it is the same recipe."""
    return RecipeInfo(
        name=name,
        summary=f"llama.cpp's {name.upper()}: {summary}",
        family="gguf",
        method="k-quant",
        weight_bits=bits,
        needs_calibration=needs_matrix,
        may_calibrate=True,
        mixture=name.upper(),
        parameters=_K_QUANT,
        aliases=aliases,
    )


_FOR_LLAMA_CPP = (
    RecipeInfo(
        name="gguf",
        summary="the model as it is in llama.cpp's format: the baseline of GGUF variants",
        family="gguf",
        method="convert",
        weight_bits=16.0,
        parameters={"type": _GGUF_KIND},
        aliases=("gguf-f16",),
    ),
    _k_quant("q8_0", 8, "blocks of 32 with a scale each"),
    _k_quant("q6_k", 6, "blocks of 256, 6 bits"),
    _k_quant("q5_k_m", 5, "5 bits, some tensors in 6", "q5_k"),
    _k_quant("q5_k_s", 5, "5 bits"),
    _k_quant("q4_k_m", 4, "4 bits, some tensors in 6", "q4_k"),
    _k_quant("q4_k_s", 4, "4 bits, a few tensors in 5"),
    _k_quant("iq4_xs", 4, "4 bits on a curved grid"),
    _k_quant("q3_k_l", 3, "3 bits, some tensors in 5"),
    _k_quant("q3_k_m", 3, "3 bits, some tensors in 4 and 5", "q3_k"),
    _k_quant("q3_k_s", 3, "3 bits"),
    _k_quant("iq3_s", 3, "3 bits from a codebook"),
    _k_quant("q2_k", 2, "2 bits, some tensors in 3 and 4"),
    _k_quant("q2_k_s", 2, "2 bits; needs an importance matrix", needs_matrix=True),
    _k_quant("iq2_s", 2, "2 bits from a codebook; needs an importance matrix", needs_matrix=True),
)
_ALL = (*_FOR_TRANSFORMERS, *_FOR_LLAMA_CPP)

RECIPES: Mapping[str, RecipeInfo] = MappingProxyType({recipe.name: recipe for recipe in _ALL})
"""Every recipe by its name, library by library, and there from mild to harsh."""


def _key(name: str) -> str:
    return name.strip().casefold().replace("_", "-").replace(" ", "-")


_BY_KEY = {_key(name): recipe for recipe in _ALL for name in (recipe.name, *recipe.aliases)}


def find(name: str) -> RecipeInfo:
    """The recipe called `name`, by name or alias, whatever the case.

    Raises
    ------
    UnknownNameError
        If no recipe has that name; the hint names the nearest.
    """
    found = _BY_KEY.get(_key(name))
    if found is not None:
        return found
    aliases = [alias for recipe in _ALL for alias in recipe.aliases]
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


def parameter_problem(info: ParameterInfo, value: object) -> str | None:
    """What is wrong with `value`, as the end of a sentence ('must be ...'); None if nothing is."""
    wrong_type = _type_problem(info, value)
    if wrong_type is not None:
        return wrong_type
    if info.choices is not None and value not in info.choices:
        return "must be one of " + ", ".join(repr(choice) for choice in info.choices)
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
        problem = parameter_problem(info.parameters[name], value)
        if problem is not None:
            raise StudyError(f"'{name}' {problem}, not {value!r}", where=f"recipe '{info.name}'")
    return {
        name: parameter.type(given.get(name, parameter.default))
        for name, parameter in info.parameters.items()
    }
