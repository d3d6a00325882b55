"""What a recipe is, apart from how it is carried out: its name, parameters and bits.

Plain data, no torch. The recipes themselves stand in the modules of their families.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Value = int | float | str | bool
"""Of a parameter."""


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
    problem: Callable[[str], str | None] | None = None
    """What is wrong with a text, as the end of a sentence ('must be ...'); None: any will do."""
    only_if_given: bool = False
    """Whether a variant without it has no such parameter, rather than one with the default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeInfo:
    """What a recipe is, apart from how it is carried out."""

    name: str
    summary: str
    family: str
    """Name of the family that makes it; see `recipes.family.Family`."""
    method: str
    """The algorithm: 'none' (the baseline), 'rtn', 'gptq', 'awq', 'smoothquant', 'autoround',
    'llm.int8', 'nf4', 'convert', 'k-quant', or a word of another package's."""
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
